"""How states and bars are drawn: one set of glyphs for capable terminals and one of plain letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pipelines.front.language import mark, tr
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Every symbol that the app draws besides letters."""

    running: str
    queued: str
    blocked: str
    held: str
    done: str
    failed: str
    interrupted: str
    cancelled: str
    suspect: str
    cursor: str
    dot: str
    """Separator between words of one line."""
    bar_full: str
    bar_half: str
    bar_empty: str
    sparks: str
    """Eight heights, lowest first."""
    shades: str
    """Four densities for stacked bars, densest first."""
    floor: str
    peak: str
    next_peak: str
    """Marks on the bar of the memory."""
    left: str
    right: str
    """Around the chosen word of a choice."""
    open: str
    closed: str
    check: str
    cross: str
    star: str
    thin: str
    """Strokes of a frame: corners from the upper left by rows, then across and down."""
    thick: str
    """The same of the frame that is chosen."""


UNICODE = Glyphs(
    running="●", queued="○", blocked="◇", held="‖", done="✓", failed="✗", interrupted="◌",
    cancelled="⊘", suspect="?", cursor="▸", dot="·", bar_full="━", bar_half="╸",
    bar_empty="─", sparks="▁▂▃▄▅▆▇█", shades="█▓▒░", floor="┃", peak="▲", next_peak="△",
    left="‹", right="›", open="▾", closed="▸",
    check="✓", cross="✗", star="★", thin="┌┐└┘─│", thick="┏┓┗┛━┃",
)  # fmt: skip

ASCII = Glyphs(
    running="*", queued="o", blocked="<", held="=", done="+", failed="!", interrupted="~",
    cancelled="/", suspect="?", cursor=">", dot="-", bar_full="#", bar_half="#",
    bar_empty=".", sparks="_.:-=+*#", shades="#=+.", floor="!", peak="A", next_peak="^",
    left="[", right="]", open="v", closed=">",
    check="ok", cross="no", star="*", thin="++++-|", thick="####=H",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StateMark:
    """A state as it is shown: glyph, word and the theme variable of its colour, never a colour alone."""

    glyph: str
    word: str
    style: str

    def __str__(self) -> str:
        return f"{self.glyph} {self.word}"


_STYLES = {
    JobState.RUNNING: "bold $primary",
    JobState.QUEUED: "$foreground",
    JobState.BLOCKED: "$text-muted",
    JobState.HELD: "$text-warning",
    JobState.INTERRUPTED: "$text-warning",
    JobState.DONE: "$text-success",
    JobState.FAILED: "$text-error",
    JobState.CANCELLED: "$text-muted",
}


_MADE = {Code.WAITS_FOR_VOICE: mark("voice"), Code.WAITS_FOR_PICTURE: mark("picture")}
"""What is made before a job runs."""
RUNNING, STOPPING, SUSPECT = mark("running"), mark("stopping"), mark("suspect")
_WORDS = {
    JobState.RUNNING: RUNNING,
    JobState.QUEUED: mark("queued"),
    JobState.BLOCKED: mark("blocked"),
    JobState.HELD: mark("held"),
    JobState.INTERRUPTED: mark("interrupted"),
    JobState.DONE: mark("done"),
    JobState.FAILED: mark("failed"),
    JobState.CANCELLED: mark("cancelled"),
}


def state_words() -> list[str]:
    """Every word that stands for a state, in the chosen language: for the width of a column."""
    return [tr(word) for word in (*_WORDS.values(), STOPPING, SUSPECT)]


NO_NUMBERS: Mapping[object, int] = MappingProxyType({})


def state_mark(job: Job, glyphs: Glyphs = UNICODE, numbers: Mapping[object, int] = NO_NUMBERS) -> StateMark:
    """Return how the state of `job` is shown, with its step or what it waits for.

    `numbers` has what stands for the id of another job where rows are counted by something else.
    """
    if job.state is JobState.DONE and job.suspect:
        return StateMark(glyphs.suspect, tr(SUSPECT), "$text-warning")
    return StateMark(getattr(glyphs, job.state.value), _word(job, numbers), _STYLES[job.state])


def _word(job: Job, numbers: Mapping[object, int]) -> str:
    if job.state is JobState.RUNNING:
        if job.cancel_requested:
            return tr(STOPPING)
        return f"{job.step}/{job.num_steps}" if job.stage == "denoise" and job.num_steps else tr(RUNNING)
    if job.state is JobState.BLOCKED and job.reason.code is Code.WAITS_FOR_JOB:
        waits_for = job.reason.get("id")
        return tr("after {job}", job=numbers.get(waits_for, waits_for))
    if job.state is JobState.BLOCKED and job.reason.code in _MADE:
        return tr(_MADE[job.reason.code])
    return tr(_WORDS[job.state])
