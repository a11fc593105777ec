"""The three checkpoints on this machine: what is here, where, how large, and removing it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipelines.checkpoints.download.hub import PART
from pipelines.checkpoints.inventory import Part, Presence, inspect, presence_of
from pipelines.checkpoints.locate import hub_cache, repo_folder, snapshots
from pipelines.checkpoints.registry import CHECKPOINTS, Checkpoint
from pipelines.front.places import as_folder, is_file, is_folder, matching, num_bytes, real


@dataclass(frozen=True, slots=True)
class Shelved:
    """One checkpoint as found on this machine."""

    checkpoint: Checkpoint
    folder: Path | None
    """Where it is used from; None when nothing of it is here."""
    repo_id: str
    """The name under which it lies in the shared cache; '' for a folder of one's own."""
    parts: tuple[Part, ...]
    unfinished_bytes: int
    """Bytes of downloads that have begun."""

    @property
    def is_own(self) -> bool:
        """Whether it is used from a folder of one's own, beside the shared cache."""
        return self.folder is not None and not self.repo_id

    @property
    def presence(self) -> Presence:
        """Whole, in part, or not here."""
        return presence_of(self.parts)

    @property
    def num_bytes(self) -> int:
        """Bytes on disk that belong to it."""
        return sum(part.num_bytes for part in self.parts) + self.unfinished_bytes

    @property
    def text_encoder(self) -> Path | None:
        """The folder of its text encoder, where it has one of its own."""
        folder = self.folder / "text_encoder" if self.folder is not None else None
        return folder if folder is not None and is_folder(folder) else None

    @property
    def transformers(self) -> tuple[Path, ...]:
        """The folders of its transformers."""
        if self.folder is None:
            return ()
        named = (part.component for part in self.parts if part.component.name.endswith("transformer"))
        folders = (self.folder / Path(component.patterns[0]).parent for component in named)
        return tuple(folder for folder in folders if is_folder(folder))

    def ready_for(self, task: str) -> bool:
        """True when everything that one task needs is here."""
        return all(part.presence is Presence.PRESENT for part in self.parts if task in part.component.tasks)


def shelf(
    own_folders: Mapping[str, str] | None = None, cache: Path | None = None, damaged: Collection[Path] = ()
) -> tuple[Shelved, ...]:
    """Look for every checkpoint: in `own_folders` (family -> path) first, then in the shared cache.

    `damaged` are files that a check found damaged.
    """
    own_folders, cache = own_folders or {}, cache or hub_cache()
    return tuple(
        _look(checkpoint, own_folders.get(family, ""), cache, damaged) for family, checkpoint in CHECKPOINTS.items()
    )


def families_in(folder: Path, family: str = "") -> list[str]:
    """Return the families (or `family` alone) that at least one task could use from a folder of one's own."""
    return [
        name for name, checkpoint in CHECKPOINTS.items() if family in ("", name) and _serves_a_task(folder, checkpoint)
    ]


def removable(checkpoint: Checkpoint, cache: Path | None = None) -> tuple[tuple[Path, int], ...]:
    """Return the folders of the shared cache that hold this checkpoint and nothing else, each with its bytes."""
    cache = cache or hub_cache()
    folders = [repo_folder(repo_id, cache) for repo_id in checkpoint.repo_ids]
    return tuple((folder, _bytes_below(folder)) for folder in folders if is_folder(folder))


def remove_checkpoint(checkpoint: Checkpoint, cache: Path | None = None) -> int:
    """Delete this checkpoint from the shared cache and return the bytes freed; other models stay untouched."""
    cache = cache or hub_cache()
    freed = 0
    for folder, held_bytes in removable(checkpoint, cache):
        # Links are removed, never followed: bytes outside these folders are not ours.
        shutil.rmtree(folder)
        shutil.rmtree(cache / ".locks" / folder.name, ignore_errors=True)
        freed += held_bytes
    return freed


def remove_damaged(checkpoint: Checkpoint, damaged: Collection[Path], cache: Path | None = None) -> list[str]:
    """Delete the damaged files of this checkpoint from the shared cache; return their names in it."""
    cache = cache or hub_cache()
    removed = []
    for blobs in (real(repo_folder(repo_id, cache)) / "blobs" for repo_id in checkpoint.repo_ids):
        for path in damaged:
            if path.parent == blobs:
                path.unlink(missing_ok=True)
                removed.append(path.name)
    return removed


def remove_unfinished(checkpoint: Checkpoint, cache: Path | None = None) -> int:
    """Delete what came of files that are not whole, unless a process fetches them; return the bytes freed."""
    cache = cache or hub_cache()
    freed = 0
    for repo_id in checkpoint.repo_ids:
        for part in _unfinished(repo_folder(repo_id, cache)):
            with suppress(BlockingIOError, FileNotFoundError), part.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                freed += num_bytes(part)
                part.unlink()
    return freed


def _look(checkpoint: Checkpoint, own: str, cache: Path, damaged: Collection[Path]) -> Shelved:
    if own:
        folder = as_folder(own)
        return Shelved(checkpoint, folder, "", inspect(folder, checkpoint.components, damaged), 0)
    best: Shelved | None = None
    for repo_id in checkpoint.repo_ids:
        unfinished = sum(num_bytes(part) for part in _unfinished(repo_folder(repo_id, cache)))
        begun = [None] if unfinished else []
        for snapshot in (*snapshots(repo_id, cache), *begun):
            parts = inspect(snapshot or cache / "nowhere", checkpoint.components, damaged)
            shelved = Shelved(checkpoint, snapshot, repo_id, parts, unfinished)
            if best is None or _use(shelved) > _use(best):
                best = shelved
    return best or Shelved(checkpoint, None, "", inspect(cache / "nowhere", checkpoint.components), 0)


def _use(shelved: Shelved) -> tuple[int, int]:
    """How much of a checkpoint this is: the tasks that it serves, then its bytes."""
    return sum(shelved.ready_for(task) for task in shelved.checkpoint.tasks), shelved.num_bytes


def _serves_a_task(folder: Path, checkpoint: Checkpoint) -> bool:
    parts = inspect(folder, checkpoint.components)
    return any(
        all(part.presence is Presence.PRESENT for part in parts if task in part.component.tasks)
        for task in checkpoint.tasks
    )


def _unfinished(repo: Path) -> list[Path]:
    return [path for path in matching(repo / "blobs", f"*{PART}") if is_file(path)]


def _bytes_below(folder: Path) -> int:
    return sum(num_bytes(path) for path in matching(folder, "**/*") if is_file(path) and not path.is_symlink())
