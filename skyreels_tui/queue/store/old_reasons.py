"""The sentences in which version 1 of the schema kept reasons, and the codes that they mean; never edited."""

from __future__ import annotations

import re

from pipelines.front.documents import plain_number
from skyreels_tui.queue.reasons import Code, Reason, Value, because

_WHERE = (
    r"(?:while in stage (?P<in_stage>.+)|before its first step"
    r"|at step (?P<step>\d+) of (?P<num_steps>\d+)(?:, part (?P<part>\d+) of (?P<num_parts>\d+))?"
    r"(?: \((?P<stage>[^()]*)\))?)"
)
_SENTENCES: tuple[tuple[Code, str], ...] = (
    (Code.WAITS_FOR_JOB, r"waits for job (?P<id>\d+)"),
    (Code.JOB_FAILED, r"job (?P<id>\d+) failed"),
    (Code.JOB_CANCELLED, r"job (?P<id>\d+) was cancelled"),
    (Code.JOB_DELETED, r"job (?P<id>\d+) was deleted"),
    (Code.WAITS_FOR_MEMORY, r"waits for memory: (?P<why>.*)"),
    (Code.WAITS_FOR_DISK, r"waits: disk full, needs (?P<size>.*)"),
    (Code.DISK_FULL, r"waits: disk full"),
    (Code.DISK_STAYS_FULL, r"disk full (?P<tries>\d+) times with (?P<free>.*?) free, a quota\? \((?P<error>.*)\)"),
    (
        Code.DIED_TWICE,
        rf"the program died twice {_WHERE}: release it to try again, restart it from step 0, or cancel it",
    ),
    (
        Code.INPUT_CHANGED,
        r"(?P<path>.*) has changed since this job began: put the file back, or restart the job",
    ),
    (Code.INTERRUPTED, rf"interrupted {_WHERE}"),
    (Code.MEMORY, r"memory"),
    (Code.PAUSED, r"paused"),
    (Code.STOPPED, r"stopped"),
    (Code.STOPPED_BY_HAND, r"stopped by hand"),
    (Code.STOPPED_AT_ONCE, r"stopped at once"),
    (Code.PROGRAM_CLOSED, r"the program was closed"),
    (Code.OWNER_GONE, r"the program that ran it has ended"),
)
_NUMBERS = frozenset({"id", "tries", "step", "num_steps", "part", "num_parts"})


def read_old_reason(text: str) -> Reason:
    """The code and values of a sentence; one that is none of them is kept as words."""
    for code, pattern in _SENTENCES:
        match = re.fullmatch(pattern, text, re.DOTALL)
        if match:
            found = {name: value for name, value in match.groupdict().items() if value is not None}
            if "in_stage" in found:
                found["stage"] = found.pop("in_stage")
            values: dict[str, Value] = {
                name: plain_number(value) or 0 if name in _NUMBERS else value for name, value in found.items()
            }
            return because(code, **values)
    return because(Code.WORDS, text=text)
