"""Joins pieces into one mp4 without encoding them again, and lays one sound track under them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import ffmpeg

from pipelines.front.durable import write_whole
from pipelines.front.errors import MediaError
from pipelines.front.trim import WHOLE, Trim
from pipelines.media.ffmpeg import arguments, file_url, run, traits
from pipelines.media.read.audio import heard_as
from pipelines.media.read.probe import MEASURED_EXACTLY_S, AudioInfo
from pipelines.media.read.tracks import heard_stream
from pipelines.media.write.video import BITEXACT, no_room, raise_write_error

MUX_LIMIT_S = 3600.0
AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
TAGS = "tags.txt"
CHAPTER_TICKS = 90_000
"""To the second: fine enough for a frame of any rate."""
MAX_ARGUMENT = 100_000
"""Linux refuses a single argument of 128 KiB; longer comments travel in a file."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A file's sound as a person hears it; `starts_s` is the place in it that is heard with the first frame.

    None plays it from its beginning, as the model heard it.
    """

    path: Path
    starts_s: float | None = None
    seconds: float | None = None
    """Silence follows after so much of it."""
    delay_s: float = 0.0
    """Silence before it."""
    volume: float = 1.0
    """What its samples are multiplied with."""
    trim: Trim = WHOLE
    """Only this stretch is played."""
    channel: int | None = None
    """The one that is played alone; None for all."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A named stretch of a film."""

    title: str
    starts_s: float
    ends_s: float


def join_by_copy(
    pieces: Sequence[Path],
    output: Path,
    bench: Path,
    *,
    length_s: float,
    sound: Sound | Sequence[Sound] | None = None,
    title: str = "",
    comment: str = "",
    chapters: Sequence[Chapter] = (),
    subtitles: Path | None = None,
    untouched: bool = False,
    poll: Callable[[], None] | None = None,
) -> None:
    """Write `pieces` (equal coding) one after the other to `output`, `length_s` of sound below; uses folder `bench`.

    Several sounds are mixed into one track.
    `untouched` keeps every frame byte for byte, for pieces with the very same parameter sets; else these are repeated
    before the frames of each. `subtitles` is an .srt, stored as a track that a player may show. `poll` may raise to end
    the work. MediaError or DiskFull when ffmpeg fails.
    """
    # Short relative names: a list file has no way to quote every name a folder may have.
    names = [f"{index:05d}.mp4" for index in range(len(pieces))]
    for name, piece in zip(names, pieces, strict=True):
        (bench / name).unlink(missing_ok=True)
        (bench / name).symlink_to(piece.absolute())
    listed = "".join(f"file '{name}'\n" for name in names)
    write_whole(bench / "pieces.txt", listed.encode("ascii"), durable=False)
    as_is: dict[str, Any] = {"auto_convert": 0} if untouched else {}
    video = ffmpeg.input("file:pieces.txt", f="concat", safe=0, protocol_whitelist="file,pipe", **as_is)["v:0"]
    options = _output_options(bench, title, comment, chapters)
    others = []
    if subtitles is not None:
        others = [ffmpeg.input(file_url(subtitles), f="srt")["s:0"]]
        options["c:s"] = "mov_text"
    if sound is None:
        _run(ffmpeg.output(video, *others, file_url(output), **options), pieces, output, bench, poll)
        return
    sounds = [sound] if isinstance(sound, Sound) else list(sound)
    infos = [heard_as(one.path, one.channel) for one in sounds]
    for stereo, mended in product((False, True), repeat=2):
        # A layout without a name has no place in AAC: then two channels. Nor have numbers that are none (NaN).
        try:
            track = _mixed(sounds, infos, length_s, stereo=stereo, mended=mended)
            aac = {"c:a": "aac", "b:a": "192k", "flags:a": "+bitexact"}
            _run(ffmpeg.output(video, track, *others, file_url(output), **options, **aac), pieces, output, bench, poll)
            return
        except MediaError:
            if mended and (stereo or all(info.channels <= 2 for info in infos)):
                raise


def _mixed(sounds: Sequence[Sound], infos: Sequence[AudioInfo], length_s: float, *, stereo: bool, mended: bool) -> Any:
    """Return all sounds together as one track, in mono where all of them are."""
    tracks = [
        _track(one, info, number, length_s, stereo=stereo, mended=mended)
        for number, (one, info) in enumerate(zip(sounds, infos, strict=True))
    ]
    if len(tracks) == 1:
        return tracks[0]
    rate = max(_rate(info) for info in infos)
    layout = "mono" if all(info.channels == 1 or info.channel is not None for info in infos) else "stereo"
    alike = [
        track.filter("aresample", rate).filter("aformat", sample_fmts="fltp", channel_layouts=layout)
        for track in tracks
    ]
    mixed = ffmpeg.filter(alike, "amix", inputs=len(alike), normalize=0)
    return mixed.filter("atrim", end_sample=round(length_s * rate)).filter("asetpts", "N/SR/TB")


def _rate(info: AudioInfo) -> int:
    return info.sample_rate if info.sample_rate in AAC_RATES else 48000


def _track(sound: Sound, info: AudioInfo, number: int, length_s: float, *, stereo: bool, mended: bool) -> Any:
    """Return the sound, exactly `length_s` long and starting at 0; mended: what is no number becomes 0."""
    rate = _rate(info)
    track = heard_stream(info.path, info.track, info.late_s, number)
    if info.channel is not None:
        track = track.filter("pan", args=f"mono|c0=c{info.channel}")
    if mended:
        track = track.filter("aeval", "if(isnan(val(ch))+isinf(val(ch)),0,val(ch))", channel_layout="same")
    if not sound.trim.is_whole:
        first, stop = sound.trim.samples(info.sample_rate, round(info.duration_s * info.sample_rate))
        track = track.filter("atrim", start_sample=first, end_sample=stop)
        track = track.filter("aresample", rate).filter("asetpts", "N/SR/TB")
    elif sound.starts_s is None:
        if info.duration_s < MEASURED_EXACTLY_S:
            track = track.filter("atrim", end_sample=round(info.duration_s * info.sample_rate))
        track = track.filter("aresample", rate).filter("asetpts", "N/SR/TB")
    else:
        track = track.filter("asetpts", f"PTS-({sound.starts_s:.6f})/TB")
        # 'async' fills gaps and 'first_pts' cuts or pads the beginning, so that the sound stays with its picture.
        track = track.filter("aresample", rate, **{"async": 1, "first_pts": 0})
    if sound.seconds is not None:
        track = track.filter("atrim", end_sample=round(sound.seconds * rate))
    if stereo:
        track = track.filter("aformat", channel_layouts="stereo")
    if sound.volume != 1:
        track = track.filter("volume", sound.volume)
    if sound.delay_s:
        track = track.filter("adelay", f"{round(sound.delay_s * rate)}S", all=1)
    return track.filter("apad").filter("atrim", end_sample=round(length_s * rate)).filter("asetpts", "N/SR/TB")


def _output_options(bench: Path, title: str, comment: str, chapters: Sequence[Chapter]) -> dict[str, Any]:
    options: dict[str, Any] = {
        "c:v": "copy",
        "f": "mp4",
        "movflags": "+faststart",
        "map_metadata": -1,
        "map_chapters": -1,
        "fflags": BITEXACT["fflags"],
    }
    if chapters:
        options |= traits().counts_in(CHAPTER_TICKS)
    if title:
        options["metadata:g:0"] = f"title={title}"
    (bench / TAGS).unlink(missing_ok=True)
    if chapters or len(comment) > MAX_ARGUMENT:
        tags = f";FFMETADATA1\ntitle={_escaped(title)}\ncomment={_escaped(comment)}\n"
        for chapter in chapters:
            start, end = round(chapter.starts_s * CHAPTER_TICKS), round(chapter.ends_s * CHAPTER_TICKS)
            times = f"TIMEBASE=1/{CHAPTER_TICKS}\nSTART={start}\nEND={end}"
            tags += f"[CHAPTER]\n{times}\ntitle={_escaped(chapter.title)}\n"
        write_whole(bench / TAGS, tags.encode("utf-8", "replace"), durable=False)
    elif comment:
        options["metadata:g:1"] = f"comment={comment}"
    return options


def _escaped(text: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", text)


def _run(
    stream: Any, pieces: Sequence[Path], output: Path, bench: Path, poll: Callable[[], None] | None = None
) -> None:
    args = arguments(stream)
    if (bench / TAGS).exists():
        first_output = min(args.index(word) for word in ("-filter_complex", "-map") if word in args)
        for option in ("-map_metadata", "-map_chapters"):
            args[args.index(option) + 1] = str(args.count("-i"))
        args[first_output:first_output] = ["-f", "ffmetadata", "-i", f"file:{TAGS}"]
    done = run(args, time_limit_s=MUX_LIMIT_S, check=False, trusted=True, folder=bench, poll=poll)
    if done.status != 0 or done.timed_out or no_room(done.messages):
        output.unlink(missing_ok=True)
        raise_write_error(output, done.messages, sum(piece.stat().st_size for piece in pieces))
