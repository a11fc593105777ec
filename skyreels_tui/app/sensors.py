"""Puts the monitor together from the folders of an installation and the table of sensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pipelines.checkpoints.locate import hub_cache, repo_folder
from pipelines.checkpoints.registry import CHECKPOINTS
from skyreels_tui import monitors
from skyreels_tui.files.folders import Folders
from skyreels_tui.monitors.monitor import Monitor
from skyreels_tui.monitors.sample import Sample
from skyreels_tui.monitors.surroundings import Surroundings


def build_monitor(
    folders: Folders,
    result_dir: Path,
    publish: Callable[[Sample], None],
    *,
    model_folders: Mapping[str, str] | None = None,
    surroundings: Surroundings | None = None,
) -> Monitor:
    """Return a monitor that has not started; every callable is called on its thread.

    `model_folders` are the settings' family -> folder; `surroundings` say who owns the memory and how the job goes.
    """
    of = replace(
        surroundings or Surroundings(),
        roles={"results": result_dir, "cache": folders.cache, "state": folders.state},
        jobs_dir=folders.jobs,
        models=lambda: installed_models(model_folders or {}),
    )
    sensors = [(name, build(of)) for name, build in monitors.SENSORS]
    return Monitor(sensors, publish, lambda: of.progress() is not None, closing=of.closing)


def installed_models(model_folders: Mapping[str, str]) -> dict[str, Path]:
    """Name -> folder of every checkpoint of ours that has files on this machine."""
    found = {name: Path(folder).expanduser() for name, folder in model_folders.items()}
    cache = hub_cache()
    for checkpoint in CHECKPOINTS.values():
        for repo_id in checkpoint.repo_ids:
            found[repo_id.split("/")[-1]] = repo_folder(repo_id, cache)
    return {name: folder for name, folder in found.items() if folder.is_dir()}
