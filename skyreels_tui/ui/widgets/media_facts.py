"""What a form shows about an input file: size and length in words, a small picture or a strip of sound."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.front.errors import MediaError, PipelineError
from pipelines.front.fields import InputKind
from pipelines.front.language import tr
from pipelines.front.lora import parse_lora


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """One file in a few words; `problem` is '' when it can be read."""

    words: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PictureView:
    """RGB bytes of `height` x `width`."""

    width: int
    height: int
    rgb: bytes
    caption: str = ""


@dataclass(frozen=True, slots=True)
class SoundView:
    """Peaks 0..1, one a column."""

    peaks: tuple[float, ...]
    caption: str = ""


def read_facts(path: str, media: InputKind) -> MediaFacts:
    """Probe one file; at most a few seconds."""
    # Probing loads Pillow and runs ffmpeg: paid on a worker thread, after the form is on the screen.
    from pipelines.media.read import probe

    try:
        if media == "lora":
            return _lora(path)
        if media == "image":
            image = probe.probe_image(path)
            return MediaFacts(f"{image.width}x{image.height} {image.format}")
        if media == "video":
            video = probe.probe_video(path)
            return MediaFacts(
                tr(
                    "{width}x{height} {fps:.4g} fps {seconds:.1f} s, {frames} frames",
                    width=video.width,
                    height=video.height,
                    fps=video.fps,
                    seconds=video.duration_s,
                    frames=video.num_frames,
                )
            )
        audio = probe.probe_audio(path)
        kind = {1: tr("mono"), 2: tr("stereo")}.get(audio.channels) or tr("{count} channels", count=audio.channels)
        return MediaFacts(f"{audio.duration_s:.1f} s {audio.sample_rate / 1000:g} kHz {kind}")
    except PipelineError as error:
        return MediaFacts(problem=str(error))


def small_view(path: str, media: InputKind, columns: int, rows: int) -> PictureView | SoundView | None:
    """A small view of one file: the picture, the last frame of a video, or the wave of a sound; None if unreadable."""
    if media == "lora":
        return None
    try:
        if media == "audio":
            return _sound(path, columns)
        return _picture(path, media, columns, rows)
    except MediaError:
        return None


def _lora(path: str) -> MediaFacts:
    from pipelines.checkpoints.lora.check import lora_facts

    return MediaFacts(lora_facts(parse_lora(path)))


def _picture(path: str, media: InputKind, columns: int, rows: int) -> PictureView:
    from pipelines.media.read.images import load_image
    from pipelines.media.read.video import last_frame
    from skyreels_tui.ui.drawing.halfblocks import fit

    image = load_image(path) if media == "image" else last_frame(path)
    width, height = fit(image.width, image.height, columns, rows)
    small = image.resize((width, height))
    return PictureView(width, height, small.tobytes(), "" if media == "image" else tr("last frame"))


def _sound(path: str, columns: int) -> SoundView:
    from pipelines.media.read.audio import decode_mono, loudness, waveform

    peaks = tuple(waveform(path, columns))
    level = loudness(decode_mono(path), 16000)
    if math.isinf(level):
        return SoundView(peaks, tr("silent"))
    if level < -40:
        return SoundView(peaks, tr("{level:.0f} LUFS, quiet: it is raised to -23", level=level))
    return SoundView(peaks, f"{level:.0f} LUFS")
