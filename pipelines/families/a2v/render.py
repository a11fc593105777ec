"""All passes of an avatar in order, each decoded as a stream; resumes where a work folder left off.

Knows nothing of requests, checkpoints or video files: frames go to whoever opens a piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pipelines.families.a2v.denoising import Avatar, AvatarPass, Trace, no_trace
from pipelines.families.a2v.portrait import to_bytes
from pipelines.front.progress import Progress, Report, Stage, ignore_progress
from pipelines.front.runtime import never
from pipelines.front.shapes import TEMPORAL_STRIDE
from pipelines.models.vae.vae import Decode, decode_stream
from pipelines.running.resume import Snapshot, WorkDir
from pipelines.sampling.colors import match_colors
from pipelines.sampling.denoise import Hooks, Preview, denoise, resume_scheduler
from pipelines.sampling.schedulers import FlowEuler

WritePiece = Callable[[int], AbstractContextManager[Callable[[np.ndarray], None]]]
"""Opens piece `index`; the function it gives takes uint8 [n, H, W, 3]."""

Matched = Generator[tuple[int, Tensor], None, None]
"""(number of the first, frames [1, 3, n, H, W]) of a pass, decoded and in the portrait's colours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Where the passes' results and reports go."""

    write_piece: WritePiece
    decode: Decode = decode_stream
    work: WorkDir | None = None
    """Steps, key frames and motion frames are stored here after each step; None stores nothing."""
    report: Report = ignore_progress
    preview: Preview | None = None
    wants_preview: Callable[[], bool] = never
    trace: Trace = no_trace


@dataclass(slots=True)
class Carried:
    """What one pass leaves for those after it; all on the CPU, float32 and never rounded to bytes."""

    motion: Tensor | None = None
    """[1, 3, motion frames, H, W]: the last frames of the window before."""
    key_frames: dict[int, Tensor] = field(default_factory=dict)
    """Frame of the reference video -> [1, 3, 1, H, W]."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where rendering begins: before pass `index`, or inside it after the steps of `stored`."""

    index: int = 0
    carried: Carried = field(default_factory=Carried)
    stored: Snapshot | None = None


@torch.inference_mode()
def render(avatar: Avatar, seed: int, outlets: Outlets) -> None:
    """Run every pass that the work folder does not hold yet and write every piece that comes of it."""
    generator = torch.Generator("cpu").manual_seed(seed)
    start = find_resume_point(avatar, outlets.work)
    carried, stored = start.carried, start.stored
    if stored is not None:
        _set_state(generator, str(stored.values["generator"]))
    for index in range(start.index, avatar.plan.num_passes):
        latents = _denoise_pass(avatar, index, carried, stored, generator, outlets)
        _decode_pass(avatar, index, latents, carried, outlets)
        stored = None
        if outlets.work is not None and index + 1 < avatar.plan.num_passes:
            _remember(outlets.work, index + 1, carried, generator)


def find_resume_point(avatar: Avatar, work: WorkDir | None) -> ResumePoint:
    """Read from a work folder where an interrupted job stopped; the beginning when it holds nothing usable."""
    stored = work.latest() if work is not None else None
    if work is None or stored is None:
        return ResumePoint()
    carried = Carried(motion=stored.tensors.get("kept.motion"))
    if stored.segment > 0:
        reference = _reference_folder(work).latest()
        if reference is None:
            return ResumePoint()
        carried.key_frames = {int(name): frame for name, frame in reference.tensors.items()}
    return ResumePoint(stored.segment, carried, stored)


def _denoise_pass(
    avatar: Avatar,
    index: int,
    carried: Carried,
    stored: Snapshot | None,
    generator: torch.Generator,
    outlets: Outlets,
) -> Tensor:
    outlets.report(Progress(Stage.CONDITION, segment=index, num_segments=avatar.plan.num_passes))
    device = avatar.picture.device
    known, key_frame = avatar.picture, None
    if index > 0:
        key_frame = carried.key_frames[avatar.plan.key_frame(index)].to(device)
    if index > 1:
        assert carried.motion is not None
        known = carried.motion.to(device)
    one_pass = AvatarPass(avatar, index, known, key_frame, generator, outlets.trace)
    scheduler = FlowEuler(avatar.schedule)
    if stored is not None and stored.step > 0:
        latents, _ = resume_scheduler(stored, scheduler, device)
    else:
        latents = one_pass.noise()
    hooks = Hooks(
        work=outlets.work,
        report=outlets.report,
        segment=index,
        num_segments=avatar.plan.num_passes,
        kept={} if carried.motion is None else {"motion": carried.motion},
        values=lambda: {"generator": _get_state(generator)},
        preview=outlets.preview,
        wants_preview=outlets.wants_preview,
        after_step=one_pass.after_step,
    )
    return denoise(latents, scheduler, one_pass.velocity, hooks)


def _decode_pass(avatar: Avatar, index: int, latents: Tensor, carried: Carried, outlets: Outlets) -> None:
    """Decode, match colours and hand each frame on: to the piece, the key frames or the motion frames."""
    # Closed at once when a frame finds no room: a decode that ends later would clear another job's caches.
    with closing(_matched_frames(avatar, index, latents, outlets)) as matched:
        if index == 0 and avatar.plan.num_windows:
            _keep_key_frames(avatar, matched, carried)
        else:
            _write_window(avatar, index, matched, carried, outlets.write_piece)


def _keep_key_frames(avatar: Avatar, matched: Matched, carried: Carried) -> None:
    """Keep those frames of the reference video that windows end at."""
    wanted = {avatar.plan.key_frame(later) for later in range(1, avatar.plan.num_passes)}
    for first, frames in matched:
        for n in wanted & set(range(first, first + frames.shape[2])):
            carried.key_frames[n] = _own(frames[:, :, n - first : n - first + 1])


def _write_window(avatar: Avatar, index: int, matched: Matched, carried: Carried, write_piece: WritePiece) -> None:
    """Write a window's new frames as a piece and keep its last ones for the next window."""
    plan = avatar.plan
    begin, end = plan.new_frames(index)
    motion_start = plan.usable_frames(index) - plan.motion_frames
    motion = []
    with write_piece(max(index - 1, 0)) as write:
        for first, frames in matched:
            shown = frames[:, :, max(begin - first, 0) : max(end - first, 0)]
            if shown.shape[2]:
                write(to_bytes(shown))
            motion.append(_own(frames[:, :, max(motion_start - first, 0) :]))
    carried.motion = torch.cat(motion, dim=2)


def _own(frames: Tensor) -> Tensor:
    """Copy frames to the CPU; a view would keep the whole chunk they were decoded with."""
    return frames.to("cpu", copy=True)


def _matched_frames(avatar: Avatar, index: int, latents: Tensor, outlets: Outlets) -> Matched:
    """Yield (number of the first, frames [1, 3, n, H, W]) of a pass, up to the end that is thrown away."""
    usable = avatar.plan.usable_frames(index)
    num_chunks = 1 + math.ceil((usable - 1) / TEMPORAL_STRIDE)
    first = 0
    outlets.report(Progress(Stage.DECODE, 0, num_chunks, index, avatar.plan.num_passes))
    with closing(outlets.decode(avatar.networks.vae, latents)) as chunks:
        for done, chunk in enumerate(chunks, start=1):
            decoded = chunk[:, :, : usable - first]
            frames = match_colors(decoded, avatar.picture)
            outlets.trace(f"pass{index}.decoded", decoded)
            outlets.trace(f"pass{index}.matched", frames)
            yield first, frames
            first += frames.shape[2]
            outlets.report(Progress(Stage.DECODE, done, num_chunks, index, avatar.plan.num_passes))
            if first >= usable:
                return


def _remember(work: WorkDir, next_index: int, carried: Carried, generator: torch.Generator) -> None:
    """Store what pass `next_index` starts from, so that a finished pass is never run again."""
    if next_index == 1:
        key_frames = {str(n): frame for n, frame in carried.key_frames.items()}
        _reference_folder(work).save(Snapshot(0, 0, key_frames))
    tensors = {} if carried.motion is None else {"kept.motion": carried.motion}
    work.save(Snapshot(next_index, 0, tensors, {"generator": _get_state(generator)}))


def _reference_folder(work: WorkDir) -> WorkDir:
    """Key frames lie apart: up to 0.9 GB that never changes would be written again with every step."""
    return WorkDir(work.path / "reference")


def _get_state(generator: torch.Generator) -> str:
    return generator.get_state().numpy().tobytes().hex()


def _set_state(generator: torch.Generator, state: str) -> None:
    generator.set_state(torch.frombuffer(bytearray.fromhex(state), dtype=torch.uint8))
