"""Video extension from request to mp4 on the demo models: lengths, joints, sound, and going on after a stop."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.v2v.generate import (
    SINGLE_SHOT,
    extend,
    generate_shot_switching,
    generate_single_shot,
    source_frames,
)
from pipelines.front.errors import Cancelled, InputChanged, InvalidRequest
from pipelines.front.progress import Progress, Report, Stage, ignore_progress
from pipelines.front.runtime import Output, Runtime
from pipelines.media.read.probe import probe_video
from pipelines.media.read.video import read_tail
from pipelines.running.pool import ModelPool
from pipelines.running.resume import WorkDir
from pipelines.tasks import shot_switching_extension, single_shot_extension
from pipelines.tasks.shot_switching_extension import ShotSwitchingExtension
from pipelines.tasks.single_shot_extension import SingleShotExtension
from tests.media.films import counted, film, h264, moving

SEGMENTS = json.loads((Path(__file__).parents[1] / "goldens" / "v2v" / "segments.json").read_text())
SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1.5")
CODECS = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", 10, "-c:a", "aac")
INPUT_FRAMES = 36
pytestmark = pytest.mark.usefixtures("small_pictures")
Finished = tuple[Output, list[Progress]]


@pytest.fixture(scope="module")
def pool() -> ModelPool:
    return ModelPool()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def clip(small_pictures: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip [1].mp4"
    return film(path, moving(INPUT_FRAMES, 48, 64), 24, *SOUND, *CODECS)


def runtime_in(folder: Path, cache: Path) -> Runtime:
    return Runtime(
        device="cpu",
        cache_dir=cache,
        work_dir=folder / "work",
        result_dir=folder / "result",
        output_stem="clip",
        checkpoint=demo_checkpoint("v2v", cache),
    )


def single_shot(clip: Path, **changes: object) -> SingleShotExtension:
    plain = SingleShotExtension(
        prompt="A boat goes on", input_video=(str(clip),), resolution="128P", profile="demo", duration=6,
        num_inference_steps=4,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


def shot_switching(clip: Path, **changes: object) -> ShotSwitchingExtension:
    plain = ShotSwitchingExtension(
        prompt="[ZOOM_IN_CUT] a face [/b]", input_video=(str(clip),), resolution="128P", profile="demo", duration=2,
        num_inference_steps=4,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(clip: Path, cache: Path, pool: ModelPool, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An undisturbed extension by two pieces: its file and all it reported."""
    seen: list[Progress] = []
    runtime = runtime_in(tmp_path_factory.mktemp("finished"), cache)
    return generate_single_shot(single_shot(clip), runtime, pool, seen.append), seen


def test_joined_file_holds_the_input_with_its_sound_and_the_promised_frames(finished: Finished, clip: Path) -> None:
    output, _ = finished
    info = probe_video(output.path)
    assert (info.width, info.height, info.fps) == (64, 48, 24)
    assert info.num_frames == output.num_frames == INPUT_FRAMES + 132 + 36
    assert info.has_audio
    shown = read_tail(output.path, info.num_frames, fps=None)[INPUT_FRAMES - 1].astype(int)
    last_of_input = read_tail(clip, 1, fps=None)[0].astype(int)
    assert abs(shown.mean((0, 1)) - last_of_input.mean((0, 1))).max() < 6


def test_every_piece_is_reported_and_the_prompt_is_read_once(finished: Finished) -> None:
    _, seen = finished
    assert [progress.stage for progress in seen].count(Stage.TEXT) == 1
    edges = [(p.segment, p.step) for p in seen if p.stage is Stage.DENOISE]
    assert edges == [(segment, step) for segment in (0, 1) for step in range(5)]
    assert {p.num_segments for p in seen if p.stage in (Stage.DENOISE, Stage.DECODE, Stage.WRITE)} == {2}
    decoded = [p for p in seen if p.stage is Stage.DECODE and p.step == p.num_steps]
    assert [p.num_steps for p in decoded] == [40, 16]


def short_pieces(request: SingleShotExtension, runtime: Runtime, pool: ModelPool, report: Report) -> Output:
    """A single shot in two pieces of 12 and 8 frames: what goes on from piece to piece needs no long ones."""
    return extend(SINGLE_SHOT, request, (request.prompt,) * 2, [3, 2], runtime, pool, report)


def test_every_piece_shows_its_own_prompt(clip: Path, cache: Path, pool: ModelPool, tmp_path: Path) -> None:
    shown = []
    for number, prompts in enumerate((("A boat", "A boat"), ("A boat", "A storm"))):
        runtime = runtime_in(tmp_path / str(number), cache)
        # Pieces of one latent frame, four frames each: the shortest that there can be.
        output = extend(SINGLE_SHOT, single_shot(clip, output="new"), prompts, [1, 1], runtime, pool, ignore_progress)
        shown.append(read_tail(output.path, 8, fps=None))
    assert np.array_equal(shown[0][:4], shown[1][:4]), "the first piece is asked for in the same words"
    assert not np.array_equal(shown[0][4:], shown[1][4:]), "the second is not"


@pytest.mark.parametrize(
    ("prompts", "shown"),
    [
        ("", ("A boat goes on",) * 3),
        ("a", ("a",) * 3),
        ("a\n\n  b \n", ("a", "b", "b")),
        ("a\nb\nc", ("a", "b", "c")),
    ],
)
def test_fewer_prompts_than_pieces_repeat_the_last(clip: Path, prompts: str, shown: tuple[str, ...]) -> None:
    request = single_shot(clip, prompts=prompts, duration=15)
    assert request.piece_prompts == shown and request.check() == []


def test_more_prompts_than_pieces_are_refused_in_words(clip: Path) -> None:
    [problem] = single_shot(clip, prompts="a\nb\nc", duration=10).check()
    assert problem.field == "prompts" and "3 prompts for 2 pieces" in problem.message


class StopOnce:
    """Stops the job the first time it reports an edge that `wanted` picks."""

    def __init__(self, wanted: Callable[[Progress], bool]) -> None:
        self.wanted, self.stopped_at = wanted, set[tuple[Stage, int, int]]()

    def __call__(self, progress: Progress) -> None:
        edge = (progress.stage, progress.segment, progress.step)
        if self.wanted(progress) and edge not in self.stopped_at:
            self.stopped_at.add(edge)
            raise Cancelled


def run_with_stops(generate: Callable[..., Output], request: object, runtime: Runtime, stops: StopOnce) -> Path:
    """Run with a fresh pool after every stop, as after a crash, until the job is done."""
    while True:
        try:
            return generate(request, runtime, ModelPool(), stops).path
        except Cancelled:
            continue


def test_a_job_stopped_at_every_step_of_every_piece_gives_the_same_bytes(
    clip: Path, cache: Path, pool: ModelPool, tmp_path: Path
) -> None:
    def wanted(progress: Progress) -> bool:
        middle_of_decoding = progress.stage is Stage.DECODE and progress.step == 5
        return middle_of_decoding or progress.stage in (Stage.DENOISE, Stage.CONDITION, Stage.WRITE)

    stops = StopOnce(wanted)
    whole = short_pieces(single_shot(clip), runtime_in(tmp_path / "whole", cache), pool, ignore_progress)
    path = run_with_stops(short_pieces, single_shot(clip), runtime_in(tmp_path, cache), stops)
    assert len(stops.stopped_at) == 2 * (1 + 5 + 1) + 1
    assert path.read_bytes() == whole.path.read_bytes()


def test_a_new_shot_alone_and_the_same_after_stops(clip: Path, cache: Path, pool: ModelPool, tmp_path: Path) -> None:
    request = shot_switching(clip, output="new")
    output = generate_shot_switching(request, runtime_in(tmp_path / "a", cache), pool, ignore_progress)
    info = probe_video(output.path)
    assert info.num_frames == output.num_frames == 49
    assert not info.has_audio
    stops = StopOnce(lambda p: p.stage is Stage.DENOISE or (p.stage is Stage.DECODE and p.step == 5))
    again = run_with_stops(generate_shot_switching, request, runtime_in(tmp_path / "b", cache), stops)
    assert again.read_bytes() == output.path.read_bytes()


def test_the_chosen_cut_reaches_the_model_as_a_typed_one_does(
    clip: Path, cache: Path, pool: ModelPool, tmp_path: Path
) -> None:
    def denoised(name: str, **changes: object) -> bytes:
        runtime = runtime_in(tmp_path / name, cache)
        with pytest.raises(Cancelled):
            generate_shot_switching(
                shot_switching(clip, **changes), runtime, pool, StopOnce(lambda p: p.stage is Stage.DECODE)
            )
        stored = WorkDir(runtime.work_dir).latest()
        assert stored is not None and stored.step == 4
        return stored.tensors["latents"].numpy().tobytes()

    chosen = denoised("chosen", prompt="a face", cut="[CUT_AWAY]")
    assert chosen == denoised("typed", prompt="[CUT_AWAY] a face")
    assert chosen != denoised("none", prompt="a face")


@pytest.mark.parametrize("row", SEGMENTS["single_shot"], ids=lambda row: f"{row['duration']}s")
def test_promised_lengths_of_single_shots(clip: Path, row: dict[str, Any]) -> None:
    plan = single_shot_extension.plan(single_shot(clip, duration=row["duration"]))
    assert plan.num_frames == row["output_frames"]
    assert [segment.new_frames for segment in plan.segments] == [piece["new_frames"] for piece in row["segments"]]


@pytest.mark.parametrize("row", SEGMENTS["shot_switching"], ids=lambda row: f"{row['duration']}s")
def test_promised_lengths_of_new_shots(clip: Path, row: dict[str, Any]) -> None:
    plan = shot_switching_extension.plan(shot_switching(clip, duration=row["duration"]))
    assert plan.num_frames == row["output_frames"]


def grey_levels(request: SingleShotExtension) -> list[int]:
    return [round(float(frame.mean())) for frame in source_frames(request)]


def test_fast_videos_are_resampled_unless_the_published_script_is_matched(tmp_path: Path) -> None:
    path = film(tmp_path / "fast.mkv", counted(60, step=4), 48)
    levels = [4 * number for number in range(60)]
    assert grey_levels(single_shot(path)) == levels[-49::2]
    assert grey_levels(single_shot(path, raw_frames=True)) == levels[-25:]


def test_condition_frames_are_the_last_ones_stretched_to_the_bucket(tmp_path: Path) -> None:
    path = film(tmp_path / "wide.mkv", counted(30, height=40, width=80), 24)
    frames = source_frames(shot_switching(path, duration=3))
    assert frames.shape == (17, 48, 96, 3)
    assert np.array_equal(frames[:, 0, 0, 0], np.arange(13, 30) * 4)


@pytest.mark.parametrize(
    ("frames", "make", "words"),
    [(24, single_shot, "25 frames"), (32, lambda clip: shot_switching(clip, duration=5), "33 frames")],
)
def test_too_few_frames_are_refused_in_words(
    frames: int, make: Callable[[Path], object], words: str, cache: Path, pool: ModelPool, tmp_path: Path
) -> None:
    path = film(tmp_path / "short.mkv", counted(frames), 24)
    generate = generate_single_shot if make is single_shot else generate_shot_switching
    with pytest.raises(InvalidRequest, match=words):
        generate(make(path), runtime_in(tmp_path, cache), pool, ignore_progress)  # type: ignore[arg-type]
    assert not (tmp_path / "result").exists()


def test_a_changed_input_is_not_mixed_with_stored_steps(
    clip: Path, cache: Path, pool: ModelPool, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mp4"
    shutil.copy(clip, path)
    request, runtime = shot_switching(path), runtime_in(tmp_path, cache)
    with pytest.raises(Cancelled):
        generate_shot_switching(request, runtime, pool, StopOnce(lambda p: p.step == 2))
    h264(path, moving(INPUT_FRAMES + 4, 48, 64), 24)
    with pytest.raises(InputChanged):
        generate_shot_switching(request, runtime, pool, ignore_progress)
