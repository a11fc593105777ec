"""Puts the monitor together from the folders of an installation and the table of sensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from pipelines.checkpoints.locate import hub_cache, repo_folder
from pipelines.checkpoints.registry import CHECKPOINTS, PREPARED_FOLDER
from pipelines.front.language import tr
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
    model_folders: Callable[[], Mapping[str, str]] = dict,
    surroundings: Surroundings | None = None,
    beat: Callable[[float], object] = lambda _: None,
) -> Monitor:
    """Return a monitor that has not started; every callable is called on its thread.

    `model_folders` return the settings' family -> folder of this moment; `surroundings` say who owns the memory and how
    the job goes; `beat` is the monitor's.
    """
    of = replace(
        surroundings or Surroundings(),
        roles={"results": result_dir, "cache": folders.cache, "state": folders.state},
        jobs_dir=folders.jobs,
        models=lambda: installed_models(model_folders()) | prepared_models(folders),
    )
    sensors = [(name, build(of)) for name, build in monitors.SENSORS]
    return Monitor(sensors, publish, lambda: of.progress() is not None, closing=of.closing, beat=beat)


def installed_models(model_folders: Mapping[str, str]) -> dict[str, Path]:
    """Name -> folder of every checkpoint of ours that has files on this machine."""
    found = {name: Path(folder) for name, folder in model_folders.items()}
    cache = hub_cache()
    for checkpoint in CHECKPOINTS.values():
        for repo_id in checkpoint.repo_ids:
            found[repo_id.split("/")[-1]] = repo_folder(repo_id, cache)
    there = ((name, _folder(folder)) for name, folder in found.items())
    return {name: folder for name, folder in there if folder is not None}


def prepared_models(folders: Folders) -> dict[str, Path]:
    """The folder of prepared weights, where there is one."""
    folder = _folder(folders.cache / PREPARED_FOLDER)
    return {} if folder is None else {tr("prepared weights"): folder}


def _folder(path: Path) -> Path | None:
    """Return the folder at `path`, if there is one.

    One that cannot be looked at, or the home of nobody, must not take the figures of the others with it.
    """
    try:
        folder = path.expanduser()
        return folder if folder.is_dir() else None
    except (OSError, RuntimeError):
        return None
