"""What the keys about one job mean to the queue, and why one does nothing: `queue.states` decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from skyreels_tui.queue import states
from skyreels_tui.queue.errors import refusal
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.states import Action
from skyreels_tui.ui.keys import Scope

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


def applies(key_action: str, job: Job) -> bool:
    """Whether a key of `ACTIONS` does something for the job; of the two meanings of `r` at most one does."""
    action = ACTIONS[key_action](job)
    if key_action in ("resume", "retry") and (key_action == "resume") != (action is Action.RESUME):
        return False
    return states.why_not(job.state, action) is None


def refusal_of(scope: Scope, key: str, job: Job) -> str:
    """Why a pressed key of a scope does nothing for the job, in a sentence; '' where it does, or is no key for jobs."""
    meanings = list(_meanings(scope, key))
    if not meanings or any(applies(meaning, job) for meaning in meanings):
        return ""
    return refusal(job.id, job.state, ACTIONS[meanings[-1]](job))


def _meanings(scope: Scope, key: str) -> Iterable[str]:
    for one in scope.keys:
        name = one.action.partition("(")[0]
        if key in one.keys.split(",") and name in ACTIONS:
            yield name
