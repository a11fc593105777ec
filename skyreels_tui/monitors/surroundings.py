"""What sensors are told of the program that they watch; its callables are called on the monitor's thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from skyreels_tui.queue.events import EngineMemory, JobProgress

MEMORY_FLOOR_BYTES = 8 * 2**30


def no_engine() -> EngineMemory | None:
    """The engine's figures of a process without an engine."""
    return None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The folders and processes of one installation, and how its running job goes."""

    roles: Mapping[str, Path] = field(default_factory=dict)
    """'results', 'cache', 'state' -> folder."""
    jobs_dir: Path | None = None
    """Where unfinished jobs keep their snapshots and pieces."""
    models: Callable[[], Mapping[str, Path]] = dict
    """Name -> folder of each model on this machine."""
    owner_pid: Callable[[], int | None] = os.getpid
    """The process whose memory counts as ours."""
    engine: Callable[[], EngineMemory | None] = no_engine
    memory_floor_bytes: int = MEMORY_FLOOR_BYTES
    progress: Callable[[], JobProgress | None] = lambda: None
    """The newest report of the running job; None while none runs."""
    usual_step_s: Callable[[], float | None] = lambda: None
    """What a step of that job usually takes on this machine."""
    closing: ExitStack = field(default_factory=ExitStack)
    """Where a sensor leaves what is to be released when the monitor ends."""
