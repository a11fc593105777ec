"""What the keys about one job mean to the queue, and why one does nothing: `queue.states` decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.front.language import mark
from skyreels_tui.queue import states
from skyreels_tui.queue.errors import refusal
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.states import Action

ACTIONS: Mapping[str, Callable[[Job], Action]] = {
    "cancel": lambda _: Action.CANCEL,
    "hold": states.hold_or_release,
    "move": lambda _: Action.MOVE,
    "edit": lambda _: Action.EDIT,
    "run_next": lambda _: Action.RUN_NEXT,
    "resume": states.again,
    "retry": states.again,
    "delete": lambda _: Action.DELETE,
}
"""Action of a key -> what it asks of the queue for a job."""
RETRIES: Mapping[Action, str] = {Action.RESTART: mark("Restart"), Action.RELEASE: mark("Release")}
"""What the key that runs a job again is called where it answers what the row asks."""
SEVERAL = ("cancel", "hold", "resume", "retry", "delete", "run_next")
"""Actions that are done to all marked jobs at once."""


def refusal_of(key_action: str, job: Job) -> str:
    """Why a key of `ACTIONS` does nothing for the job, in a sentence; '' where it does.

    Of the two meanings of one key, resume and retry, at most one does.
    """
    action = ACTIONS[key_action](job)
    other = key_action in ("resume", "retry") and (key_action == "resume") != (action is Action.RESUME)
    if not other and states.why_not(job.state, action) is None:
        return ""
    return refusal(job.id, job.state, action)
