"""Which workers the settings mean; looks at no other machine before its site begins."""

from __future__ import annotations

import os
from collections.abc import Mapping

from skyreels_tui.executors.cluster.here import Here
from skyreels_tui.executors.cluster.line import DeskOptions, WorkerSite
from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE, RaySite, ray_environ
from skyreels_tui.executors.cluster.workforce import Elsewhere
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.engine.workforce import Workforce
from skyreels_tui.settings.settings import Settings

LOCAL = "local"
"""How the setting names the GPUs of this machine."""
CPU_WORKERS = 2
"""Of a machine without a GPU, where no number is said."""


def workforce_of(settings: Settings, folders: Folders) -> Workforce:
    """The workers of the setting `cluster`, which is not empty."""
    options = DeskOptions(keep_warm=settings.keep_warm, language=settings.language)
    site: WorkerSite
    host, _, number = settings.cluster.partition(":")
    if host == LOCAL:
        gpus = visible_gpus()
        gpus = gpus[: int(number)] if number else gpus
        site = Here(gpus, options, cpu_workers=int(number or CPU_WORKERS), kind_of=gpu_kind)
    else:
        environ = ray_environ(folders.config / TOKEN_FILE)
        site = RaySite(settings.cluster, options, environ)
    return Elsewhere(site)


def head_in(settings: Settings) -> str:
    """The head of the cluster that the settings name, as HOST:PORT; '' when they name none."""
    return settings.cluster if settings.runs_elsewhere else ""


def visible_gpus(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs of this machine as CUDA_VISIBLE_DEVICES names them."""
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name.strip()]
    import pynvml

    try:
        pynvml.nvmlInit()
        return [str(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def gpu_kind(gpu: str) -> str:
    """The name of a GPU of this machine by its identity, an index or a UUID; '' where the driver does not say."""
    import pynvml

    try:
        pynvml.nvmlInit()
        by_index = gpu.strip().isdecimal()
        handle = pynvml.nvmlDeviceGetHandleByIndex(int(gpu)) if by_index else pynvml.nvmlDeviceGetHandleByUUID(gpu)
        return str(pynvml.nvmlDeviceGetName(handle))
    except pynvml.NVMLError:
        return ""
