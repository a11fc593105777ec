"""Downloads checkpoints from the Hugging Face hub: plan first, then fetch, resume, check; torch-free.

Files go to the shared cache in its public layout, so that every other tool finds them too. A file in flight is
`blobs/<etag>.skyreels.part`: its name is stable, so a killed download goes on where it was.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from pipelines.checkpoints.download.client import listed
from pipelines.checkpoints.download.errors import NotHere, nonsense
from pipelines.checkpoints.locate import hub_cache, repo_folder
from pipelines.checkpoints.registry import Checkpoint, Component
from pipelines.front.errors import CheckpointMissing, DiskFull
from pipelines.front.language import tr
from pipelines.front.places import nearest_existing, real

SPARE = 1.1
"""Free space that must be there, as a multiple of what is still to come."""

PART = ".skyreels.part"

MOST_FILES = 1000
"""Needed files of one checkpoint; the largest has some thirty."""
MOST_BYTES = 1 << 60
"""Of one file: no file system that we know takes a larger one."""
_NAME_BYTES = 200
"""Of one folder or file; file systems take 255, and a temporary name may be longer."""

_COMMIT, _SHA256 = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a repository at one revision."""

    path: str
    num_bytes: int
    etag: str
    """Name of its blob: the sha256 of a large file, the git object id of a small one."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file that is needed, and how much of it is here."""

    file: RemoteFile
    have_bytes: int

    @property
    def missing_bytes(self) -> int:
        """Bytes still to come."""
        return self.file.num_bytes - self.have_bytes


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """What a download will do; nothing has been fetched."""

    repo_id: str
    revision: str
    """Commit."""
    cache: Path
    endpoint: str
    files: tuple[PlannedFile, ...]
    attempts: tuple[str, ...]
    """Ids that were tried before, each with what came of it."""

    @property
    def contents(self) -> tuple[PlannedFile, ...]:
        """One file for each content: files that are alike are fetched once."""
        return tuple({planned.file.etag: planned for planned in self.files}.values())

    @property
    def num_bytes(self) -> int:
        """Bytes of all needed contents."""
        return sum(planned.file.num_bytes for planned in self.contents)

    @property
    def missing_bytes(self) -> int:
        """Bytes still to come."""
        return sum(planned.missing_bytes for planned in self.contents)

    def as_here(self) -> DownloadPlan:
        """The same plan, with what of its files is here at this moment."""
        blobs = real(repo_folder(self.repo_id, self.cache)) / "blobs"
        files = tuple(replace(entry, have_bytes=present_bytes(blobs, entry.file)) for entry in self.files)
        return replace(self, files=files)

    def only(self, components: Sequence[Component]) -> DownloadPlan:
        """The part of the plan that fetches these components alone."""
        return replace(self, files=tuple(entry for entry in self.files if is_needed(entry.file.path, components)))

    @property
    def folder(self) -> Path:
        """Where the files will be seen."""
        return repo_folder(self.repo_id, self.cache) / "snapshots" / self.revision

    @property
    def blobs(self) -> Path:
        """Where their bytes are kept."""
        return repo_folder(self.repo_id, self.cache) / "blobs"


def default_endpoint() -> str:
    """Return the address of the hub, by the same variable as Hugging Face tools read."""
    given = os.environ.get("HF_ENDPOINT")
    if given is None:
        from huggingface_hub import constants

        given = constants.ENDPOINT
    return given.rstrip("/")


def is_offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether a person has switched downloads off, by the same variables as Hugging Face tools read."""
    text = environ.get("HF_HUB_OFFLINE") or environ.get("TRANSFORMERS_OFFLINE") or ""
    return text.upper() in ("1", "ON", "YES", "TRUE")


def needed_components(checkpoint: Checkpoint, tasks: Sequence[str]) -> tuple[Component, ...]:
    """Return the components that any of `tasks` needs; all of them for no task."""
    wanted = set(tasks)
    return tuple(part for part in checkpoint.components if not wanted or wanted & set(part.tasks))


def is_needed(path: str, components: Sequence[Component]) -> bool:
    """True when a file of a repository belongs to one of the components; `*` never crosses a folder."""
    parts = PurePosixPath(path).parts
    for component in components:
        for pattern in component.patterns:
            wanted = PurePosixPath(pattern).parts
            if len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted)):
                return True
    return False


def plan_download(
    checkpoint: Checkpoint,
    tasks: Sequence[str] = (),
    *,
    cache: Path | None = None,
    endpoint: str = "",
    damaged: Collection[Path] = (),
) -> DownloadPlan:
    """Ask the hub, under each of the checkpoint's names in order, what must be fetched.

    `damaged` files, links resolved, count as not here.
    Raises CheckpointMissing with what every name gave, or DownloadError when the hub cannot be asked at all.
    """
    cache, endpoint = cache or hub_cache(), endpoint or default_endpoint()
    components = needed_components(checkpoint, tasks)
    attempts: list[str] = []
    for repo_id in checkpoint.repo_ids:
        try:
            revision, needed = list_files(repo_id, endpoint, components)
        except NotHere as error:
            attempts.append(str(error))
            continue
        if not needed:
            attempts.append(tr("{repo} holds none of the files that are needed", repo=repo_id))
            continue
        blobs = real(repo_folder(repo_id, cache)) / "blobs"
        files = tuple(PlannedFile(file, present_bytes(blobs, file, damaged)) for file in needed)
        return DownloadPlan(repo_id, revision, cache, endpoint, files, tuple(attempts))
    tried = "; ".join(attempts)
    raise CheckpointMissing(tr("{tried}. Use a folder you have: skyreels-tui models use PATH", tried=tried))


def list_files(repo_id: str, endpoint: str, components: Sequence[Component]) -> tuple[str, list[RemoteFile]]:
    """Return the commit of a repository's main branch and its files that `components` need.

    Raises NotHere or DownloadError, also for whatever a hub would not say.
    """
    info = listed(f"{endpoint}/api/models/{repo_id}?blobs=true", repo_id, endpoint)
    siblings = info.get("siblings") if isinstance(info, dict) else None
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(siblings, list) or not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise nonsense(endpoint, repo_id, tr("no list of files, or no revision"))
    files: dict[str, RemoteFile] = {}
    contents: dict[str, int] = {}
    for entry in siblings:
        name = entry.get("rfilename") if isinstance(entry, dict) else None
        if not isinstance(name, str):
            raise nonsense(endpoint, repo_id, tr("a file without a name"))
        if not is_needed(name, components):
            continue
        file = _file(entry, name, repo_id, endpoint)
        if files.setdefault(name, file) != file:
            raise nonsense(endpoint, repo_id, tr("{file} twice, and not the same", file=_shown(name)))
        if contents.setdefault(file.etag, file.num_bytes) != file.num_bytes:
            raise nonsense(endpoint, repo_id, tr("two sizes of one content, {file}", file=_shown(name)))
    if len(files) > MOST_FILES:
        raise nonsense(endpoint, repo_id, tr("{count} files for one model", count=len(files)))
    return commit, list(files.values())


def _file(entry: dict[str, object], name: str, repo_id: str, endpoint: str) -> RemoteFile:
    """Read one entry of the list; its name and its checksum become names of files and folders here."""
    if not _is_file_name(name):
        raise nonsense(endpoint, repo_id, tr("a file called {file}", file=_shown(name)))
    large = entry.get("lfs")
    size, etag = entry.get("size"), entry.get("blobId")
    if large is not None:
        size, etag = (large.get("size"), large.get("sha256")) if isinstance(large, dict) else (None, None)
    if type(size) is not int or not 0 <= size <= MOST_BYTES:
        raise nonsense(endpoint, repo_id, tr("no possible size of {file}", file=_shown(name)))
    if not isinstance(etag, str) or not (_COMMIT if large is None else _SHA256).fullmatch(etag):
        raise nonsense(endpoint, repo_id, tr("no proper checksum of {file}", file=_shown(name)))
    return RemoteFile(name, size, etag)


def _is_file_name(name: str) -> bool:
    """Whether a file of this name would lie inside the checkpoint's folder, on any file system, and could be typed."""
    pieces = name.split("/")
    return (
        name.isprintable()
        and "\\" not in name
        and not any(piece in ("", ".", "..") or len(piece.encode()) > _NAME_BYTES for piece in pieces)
    )


def _shown(name: str) -> str:
    return ascii(name) if len(name) <= 80 else ascii(name[:80]) + "…"


def present_bytes(blobs: Path, file: RemoteFile, damaged: Collection[Path] = ()) -> int:
    """Return how much of a file is in the cache, finished or begun; more than it has is none of it."""
    if is_whole(blobs, file) and blobs / file.etag not in damaged:
        return file.num_bytes
    try:
        begun = (blobs / f"{file.etag}{PART}").stat().st_size
    except OSError:
        return 0
    return begun if begun <= file.num_bytes else 0


def is_whole(blobs: Path, file: RemoteFile) -> bool:
    """Whether a file was finished and nobody has cut it since."""
    try:
        return (blobs / file.etag).stat().st_size == file.num_bytes
    except OSError:
        return False


def check_room(plan: DownloadPlan, free_bytes: Callable[[Path], int] | None = None) -> None:
    """Raise DiskFull unless what is still to come and a tenth more fits."""
    folder = nearest_existing(plan.cache)
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes(folder)
    needed = room_needed(plan)
    if needed > free:
        raise DiskFull(folder, needed, free)


def room_needed(plan: DownloadPlan) -> int:
    """Bytes that must be free before a download begins."""
    return int(plan.missing_bytes * SPARE)
