"""Finished videos as files: listing, recipes, names, trash and undo; knows nothing of Textual or of the queue."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, put_in_place, write_new, write_whole
from pipelines.front.language import tr
from pipelines.front.places import entries, is_folder, is_taken, real
from pipelines.tasks import TASKS

TRASH = ".trash"
JOINED = "joined"
"""Folder of what was joined from a selection."""
RECIPE_BYTES = 4 << 20
"""A sidecar above this is none of ours."""
KEPT_LETTERS = 64 << 10
"""Of one recipe that are kept while it is listed: files in the folder may be anybody's."""
LISTING_BYTES = 64 << 20
"""Sidecars that one listing reads; those beyond are listed by their file alone."""
LABEL_LETTERS = 1000
"""Of a label, a task or a mark that are shown or looked through."""
NAME_BYTES = 200
"""Room for endings below the 255 bytes that file systems allow."""


@dataclass(frozen=True, slots=True)
class Video:
    """One finished video."""

    path: Path
    num_bytes: int
    modified_s: float
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the sidecar, or of what the mp4 itself holds, at most KEPT_LETTERS; {} without either."""
    has_sidecar: bool = False

    @property
    def task(self) -> str:
        """Name of the task that made it, else of the folder it lies in."""
        task = self.recipe.get("task")
        return task[:LABEL_LETTERS] if isinstance(task, str) and task else self.path.parent.name

    @property
    def short(self) -> str:
        """The task as lists print it."""
        return next((task.short for task in TASKS if task.name == self.task), self.task)

    @property
    def label(self) -> str:
        """The label, else the file's name."""
        label = self.recipe.get("label")
        return label[:LABEL_LETTERS] if isinstance(label, str) and label else self.path.stem

    @property
    def request(self) -> Mapping[str, Any]:
        """The request that made it, {} when unknown or of no task of this program."""
        request = self.recipe.get("request")
        known = any(task.name == self.task for task in TASKS)
        return request if known and isinstance(request, dict) else {}

    @property
    def seconds(self) -> float | None:
        """Length as the recipe says; None when it says nothing."""
        output = self.recipe.get("output")
        match output:
            case {"num_frames": int(frames), "fps": int() | float() as fps} if 0 < frames < 2**31 and 0 < fps < 1000:
                return frames / fps
        return None

    @property
    def star(self) -> bool:
        """Whether a person has starred it."""
        return self.recipe.get("star") is True

    @property
    def note(self) -> str:
        """What a person wrote about it, ''."""
        note = self.recipe.get("note")
        return note[:LABEL_LETTERS] if isinstance(note, str) else ""

    @property
    def suspect(self) -> str:
        """Why its picture looks wrong, ''."""
        output = self.recipe.get("output")
        suspect = output.get("suspect") if isinstance(output, dict) else ""
        return suspect[:LABEL_LETTERS] if isinstance(suspect, str) else ""


def videos(*result_dirs: Path) -> list[Video]:
    """Every finished mp4 in these and their folders, each once, newest first; no unfinished and no hidden ones."""
    found, read_bytes = [], 0
    for path in dict.fromkeys(path for folder in result_dirs for path in _mp4_files(folder)):
        looked = _look(path, LISTING_BYTES - read_bytes)
        if looked is not None:
            video, num_bytes = looked
            found.append(video)
            read_bytes += num_bytes
    return sorted(found, key=lambda video: video.modified_s, reverse=True)


def with_recipe_inside(video: Video) -> Video:
    """The video with the recipe that its mp4 holds, for one without a sidecar; runs ffmpeg, so use a worker."""
    if video.has_sidecar or video.recipe:
        return video
    return _replace_recipe(video, _recipe_inside(video.path, video.num_bytes, video.modified_s))


def folders_of(own: Path, named: Iterable[str]) -> list[Path]:
    """Return `own`, and of the folders that jobs name those that are there, each once however it is called."""
    others = {real(Path(name)): Path(name) for name in sorted(set(named), reverse=True) if name}
    others.pop(real(own), None)
    return [own, *(folder for folder in sorted(others.values()) if is_folder(folder))]


def home_of(video: Path, folders: Iterable[Path]) -> Path:
    """The one of these results folders in which a video lies."""
    return max((one for one in folders if video.is_relative_to(one)), key=lambda one: len(one.parts))


# Names


def name_problem(video: Path, name: str) -> str:
    """Why a video cannot get `name` (without its ending), or ''."""
    if not name:
        return tr("A file needs a name")
    if "/" in name or name.startswith("."):
        return tr("A name holds no / and does not begin with a dot")
    if not name.isprintable():
        return tr("This name holds characters that cannot be shown")
    if len(name.encode()) > NAME_BYTES:
        return tr("This name is too long: {most} bytes at most", most=NAME_BYTES)
    if ".part" in name:
        return tr("'.part' in a name marks an unfinished file")
    taken = next((path for path in _pair(video.with_name(f"{name}.mp4")) if is_taken(path)), None)
    if name != video.stem and taken is not None:
        return tr("{name} is there already", name=taken.name)
    return ""


def rename(video: Video, name: str) -> Path:
    """Give a video and its recipe another name, label included; OSError leaves both as they were.

    The caller has asked `name_problem`.
    """
    target = video.path.with_name(f"{name}.mp4")
    if target == video.path:
        return target
    old, new = _pair(video.path)[1], _pair(target)[1]
    if taken := next((path for path in (target, new) if is_taken(path)), None):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(taken))
    if video.recipe:
        recipe = _whole_recipe(video)
        output = recipe.get("output")
        renamed = {"output": {**output, "path": target.name}} if isinstance(output, dict) else {}
        write_recipe(new, {**recipe, **renamed, "label": name})
    try:
        video.path.rename(target)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    if video.has_sidecar:
        old.unlink(missing_ok=True)
    return target


def remark(video: Video, **marks: object) -> None:
    """Write `star` or `note` into the sidecar, which is made where there is none; what is false or '' is taken out.

    OSError leaves it as it was; FileExistsError where a file of another kind has its name.
    """
    sidecar = _pair(video.path)[1]
    if is_taken(sidecar) and not video.has_sidecar:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(sidecar))
    recipe = {key: value for key, value in {**_whole_recipe(video), **marks}.items() if key not in marks or value}
    if recipe:
        write_recipe(sidecar, recipe)
    elif video.has_sidecar:
        sidecar.unlink()


def _whole_recipe(video: Video) -> Mapping[str, Any]:
    """The recipe as its file has it: a long one is not kept whole by the list."""
    if not video.recipe or "request" in video.recipe:
        return video.recipe
    inside = _read_sidecar(_pair(video.path)[1]) if video.has_sidecar else _read_inside(video.path)
    return inside or video.recipe


def write_recipe(path: Path, recipe: Mapping[str, Any]) -> None:
    """Write a sidecar, whole or not at all."""
    text = json.dumps(recipe, indent=2, sort_keys=True, default=str) + "\n"
    write_whole(path, text.encode("ascii"), private=False)


def joined_path(result_dir: Path, chosen: Sequence[Video]) -> Path:
    """A free name for what `chosen` are joined to."""
    letters = (char if char.isalnum() or char in "-_" else "-" for char in chosen[0].label[:60])
    stem = "".join(letters).strip("-") or "video"
    return _free(result_dir / JOINED / f"{stem}-and-{len(chosen) - 1}.mp4")


def save_last_frame(video: Path) -> Path:
    """Write the last frame beside a video as a PNG and return its path; one that is there already serves again.

    What else has the name stays as it is: then the name gets a number.
    """
    from pipelines.media.read.stills import png_bytes
    from pipelines.media.read.video import last_frame

    return _keep_picture(video.with_name(f"{video.stem}-last.png"), png_bytes(last_frame(video)))


def save_frame(video: Path, number: int) -> Path:
    """As `save_last_frame` for any frame, counted from 1 or, below 0, from the end. Raises MediaError."""
    from pipelines.media.read.stills import frame_picture, png_bytes

    picture, place = frame_picture(video, number)
    return _keep_picture(video.with_name(f"{video.stem}-frame-{place}.png"), png_bytes(picture))


def hold_picture(picture: Path, folder: Path) -> Path:
    """Make a clip of a picture held for 25 frames and return its path; the same picture gives the same file.

    In the folder of fetched files it lives as long as those do.
    """
    from pipelines.media.write.still import write_held

    make_folder(folder)
    digest = hashlib.sha256(picture.read_bytes()).hexdigest()[:10]
    target = folder / f"held-{digest}.mp4"
    if not target.exists():
        temporary = folder / f"held-{digest}.{os.getpid()}.part.mp4"
        write_held(picture, temporary)
        put_in_place(temporary, target)
    return target


def _keep_picture(first: Path, data: bytes) -> Path:
    number, target = 1, first
    while is_taken(target):
        if _holds(target, data):
            return target
        number += 1
        target = first.with_stem(f"{first.stem}-{number}")
    return write_new(target, data, private=False)


# Trash


def move_to_trash(path: Path, result_dir: Path) -> list[tuple[Path, Path]]:
    """Move a video and its sidecar to the trash in `result_dir`; pairs (from, to) for `undo`.

    OSError when one of them cannot be moved; then both are where they were.
    """
    folder = result_dir / TRASH / path.parent.relative_to(result_dir)
    make_folder(folder, private=False)
    moved: list[tuple[Path, Path]] = []
    try:
        for source, place in zip(_pair(path), _pair(_free(folder / path.name)), strict=True):
            if is_taken(source):
                source.rename(place)
                moved.append((source, place))
    except OSError:
        undo(moved)
        raise
    return moved


def undo(moved: Sequence[tuple[Path, Path]]) -> list[Path]:
    """Put files back where they were and return those that were not: something else has their name by now."""
    taken = []
    for source, target in moved:
        if is_taken(source):
            taken.append(target)
        else:
            make_folder(source.parent, private=False)
            target.rename(source)
    return taken


# Files


def _mp4_files(result_dir: Path) -> Iterator[Path]:
    shown = [entry for entry in entries(result_dir) if not entry.name.startswith(".")]
    inside = (below for entry in shown if is_folder(Path(entry)) for below in entries(Path(entry)))
    for entry in (*shown, *inside):
        if entry.name.endswith(".mp4") and ".part" not in entry.name and not entry.name.startswith("."):
            yield Path(entry)


def _look(path: Path, room_bytes: int) -> tuple[Video, int] | None:
    """The file's facts and how long its sidecar is; None when it has gone meanwhile or is no file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    video = Video(path, facts.st_size, facts.st_mtime)
    sidecar = _pair(path)[1]
    try:
        beside = sidecar.stat()
    except OSError:
        return video, 0
    if not stat.S_ISREG(beside.st_mode) or beside.st_size > min(RECIPE_BYTES, room_bytes):
        return video, 0
    recipe = _sidecar(sidecar, beside.st_size, beside.st_mtime_ns)
    return (_replace_recipe(video, recipe, has_sidecar=True) if recipe else video), beside.st_size


def _replace_recipe(video: Video, recipe: Mapping[str, Any], *, has_sidecar: bool = False) -> Video:
    return Video(video.path, video.num_bytes, video.modified_s, recipe, has_sidecar)


@lru_cache(maxsize=16384)
def _sidecar(path: Path, _num_bytes: int, _modified_ns: int) -> Mapping[str, Any]:
    """What is kept of a sidecar, read once for each size and time of change."""
    return _kept(_read_sidecar(path))


def _read_sidecar(path: Path) -> Mapping[str, Any]:
    """All of a sidecar; {} for what is none."""
    try:
        # Not a pipe that somebody has put there since it was looked at, and no more than was agreed.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            text = file.read(RECIPE_BYTES + 1)
        content = read_json(text) if len(text) <= RECIPE_BYTES else None
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@lru_cache(maxsize=16384)
def _recipe_inside(path: Path, _num_bytes: int, _modified_s: float) -> Mapping[str, Any]:
    """What is kept of the recipe that the mp4 holds, read once for each size and time of change."""
    return _kept(_read_inside(path))


def _read_inside(path: Path) -> Mapping[str, Any]:
    # Reading media loads Pillow and ffmpeg-python: only where a file has no sidecar.
    from pipelines.front.errors import MediaError
    from pipelines.media.write.publish import read_metadata

    try:
        return read_metadata(path)
    except MediaError:
        return {}


def _kept(recipe: Mapping[str, Any]) -> Mapping[str, Any]:
    """The recipe itself, or of one that is too long for a recipe what tells the video from others."""
    if _letters(recipe, KEPT_LETTERS) >= 0:
        return recipe
    return {
        key: value
        for key in ("recipe", "task", "label", "output", "star", "note")
        if (value := recipe.get(key)) is not None and _letters(value, KEPT_LETTERS // 4) >= 0
    }


def _letters(value: object, room: int) -> int:
    """What is left of `room` letters after a JSON value; negative as soon as it is too long, or too deep."""
    waiting = [value]
    while waiting and room >= 0:
        match waiting.pop():
            case str() as text:
                room -= len(text) + 8
            case dict() as table:
                room -= 8 * len(table) + 8
                waiting += [*table.keys(), *table.values()] if room >= 0 else []
            case list() as items:
                room -= 8 * len(items) + 8
                waiting += items if room >= 0 else []
            case _:
                room -= 8
    return room


def _pair(video: Path) -> tuple[Path, Path]:
    return video, video.with_suffix(".json")


def _holds(path: Path, data: bytes) -> bool:
    """True for a regular file, no link, with exactly this content."""
    facts = path.lstat()
    return stat.S_ISREG(facts.st_mode) and facts.st_size == len(data) and path.read_bytes() == data


def _free(video: Path) -> Path:
    """The path, or with a number, such that neither video nor sidecar is there."""
    number, free = 1, video
    while any(map(is_taken, _pair(free))):
        number += 1
        free = video.with_stem(f"{video.stem}-{number}")
    return free
