"""Decodes sound to mono samples and measures its loudness (ITU-R BS.1770)."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.front.trim import WHOLE, Trim
from pipelines.media.ffmpeg import run, traits
from pipelines.media.files import shown
from pipelines.media.read.probe import MEASURED_EXACTLY_S, AudioInfo, probe_audio
from pipelines.media.read.tracks import heard_stream

DECODE_LIMIT_S = 600.0
MAX_SAMPLES_BYTES = 1 << 30
BLOCK_S, OVERLAP = 0.4, 0.75
ABSOLUTE_GATE, RELATIVE_GATE = -70.0, -10.0
WAVEFORM_RATE, WAVEFORM_SECONDS = 8000, 1800


def decode_mono(
    path: str | Path, rate: int = 16000, trim: Trim = WHOLE, channel: int | None = None
) -> NDArray[np.float32]:
    """Return the channel mean of a trimmed sound resampled with SoX HQ: ceil(n * rate / source rate) samples.

    The mean is taken before resampling, as an equal mix: ffmpeg's own down-mix is 3 dB louder. Channels that would
    cancel each other give the loudest of them; `channel` gives that one alone.
    """
    info = heard_as(path, channel)
    native = info.sample_rate == rate
    count = round(info.duration_s * info.sample_rate)
    track = _mono(info)
    if not trim.is_whole:
        first, stop = trim.samples(info.sample_rate, count)
        track, count = track.filter("atrim", start_sample=first, end_sample=stop), stop - first
        track = track.filter("asetpts", "N/SR/TB")
    if traits().has_soxr and not native:
        track = track.filter("aresample", rate, resampler="soxr", precision=20)
    samples = _decode(info.path, track)
    if not traits().has_soxr and not native:
        # Only an ffmpeg built without libsoxr needs the package.
        import soxr

        samples = np.asarray(soxr.resample(samples, info.sample_rate, rate, quality="HQ"), dtype=np.float32)
    if info.duration_s < MEASURED_EXACTLY_S:
        samples = _exactly(samples, math.ceil(count * rate / info.sample_rate))
    # Float files can hold NaN; one would silence every network behind it.
    samples[~np.isfinite(samples)] = 0.0
    return samples


def heard_as(path: str | Path, channel: int | None) -> AudioInfo:
    """The sound of a file with the channel that a person chose, None for what it is heard as anyway."""
    info = probe_audio(path)
    return info if channel is None or channel >= info.channels else replace(info, channel=channel)


def sound_warnings(path: str | Path, channel: int | None = None) -> list[str]:
    """Say what a person who chose `channel`, or none, might not expect of what is heard."""
    info, name = probe_audio(path), shown(path)
    said = []
    if info.track != info.first_track:
        said.append(
            tr(
                "{name}: sound track {first} is silent: track {number} is heard",
                name=name,
                first=info.first_track + 1,
                number=info.track + 1,
            )
        )
    if info.channel is not None and channel is None:
        said.append(
            tr(
                "{name}: the channels are opposite and would cancel each other: channel {number} alone is heard",
                name=name,
                number=info.channel + 1,
            )
        )
    return said


def loudness(samples: NDArray[np.floating[Any]], rate: int) -> float:
    """Return the integrated loudness of mono `samples` in LUFS; -inf for silence or less than 0.4 s.

    K-weighting computed for `rate`, blocks of 0.4 s every 0.1 s, gates at -70 LUFS and 10 LU below the mean.
    """
    # scipy.signal takes a third of a second to import: paid by those who measure.
    from scipy.signal import lfilter

    weighted = np.asarray(samples, dtype=np.float64)
    if len(weighted) < BLOCK_S * rate or not np.isfinite(weighted).all():
        return -math.inf
    for b, a in (_high_shelf(rate), _high_pass(rate)):
        weighted = lfilter(b, a, weighted)
    step = 1.0 - OVERLAP
    count = round((len(weighted) / rate - BLOCK_S) / (BLOCK_S * step)) + 1
    edges = [(int(BLOCK_S * (block * step) * rate), int(BLOCK_S * (block * step + 1) * rate)) for block in range(count)]
    # The divisor is the nominal length of a block, also for a last one that is cut short.
    power = np.array([np.sum(np.square(weighted[low:high])) / (BLOCK_S * rate) for low, high in edges])
    with np.errstate(divide="ignore"):
        level = -0.691 + 10.0 * np.log10(power)
    loud = level >= ABSOLUTE_GATE
    if not loud.any():
        return -math.inf
    gate = -0.691 + 10.0 * math.log10(float(power[loud].mean())) + RELATIVE_GATE
    kept = power[(level > gate) & (level > ABSOLUTE_GATE)]
    return -0.691 + 10.0 * math.log10(float(kept.mean())) if len(kept) else -math.inf


def normalise_loudness(samples: NDArray[np.float32], rate: int, target: float = -23.0) -> NDArray[np.float32]:
    """Scale mono `samples` to `target` LUFS; silence comes back as it is. There is no limiter."""
    measured = loudness(samples, rate)
    if abs(measured) > 100:
        return samples
    gain = 10.0 ** ((target - measured) / 20.0)
    return np.asarray(samples.astype(np.float64) * gain, dtype=np.float32)


def waveform(path: str | Path, columns: int, channel: int | None = None) -> list[float]:
    """Return the peak of each of `columns` equal stretches of time, 0 to 1, for a strip in a form."""
    info = heard_as(path, channel)
    if columns < 1:
        return []
    track = _mono(info).filter("aresample", WAVEFORM_RATE)
    samples = np.abs(_decode(info.path, track, seconds=WAVEFORM_SECONDS, time_limit_s=10.0))
    edges = np.linspace(0, len(samples), columns + 1).astype(int)
    peaks = [float(samples[low:high].max(initial=0.0)) for low, high in pairwise(edges)]
    return [min(1.0, peak) if math.isfinite(peak) else 0.0 for peak in peaks]


def _decode(
    path: Path, track: Any, seconds: float | None = None, time_limit_s: float = DECODE_LIMIT_S
) -> NDArray[np.float32]:
    options = {"t": seconds} if seconds else {}
    stream = track.output("pipe:1", f="f32le", **options)
    done = run(stream, what=shown(path), time_limit_s=time_limit_s, max_bytes=MAX_SAMPLES_BYTES)
    if not done.stdout:
        raise MediaError(tr("{name}: no sound could be decoded", name=shown(path)))
    return np.frombuffer(done.stdout[: len(done.stdout) // 4 * 4], dtype="<f4").astype(np.float32)


def _mono(info: AudioInfo) -> Any:
    """Return the track that is heard, its channels mixed with equal weights that sum to 1."""
    mean = "+".join(f"{1.0 / info.channels!r}*c{index}" for index in range(info.channels))
    mix = mean if info.channel is None else f"c{info.channel}"
    heard = heard_stream(info.path, info.track, info.late_s).filter("aformat", sample_fmts="flt")
    return heard.filter("pan", args=f"mono|c0={mix}")


def _exactly(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    if len(samples) >= count:
        return samples[:count]
    return np.concatenate([samples, np.zeros(count - len(samples), dtype=np.float32)])


def _high_shelf(rate: int) -> tuple[list[float], list[float]]:
    """Audio-EQ-cookbook high shelf: 4 dB, Q 1/sqrt(2), 1500 Hz."""
    amplitude = 10.0 ** (4.0 / 40.0)
    omega = 2.0 * math.pi * 1500.0 / rate
    alpha, cosine = math.sin(omega) / (2.0 / math.sqrt(2.0)), math.cos(omega)
    root = 2.0 * math.sqrt(amplitude) * alpha
    up, down = amplitude + 1.0, amplitude - 1.0
    a0 = up - down * cosine + root
    b = [
        amplitude * (up + down * cosine + root),
        -2.0 * amplitude * (down + up * cosine),
        amplitude * (up + down * cosine - root),
    ]
    a = [a0, 2.0 * (down - up * cosine), up - down * cosine - root]
    return [value / a0 for value in b], [value / a0 for value in a]


def _high_pass(rate: int) -> tuple[list[float], list[float]]:
    """Audio-EQ-cookbook high pass: Q 0.5, 38 Hz."""
    omega = 2.0 * math.pi * 38.0 / rate
    alpha, cosine = math.sin(omega) / (2.0 * 0.5), math.cos(omega)
    a0 = 1.0 + alpha
    b = [(1.0 + cosine) / 2.0, -(1.0 + cosine), (1.0 + cosine) / 2.0]
    a = [a0, -2.0 * cosine, 1.0 - alpha]
    return [value / a0 for value in b], [value / a0 for value in a]
