"""Joins finished clips into one file."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from pipelines.front.durable import make_folder, put_in_place, put_new
from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.media.ffmpeg import file_url, run
from pipelines.media.files import need_room, shown
from pipelines.media.read.frames import frame_times, frames_within, read_frames, shown_at
from pipelines.media.read.probe import VideoInfo, probe_audio, probe_video
from pipelines.media.read.tracks import heard_stream
from pipelines.media.write.mux import Sound, join_by_copy
from pipelines.media.write.verify import examine
from pipelines.media.write.video import VideoWriter

RATE = 48000
CONVERT_LIMIT_S = 3600.0


def tell_nobody(_: int) -> None:
    """The default for `tell`."""


def join_clips(
    paths: Sequence[str | Path],
    output: str | Path,
    *,
    tell: Callable[[int], None] = tell_nobody,
    replace: bool = False,
) -> Path:
    """Write the clips one after the other to an mp4 and return it; MediaError or DiskFull.

    It is `output`, with a number where something has that name by the time it is ready, or with `replace` in its place.

    Stream copy when all have the same codec, size and rate, else re-encoded to the most common size and rate;
    silence stands where a clip has no sound and another has. `tell` is called with the number of clips that are
    ready, often enough that it may raise to stop the work.
    """
    if not paths:
        raise MediaError(tr("no clip to join: choose at least one"))
    output = Path(output)
    make_folder(output.parent, private=False)
    clips = [probe_video(path) for path in paths]
    need_room(output.parent, 3 * sum(clip.path.stat().st_size for clip in clips))
    fps = Counter(round(clip.fps, 3) for clip in clips).most_common(1)[0][0]
    alike = len({(clip.coding, round(clip.fps, 3), clip.rotation) for clip in clips}) == 1
    copied = alike and clips[0].coding.startswith("h264")
    bench = Path(tempfile.mkdtemp(prefix=".join-", dir=output.parent))
    temporary = bench / "joined.mp4"
    try:
        pieces, counts = [clip.path for clip in clips], [clip.num_frames for clip in clips]
        if not copied:
            pieces, counts = _encode_alike(clips, fps, bench, tell)
        tell(len(clips))
        sound = _sound_of(clips, [count / fps for count in counts], bench)
        join_by_copy(pieces, temporary, bench, length_s=sum(counts) / fps, sound=sound)
        frames = examine(temporary).num_frames
        if frames != sum(counts):
            raise MediaError(
                tr(
                    "{name}: {count} frames were joined instead of {wanted}",
                    name=shown(output),
                    count=frames,
                    wanted=sum(counts),
                )
            )
        if replace:
            put_in_place(temporary, output)
            return output
        return put_new(temporary, output, free_too=(".json",))
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def _encode_alike(
    clips: Sequence[VideoInfo], fps: float, bench: Path, tell: Callable[[int], None]
) -> tuple[list[Path], list[int]]:
    """Encode every clip at the most common size, whole and centred on black."""
    width, height = Counter((clip.width, clip.height) for clip in clips).most_common(1)[0][0]
    width, height = max(2, width // 2 * 2), max(2, height // 2 * 2)
    pieces, counts = [], []
    for index, clip in enumerate(clips):
        piece = bench / f"encoded-{index:05d}.mp4"
        times = frame_times(clip.path)
        count = frames_within(times[-1] - times[0] + clip.held_s, fps)
        with VideoWriter(piece, width, height, fps) as writer:
            for frame in read_frames(
                clip.path, shown_at(times, clip.held_s, fps, count), width, height, keep_shape=clip
            ):
                writer.write(frame[None])
                tell(index)
        pieces.append(piece)
        counts.append(count)
    return pieces, counts


def _sound_of(clips: Sequence[VideoInfo], lengths_s: Sequence[float], bench: Path) -> Sound | None:
    """Write one track of all clips' sound, each exactly as long as its picture; None when all are silent."""
    if not any(clip.has_audio for clip in clips):
        return None
    track = bench / "sound.wav"
    # Raw samples appended one clip at a time: a single ffmpeg would hold every clip open at once.
    raw = bench / "sound.raw"
    with raw.open("wb") as all_samples:
        for clip, length_s in zip(clips, lengths_s, strict=True):
            samples = round(length_s * RATE)
            heard = clip_samples(clip, samples) if clip.has_audio else b""
            all_samples.write(heard[: samples * 4].ljust(samples * 4, b"\0"))
    stream = ffmpeg.input(file_url(raw), f="s16le", ar=RATE, ac=2).output(file_url(track), **{"c:a": "pcm_s16le"})
    run(stream, what=tr("joining the sound"), time_limit_s=CONVERT_LIMIT_S, trusted=True)
    raw.unlink()
    return Sound(track)


def clip_samples(clip: VideoInfo, samples: int) -> bytes:
    """Return up to `samples` of a clip's sound as it is heard with its picture: s16, two channels, RATE."""
    info = probe_audio(clip.path)
    track: Any = heard_stream(info.path, info.track, 0.0).filter("asetpts", f"PTS-({clip.start_s:.6f})/TB")
    if info.channel is not None:
        track = track.filter("pan", args=f"mono|c0=c{info.channel}")
    track = track.filter("aresample", RATE, **{"async": 1, "first_pts": 0}).filter("atrim", end_sample=samples)
    stream = track.output("pipe:1", f="s16le", ac=2)
    return run(stream, what=shown(clip.path), time_limit_s=CONVERT_LIMIT_S, max_bytes=samples * 4 + (1 << 20)).stdout
