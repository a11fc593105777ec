"""Reads free space and what our folders hold; sizes are walked rarely, free space every time."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipelines.front.places import nearest_existing
from skyreels_tui.monitors.sample import DiskReading, FileSystem, Read
from skyreels_tui.monitors.surroundings import Surroundings

WALK_INTERVAL_S = 60.0


class DiskSensor:
    """Reads the file systems and folders of one installation.

    `roles` maps 'results', 'cache' and 'state' to folders; `models` returns each model's name and folder.
    """

    def __init__(
        self,
        roles: Mapping[str, Path],
        checkpoints: Path | None = None,
        models: Callable[[], Mapping[str, Path]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._roles, self._checkpoints, self._models, self._clock = dict(roles), checkpoints, models, clock
        self._walked_at: float | None = None
        self._walked: Mapping[str, Path] = {}
        self._sizes: tuple[int | None, int | None, int | None, tuple[tuple[str, int], ...]]
        self._sizes = (None, None, None, ())

    def read(self) -> DiskReading:
        """Return room now, and sizes at most a minute old; a model that has come or gone is counted at once."""
        now, models_now = self._clock(), self._models()
        if self._walked_at is None or now - self._walked_at >= WALK_INTERVAL_S or models_now != self._walked:
            self._sizes, self._walked_at, self._walked = self._walk(models_now), now, models_now
        results, cache, checkpoints, models = self._sizes
        folder = str(self._roles.get("results", ""))
        return DiskReading(self._file_systems(), results, cache, checkpoints, models, folder)

    def _walk(
        self, models: Mapping[str, Path]
    ) -> tuple[int | None, int | None, int | None, tuple[tuple[str, int], ...]]:
        results, cache = self._roles.get("results"), self._roles.get("cache")
        sizes = [(name, folder_bytes(path)) for name, path in models.items()]
        # Models that lie in our cache are counted as models.
        inside = sum(folder_bytes(path) for path in models.values() if cache and path.is_relative_to(cache))
        return (
            folder_bytes(results) if results else None,
            folder_bytes(cache) - inside if cache else None,
            folder_bytes(self._checkpoints) if self._checkpoints else None,
            tuple(sorted(sizes, key=lambda entry: -entry[1])),
        )

    def _file_systems(self) -> tuple[FileSystem, ...]:
        found: dict[int, FileSystem] = {}
        for role, folder in self._roles.items():
            path = nearest_existing(folder)
            try:
                device, usage = path.stat().st_dev, shutil.disk_usage(path)
            except OSError:
                continue
            roles = (*found[device].roles, role) if device in found else (role,)
            first = found[device].path if device in found else str(path)
            found[device] = FileSystem(roles, first, usage.total, usage.free)
        return tuple(found.values())


def sensor(of: Surroundings) -> Read:
    """Read the folders of the installation."""
    disk = DiskSensor(of.roles, of.jobs_dir, of.models)
    return lambda _: disk.read()


def folder_bytes(folder: Path) -> int:
    """Bytes that the files below `folder` take; follows no links, so shared blobs count once."""
    total, stack = 0, [str(folder)]
    while stack:
        try:
            entries = os.scandir(stack.pop())
        except OSError:
            continue
        with entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
                except OSError:
                    # The file was removed between listing and asking.
                    continue
    return total
