"""Puts one monitor together from the folders of an installation; the place where a new sensor is added."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.checkpoints.locate import hub_cache, repo_folder
from pipelines.checkpoints.registry import CHECKPOINTS
from skyreels_tui.eta.forecast import Forecast
from skyreels_tui.eta.rates import RATES_FILE, EtaBook
from skyreels_tui.files.folders import Folders
from skyreels_tui.monitors.cpu import CpuSensor
from skyreels_tui.monitors.disk import DiskSensor
from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.health import MEMORY_FLOOR_BYTES, HealthSensor
from skyreels_tui.monitors.memory import MemorySensor, no_engine
from skyreels_tui.monitors.monitor import Monitor, Sensors
from skyreels_tui.monitors.sample import Sample
from skyreels_tui.queue.events import EngineMemory, JobProgress
from skyreels_tui.queue.model import Job


def build_monitor(
    folders: Folders,
    result_dir: Path,
    publish: Callable[[Sample], None],
    *,
    jobs: Callable[[], Sequence[Job]] = tuple,
    progress: Callable[[], JobProgress | None] = lambda: None,
    book: EtaBook | None = None,
    engine: Callable[[], EngineMemory | None] = no_engine,
    owner_pid: Callable[[], int | None] = os.getpid,
    model_folders: Mapping[str, str] | None = None,
    memory_floor_bytes: int = MEMORY_FLOOR_BYTES,
) -> Monitor:
    """Return a monitor that has not started; every callable is called on the monitor thread.

    `jobs` lists the queue, `progress` is the running job's newest report, `owner_pid` the process whose
    memory counts as ours, `model_folders` the settings' family -> folder.
    """
    gpu = GpuSensor(owner_pid=owner_pid)
    book = book or EtaBook(folders.state / RATES_FILE, lambda: gpu.name)
    roles = {"results": result_dir, "cache": folders.cache, "state": folders.state}
    forecast = Forecast(jobs, book, progress)
    sensors = Sensors(
        gpu=gpu,
        memory=MemorySensor(owner_pid=owner_pid, engine=engine),
        disk=DiskSensor(roles, folders.jobs, lambda: installed_models(model_folders or {})),
        cpu=CpuSensor(),
        health=HealthSensor(memory_floor_bytes),
        forecast=forecast,
    )
    return Monitor(sensors, publish, progress, forecast.usual_step_s)


def installed_models(model_folders: Mapping[str, str]) -> dict[str, Path]:
    """Name -> folder of every checkpoint of ours that has files on this machine."""
    found = {name: Path(folder).expanduser() for name, folder in model_folders.items()}
    cache = hub_cache()
    for checkpoint in CHECKPOINTS.values():
        for repo_id in checkpoint.repo_ids:
            found[repo_id.split("/")[-1]] = repo_folder(repo_id, cache)
    return {name: folder for name, folder in found.items() if folder.is_dir()}
