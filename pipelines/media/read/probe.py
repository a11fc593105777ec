"""What a media file holds, read with Pillow and ffmpeg; results are remembered until the file changes."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.media.ffmpeg import Finished, ffmpeg_path, run, source
from pipelines.media.files import per_file, shown
from pipelines.media.read.colours import Look, look_of
from pipelines.media.read.headers import (
    header_duration,
    header_rate,
    mp3_ends_whole,
    pixel_aspect,
    pixel_format,
    stream_lines,
    wave_claim,
)
from pipelines.media.read.images import UNREADABLE, open_image, reason_for, upright_size
from pipelines.media.read.kinds import is_protected, is_unfinished, other_file, other_picture
from pipelines.media.read.tracks import DAMAGE, choose_track, playing_order

FIRST_FRAME_LIMIT_S, LISTING_LIMIT_S, SOUND_LIMIT_S = 2.6, 1.1, 3.5
"""Together below the 5 seconds within which every file is accepted or refused."""
DISCARD = 4
"""ffmpeg's flag of a packet that is decoded but not shown."""
MAX_HELD_S = 60.0
"""A last frame said to stay longer is taken for a mistake of the header."""
UNKNOWN_TIME = -(2**63)
"""How ffmpeg lists a time stamp that a packet does not have."""
SOUND_MEASURED_S = 240.0
"""Sound is decoded this far to be measured; longer recordings are judged by their header."""
MEASURED_EXACTLY_S = 230.0
"""Up to here a probed length is a count of samples, not a header's promise."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """A picture's upright size (EXIF orientation applied) and Pillow's name of its format."""

    path: Path
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The first video stream of a file; `width` and `height` are upright and in square pixels."""

    path: Path
    width: int
    height: int
    fps: float
    duration_s: float
    num_frames: int
    """Frames as a player shows them, whatever their rate: those that an edit list hides do not count."""
    has_audio: bool
    rotation: int
    """Degrees clockwise that a player turns the stored picture by: 0, 90, 180 or 270."""
    pixel_format: str
    span_s: float = 0.0
    """Seconds from the first frame's time stamp to the last one's."""
    start_s: float = 0.0
    """Time stamp of the first frame."""
    held_s: float = 0.0
    """Seconds that the last frame is shown."""
    look: Look = field(default_factory=Look)
    coding: str = ""
    """Codec, stored size and parameter sets: files with equal codings can be joined without encoding."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The sound of a file as a person hears it; `duration_s` is measured by decoding, not read from the header."""

    path: Path
    duration_s: float
    sample_rate: int
    channels: int
    claimed_s: float = 0.0
    """Seconds that the header promises; 0 when it promises nothing."""
    is_damaged: bool = False
    """The decoder said that something is missing or broken."""
    is_silent: bool = False
    """Nothing is to be heard in any channel of any track."""
    track: int = 0
    """Which of the file's sound tracks is heard."""
    first_track: int = 0
    """Which one a player would choose."""
    channel: int | None = None
    """None: the mean of all channels is heard; else the one that is, because together they cancel each other."""
    late_s: float = 0.0
    """Silence before the first sample that a player keeps."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One line of ffmpeg's framecrc listing, in seconds."""

    time_s: float
    duration_s: float
    hidden: bool = False
    """Decoded because others need it, but never shown: an edit list has cut it away."""


def probe_image(path: str | Path) -> ImageInfo:
    """Read a picture's size and format; MediaError when it is none."""
    return _probe_image(path)[0]


def image_damage(path: str | Path) -> str:
    """Return '' when every pixel of a picture can be decoded, else why not; from the same look as `probe_image`."""
    return _probe_image(path)[1]


def probe_video(path: str | Path) -> VideoInfo:
    """Read a video's facts within a few seconds; MediaError when it has no readable video stream."""
    return _probe_video(path)


def probed_as(path: str | Path, info: VideoInfo) -> None:
    """Remember what a video holds that was probed under another name: nobody needs to look again."""
    _probe_video.keep(path, replace(info, path=Path(path)))


def probe_audio(path: str | Path) -> AudioInfo:
    """Decode the sound of a sound or video file to measure it; MediaError when there is none."""
    return _probe_audio(path)


def picture_times(path: str | Path) -> tuple[float, ...]:
    """Time stamps of all pictures that a player shows, ascending; evenly spaced where they cannot be listed soon."""
    return _picture_times(path)


def listing(output: bytes) -> tuple[dict[str, str], list[Packet]]:
    """Read a framecrc listing: its '#name 0: value' lines, and its packets in order of time."""
    lines = output.decode("ascii", "replace").splitlines()
    facts = {
        name: value.strip()
        for line in lines
        if line.startswith("#") and " 0: " in line
        for name, _, value in [line[1:].partition(" 0: ")]
    }
    tick = Fraction(facts.get("tb", "1/1"))
    return facts, sorted(_packets(lines, tick), key=lambda packet: packet.time_s)


def _packets(lines: list[str], tick: Fraction) -> list[Packet]:
    """Read the packets' lines; some formats stamp only every few pictures, but then decoding times are whole."""
    rows = [
        ([int(cell) for cell in line.split(",")[1:4]], _is_hidden(line))
        for line in lines
        if re.match(r"\d+, *-?\d+, *-?\d+, *\d+, ", line)
    ]
    column = next((column for column in (1, 0) if all(row[column] != UNKNOWN_TIME for row, _ in rows)), None)
    return [
        Packet(float(row[column] * tick) if column is not None else 0.0, float(row[2] * tick), hidden)
        for row, hidden in rows
    ]


def _is_hidden(line: str) -> bool:
    flags = re.search(r", F=0x([0-9A-Fa-f]+)", line)
    return flags is not None and bool(int(flags.group(1), 16) & DISCARD)


@per_file
def _probe_image(path: Path) -> tuple[ImageInfo, str]:
    """Return the facts, and why not every pixel could be decoded: a cut-off picture has a whole header."""
    with open_image(path) as image:
        damage = ""
        try:
            image.load()
        except UNREADABLE as error:
            damage = reason_for(error)
        width, height = upright_size(image)
        return ImageInfo(path, width, height, image.format or ""), damage


@per_file
def _probe_video(path: Path) -> VideoInfo:
    name = shown(path)
    _refuse_unfinished(path)
    first = source(path).output("pipe:1", map="0:V:0", map_metadata=-1, f="framecrc", vf="showinfo", **{"frames:v": 1})
    # Each is a process of its own, whose start is most of its time.
    with ThreadPoolExecutor(1, thread_name_prefix="listing") as threads:
        listing_too = threads.submit(_packets_of, path, FIRST_FRAME_LIMIT_S)
        done = run(first, time_limit_s=FIRST_FRAME_LIMIT_S, max_bytes=1 << 20, check=False)
        listed = listing_too.result()
    facts, frames = listing(done.stdout)
    _refuse_protected(path)
    if not frames:
        raise MediaError(f"{name}: {_no_video(path, done)}")
    across, _, down = facts["dimensions"].partition("x")
    stored = int(across), int(down)
    aspect = pixel_aspect(facts.get("sar", ""))
    line = next(iter(stream_lines(done.messages, "Video")), "")
    copied, packets, timed_out = listed
    timing = _timing(packets, header_rate(line))
    if timed_out or not timing.num_frames:
        timing = _estimate(header_duration(done.messages), header_rate(line))
    turn = re.search(r"rotation of (-?[\d.]+) degrees", done.messages)
    return VideoInfo(
        path,
        width=max(1, round(stored[0] * aspect)),
        height=stored[1],
        fps=timing.fps,
        duration_s=timing.duration_s,
        num_frames=timing.num_frames,
        has_audio=bool(stream_lines(done.messages, "Audio")),
        rotation=round(-float(turn.group(1))) % 360 if turn else 0,
        pixel_format=pixel_format(line),
        span_s=timing.span_s,
        start_s=timing.start_s,
        held_s=timing.held_s,
        look=look_of(done.messages, line, stored, pixel_format(line), timing.fps),
        coding=" ".join(copied.get(key, "") for key in ("codec_id", "dimensions", "extradata", "tb")),
    )


def _packets_of(path: Path, limit_s: float = LISTING_LIMIT_S) -> tuple[dict[str, str], list[Packet], bool]:
    """What a copy of the video stream says of it, its packets that are shown, and whether the time ran out."""
    whole = source(path).output("pipe:1", map="0:V:0", c="copy", f="framecrc")
    done = run(whole, time_limit_s=limit_s, max_bytes=64 << 20, check=False)
    facts, packets = listing(done.stdout)
    return facts, [packet for packet in packets if not packet.hidden], done.timed_out


@per_file
def _picture_times(path: Path) -> tuple[float, ...]:
    info = probe_video(path)
    times = tuple(packet.time_s for packet in _packets_of(path)[1])
    if len(times) == info.num_frames and times[-1] - times[0] == info.span_s:
        return times
    return tuple(info.start_s + number / info.fps for number in range(info.num_frames))


@dataclass(frozen=True, slots=True)
class _Timing:
    num_frames: int
    fps: float
    duration_s: float
    span_s: float
    start_s: float
    held_s: float


def _timing(packets: list[Packet], stated_fps: float) -> _Timing:
    """Measure rate and length from packet times; the header's rate serves where there are no times."""
    if not packets:
        return _Timing(0, stated_fps, 0.0, 0.0, 0.0, 0.0)
    count, first, last = len(packets), packets[0], packets[-1]
    span = last.time_s - first.time_s
    if count > 1 and not 0.01 < (count - 1) / (span or 1e-9) < 1000:
        span = (count - 1) / stated_fps
    fps = round((count - 1) / span, 6) if count > 1 else stated_fps
    held = last.duration_s if 0 < last.duration_s <= MAX_HELD_S else 1 / fps
    return _Timing(count, fps, span + held, span, first.time_s, held)


def _estimate(duration_s: float, rate: float) -> _Timing:
    count = max(1, round(duration_s * rate))
    return _Timing(count, rate, count / rate, (count - 1) / rate, 0.0, 1 / rate)


@per_file
def _probe_audio(path: Path) -> AudioInfo:
    name = shown(path)
    _refuse_unfinished(path)
    _refuse_protected(path)
    heard, late_s = choose_track(path, SOUND_MEASURED_S, SOUND_LIMIT_S)
    if not heard.num_samples:
        raise MediaError(f"{name}: {_no_sound(path, heard.messages, heard.timed_out)}")
    if heard.timed_out:
        raise MediaError(tr("{name}: the sound could not be read within {limit:g} s", name=name, limit=SOUND_LIMIT_S))
    samples = heard.num_samples
    if "Input #0, mov" in heard.messages:
        # Decoders disagree on whether the last packet is cut where its stream ends; the packets themselves agree.
        samples = min(samples, _packed_samples(path, heard.track, heard.sample_rate, late_s) or samples)
    measured = samples / heard.sample_rate
    if measured > SOUND_MEASURED_S - 1:
        measured = max(measured, header_duration(heard.messages))
    return AudioInfo(
        path,
        measured,
        heard.sample_rate,
        heard.channels,
        _claim(path, heard.messages),
        is_damaged=DAMAGE.search(heard.messages) is not None or _mp3_is_cut(path, heard.messages),
        is_silent=heard.is_silent,
        track=heard.track,
        first_track=playing_order(heard.messages)[0],
        channel=heard.channel,
        late_s=late_s,
    )


def _mp3_is_cut(path: Path, messages: str) -> bool:
    """An MP3 has no end that a decoder would miss: a header that claims more and half a frame tell it together."""
    return "filesize and duration do not match" in messages and not mp3_ends_whole(path)


def _packed_samples(path: Path, track: int, rate: int, late_s: float) -> int:
    """Return the samples from 0 to the end of a track's last packet that is shown; 0 when it cannot be told."""
    listed = source(path).output("pipe:1", map=f"0:a:{track}", c="copy", f="framecrc", t=SOUND_MEASURED_S)
    done = run(listed, time_limit_s=LISTING_LIMIT_S, max_bytes=16 << 20, check=False)
    ends = [packet.time_s + packet.duration_s for packet in listing(done.stdout)[1] if not packet.hidden]
    return 0 if done.timed_out or not ends else round((max(ends) + late_s) * rate)


def _refuse_unfinished(path: Path) -> None:
    """Raise MediaError for a file whose end never arrived: reading gigabytes of nothing would take its whole limit."""
    if is_unfinished(path):
        raise MediaError(
            tr("{name}: its end was never written: a copy or a transfer that never finished", name=shown(path))
        )


def _refuse_protected(path: Path) -> None:
    """Raise MediaError for an encrypted file: what a decoder makes of it is noise, or nothing."""
    if is_protected(path):
        raise MediaError(tr("{name}: is encrypted (DRM): only its shop's own player can read it", name=shown(path)))


def _no_video(path: Path, done: Finished) -> str:
    """Say why no frame came out."""
    if _is_picture(path):
        return tr("is a picture, not a video")
    if done.timed_out:
        return tr("not one frame could be read within {limit:g} s", limit=FIRST_FRAME_LIMIT_S)
    if "Input #0" in done.messages:
        if stream_lines(done.messages, "Video") and "matches no streams" not in done.messages:
            return tr("the video stream is damaged or cut off: no frame can be decoded")
        if stream_lines(done.messages, "Audio"):
            return tr("has no video stream, only sound")
        return tr("has no video stream")
    return _not_media(path, done.messages, tr("not a video that ffmpeg can read"))


def _no_sound(path: Path, messages: str, timed_out: bool) -> str:
    """Say why no sample came out."""
    if _is_picture(path):
        return tr("is a picture, not a recording")
    if timed_out:
        return tr("no sound could be read within {limit:g} s", limit=SOUND_LIMIT_S)
    if "Input #0" in messages:
        if stream_lines(messages, "Audio") and "matches no streams" not in messages:
            return tr("the sound is damaged or cut off: nothing of it can be decoded")
        if stream_lines(messages, "Video"):
            return tr("is a video without sound")
        return tr("has no sound stream")
    return _not_media(path, messages, tr("not a recording that ffmpeg can read"))


def _not_media(path: Path, messages: str, otherwise: str) -> str:
    forbidden = re.search(r"Permission denied|Operation not permitted|No such file or directory", messages)
    if forbidden and os.access(path, os.R_OK):
        return tr(
            "{ffmpeg} may not read it here ({reason}): copy it to another folder, "
            "or install the Python package imageio-ffmpeg",
            ffmpeg=ffmpeg_path(),
            reason=forbidden.group(0),
        )
    if "moov atom not found" in messages and "misdetection possible" not in messages:
        return tr("cut off or never finished: its index (moov) is missing")
    kind = other_picture(path) or other_file(path)
    return tr("{problem}, but {kind}", problem=otherwise, kind=kind) if kind else otherwise


def _is_picture(path: Path) -> bool:
    try:
        with open_image(path) as image:
            return image.format != "GIF"
    except (MediaError, *UNREADABLE):
        return False


def _claim(path: Path, messages: str) -> float:
    """Return the length that a sound file's header promises; a film's length is no promise of its sound's."""
    if stream_lines(messages, "Video"):
        return 0.0
    guessed = "Estimating duration from bitrate" in messages
    return wave_claim(path) or (0.0 if guessed else header_duration(messages))
