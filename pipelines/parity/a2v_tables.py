"""Compares the talking avatar's tables: sizes, timesteps, frame counts, windows, key frames and masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from pipelines.families.a2v.networks import RELEASED_OPTIONS
from pipelines.families.a2v.prompts import CONNECTION_PROMPT, NEGATIVE_PROMPT
from pipelines.families.a2v.windows import (
    KEY_FRAME_REPEAT,
    MAX_FRAMES,
    SHIFT,
    TARGET_LUFS,
    WindowPlan,
    known_mask,
)
from pipelines.front.crop import fill_crop
from pipelines.front.prompts import PROMPT_TOKENS
from pipelines.front.shapes import AVATAR_BUCKETS, AVATAR_FPS, PATCH, SPATIAL_STRIDE, TEMPORAL_STRIDE, nearest_bucket
from pipelines.parity.golden import ABSENT, Comparison, Golden, absent, close, each, exact, number_in, same_fields
from pipelines.sampling.schedulers import NUM_TRAIN_TIMESTEPS, avatar_schedule
from pipelines.tasks.talking_avatar import (
    DROPPED_FRAMES,
    MAX_SECONDS,
    MIN_SECONDS,
    MOTION_FRAMES,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    TalkingAvatar,
    audio_frames,
)

FIRST_FRAME_COUNT = 10
"""0.4 s: shorter recordings are refused, so that their frame counts do not matter."""


def replay_tables(golden: Golden) -> Iterator[Comparison]:
    """Compare every table that the file holds; a table nobody knows fails."""
    notes = ("about", "bucket_rule", "video_frames_rule", "video_frames_float_surprises_note")
    for name, table in golden.data.items():
        if name in notes:
            continue
        compare = TABLES.get(name)
        # A table that nobody knows is said, and differs from nothing.
        yield from each((table,), compare) if compare else (absent(f"{name} (no such table here)"),)


def _constants(table: dict[str, Any]) -> Iterator[Comparison]:
    defaults = TalkingAvatar()
    ours = {
        "default_negative_prompt": NEGATIVE_PROMPT,
        "connection_prompt": CONNECTION_PROMPT,
        "fps": AVATAR_FPS,
        "frame_num": WINDOW_FRAMES,
        "motion_frame": MOTION_FRAMES,
        "drop_frame": DROPPED_FRAMES,
        "key_frame_repeat": KEY_FRAME_REPEAT,
        "sampling_steps": defaults.num_inference_steps,
        "shift": SHIFT,
        "text_guide_scale": defaults.guidance_scale,
        "audio_guide_scale": defaults.audio_guidance_scale,
        "max_frames_num": MAX_FRAMES,
        "num_timesteps": NUM_TRAIN_TIMESTEPS,
        "sample_rate": SAMPLE_RATE,
        "target_lufs": TARGET_LUFS,
        "min_seconds": MIN_SECONDS,
        "max_seconds": MAX_SECONDS,
        "audio_window": RELEASED_OPTIONS["audio_window"],
        "text_tokens": PROMPT_TOKENS,
        "clip_tokens": 257,
        "vae_stride": [TEMPORAL_STRIDE, SPATIAL_STRIDE, SPATIAL_STRIDE],
        "patch": [1, PATCH, PATCH],
    }
    for name, value in table.items():
        if name in ours:
            yield exact(f"constants.{name}", ours[name], value)
        else:
            yield absent(f"constants.{name} (no such constant here)")


def _buckets(table: dict[str, Any]) -> Iterator[Comparison]:
    for resolution, entries in table.items():
        ours = sorted([label, list(size)] for label, size in AVATAR_BUCKETS[resolution].items())
        yield exact(f"buckets.{resolution}", ours, sorted([label, size] for label, size in entries.items()))


def _image_sizes(table: list[dict[str, Any]]) -> Iterator[Comparison]:
    for row in table:
        height, width = row["image"]
        for resolution in (name for name in row if name != "image"):
            table_used = AVATAR_BUCKETS[resolution]
            crop = fill_crop(height, width, nearest_bucket(table_used, height, width))
            ours = {
                "label": next(label for label, size in table_used.items() if size == crop.target),
                "target": list(crop.target),
                "resized": list(crop.resized),
                "crop_top_left": [crop.top, crop.left],
            }
            yield same_fields(f"image_sizes.{height}x{width}.{resolution}", ours, row[resolution])


def _timesteps(table: list[dict[str, Any]]) -> Iterator[Comparison]:
    for row in table:
        schedule = avatar_schedule(row["steps"], row["shift"])
        ours = torch.tensor([*schedule.timesteps, 0.0])
        yield close(f"timesteps.{row['steps']}.{row['shift']}", ours, torch.tensor(row["t"]), 1e-4)


def _frame_surprises(table: list[list[int]]) -> Iterator[Comparison]:
    counts = range(FIRST_FRAME_COUNT, MAX_FRAMES + 1)
    ours = [[n, audio_frames(640 * n)] for n in counts if audio_frames(640 * n) != n]
    yield exact("video_frames_float_surprises", ours, table)


def _audio_plan(table: list[dict[str, Any]]) -> Iterator[Comparison]:
    for row in table:
        yield same_fields(f"audio_plan.{row['samples_16k']}", plan_row(row["samples_16k"]), row)


def plan_row(num_samples: int) -> dict[str, Any]:
    """One row of the published table of audio lengths, worked out by our plan with the released 4 steps."""
    plan = WindowPlan(num_frames=min(audio_frames(num_samples), MAX_FRAMES))
    key_frames = [plan.key_frame(index) for index in range(1, plan.num_passes)]
    pieces = (plan.new_frames(index) for index in range(plan.num_passes))
    return {
        "samples_16k": num_samples,
        "seconds": round(num_samples / SAMPLE_RATE, 4),
        "frames_in": plan.num_frames,
        "is_clip": plan.num_windows == 0,
        "padded": plan.padded_frames,
        "windows": plan.num_windows,
        "calls": TalkingAvatar().num_inference_steps * plan.num_passes,
        "frames_out": sum(end - begin for begin, end in pieces),
        "key_first": key_frames[:3],
        "key_last": key_frames[-2:],
    }


def _key_frames(table: dict[str, list[int]]) -> Iterator[Comparison]:
    for num_frames, frames in table.items():
        plan = WindowPlan(num_frames=int(num_frames))
        ours = [plan.key_frame(index) for index in range(1, plan.num_passes)]
        yield exact(f"key_frames.{num_frames}", ours, frames)


def _masks(table: dict[str, Any]) -> Iterator[Comparison]:
    for name, mask in table.items():
        known, tail, num_frames = (int(number_in(name, rf"\b{word}\b\s*[=:]?\s*#")) for word in ("known", "tail", "F"))
        ours = known_mask(num_frames, known, tail)
        yield exact(f"masks.{name}", ours, mask.get("channels_by_latent_frame", ABSENT))


TABLES: dict[str, Callable[[Any], Iterator[Comparison]]] = {
    "constants": _constants,
    "buckets": _buckets,
    "image_sizes": _image_sizes,
    "timesteps": _timesteps,
    "video_frames_float_surprises": _frame_surprises,
    "audio_plan": _audio_plan,
    "key_frames": _key_frames,
    "masks": _masks,
}
