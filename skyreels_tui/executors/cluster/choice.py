"""Which workers the settings mean; starts none of them."""

from __future__ import annotations

import os
from collections.abc import Mapping

from skyreels_tui.executors.cluster.here import Here
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.cluster.workforce import Elsewhere
from skyreels_tui.queue.engine.workforce import Workforce
from skyreels_tui.settings.settings import Settings

CPU_WORKERS = 2
"""Of a machine without a GPU, where no number is said."""


def workforce_of(settings: Settings) -> Workforce:
    """The workers of the setting `cluster`, which is not empty."""
    options = DeskOptions(keep_warm=settings.keep_warm, language=settings.language)
    _, _, number = settings.cluster.partition(":")
    gpus = visible_gpus()
    return Elsewhere(Here(gpus[: int(number)] if number else gpus, options, cpu_workers=int(number or CPU_WORKERS)))


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
