"""What a form works with; knows nothing of the queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.front.request import Request
from skyreels_tui.eta.outlook import Machine
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.files.folders import Folders
from skyreels_tui.requests.drafts import Drafts
from skyreels_tui.settings.live import LiveSettings


@dataclass(frozen=True, slots=True)
class FormServices:
    """The same for every form of a run."""

    folders: Folders
    settings: LiveSettings
    drafts: Drafts
    rates: EtaBook
    """Predicts how long a job takes."""
    machine: Callable[[], Machine]
    """GPUs, and the memory and disk that are free now."""
    show_job: Callable[[int], None]
    """Puts the cursor of the queue on a job."""
    warning: Callable[[str, Request], str] = lambda _task, _request: ""
    """What to know before this request of a task is queued: an approximate one that has not proved itself."""
