"""Talking avatar: a portrait and a recording become a video that speaks. Read `generate` top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.families.a2v.conditions import mirror_end
from pipelines.families.a2v.denoising import Avatar, AvatarGuidance
from pipelines.families.a2v.networks import TRANSFORMER_FOLDER, AvatarModels
from pipelines.families.a2v.portrait import MAX_CROPPED_SHARE, crop_picture, signed_picture, speaker_masks
from pipelines.families.a2v.prompts import CONNECTION_PROMPT, NEGATIVE_PROMPT
from pipelines.families.a2v.render import Outlets, WritePiece, render
from pipelines.families.a2v.windows import (
    MAX_FRAMES,
    SHIFT,
    TARGET_LUFS,
    WindowPlan,
)
from pipelines.front.crop import Crop, fill_crop
from pipelines.front.errors import InvalidRequest, MediaError
from pipelines.front.language import tr
from pipelines.front.lora import file_of
from pipelines.front.progress import Progress, Report, Stage
from pipelines.front.regions import parse_boxes, speaker_grid
from pipelines.front.runtime import Output, Runtime
from pipelines.front.shapes import AVATAR_BUCKETS, AVATAR_FPS, PixelShape, nearest_bucket
from pipelines.front.trim import WHOLE, Trim, channel_index
from pipelines.media.read.audio import decode_mono, loudness, normalise_loudness, sound_warnings
from pipelines.media.read.images import colour_note, load_image, transparency_warning
from pipelines.media.read.probe import probe_audio
from pipelines.media.read.tracks import SILENT_PEAK
from pipelines.media.read.used import used_of_sound
from pipelines.media.write.mux import Sound
from pipelines.media.write.publish import publish
from pipelines.media.write.video import VideoWriter
from pipelines.running.pool import ModelPool
from pipelines.running.resume import WorkDir
from pipelines.sampling.schedulers import avatar_schedule
from pipelines.tasks import task_of
from pipelines.tasks.talking_avatar import (
    EXPERIMENTAL,
    MIN_SECONDS,
    SAMPLE_RATE,
    TalkingAvatar,
    audio_frames,
    voice_starts,
)

LOUD_GAIN_DB = 30.0
"""A recording that must be raised by more is warned about: its noise is raised too."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """The picture as the model sees it."""

    picture: Tensor
    """[1, 3, 1, H, W] float32 in -1..1."""
    crop: Crop
    warnings: tuple[str, ...] = ()

    def masks(self, regions: str) -> Tensor | None:
        """[3, h, w] 0/1 of latents: who is where, the regions cut as the picture is; None without regions."""
        boxes = parse_boxes(regions)
        return speaker_masks(speaker_grid(boxes, self.crop)) if boxes else None


@dataclass(frozen=True, slots=True)
class Voice:
    """The recording as the model hears it."""

    waveform: Tensor
    """[samples] mono at 16 kHz, float32, at -23 LUFS unless silent."""
    plan: WindowPlan
    warnings: tuple[str, ...] = ()
    gain: float = 1.0
    """What the recording was raised by."""


@dataclass(frozen=True, slots=True)
class Speech:
    """What is said: a track for every speaker, and the sound that a person hears of it."""

    tracks: tuple[Tensor, ...]
    """Waveforms as `Voice` has them, all of one length; silence where another speaks."""
    plan: WindowPlan
    sounds: tuple[Sound, ...]
    warnings: tuple[str, ...] = ()


def generate(request: TalkingAvatar, runtime: Runtime, pool: ModelPool, report: Report) -> Output:
    """Make the video and publish it; a later call with the same work folder continues at the stored step.

    Raises InvalidRequest, MediaError, CheckpointMissing, CheckpointMismatch, InputChanged, DiskFull, and
    whatever `report` raises.
    """
    # 1. Check: the request and what it merges, then that the files are those of the stored steps.
    if problems := request.check():
        raise InvalidRequest(problems)
    (image_path,) = request.input_image
    voice_paths = [*request.input_audio, *request.second_audio]
    models = AvatarModels(runtime, pool, report, request)
    said = models.check_loras(TRANSFORMER_FOLDER)
    work = WorkDir(runtime.work_dir)
    work.remember_inputs([image_path, *voice_paths, *map(file_of, request.lora)])
    work.check_inputs()

    # 2. Portrait and recording: the portrait decides the size, the recording the length.
    portrait = read_portrait(image_path, request.resolution)
    speech = read_speech(request)
    plan, warnings = speech.plan, [*said, *portrait.warnings, *speech.warnings]

    if len(work.pieces()) < max(1, plan.num_windows):
        # While the words and the speech are encoded, a thread reads the transformer.
        with models.reading_ahead("."):
            # 3. Text: the person's words for the reference pass, a fixed sentence for the windows.
            stored = work.latest()
            first = stored.segment if stored else 0
            report(Progress(Stage.TEXT, segment=first, num_segments=plan.num_passes))
            guidance = AvatarGuidance(request.guidance_scale, request.audio_guidance_scale)
            prompt_embeds = models.embed_prompt(request.prompt)
            connection_prompt_embeds = models.embed_prompt(CONNECTION_PROMPT)
            negative_prompt_embeds = None
            if guidance.uses_text:
                negative_prompt_embeds = models.embed_prompt(request.negative_prompt or NEGATIVE_PROMPT)

            # 4. Speech: each speaker's whole track at once.
            report(Progress(Stage.CONDITION, segment=first, num_segments=plan.num_passes, detail="voice"))
            embeddings = [hear(models, track, plan) for track in speech.tracks]

            # 5. Passes: the reference video, then window after window, each decoded into its own piece.
            shape = PixelShape(*portrait.crop.target, plan.window_frames)
            with models.networks(shape.latent.num_tokens) as networks:
                avatar = Avatar(
                    networks,
                    plan,
                    avatar_schedule(request.num_inference_steps, SHIFT),
                    guidance,
                    portrait.picture.to(runtime.device),
                    prompt_embeds,
                    connection_prompt_embeds,
                    negative_prompt_embeds,
                    embeddings[0],
                    embeddings[1] if len(embeddings) > 1 else None,
                    portrait.masks(request.regions),
                )
                outlets = Outlets(
                    write_piece=piece_writer(work, *portrait.crop.target),
                    decode=models.decode,
                    work=work,
                    report=report,
                    preview=models.preview,
                    wants_preview=runtime.wants_preview,
                )
                render(avatar, request.seed, outlets)

    # 6. Write: the pieces joined, with the original recordings.
    report(Progress(Stage.WRITE, segment=plan.num_passes - 1, num_segments=plan.num_passes))
    return publish(
        work.pieces(),
        runtime,
        request,
        task=task_of(request).name,
        fps=AVATAR_FPS,
        num_frames=plan.num_frames,
        sound=speech.sounds,
        used={voice.field: used_of_sound(voice.path, voice.trim, voice.channel) for voice in request.voices},
        warnings=warnings,
    )


def read_portrait(path: str, resolution: str) -> Portrait:
    """Read a picture upright and fill the bucket nearest to its shape."""
    image = load_image(path)
    target = nearest_bucket(AVATAR_BUCKETS[resolution], image.height, image.width)
    crop = fill_crop(image.height, image.width, target)
    warnings = [transparency_warning(path), colour_note(path)]
    if crop.lost_share > MAX_CROPPED_SHARE:
        warnings.append(
            tr(
                "{lost_share:.0%} of the portrait is cut away to fill {width}x{height}: "
                "crop it yourself to choose what stays",
                lost_share=crop.lost_share,
                width=target[1],
                height=target[0],
            )
        )
    return Portrait(signed_picture(crop_picture(image, crop)), crop, tuple(filter(None, warnings)))


def read_voice(path: str, trim: Trim = WHOLE, channel: int | None = None) -> Voice:
    """Read a stretch of a recording's mono mix, or one channel, at 16 kHz and the loudness the model expects."""
    samples = decode_mono(path, SAMPLE_RATE, trim, channel)
    seconds = len(samples) / SAMPLE_RATE
    if seconds < MIN_SECONDS or audio_frames(len(samples)) > MAX_FRAMES:
        raise MediaError(
            tr(
                "{path} holds {seconds:.2f} s of sound: the avatar speaks {least:g} to {most:g} s",
                path=path,
                seconds=seconds,
                least=MIN_SECONDS,
                most=MAX_FRAMES / AVATAR_FPS,
            )
        )
    measured = loudness(samples, SAMPLE_RATE)
    warnings = sound_warnings(path, channel)
    # What is heard of it may be silent where the rest is not, and the other way round.
    whole = trim.is_whole and channel is None
    if probe_audio(path).is_silent if whole else np.abs(samples).max() < SILENT_PEAK:
        warnings.append(tr("the recording is silent: the mouth has nothing to follow"))
    elif math.isinf(measured):
        warnings.append(tr("the recording is so quiet that its loudness cannot be measured: it is not raised"))
    elif TARGET_LUFS - measured > LOUD_GAIN_DB:
        gain = TARGET_LUFS - measured
        warnings.append(
            tr("the recording is very quiet: the model hears it raised by {gain:.0f} dB, noise and all", gain=gain)
        )
    waveform = torch.from_numpy(normalise_loudness(samples, SAMPLE_RATE, TARGET_LUFS))
    raised = math.isfinite(measured) and abs(measured) <= 100
    gain = 10.0 ** ((TARGET_LUFS - measured) / 20.0) if raised else 1.0
    return Voice(waveform, WindowPlan(num_frames=audio_frames(len(samples))), tuple(warnings), gain)


def read_speech(request: TalkingAvatar) -> Speech:
    """Read the voices and lay them out in time, each on the track of its speaker."""
    inputs = request.voices
    voices = [read_voice(one.path, one.trim, channel_index(one.channel)) for one in inputs]
    lengths = [len(voice.waveform) for voice in voices]
    starts = voice_starts(request, lengths)
    total = max(start + length for start, length in zip(starts, lengths, strict=True))
    tracks = [
        F.pad(voice.waveform, (start, total - start - length))
        for voice, start, length in zip(voices, starts, lengths, strict=True)
    ]
    plan = WindowPlan(num_frames=audio_frames(total))
    # Two at the same time may together be louder than a file can say.
    heard = torch.stack([track / voice.gain for track, voice in zip(tracks, voices, strict=True)]).sum(0)
    loudest = heard.abs().max().item()
    volume = 1 / loudest if len(voices) > 1 and loudest > 1 else 1.0
    sounds = tuple(
        Sound(
            Path(one.path),
            seconds=plan.num_frames / AVATAR_FPS,
            delay_s=start / SAMPLE_RATE,
            volume=volume,
            trim=one.trim,
            channel=channel_index(one.channel),
        )
        for one, start in zip(inputs, starts, strict=True)
    )
    if request.regions.strip() and len(tracks) == 1:
        # All others of the picture are one second speaker, who says nothing.
        tracks.append(torch.zeros_like(tracks[0]))
    warnings = [warning for voice in voices for warning in voice.warnings]
    return Speech(tuple(tracks), plan, sounds, (*warnings, *([tr(EXPERIMENTAL)] if len(tracks) > 1 else [])))


def hear(models: AvatarModels, track: Tensor, plan: WindowPlan) -> Tensor:
    """Encode one speaker's track, [frames, layers, channels] on the device, mirrored as far as the windows reach."""
    with models.audio_encoder() as encoder:
        features = encoder(track.to(models.device), plan.num_frames)
    return mirror_end(features.embedding, plan.mirrored_frames)


def piece_writer(work: WorkDir, height: int, width: int) -> WritePiece:
    """Return a function that opens piece `index`; the piece gets its durable name when the context ends well."""

    @contextmanager
    def write_piece(index: int) -> Iterator[Callable[[np.ndarray], None]]:
        temporary = work.piece_path(index)
        with VideoWriter(temporary, width, height, AVATAR_FPS) as writer:
            yield writer.write
        work.commit_piece(temporary, index)

    return write_piece
