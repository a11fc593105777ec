"""Turns a job's pieces into its one finished mp4, with sound and its own recipe inside, and checks it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.durable import discard_parts, make_folder, put_in_place, write_whole
from pipelines.front.errors import MediaError
from pipelines.front.fields import Files
from pipelines.front.language import tr
from pipelines.front.request import Request, field_specs
from pipelines.front.runtime import Output, Runtime
from pipelines.front.trim import WHOLE, Trim
from pipelines.media.ffmpeg import run, source, traits
from pipelines.media.files import need_room, plain_line, shown
from pipelines.media.read.frames import all_pictures, frames_within, last_moment, read_frames, shown_at
from pipelines.media.read.probe import probe_audio, probe_video, probed_as
from pipelines.media.read.used import Used
from pipelines.media.write.mux import Sound, join_by_copy
from pipelines.media.write.verify import VideoFacts, examine
from pipelines.media.write.video import VideoWriter

RECIPE = "recipe"
"""The key that marks a comment as ours; its value is the layout's version."""
ROOM_BYTES = 32 << 20
"""Room asked for besides the pieces themselves: sound, index, sidecar."""
READ_LIMIT_S = 5.0
RECIPE_BYTES = 4 << 20
"""No recipe of ours is larger; nothing larger is parsed."""


def publish(
    pieces: Sequence[Path],
    runtime: Runtime,
    request: Request,
    *,
    task: str,
    fps: float,
    num_frames: int,
    before: str | Path | None = None,
    trim: Trim = WHOLE,
    sound: Sound | Sequence[Sound] | None = None,
    used: Mapping[str, Used | None] = MappingProxyType({}),
    warnings: Sequence[str] = (),
) -> Output:
    """Write `<result_dir>/<task>/<output_stem>.mp4` and its sidecar JSON; the same call gives the same file.

    A file that another job left under that name stays: then the name gets a number.

    `num_frames` counts the frames of `pieces` together. `before` is the input video of which `trim` is shown ahead of
    them (its size stretched to theirs, at `fps`, its sound kept); `sound` is a recording, or several to be mixed,
    padded with silence to the picture's length. `used` has what was taken of the file of a field, for the recipe.
    Raises MediaError or DiskFull.
    """
    # 1. Names and room
    folder = runtime.result_dir / task
    make_folder(folder, private=False)
    final = folder / f"{own_stem(folder, runtime)}.mp4"
    temporary = final.with_suffix(".part.mp4")
    need_room(folder, sum(piece.stat().st_size for piece in pieces) + ROOM_BYTES)
    bench = runtime.work_dir / "publish"
    shutil.rmtree(bench, ignore_errors=True)
    make_folder(bench)

    # 2. The input video as one more piece
    parts, before_frames = list(pieces), 0
    track: Sound | Sequence[Sound] | None = None
    if before is not None:
        opening, before_frames, track = _opening(Path(before), trim, parts[0], bench, fps)
        parts.insert(0, opening)
    if sound is not None:
        track = sound

    # 3. One file under a temporary name, looked at before it gets its own
    total = before_frames + num_frames
    recipe = make_recipe(task, request, runtime, used)
    try:
        join_by_copy(
            parts, temporary, bench, length_s=total / fps, sound=track, title=_title(task, request), comment=recipe
        )
        facts = examine(temporary, first_frame=before_frames)
        _verify(temporary, facts, total, fps, with_sound=track is not None)
        info = probe_video(temporary)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

    # 4. In place, with the sidecar beside it
    put_in_place(temporary, final)
    probed_as(final, info)
    output = Output(
        final,
        facts.width,
        facts.height,
        facts.num_frames,
        fps,
        suspect=facts.suspect,
        warnings=(*runtime.warnings, *warnings),
    )
    sidecar = json.dumps(read_json(recipe) | {"output": output_facts(output)}, indent=2, sort_keys=True) + "\n"
    discard_parts(final.with_suffix(".json"))
    write_whole(final.with_suffix(".json"), sidecar.encode("ascii"), private=False)
    shutil.rmtree(bench, ignore_errors=True)
    return output


def read_metadata(path: str | Path) -> dict[str, Any]:
    """Return what `publish` stored in an mp4: 'task', 'request' (all fields) and the runtime's metadata.

    {} when the file holds no recipe of ours; MediaError when it cannot be read.
    """
    probe_video(path)
    # A comment may be as large as the file: ffmpeg is ended once it has written more than a recipe can be.
    tags = run(
        source(Path(path)).output("pipe:1", f="ffmetadata"),
        what=shown(path),
        time_limit_s=READ_LIMIT_S,
        max_bytes=2 * RECIPE_BYTES,
    ).stdout
    comment = _tag(tags, b"comment")
    if len(comment) > RECIPE_BYTES:
        return {}
    try:
        recipe = read_json(comment.decode("utf-8", "replace"))
    except ValueError:
        return {}
    return recipe if isinstance(recipe, dict) and RECIPE in recipe else {}


def _tag(tags: bytes, name: bytes) -> bytes:
    """The value of a tag in ffmpeg's list of them, where a backslash keeps the next byte; b'' without one."""
    start = 0 if tags.startswith(name + b"=") else tags.find(b"\n" + name + b"=") + 1
    if start == 0 and not tags.startswith(name + b"="):
        return b""
    lines = []
    for line in tags[start + len(name) + 1 :].split(b"\n"):
        lines.append(line)
        if (len(line) - len(line.rstrip(b"\\"))) % 2 == 0:
            break
    # Pieces between pairs of backslashes hold single ones only, which are dropped.
    return b"\\".join(piece.replace(b"\\", b"") for piece in b"\n".join(lines).split(b"\\\\"))


def make_recipe(
    task: str, request: Request, runtime: Runtime, used: Mapping[str, Used | None] = MappingProxyType({})
) -> str:
    """Return the JSON that re-creates the job: pure ASCII, sorted, without a date of its own."""
    tool = {"ffmpeg": traits().version}
    files = {name for name, spec in field_specs(type(request)) if isinstance(spec, Files)}
    fields = {
        name: tuple(map(runtime.original_path, value)) if name in files else value
        for name, value in dataclasses.asdict(request).items()
    }
    content = {**runtime.metadata, **tool, RECIPE: 1, "task": task, "request": fields}
    if parts := {name: part.facts() for name, part in used.items() if part is not None and part.words()}:
        content["used"] = parts
    return json.dumps(content, sort_keys=True, ensure_ascii=True, default=str)


def write_opening(
    video: Path, path: Path, width: int, height: int, fps: float, trim: Trim = WHOLE
) -> tuple[int, float]:
    """Encode a trimmed input video at `fps`, stretched to width x height.

    Returns its number of frames and the time in the input at which the first of them is shown.
    """
    pictures = all_pictures(probe_video(video), trim)
    times, held_s = pictures.times_s, pictures.held_s
    count = frames_within(pictures.length_s, fps)
    indices = [pictures.skipped + index for index in shown_at(times, held_s, fps, count)]
    with VideoWriter(path, width, height, fps) as writer:
        for frame in read_frames(video, indices, width, height):
            writer.write(frame[None])
    return count, last_moment(times[-1], held_s, fps) - (count - 1) / fps


def own_stem(folder: Path, runtime: Runtime) -> str:
    """The stem that this job writes to, noted in its work folder before the first file has it.

    A job that died after its rename finds its own file again; one that did not takes a free name.
    """
    record = runtime.work_dir / "names.json"
    stems: dict[str, str] = read_json(record.read_bytes()) if record.exists() else {}
    wanted = str(folder / runtime.output_stem)
    if wanted not in stems:
        stem, number = runtime.output_stem, 1
        while (folder / f"{stem}.mp4").exists() or (folder / f"{stem}.json").exists():
            number += 1
            stem = f"{runtime.output_stem}-{number}"
        stems[wanted] = stem
        make_folder(runtime.work_dir)
        write_whole(record, json.dumps(stems).encode())
    return stems[wanted]


def _opening(video: Path, trim: Trim, like: Path, bench: Path, fps: float) -> tuple[Path, int, Sound | None]:
    """Encode the input video in the size of the piece `like`; returns it, its frames and the sound it came with."""
    shape = probe_video(like)
    opening = bench / "before.mp4"
    frames, starts_s = write_opening(video, opening, shape.width, shape.height, fps, trim)
    has_sound = probe_video(video).has_audio
    return opening, frames, Sound(video, starts_s=starts_s, seconds=frames / fps) if has_sound else None


def _verify(path: Path, facts: VideoFacts, num_frames: int, fps: float, with_sound: bool) -> None:
    """Compare the written file with what was asked for."""
    wrong = []
    if facts.num_frames != num_frames:
        wrong.append(tr("{count} frames instead of {wanted}", count=facts.num_frames, wanted=num_frames))
    if abs(facts.duration_s - num_frames / fps) > 1 / fps:
        wrong.append(tr("{seconds:.3f} s instead of {wanted:.3f} s", seconds=facts.duration_s, wanted=num_frames / fps))
    if facts.has_audio != with_sound:
        wrong.append(tr("sound is missing") if with_sound else tr("sound that nobody asked for"))
    elif with_sound and num_frames / fps < 200:
        seconds = probe_audio(path).duration_s
        if abs(seconds - num_frames / fps) > 1 / fps:
            wrong.append(
                tr("{seconds:.3f} s of sound instead of {wanted:.3f} s", seconds=seconds, wanted=num_frames / fps)
            )
    if wrong:
        raise MediaError(tr("{name} was written wrongly: {problems}", name=shown(path), problems=", ".join(wrong)))


def _title(task: str, request: Request) -> str:
    label = "demo (noise from random weights): " if request.profile == "demo" else ""
    return plain_line(f"{label}{task.replace('_', ' ')}: {request.prompt}", limit=160)


def output_facts(output: Output) -> dict[str, Any]:
    """Return what a sidecar says of the file beside it."""
    return dataclasses.asdict(output) | {"path": output.path.name, "warnings": list(output.warnings)}
