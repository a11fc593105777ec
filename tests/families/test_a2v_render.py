"""Passes of the avatar on tiny models: guidance, resuming at every step, and memory that stays flat."""

import gc
import weakref
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.a2v.conditions import mirror_end, speech_windows
from pipelines.families.a2v.denoising import Avatar, AvatarGuidance, AvatarPass
from pipelines.families.a2v.networks import AvatarModels
from pipelines.families.a2v.render import Outlets, render
from pipelines.families.a2v.windows import WindowPlan
from pipelines.front.errors import Cancelled
from pipelines.front.progress import Stage, ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.models.vae.vae import decode_stream
from pipelines.running.pool import ModelPool
from pipelines.running.resume import WorkDir
from pipelines.sampling.schedulers import avatar_schedule

STEPS = 2


@pytest.fixture(scope="module")
def avatar(tmp_path_factory):
    """Four passes of 21 frames at 32x32 with two steps each."""
    cache = tmp_path_factory.mktemp("cache")
    runtime = Runtime("cpu", cache, cache / "work", cache / "result", "avatar", demo_checkpoint("a2v", cache))
    models = AvatarModels(runtime, ModelPool(), ignore_progress)
    plan = WindowPlan(num_frames=35, window_frames=21, motion_frames=5, dropped_frames=8)
    assert plan.num_passes == 4
    draw = torch.Generator().manual_seed(0)
    with models.networks(plan.window_frames) as networks:
        yield Avatar(
            networks,
            plan,
            avatar_schedule(STEPS, 11.0),
            AvatarGuidance(),
            torch.rand(1, 3, 1, 32, 32, generator=draw) * 2 - 1,
            models.embed_prompt("a woman sings"),
            models.embed_prompt("a person is talking"),
            models.embed_prompt("low quality"),
            torch.randn(plan.mirrored_frames, 3, 24, generator=draw),
        )


def at_length(avatar, num_frames):
    plan = replace(avatar.plan, num_frames=num_frames)
    return replace(avatar, plan=plan, embedding=mirror_end(avatar.embedding[:num_frames], plan.mirrored_frames))


class Pieces:
    """Keeps the bytes of every piece; a piece left by an exception is not kept, as on disk."""

    def __init__(self):
        self.whole = {}

    @contextmanager
    def open(self, index):
        chunks = []
        yield lambda frames: chunks.append(frames.tobytes())
        self.whole[index] = b"".join(chunks)


@torch.inference_mode()
def velocity(avatar, guidance, *, text=None, silent=False):
    """Velocity of window 1 at one fixed input."""
    avatar = replace(
        avatar, guidance=guidance, connection_prompt_embeds=avatar.connection_prompt_embeds if text is None else text
    )
    if silent:
        avatar = replace(avatar, embedding=torch.zeros_like(avatar.embedding))
    one_pass = AvatarPass(avatar, 1, avatar.picture, avatar.picture, torch.Generator())
    latents = torch.randn(1, 16, 6, 4, 4, generator=torch.Generator().manual_seed(1))
    return one_pass.velocity(latents, 900.0)


def test_guidance_pulls_away_from_the_negative_prompt_and_from_silence(avatar):
    off = AvatarGuidance()
    full = velocity(avatar, off)
    no_text = velocity(avatar, off, text=avatar.negative_prompt_embeds)
    no_voice = velocity(avatar, off, silent=True)
    nothing = velocity(avatar, off, text=avatar.negative_prompt_embeds, silent=True)
    expected = {
        AvatarGuidance(1.0, 0.5): full,
        AvatarGuidance(2.5, 1.0): no_text + 2.5 * (full - no_text),
        AvatarGuidance(1.0, 3.0): no_voice + 3.0 * (full - no_voice),
        AvatarGuidance(2.5, 3.0): nothing + 2.5 * (full - no_text) + 3.0 * (no_text - nothing),
    }
    assert (full - no_text).abs().max() > 0.01
    assert (full - no_voice).abs().max() > 0.01
    for guidance, value in expected.items():
        assert torch.allclose(velocity(avatar, guidance), value, atol=1e-5), guidance


def test_speech_beyond_the_end_repeats_or_mirrors():
    embedding = torch.arange(10.0).view(10, 1, 1)
    windows = speech_windows(embedding, 6, 5, 5)[0, :, :, 0, 0]
    assert windows[0].tolist() == [4, 5, 6, 7, 8]
    assert windows[-1].tolist() == [8, 9, 9, 9, 9]
    assert speech_windows(embedding, 0, 1, 5)[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1, 2]
    assert mirror_end(embedding, 13).flatten().tolist() == [*range(10), 9, 8, 7]
    assert mirror_end(embedding, 10) is embedding


def test_a_job_stopped_after_every_step_ends_with_the_same_frames(avatar, tmp_path):
    whole = Pieces()
    render(avatar, 3, Outlets(write_piece=whole.open))
    assert {index: len(piece) // (32 * 32 * 3) for index, piece in whole.whole.items()} == {0: 13, 1: 8, 2: 14}
    pieces, seen, stops = Pieces(), set(), 0

    def stop_once(progress):
        place = (progress.stage, progress.segment, progress.step)
        counts = progress.stage is Stage.DENOISE or (progress.stage is Stage.DECODE and progress.step == 2)
        if counts and place not in seen:
            seen.add(place)
            raise Cancelled

    while True:
        try:
            outlets = Outlets(write_piece=pieces.open, work=WorkDir(tmp_path), report=stop_once)
            render(avatar, 3, outlets)
            break
        except Cancelled:
            stops += 1
    assert stops == 4 * (STEPS + 1 + 1)
    assert pieces.whole == whole.whole


def test_a_finished_window_is_not_run_again(avatar, tmp_path):
    work, pieces = WorkDir(tmp_path), Pieces()

    def stop(progress):
        if (progress.stage, progress.segment, progress.step) == (Stage.DENOISE, 2, 1):
            raise Cancelled

    with pytest.raises(Cancelled):
        render(avatar, 3, Outlets(write_piece=pieces.open, work=work, report=stop))
    first = pieces.whole.pop(0)
    segments = set()
    render(avatar, 3, Outlets(write_piece=pieces.open, work=work, report=lambda p: segments.add(p.segment)))
    assert segments == {2, 3}
    assert first and 0 not in pieces.whole


def test_damaged_key_frames_begin_the_job_anew(avatar, tmp_path):
    whole, pieces = Pieces(), Pieces()
    render(avatar, 3, Outlets(write_piece=whole.open))

    def stop(progress):
        if (progress.stage, progress.segment) == (Stage.DECODE, 2):
            raise Cancelled

    with pytest.raises(Cancelled):
        render(avatar, 3, Outlets(write_piece=pieces.open, work=WorkDir(tmp_path), report=stop))
    for file in (tmp_path / "reference").iterdir():
        file.write_bytes(b"damaged")
    render(avatar, 3, Outlets(write_piece=pieces.open, work=WorkDir(tmp_path)))
    assert pieces.whole == whole.whole


def test_one_pass_is_enough_for_a_short_recording(avatar):
    pieces = Pieces()
    render(at_length(avatar, 12), 3, Outlets(write_piece=pieces.open))
    assert len(pieces.whole[0]) == 12 * 32 * 32 * 3


def test_a_decode_that_nobody_can_store_ends_before_the_error_is_handled(avatar):
    ended = []

    def decode(vae, latents):
        try:
            yield from decode_stream(vae, latents)
        finally:
            ended.append(True)

    @contextmanager
    def write_piece(index):
        def write(frames):
            raise OSError(28, "No space left on device")

        yield write

    with pytest.raises(OSError) as error:
        render(at_length(avatar, 12), 3, Outlets(write_piece=write_piece, decode=decode))
    # The traceback still holds the frames of every call: only an explicit close has ended the decode.
    assert error.traceback
    assert ended == [True]


def held_bytes():
    """Bytes of all tensors alive, each storage once."""
    storages = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), torch.Tensor) and not thing.is_meta:
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def test_frames_leave_memory_window_by_window(avatar):
    long = at_length(replace(avatar, embedding=avatar.embedding.repeat(2, 1, 1)), 21 + 8 * 5)
    assert long.plan.num_windows == 6
    arrays, held, alive = [], {}, {}

    @contextmanager
    def write_piece(index):
        yield lambda frames: arrays.append((index, weakref.ref(frames)))

    def report(progress):
        if progress.stage is Stage.DENOISE and progress.step == 1:
            gc.collect()
            held[progress.segment] = held_bytes()
            alive[progress.segment] = [index for index, array in arrays if array() is not None]

    render(long, 3, Outlets(write_piece=write_piece, report=report))
    assert len(held) == 7
    assert held[6] == held[3]
    assert not any(alive.values())
