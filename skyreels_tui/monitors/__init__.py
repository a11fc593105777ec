"""The sensors, in the order in which they are read: a later one is given what those before it have read."""

from __future__ import annotations

from collections.abc import Callable

from skyreels_tui.monitors import disk, gpu, health, memory
from skyreels_tui.monitors.sample import Read
from skyreels_tui.monitors.surroundings import Surroundings

SENSORS: tuple[tuple[str, Callable[[Surroundings], Read]], ...] = (
    ("gpu", gpu.sensor),
    ("memory", memory.sensor),
    ("disk", disk.sensor),
    ("health", health.sensor),
)
"""(name, what makes its `read`)."""
