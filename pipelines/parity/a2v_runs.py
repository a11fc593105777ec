"""Replays whole talking avatars and compares every stored stage on the way, the first wrong one first."""

from __future__ import annotations

import re
import tempfile
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.families.a2v import networks as models
from pipelines.families.a2v.conditions import mirror_end
from pipelines.families.a2v.denoising import Avatar, AvatarGuidance, Networks
from pipelines.families.a2v.portrait import crop_picture, signed_picture
from pipelines.families.a2v.prompts import CONNECTION_PROMPT, NEGATIVE_PROMPT
from pipelines.families.a2v.render import Outlets, render
from pipelines.families.a2v.windows import WindowPlan
from pipelines.front.crop import fill_crop
from pipelines.front.shapes import nearest_bucket
from pipelines.media.read.audio import decode_mono, normalise_loudness
from pipelines.models.encoders.audio import load_audio_encoder
from pipelines.models.encoders.image import load_image_encoder
from pipelines.models.encoders.text import load_prompt_encoder
from pipelines.models.vae.vae import load_vae
from pipelines.parity.golden import ABSENT, LEVELS, PERCENT, Comparison, Golden, absent, close, exact, number_in
from pipelines.sampling.schedulers import avatar_schedule
from pipelines.tasks.talking_avatar import SAMPLE_RATE, audio_frames

DEFAULT_NEGATIVE = "(default of the model)"
LATER_PASS = 3
"""From this pass on the stored tolerance is wider: every window starts from the frames of the one before."""


class Stages:
    """Collects what `render` tells: the last value of each name, and lists of draws and of chunks of frames."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = {}
        self.frames: list[np.ndarray] = []

    def tell(self, name: str, value: Tensor) -> None:
        """A `Trace`."""
        self.values.setdefault(name, []).append(value.detach().float().cpu())

    @contextmanager
    def write_piece(self, _index: int) -> Iterator[Callable[[np.ndarray], None]]:
        """A `WritePiece`."""
        yield self.frames.append

    def __getitem__(self, name: str) -> Tensor:
        """The stage as the golden stores it, by the golden's name."""
        if found := re.fullmatch(r"draw(\d+)", name):
            return self.values["draw"][int(found[1])][0]
        stage, _, part = name.partition(".")
        if found := re.fullmatch(r"clip_context_(pass\d+)", name):
            return self.values[f"{found[1]}.clip_context"][0]
        if re.fullmatch(r"(latent|velocity)\d+", part):
            return self.values[name][0][0]
        if part == "audio_first_and_last":
            return self.values[f"{stage}.audio"][0][0, [0, -1]][:, None]
        if part == "clip_token0":
            return self.values[f"{stage}.clip_context"][0][:, 0]
        if found := re.fullmatch(r"decoded_frame(\d+)", part):
            return torch.cat(self.values[f"{stage}.decoded"], dim=2)[:, :, [int(found[1])]]
        if found := re.fullmatch(r"matched_every(\d+)", part):
            return torch.cat(self.values[f"{stage}.matched"], dim=2)[:, :, :: int(found[1])]
        return self.values[name][0]


def replay_run(golden: Golden) -> Iterator[Comparison]:
    """Build the avatar from the golden's picture, sound and arguments; compare the plan, then every stage."""
    args, derived = golden.args, golden.data.get("derived", {})
    avatar, embedding = _avatar(golden)
    stages = Stages()
    render(avatar, args["seed"], Outlets(write_piece=stages.write_piece, decode=golden.ranks.decode, trace=stages.tell))
    plan, schedule = avatar.plan, avatar.schedule
    calls = 1 + avatar.guidance.uses_text + avatar.guidance.uses_audio
    ours: dict[str, Any] = {
        "audio_frames": plan.num_frames,
        "is_clip": plan.num_windows == 0,
        "padded_frames": plan.padded_frames,
        "passes": plan.num_passes,
        "transformer_calls": plan.num_passes * schedule.num_steps * calls,
        "draws": [list(draw.shape[1:]) for draw in stages.values["draw"]],
    }
    for name, value in ours.items():
        if name in derived:
            yield exact(f"derived.{name}", value, derived[name])
    times = torch.tensor([*schedule.timesteps, 0.0])
    if "timesteps" in derived:
        yield close("derived.timesteps", times, torch.tensor(derived["timesteps"]), 1e-4)
    words = golden.tolerance["suggested"]
    atol, later_atol = number_in(words, "atol #"), number_in(words, r"later (?:atol )?#", "atol #")
    most_levels, most_percent = number_in(words, LEVELS), number_in(words, PERCENT)
    yield close("audio_embedding", embedding, golden.stored("audio_embedding"), atol)
    frames = torch.from_numpy(np.concatenate(stages.frames))
    for name in sorted(golden.tensors, key=_in_order):
        if name in ("image", "audio", "audio_embedding", "frames"):
            continue
        found = re.match(r"pass(\d+)\.", name)
        limit = later_atol if found and int(found[1]) >= LATER_PASS else atol
        try:
            actual = stages[name]
        except (LookupError, ValueError):
            # Nobody knows this stage: it stays uncompared, which the run says.
            continue
        expected = golden[name]
        if name.startswith("clip_context"):
            actual = actual[:, : expected.shape[1]]
        yield close(name, actual, expected, limit)
    yield from frames_close(golden, frames, most_levels, most_percent)


def frames_close(golden: Golden, frames: Tensor, most_levels: float, most_percent: float) -> Iterator[Comparison]:
    """Compare the returned bytes: how far apart, and how many differ."""
    yield exact("frames shape", list(frames.shape), golden.data.get("derived", {}).get("output_shape", ABSENT))
    if "frames" not in golden:
        yield absent("frames")
        return
    expected = golden["frames"]
    if frames.shape != expected.shape:
        yield close("frames", frames, expected, 0.0)
    else:
        apart = (frames.int() - expected.int()).abs()
        largest, share = float(apart.max()), 100 * float((apart > 0).float().mean())
        yield Comparison("frames", largest, f"{most_levels:g} levels", largest <= most_levels)
        yield Comparison("frames differing", share, f"{most_percent:g} percent", share <= most_percent)


def _in_order(name: str) -> tuple[int, int, int, str]:
    """Order of the stages: draws and speech, then pass by pass from condition to pictures."""
    found = re.search(r"pass(\d+)", name)
    if found is None:
        return (-1, 0, 0, name)
    stage = name.rpartition(".")[2]
    kinds = ("clip", "audio", "y", "latent", "velocity", "decoded", "matched")
    kind = next((place for place, word in enumerate(kinds) if stage.startswith(word)), len(kinds))
    step = re.search(r"(\d+)$", stage)
    if stage.startswith(("latent", "velocity")) and step:
        return (int(found[1]), 3, 2 * int(step[1]) + (kind == 4), name)
    return (int(found[1]), kind, 0, name)


def _avatar(golden: Golden) -> tuple[Avatar, Tensor]:
    """The avatar of a golden and its speech before mirroring."""
    args, folder = golden.args, golden.checkpoint()
    pixels = golden["image"].numpy()
    table = {label: tuple(size) for label, size in args["bucket_table_used_instead_of_the_real_one"].items()}
    height, width, _ = pixels.shape
    crop = fill_crop(height, width, nearest_bucket(table, height, width))
    picture = signed_picture(crop_picture(Image.fromarray(pixels), crop))
    waveform = normalise_loudness(wav_samples(golden["audio"], args["sample_rate"]), SAMPLE_RATE)
    speech_frames = audio_frames(len(waveform))
    plan = WindowPlan(
        num_frames=min(speech_frames, args["max_frames_num"]),
        window_frames=args["frame_num"],
        motion_frames=args["motion_frame"],
        dropped_frames=args["drop_frame"],
        max_frames=args["max_frames_num"],
    )
    embedding = load_audio_encoder(folder / models.AUDIO_FOLDER)(torch.from_numpy(waveform), speech_frames)
    negative = args.get("negative_prompt", DEFAULT_NEGATIVE)
    encode = load_prompt_encoder(folder / models.TEXT_FILE, folder / models.TOKENIZER_FOLDER)
    avatar = Avatar(
        Networks(
            golden.ranks.lead(models.load_transformer(folder)),
            load_vae(folder / models.VAE_FILE),
            load_image_encoder(folder / models.IMAGE_FILE),
        ),
        plan,
        avatar_schedule(args["sampling_steps"], args["shift"]),
        AvatarGuidance(args["text_guide_scale"], args["audio_guide_scale"]),
        picture,
        encode(args["prompt"]),
        encode(args.get("connection_prompt", CONNECTION_PROMPT)),
        encode(NEGATIVE_PROMPT if negative == DEFAULT_NEGATIVE else negative),
        mirror_end(embedding.embedding[: plan.num_frames], plan.mirrored_frames),
    )
    return avatar, embedding.embedding


def wav_samples(samples: Tensor, rate: int) -> np.ndarray:
    """Write int16 samples, [n] or [n, channels], as a WAV file and read it back the way jobs do: mono, 16 kHz."""
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with tempfile.TemporaryDirectory(prefix="skyreels-wav-") as folder:
        path = Path(folder) / "sound.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.contiguous().numpy().astype("<i2").tobytes())
        return decode_mono(path, SAMPLE_RATE)
