"""The stretch of an input that a job uses and the channel it listens to; opens no file."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.front.errors import Problem
from pipelines.front.fields import Choice, Number
from pipelines.front.language import mark, tr

LONGEST_S = 86_400
START, END, CHANNEL = "trim_start", "trim_end", "voice_channel"
"""Names of the fields."""
ROUNDING_S = 0.001
"""What a length that a person reads off a screen may be beyond the true one."""
MIX = "mix"
_CHANNELS = {"left": 0, "right": 1}


def start_field(of: str, label: str = mark("Start at")) -> Number:
    """Where the input that the field `of` names begins to be used."""
    return _seconds_field(of, label, mark("Seconds into the file: what is before is cut"))


def end_field(of: str, label: str = mark("End at")) -> Number:
    """Where the input that the field `of` names ends to be used."""
    return _seconds_field(of, label, mark("Seconds into the file: what is behind is cut; 0 uses it to its end"))


def _seconds_field(of: str, label: str, words: str) -> Number:
    return Number(
        label=label,
        help=words,
        minimum=0,
        maximum=LONGEST_S,
        decimals=6,
        unit="s",
        advanced=True,
        belongs_to=of,
        unsaid=0,
    )


def channel_field(of: str, label: str = mark("Channel")) -> Choice:
    """Which channel of the recording that the field `of` names is heard."""
    return Choice(
        label=label,
        help=mark("Of a recording with more than one: the voice that the model hears, and the result's sound"),
        options=((MIX, mark("all mixed")), ("left", mark("left")), ("right", mark("right"))),
        advanced=True,
        belongs_to=of,
        unsaid=MIX,
    )


@dataclass(frozen=True, slots=True)
class Trim:
    """From `start_s` up to `end_s` of a file, counted from its first picture or sample; 0 as the end is its own end."""

    start_s: float = 0.0
    end_s: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is cut."""
        return not self.start_s and not self.end_s

    def samples(self, rate: int, count: int) -> tuple[int, int]:
        """The first sample that is used and the one behind the last, of `count` at `rate`."""
        stop = round(self.end_s * rate) if self.end_s else count
        return min(round(self.start_s * rate), count), min(stop, count)

    def order_problem(self) -> Problem | None:
        """What is wrong whatever the file."""
        if self.end_s and self.end_s <= self.start_s:
            words = tr("the end, {end:g} s, is not behind the start, {start:g} s", end=self.end_s, start=self.start_s)
            return Problem(END, words)
        return None

    def problem(self, name: str, length_s: float) -> Problem | None:
        """Why this is no stretch of a file `name` that lasts `length_s`."""
        if order := self.order_problem():
            return order
        facts = {"name": name, "seconds": length_s}
        if self.start_s >= length_s:
            words = tr("{name}: lasts {seconds:.3f} s: it cannot start at {start:g} s", start=self.start_s, **facts)
            return Problem(START, words)
        if self.end_s > length_s + ROUNDING_S:
            words = tr("{name}: lasts {seconds:.3f} s: it cannot end at {end:g} s", end=self.end_s, **facts)
            return Problem(END, words)
        return None

    @property
    def blamed(self) -> str:
        """The field that a person mends when too little is left."""
        return END if self.end_s else START


WHOLE = Trim()


def channel_index(channel: str) -> int | None:
    """Which channel 'left' or 'right' is, from 0; None for the mix."""
    return _CHANNELS.get(channel)
