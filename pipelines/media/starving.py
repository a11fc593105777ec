"""How long threads ran and stood ready without a processor, as Linux counts it; a system that does not says 0."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Shares(NamedTuple):
    """Seconds since a thread began, or of several together."""

    ran_s: float
    starved_s: float
    """Ready to run, while others had the processors."""


def thread_shares(thread: int) -> Shares:
    """Those of a thread of this process, by its native number."""
    return _shares(Path("/proc/self/task", str(thread)))


def process_shares(process: int) -> Shares:
    """Those of all living threads of a process."""
    tasks: list[Path] = []
    with suppress(OSError):
        tasks = list(Path("/proc", str(process), "task").iterdir())
    each = [_shares(task) for task in tasks]
    return Shares(sum(one.ran_s for one in each), sum(one.starved_s for one in each))


def _shares(task: Path) -> Shares:
    # Nanoseconds on a processor, nanoseconds waiting for one, number of turns.
    with suppress(OSError, ValueError):
        ran, starved, _ = (task / "schedstat").read_text().split()
        return Shares(int(ran) / 1e9, int(starved) / 1e9)
    return Shares(0.0, 0.0)
