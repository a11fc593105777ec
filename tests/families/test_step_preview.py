"""What a step shows: frames decoded by the job's own autoencoder where that costs little, and the same video always."""

from __future__ import annotations

import wave
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.networks import CheckpointNetworks
from pipelines.front.errors import Cancelled
from pipelines.front.memory import LoadPlan
from pipelines.front.progress import Progress, Stage, ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.models.vae.vae import decode_stream, to_frames
from pipelines.running.pool import ModelPool
from pipelines.sampling import step_preview
from pipelines.sampling.preview import preview_strip
from pipelines.sampling.step_preview import StepPreview, strip_of
from pipelines.tasks import task_named
from tests.families.test_v2v import short_pieces
from tests.media.films import film, moving

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
pytestmark = pytest.mark.usefixtures("small_pictures")
X0 = torch.linspace(-1, 1, 16 * 5 * 4 * 6).view(1, 16, 5, 4, 6)
TASKS = {
    "reference_to_video": "r2v",
    "single_shot_extension": "v2v",
    "shot_switching_extension": "v2v",
    "talking_avatar": "a2v",
}


# The choice


class Clock:
    """Moves when something is computed."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def drive(frame_s: list[float], step_s: float) -> tuple[list[tuple[int, ...]], int]:
    """Frames shown after each step, and how many were decoded, when a frame costs so much in turn (then the last)."""
    clock, costs, decoded = Clock(), list(frame_s), 0

    def decode(latents: torch.Tensor) -> torch.Tensor:
        nonlocal decoded
        decoded += 1
        clock.now += costs.pop(0) if len(costs) > 1 else costs[0]
        return torch.zeros(1, 3, 1, 8 * latents.shape[-2], 8 * latents.shape[-1])

    preview, shown = StepPreview(decode, clock), []
    for _ in range(5):
        began_s = clock.now
        clock.now += step_s
        shown.append(preview(X0, began_s).frames)
    return shown, decoded


LINEAR = preview_strip(X0).frames


@pytest.mark.parametrize(
    ("frame_s", "step_s", "shown"),
    [
        ([0.05], 12.0, [(0,), (0,), (0, 2), (0, 2), (0, 2)]),
        ([0.5, 0.05], 12.0, [(0,), (0,), (0, 2), (0, 2), (0, 2)]),
        ([0.15], 12.0, [(0,)] * 5),
        ([0.3], 12.0, [(0,), (0,), LINEAR, LINEAR, LINEAR]),
        ([0.05, 0.05, 0.05, 0.05, 0.5], 12.0, [(0,), (0,), (0, 2), (0, 2), LINEAR]),
    ],
    ids=["cheap", "cheap once warm", "one fits, two do not", "dear", "dear later"],
)
def test_only_what_takes_less_than_a_fiftieth_of_a_step_is_decoded(frame_s, step_s, shown) -> None:
    assert drive(frame_s, step_s)[0] == shown


def test_what_is_dear_is_decoded_twice_in_a_job_and_never_again() -> None:
    assert drive([1.0], 12.0)[1] == 2


@pytest.mark.parametrize("frames", [1, 2, 31])
def test_short_videos_are_shown_too(frames: int) -> None:
    preview = StepPreview(lambda latents: torch.zeros(1, 3, 1, 8, 8), lambda: 0.0)
    x0 = torch.zeros(1, 16, frames, 1, 1)
    shown = [preview(x0, -100.0).frames for _ in range(3)][-1]
    assert shown == ((0,) if frames == 1 else (0, frames // 2))


def test_memory_that_runs_out_ends_the_decodes_and_not_the_job() -> None:
    calls = []

    def decode(_: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        raise torch.OutOfMemoryError

    preview = StepPreview(decode, lambda: 0.0)
    assert [preview(X0, -100.0) for _ in range(3)] == [preview_strip(X0)] * 3
    assert len(calls) == 1


def test_what_is_not_loaded_is_asked_again_at_the_next_step() -> None:
    there: list[torch.Tensor | None] = [None, torch.zeros(1, 3, 1, 8, 8)]
    preview = StepPreview(lambda _: there.pop(0), lambda: 0.0)
    assert preview(X0, -100.0) == preview_strip(X0)
    assert preview(X0, -100.0).frames == (0,)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(96, 128, (96, 128)), (1104, 832, (384, 289)), (1, 4000, (1, 384))]
)
def test_pictures_are_small_enough_to_be_handed_round(height, width, size) -> None:
    strip = strip_of([torch.full((1, 3, 1, height, width), 1.0)] * 2, (0, 9))
    assert strip is not None and (strip.height, strip.width) == size
    assert len(strip.rgb) == 2 * size[0] * size[1] * 3 and set(strip.rgb) == {255}


def test_no_number_turns_black() -> None:
    strip = strip_of([torch.full((1, 3, 1, 2, 2), float("nan"))], (0,))
    assert strip is not None and set(strip.rgb) == {0}


# The jobs


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def job(tmp_path: Path, cache: Path) -> Callable[..., Any]:
    """Run a task's smallest demo job in a folder of its own."""

    def run(name: str, folder: str, pool: ModelPool, report: Any = ignore_progress, **runtime: Any) -> bytes:
        task = task_named(name)
        given: dict[str, Any] = {"prompt": "a walk", "resolution": "128P", "profile": "demo", "num_inference_steps": 4}
        if name == "reference_to_video":
            given |= {"ref_imgs": (str(SAMPLES / "coffee.jpg"),), "duration": 1}
        elif name == "talking_avatar":
            voice = tmp_path / "voice.wav"
            with wave.open(str(voice), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16000)
                file.writeframes((np.sin(np.arange(8000) / 20) * 9000).astype("<i2").tobytes())
            given |= {"input_image": (str(SAMPLES / "astronaut.jpg"),), "input_audio": (str(voice),)}
        else:
            clip = tmp_path / "clip.mp4"
            if not clip.exists():
                film(clip, moving(36, 48, 64), 24)
            given |= {"input_video": (str(clip),), "duration": 6 if name == "single_shot_extension" else 2}
        made = Runtime(
            device="cpu", cache_dir=cache, work_dir=tmp_path / folder / "work", result_dir=tmp_path / folder,
            output_stem="clip", checkpoint=demo_checkpoint(TASKS[name], cache),
        )  # fmt: skip
        # Two short pieces: what a preview of the second leaves behind is seen as well as in long ones.
        make = short_pieces if name == "single_shot_extension" else task.load_entry()
        output = make(task.request_type(**given), replace(made, **runtime), pool, report)
        return output.path.read_bytes()

    return run


@pytest.mark.parametrize("name", TASKS)
def test_the_video_is_the_same_to_the_bit_whether_somebody_looks_or_not(job, monkeypatch, name) -> None:
    # Every step is decoded, whatever it costs.
    monkeypatch.setattr(step_preview, "SHARE", 1e9)
    unseen, seen = job(name, "unseen", ModelPool()), list[Progress]()
    assert job(name, "seen", ModelPool(), seen.append, wants_preview=lambda: True) == unseen
    strips = [progress.preview for progress in seen if progress.preview is not None]
    steps = [progress for progress in seen if progress.stage is Stage.DENOISE and progress.step]
    assert len(strips) == len(steps) >= 4
    assert all(strip.height > 8 and strip.width >= 32 for strip in strips), "decoded, not linear"
    assert strips[-1].frames[0] == 0 and len(strips[-1].frames) == 2


def test_the_first_frame_of_the_last_step_is_that_of_the_video(job, cache, monkeypatch) -> None:
    monkeypatch.setattr(step_preview, "SHARE", 1e9)
    pool, seen = ModelPool(), list[Progress]()
    kept: list[torch.Tensor] = []
    monkeypatch.setattr(
        CheckpointNetworks, "decode", lambda self, vae, latents: (kept.append(latents), decode_stream(vae, latents))[1]
    )
    job("reference_to_video", "one", pool, seen.append, wants_preview=lambda: True)
    strip = [progress.preview for progress in seen if progress.preview is not None][-1]
    [vae] = [model for model in pool._models.values() if hasattr(model, "post_quant_conv")]
    with torch.inference_mode():
        first = to_frames(next(decode_stream(vae, kept[0])))[0].numpy()
    shown = np.frombuffer(strip.rgb, np.uint8).reshape(-1, strip.height, strip.width, 3)[0]
    assert shown.shape == first.shape and np.abs(shown.astype(int) - first).max() <= 1


@pytest.mark.parametrize("plan", [LoadPlan(tiled_decode=True), LoadPlan(tiled_decode=True, release_text_encoder=True)])
def test_a_plan_without_room_for_a_frame_shows_linear_pictures(job, monkeypatch, plan) -> None:
    monkeypatch.setattr(step_preview, "SHARE", 1e9)
    seen: list[Progress] = []
    job("reference_to_video", "lean", ModelPool(), seen.append, wants_preview=lambda: True, load_plan=plan)
    strips = [progress.preview for progress in seen if progress.preview is not None]
    assert strips and all(len(strip.frames) == 4 and strip.height <= 12 for strip in strips)


def test_a_network_that_is_not_loaded_is_not_loaded_for_a_preview(job, monkeypatch) -> None:
    """A job that goes on at a stored step has not needed the autoencoder yet."""
    monkeypatch.setattr(step_preview, "SHARE", 1e9)

    def stop(progress: Progress) -> None:
        if (progress.stage, progress.step) == (Stage.DENOISE, 2):
            raise Cancelled

    with pytest.raises(Cancelled):
        job("reference_to_video", "again", ModelPool(), stop)
    seen: list[Progress] = []
    job("reference_to_video", "again", ModelPool(), seen.append, wants_preview=lambda: True)
    strips = [progress.preview for progress in seen if progress.preview is not None]
    assert len(strips) == 2 and all(strip.height <= 12 for strip in strips)


def test_a_stop_is_heard_before_a_frame_is_decoded(job, monkeypatch) -> None:
    monkeypatch.setattr(step_preview, "SHARE", 1e9)
    decodes: list[int] = []
    monkeypatch.setattr("pipelines.families.networks.decode_stream", lambda *_, **__: (decodes.append(1), iter(()))[1])
    asked: list[Progress] = []

    def poll() -> None:
        if any(progress.stage is Stage.DENOISE for progress in asked):
            raise Cancelled

    with pytest.raises(Cancelled):
        job("reference_to_video", "stopped", ModelPool(), asked.append, wants_preview=lambda: True, poll=poll)
    assert not decodes
