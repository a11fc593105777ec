"""How hot the GPU is and what slows it, for rests between steps; asked on the inference thread only."""

from __future__ import annotations

from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.health import SLOWED
from skyreels_tui.queue.engine.limits.heat import Heat, ReadHeat
from skyreels_tui.settings.settings import Settings

HOT_MACHINES = ("GB10",)
"""Parts of the names of GPUs on which jobs rest unless the settings say no: owners report that these switch off."""


def gpu_heat(sensor: GpuSensor | None = None) -> ReadHeat:
    """Return a reader that opens the driver at its first look; `sensor` replaces the first GPU's."""
    gpu = sensor or GpuSensor()

    def read() -> Heat | None:
        reading = gpu.read()
        if reading.problem:
            return None
        return Heat(reading.temperature_c, bool((reading.clock_events or 0) & SLOWED))

    return read


def rest_limit_c(settings: Settings, gpu: str) -> int:
    """Degrees above which jobs rest between steps on this GPU; 0: never."""
    wanted = settings.rest == "on" or (settings.rest == "auto" and any(part in gpu for part in HOT_MACHINES))
    return settings.rest_above_c if wanted else 0
