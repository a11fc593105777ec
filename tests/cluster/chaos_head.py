"""The program at the head under chaos: the product's own command line, with points at which it dies.

`python -m tests.cluster.chaos_head PLACE LEASE_S ANSWER_S WORD ...` runs `skyreels-tui WORD ...`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyreels_tui.cli import main
from skyreels_tui.executors.cluster import choice, far
from skyreels_tui.executors.cluster.workforce import Elsewhere
from skyreels_tui.queue.store.attempts import Attempts
from tests.cluster.chaos_desk import ChaosOptions, Points

HEAD_POINTS: dict[str, tuple[Any, str]] = {
    "a claim is written": (Attempts, "claim"),
    "a desk is opened": (Elsewhere, "_line_of"),
    "a job's files are sent": (far.FarExecutor, "_send"),
    "a file is stored but not recorded": (far, "put"),
    "a step is recorded": (Attempts, "update_step"),
    "the film is renamed": (far, "_move"),
    "the film is published but not recorded": (far._Results, "publish"),
    "the end is recorded": (Attempts, "finish"),
    "a loss is recorded": (Attempts, "lost"),
}
"""Each is passed when the function has returned."""


def watch(points: Points) -> None:
    """Put the points in."""
    for name, (owner, attribute) in HEAD_POINTS.items():
        setattr(owner, attribute, _passing(getattr(owner, attribute), functools.partial(points.pass_by, name)))


def _passing(function: Callable[..., Any], pass_by: Callable[[], None]) -> Callable[..., Any]:
    def passing(*args: Any, **options: Any) -> Any:
        value = function(*args, **options)
        if value is not None or function.__name__ == "_move":
            pass_by()
        return value

    return passing


def run(place: str, lease_s: str, answer_s: str, *words: str) -> int:
    """Run a command of the product."""
    watch(Points(Path(place)))
    choice.DeskOptions = functools.partial(ChaosOptions, lease_s=float(lease_s), place=place)  # type: ignore[misc,assignment]
    choice.RaySite = functools.partial(choice.RaySite, look_s=0.5, answer_s=float(answer_s))  # type: ignore[misc,assignment]
    return main(list(words))


if __name__ == "__main__":
    sys.exit(run(*sys.argv[1:]))
