"""What may become of a job, and when: the one table of state and action that screens, shell and SQL read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pipelines.front.language import mark
from skyreels_tui.queue.model import FINISHED, PENDING, Job, JobState
from skyreels_tui.queue.reasons import Code


class Action(StrEnum):
    """What is done to a job; the value is the participle that completes 'it cannot be ...'."""

    # By a person
    EDIT = mark("edited")
    RENAME = mark("renamed")
    DUPLICATE = mark("duplicated")
    HOLD = mark("held")
    RELEASE = mark("released")
    RESUME = mark("resumed")
    RESTART = mark("restarted")
    RETRY = mark("retried")
    CANCEL = mark("cancelled")
    MOVE = mark("moved")
    RUN_NEXT = mark("run next")
    DELETE = mark("deleted")
    # By the runner
    CLAIM = "claimed"
    ADVANCE = "moved on"
    FINISH = "finished"
    FAIL = "failed"
    STOP = "stopped"
    INTERRUPT = "interrupted"
    REQUEUE = "queued again"
    SET_ASIDE = "set aside"
    NOTE = "described"
    # By the queue itself
    SETTLE = "settled"
    REFUSE = "refused"
    BURY = "buried"


class WhyNot(StrEnum):
    """Why an action does not apply to a job in its state; `HINTS` has the words."""

    RUNS = "runs"
    ENDED = "ended"
    NOT_ENDED = "not_ended"
    NOT_HELD = "not_held"
    HELD_ALREADY = "held_already"
    NOT_INTERRUPTED = "not_interrupted"
    HAS_STEPS = "has_steps"
    NOT_RUNNING = "not_running"


HINTS: Mapping[WhyNot, str] = {
    WhyNot.RUNS: mark("cancel it, or wait until it has ended"),
    WhyNot.ENDED: mark("only a retry, as a new row, runs it again"),
    WhyNot.NOT_ENDED: mark("it still has to run"),
    WhyNot.NOT_HELD: mark("only a held job is released"),
    WhyNot.HELD_ALREADY: mark("release it, then it runs in its turn"),
    WhyNot.NOT_INTERRUPTED: mark("only an interrupted job is resumed"),
    WhyNot.HAS_STEPS: mark("hold it first: another request does not use its stored steps"),
    WhyNot.NOT_RUNNING: mark("it does not run"),
}

IDLE = PENDING | {JobState.INTERRUPTED}
"""Neither running nor ended."""
_ALL = frozenset(JobState)
_RUNNING = frozenset({JobState.RUNNING})
_BY_REFERENCES = (JobState.QUEUED, JobState.BLOCKED)
"""Queued, or blocked while a job that it refers to has no output."""

Leads = dict[JobState, frozenset[JobState]]


def _to(*targets: JobState, of: Iterable[JobState]) -> Leads:
    return {state: frozenset(targets) for state in of}


def _stays(of: Iterable[JobState]) -> Leads:
    return {state: frozenset({state}) for state in of}


TABLE: Mapping[Action, Leads] = {
    Action.EDIT: _to(*_BY_REFERENCES, of=_BY_REFERENCES) | _stays({JobState.HELD}),
    Action.RENAME: _stays(_ALL),
    Action.DUPLICATE: _stays(_ALL),
    Action.HOLD: _to(JobState.HELD, of=IDLE - {JobState.HELD}),
    Action.RELEASE: _to(*_BY_REFERENCES, of={JobState.HELD}),
    Action.RESUME: _to(*_BY_REFERENCES, of={JobState.INTERRUPTED}),
    Action.RESTART: _to(*_BY_REFERENCES, of=IDLE),
    Action.RETRY: _stays(FINISHED),
    # A running job only gets the wish, which its runner sees at a step edge.
    Action.CANCEL: _to(JobState.CANCELLED, of=IDLE) | _stays(_RUNNING),
    Action.MOVE: _stays(IDLE),
    Action.RUN_NEXT: _to(*_BY_REFERENCES, of=IDLE),
    Action.DELETE: _stays(_ALL - _RUNNING),
    Action.CLAIM: _to(JobState.RUNNING, of={JobState.QUEUED}),
    Action.ADVANCE: _stays(_RUNNING),
    Action.FINISH: _to(JobState.DONE, of=_RUNNING),
    Action.FAIL: _to(JobState.FAILED, of=_RUNNING),
    Action.STOP: _to(JobState.CANCELLED, of=_RUNNING),
    Action.INTERRUPT: _to(JobState.INTERRUPTED, of=_RUNNING),
    Action.REQUEUE: _to(JobState.QUEUED, of=_RUNNING),
    Action.SET_ASIDE: _to(JobState.HELD, of=_RUNNING),
    Action.NOTE: _stays({JobState.QUEUED}),
    Action.SETTLE: _to(*_BY_REFERENCES, of=_BY_REFERENCES),
    # What it was to be made from cannot be.
    Action.REFUSE: _to(JobState.FAILED, of={JobState.BLOCKED}),
    Action.BURY: _to(JobState.INTERRUPTED, JobState.HELD, JobState.CANCELLED, of=_RUNNING),
}
"""Action -> the states in which it applies, each with the states that it may lead to. A retry is a new row."""

ANSWERS: Mapping[Code, tuple[Action, ...]] = {
    Code.DIED_TWICE: (Action.RESTART, Action.RELEASE, Action.CANCEL),
    Code.INPUT_CHANGED: (Action.RESTART, Action.RELEASE, Action.CANCEL),
    Code.DISK_STAYS_FULL: (Action.RELEASE, Action.CANCEL),
}
"""Reason of a held job that is a question -> what answers it; 'run it again' means the first."""

_NEEDS_RUNNING = frozenset(action for action, leads in TABLE.items() if set(leads) == _RUNNING)


def states_for(action: Action) -> frozenset[JobState]:
    """The states in which an action applies."""
    return frozenset(TABLE[action])


def why_not(state: JobState, action: Action) -> WhyNot | None:
    """None where the action applies to a job in this state, else why it does not."""
    if state in TABLE[action]:
        return None
    if action in _NEEDS_RUNNING:
        return WhyNot.NOT_RUNNING
    if state is JobState.RUNNING:
        return WhyNot.RUNS
    if state in FINISHED:
        return WhyNot.ENDED
    match action:
        case Action.RELEASE:
            return WhyNot.NOT_HELD
        case Action.HOLD:
            return WhyNot.HELD_ALREADY
        case Action.RESUME:
            return WhyNot.NOT_INTERRUPTED
        case Action.EDIT:
            return WhyNot.HAS_STEPS
        case _:
            return WhyNot.NOT_ENDED


def again(job: Job) -> Action:
    """What 'run it again' means for a job: the key `r` and the command `retry`."""
    match job.state:
        case JobState.INTERRUPTED:
            return Action.RESUME
        case JobState.HELD:
            return ANSWERS.get(job.reason.code, (Action.RELEASE,))[0]
        case _:
            return Action.RETRY


def hold_or_release(job: Job) -> Action:
    """What the key Space means for a job."""
    return Action.RELEASE if job.state is JobState.HELD else Action.HOLD
