"""Makes the desk of a process: the folders, settings and memory floor are those of its own machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

from pipelines.front.durable import make_folder
from pipelines.front.followers import StartFollowers
from pipelines.front.host_memory import available_bytes
from pipelines.front.language import choose
from skyreels_tui.executors.cluster.desk import WorkerDesk
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.settings.reading import load


def open_desk(options: DeskOptions, followers: StartFollowers | None = None) -> WorkerDesk:
    """Make a desk for the accelerators that this process sees, and for those of `followers`."""
    folders = find_folders()
    settings = load(folders.settings_file).settings
    choose(options.language or settings.language)
    make_folder(folders.cache)
    own = Path(tempfile.mkdtemp(prefix="worker-", dir=folders.cache))
    floor_bytes = int(settings.memory_floor_gib * 2**30)
    executor = LocalExecutor(
        folders,
        own_models=lambda: load(folders.settings_file).settings.models,
        keep_warm=options.keep_warm,
        memory_floor_bytes=floor_bytes,
        followers=followers,
    )
    return WorkerDesk(own, executor, lease_s=options.lease_s, floor_bytes=floor_bytes, available=available_bytes)
