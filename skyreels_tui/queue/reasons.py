"""Why a job waits, is held or was interrupted: kept in English, which the program matches on, said in any language."""

from __future__ import annotations

import functools
import re

from pipelines.front.errors import INPUT_CHANGED
from pipelines.front.language import mark, tr

WAITS_FOR_JOB = mark("waits for job {id}")
JOB_FAILED = mark("job {id} failed")
JOB_CANCELLED = mark("job {id} was cancelled")
JOB_DELETED = mark("job {id} was deleted")
WAITS_FOR_MEMORY = mark("waits for memory: {why}")
WAITS_FOR_DISK = mark("waits: disk full, needs {size}")
DISK_FULL = mark("waits: disk full")
DISK_STAYS_FULL = mark("disk full {tries} times with {free} free, a quota? ({error})")
DIED_TWICE = mark(
    "the program died twice {where}: release it to try again, restart it from step 0, or cancel it",
)
INTERRUPTED = mark("interrupted {where}")
MEMORY = mark("memory")
PAUSED = mark("paused")
STOPPED = mark("stopped")
STOPPED_BY_HAND = mark("stopped by hand")
STOPPED_AT_ONCE = mark("stopped at once")
PROGRAM_CLOSED = mark("the program was closed")
OWNER_GONE = mark("the program that ran it has ended")

IN_STAGE = mark("while in stage {stage}")
BEFORE_FIRST_STEP = mark("before its first step")
AT_STEP = mark("at step {step} of {num_steps}")
AT_STEP_OF_PART = mark("at step {step} of {num_steps}, part {part} of {num_parts}")
AT_STEP_IN_STAGE = mark("at step {step} of {num_steps} ({stage})")
AT_STEP_OF_PART_IN_STAGE = mark("at step {step} of {num_steps}, part {part} of {num_parts} ({stage})")

_REASONS = (
    WAITS_FOR_JOB, JOB_FAILED, JOB_CANCELLED, JOB_DELETED, WAITS_FOR_MEMORY, WAITS_FOR_DISK, DISK_FULL,
    DISK_STAYS_FULL, DIED_TWICE, INTERRUPTED, MEMORY, PAUSED, STOPPED, STOPPED_BY_HAND, STOPPED_AT_ONCE,
    PROGRAM_CLOSED, OWNER_GONE, INPUT_CHANGED,
)  # fmt: skip
_PLACES = (
    IN_STAGE, BEFORE_FIRST_STEP, AT_STEP_OF_PART_IN_STAGE, AT_STEP_OF_PART, AT_STEP_IN_STAGE, AT_STEP,
)  # fmt: skip


def reason_words(reason: str) -> str:
    """Return a stored reason in the chosen language; one that no sentence here made comes back as it is."""
    return _said(reason, _REASONS)


def interruption_place(reason: str) -> str:
    """Return where a job was interrupted in the chosen language, to stand behind that word; '' for other reasons."""
    match = _pattern(INTERRUPTED).fullmatch(reason)
    return _said(match["where"], _PLACES) if match else ""


def _said(text: str, templates: tuple[str, ...]) -> str:
    for template in templates:
        match = _pattern(template).fullmatch(text)
        if match:
            values = match.groupdict()
            if "where" in values:
                values["where"] = _said(values["where"], _PLACES)
            if "stage" in values:
                values["stage"] = tr(values["stage"])
            return tr(template, **values)
    return text


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    """Match what `template.format(...)` gives, each field as a group."""
    parts = re.split(r"\{(\w+)\}", template)
    literals, names = parts[::2], [*parts[1::2], ""]
    return re.compile(
        "".join(
            re.escape(text) + (f"(?P<{name}>.*)" if name else "") for text, name in zip(literals, names, strict=True)
        ),
        re.DOTALL,
    )
