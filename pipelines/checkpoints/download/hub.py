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

from pipelines.checkpoints.download.errors import DownloadError, NotHere, explained
from pipelines.checkpoints.locate import hub_cache, repo_folder
from pipelines.checkpoints.registry import Checkpoint, Component
from pipelines.front.errors import CheckpointMissing, DiskFull
from pipelines.front.language import tr

SPARE = 1.1
"""Free space that must be there, as a multiple of what is still to come."""

PART = ".skyreels.part"

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


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
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT", constants.ENDPOINT).rstrip("/")


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
            revision, remote = list_files(repo_id, endpoint)
        except NotHere as error:
            attempts.append(str(error))
            continue
        needed = [file for file in remote if is_needed(file.path, components)]
        if not needed:
            attempts.append(tr("{repo} holds none of the files that are needed", repo=repo_id))
            continue
        blobs = repo_folder(repo_id, cache).resolve() / "blobs"
        files = tuple(
            PlannedFile(file, 0 if blobs / file.etag in damaged else present_bytes(blobs, file)) for file in needed
        )
        return DownloadPlan(repo_id, revision, cache, endpoint, files, tuple(attempts))
    tried = "; ".join(attempts)
    raise CheckpointMissing(tr("{tried}. Use a folder you have: skyreels-tui models use PATH", tried=tried))


def list_files(repo_id: str, endpoint: str) -> tuple[str, list[RemoteFile]]:
    """Return commit and files of a repository's main branch; raises NotHere or DownloadError."""
    # The client takes a moment to import and is needed only to talk to the hub.
    from huggingface_hub import HfApi

    with explained(repo_id, endpoint):
        info = HfApi(endpoint=endpoint).model_info(repo_id, files_metadata=True)
    files = [
        RemoteFile(
            path=entry.rfilename,
            num_bytes=int(entry.lfs.size if entry.lfs else entry.size or 0),
            etag=str(entry.lfs.sha256 if entry.lfs else entry.blob_id),
        )
        for entry in info.siblings or ()
    ]
    # These become names of files and folders.
    if not all(_HASH.fullmatch(text) for text in (info.sha or "", *(file.etag for file in files))):
        raise DownloadError(
            tr(
                "{endpoint} gave no proper revision or checksum of {repo}: is it a hub?",
                endpoint=endpoint,
                repo=repo_id,
            )
        )
    return str(info.sha), files


def present_bytes(blobs: Path, file: RemoteFile) -> int:
    """Return how much of a file is in the cache, finished or begun."""
    try:
        return (blobs / file.etag).stat().st_size
    except OSError:
        pass
    try:
        return min((blobs / f"{file.etag}{PART}").stat().st_size, file.num_bytes)
    except OSError:
        return 0


def check_room(plan: DownloadPlan, free_bytes: Callable[[Path], int] | None = None) -> None:
    """Raise DiskFull unless what is still to come and a tenth more fits."""
    folder = plan.cache
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes(folder)
    needed = room_needed(plan)
    if needed > free:
        raise DiskFull(folder, needed, free)


def room_needed(plan: DownloadPlan) -> int:
    """Bytes that must be free before a download begins."""
    return int(plan.missing_bytes * SPARE)
