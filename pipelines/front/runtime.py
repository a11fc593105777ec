"""Where a job runs: device, folders and names. Requests say what to make, a Runtime says where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.front.followers import StartFollowers
from pipelines.front.memory import LoadPlan


def never() -> bool:
    """The default for `wants_preview`: nobody looks."""
    return False


def go_on() -> None:
    """The default for `poll`: nobody stops a call half way."""


def log_nothing(_line: str) -> None:
    """The default for `log`."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything `generate` needs besides the request, the model pool and `report`."""

    device: str
    """'cuda' or 'cpu'."""
    cache_dir: Path
    """Demo checkpoints, prompt embeddings and micro-benchmarks."""
    work_dir: Path
    """This job's durable folder: snapshots, finished pieces. Survives crashes, removed after publishing."""
    result_dir: Path
    """Finished files go to `result_dir/<task>/<output_stem>.mp4`."""
    output_stem: str
    """File name without ending, fixed at the first start, so that a second finish writes the same file."""
    checkpoint: Path
    """Folder of the checkpoint in the released layout, already resolved."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Written into the mp4 and the sidecar beside the request: job id, label, app version."""
    wants_preview: Callable[[], bool] = never
    """Asked before each preview is computed, so that a hidden preview costs nothing."""
    poll: Callable[[], None] = go_on
    """Called between the blocks of a transformer call; raises `Cancelled` when the work under way is not wanted."""
    log: Callable[[str], None] = log_nothing
    """Takes a line for the engine's log."""
    original_path: Callable[[str], str] = str
    """The person's file for a path of the request, which may be a copy of it on another machine."""
    load_plan: LoadPlan | None = None
    """How networks are loaded; None is what the request's own fields ask for."""
    warnings: tuple[str, ...] = ()
    """What is to be said with the result besides the family's own warnings."""
    followers: StartFollowers | None = None
    """Starts the ranks that work with this process; None takes processes of this host."""


@dataclass(frozen=True, slots=True)
class Output:
    """A finished, verified file."""

    path: Path
    width: int
    height: int
    num_frames: int
    fps: float
    suspect: str = ""
    """Why the picture looks wrong (black, constant, frozen, NaN), or ''."""
    warnings: tuple[str, ...] = ()
