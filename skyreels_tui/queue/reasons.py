"""Why a job waits, is held or was interrupted: a code and values, which the row keeps; words only at the edge."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipelines.front.documents import read_json
from pipelines.front.errors import INPUT_CHANGED
from pipelines.front.language import mark, tr


class Code(StrEnum):
    """What a reason is; the value stands in the row and in `--json`, so none is ever renamed."""

    NONE = ""
    WAITS_FOR_JOB = "waits_for_job"
    JOB_FAILED = "job_failed"
    JOB_CANCELLED = "job_cancelled"
    JOB_DELETED = "job_deleted"
    WAITS_FOR_MEMORY = "waits_for_memory"
    WAITS_FOR_MODEL = "waits_for_model"
    WAITS_FOR_DISK = "waits_for_disk"
    WAITS_FOR_WORKER = "waits_for_worker"
    WORKER_LOST = "worker_lost"
    DISK_FULL = "disk_full"
    NO_INODES = "no_inodes"
    DISK_STAYS_FULL = "disk_stays_full"
    DIED_TWICE = "died_twice"
    INPUT_CHANGED = "input_changed"
    GANG_LOST = "gang_lost"
    INTERRUPTED = "interrupted"
    MACHINE_DOWN = "machine_down"
    MACHINE_DOWN_TWICE = "machine_down_twice"
    MEMORY = "memory"
    PAUSED = "paused"
    STOPPED = "stopped"
    STOPPED_BY_HAND = "stopped_by_hand"
    STOPPED_AT_ONCE = "stopped_at_once"
    PROGRAM_CLOSED = "program_closed"
    OWNER_GONE = "owner_gone"
    OUTSIDE_HOURS = "outside_hours"
    WAITS_FOR_VOICE = "waits_for_voice"
    WAITS_FOR_PICTURE = "waits_for_picture"
    WORDS = "words"
    """A sentence of an older version that is none of these; kept and shown as it is."""


SENTENCES: Mapping[Code, str] = {
    Code.WAITS_FOR_JOB: mark("waits for job {id}"),
    Code.JOB_FAILED: mark("job {id} failed"),
    Code.JOB_CANCELLED: mark("job {id} was cancelled"),
    Code.JOB_DELETED: mark("job {id} was deleted"),
    Code.WAITS_FOR_MEMORY: mark("waits for memory: {why}"),
    Code.WAITS_FOR_MODEL: mark("waits for its model: {model} is not on this machine yet"),
    Code.WAITS_FOR_DISK: mark("waits: disk full, needs {size}"),
    Code.WAITS_FOR_WORKER: mark("waits for a worker: {why}"),
    Code.WORKER_LOST: mark("{why}; it goes on at its stored step"),
    Code.DISK_FULL: mark("waits: disk full"),
    Code.NO_INODES: mark("waits: no room for more files"),
    Code.DISK_STAYS_FULL: mark("disk full {tries} times with {free} free, a quota? ({error})"),
    Code.DIED_TWICE: mark(
        "the program died twice {where}: release it to try again, restart it from step 0, or cancel it",
    ),
    Code.INPUT_CHANGED: INPUT_CHANGED,
    Code.GANG_LOST: mark("{why}; resume it to go on at its stored step"),
    Code.INTERRUPTED: mark("interrupted {where}"),
    Code.MACHINE_DOWN: mark("the machine went down {where}"),
    Code.MACHINE_DOWN_TWICE: mark(
        "the machine went down twice while it ran, the last time {where}: see skyreels-tui doctor for heat and power; "
        "release it to try again, or cancel it",
    ),
    Code.MEMORY: mark("memory"),
    Code.PAUSED: mark("paused"),
    Code.STOPPED: mark("stopped"),
    Code.STOPPED_BY_HAND: mark("stopped by hand"),
    Code.STOPPED_AT_ONCE: mark("stopped at once"),
    Code.PROGRAM_CLOSED: mark("the program was closed"),
    Code.OWNER_GONE: mark("the program that ran it has ended"),
    Code.OUTSIDE_HOURS: mark("goes on at {time}"),
    Code.WAITS_FOR_VOICE: mark("its voice is made"),
    Code.WAITS_FOR_PICTURE: mark("its picture is made"),
    Code.WORDS: "{text}",
}

IN_STAGE = mark("while in stage {stage}")
BEFORE_FIRST_STEP = mark("before its first step")
AT_STEP = mark("at step {step} of {num_steps}")
AT_STEP_OF_PART = mark("at step {step} of {num_steps}, piece {part} of {num_parts}")
AT_STEP_IN_STAGE = mark("at step {step} of {num_steps} ({stage})")
AT_STEP_OF_PART_IN_STAGE = mark("at step {step} of {num_steps}, piece {part} of {num_parts} ({stage})")

Value = str | int
Say = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its values, in order of their names; false where there is nothing to say."""

    code: Code = Code.NONE
    values: tuple[tuple[str, Value], ...] = ()

    def __bool__(self) -> bool:
        return self.code is not Code.NONE

    def __str__(self) -> str:
        """In English: for logs and for other programs."""
        return _said(self, str.format)

    def get(self, name: str) -> Value | None:
        """A value by its name."""
        return dict(self.values).get(name)

    def to_json(self) -> str:
        """As the row keeps it: one flat object, '' for none."""
        return json.dumps({"code": self.code} | dict(self.values), ensure_ascii=False) if self else ""

    @classmethod
    def from_json(cls, text: str) -> Reason:
        """Read a row's text back; what is no reason of this version stays readable as words."""
        if not text:
            return NONE
        try:
            values = read_json(text)
            return because(Code(values.pop("code")), **values)
        except (ValueError, KeyError, TypeError, AttributeError):
            return because(Code.WORDS, text=text)


NONE = Reason()


def because(code: Code, /, **values: Value) -> Reason:
    """Make a reason."""
    return Reason(code, tuple(sorted(values.items())))


def reason_words(reason: Reason) -> str:
    """Return a reason in the chosen language."""
    return _said(reason, tr)


def interruption_place(reason: Reason) -> str:
    """Return where a job was interrupted in the chosen language, to stand behind that word; '' for other reasons."""
    return _place(dict(reason.values), tr) if reason.code is Code.INTERRUPTED else ""


def _said(reason: Reason, say: Say) -> str:
    if not reason:
        return ""
    values = dict(reason.values)
    sentence = SENTENCES[reason.code]
    try:
        return say(sentence, **(values | {"where": _place(values, say)} if "{where}" in sentence else values))
    except (KeyError, IndexError, ValueError):
        # A row that somebody has edited: what is there is shown.
        return reason.to_json()


def _place(values: Mapping[str, Value], say: Say) -> str:
    """Where a job stood: 'at step 5 of 8, part 2 of 3'; "stage" is '' while it denoises."""
    stage = say(str(values.get("stage", "")))
    if not values.get("num_steps"):
        return say(IN_STAGE, stage=stage) if stage else say(BEFORE_FIRST_STEP)
    if values.get("num_parts", 1) == 1:
        return say(AT_STEP_IN_STAGE if stage else AT_STEP, **(dict(values) | {"stage": stage}))
    return say(AT_STEP_OF_PART_IN_STAGE if stage else AT_STEP_OF_PART, **(dict(values) | {"stage": stage}))
