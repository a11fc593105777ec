"""Every time that a command says to people is local: in two zones it differs by their offset."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from skyreels_tui.executors.fake import Script
from tests.cli.conftest import Call
from tests.cli.test_queue_commands import job  # noqa: F401 - a fixture

Cli = Callable[..., Call]
CLOCK = re.compile(r"(?<![\d:])([01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?(?![\d:])")
EAST_H = 5
"""Between the two zones, neither of which is UTC."""


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Choose the zone of this process; the one before comes back."""

    def choose(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    "words",
    [("list",), ("show", "1"), ("results",), ("status",), ("film", "show", "ep01")],
    ids=lambda words: " ".join(words),
)
def test_a_command_tells_local_times(cli: Cli, zone, job, words: tuple[str, ...]) -> None:  # noqa: F811
    zone("AAA-3")
    cli("generate", *job, "--label", "one", "--batch", "ep01", script=Script(num_steps=1))
    there = clocks(cli(*words).out)
    zone("BBB-8")
    elsewhere = clocks(cli(*words).out)
    assert len(there) == len(elsewhere)
    assert there or words[0] != "show"
    assert all((b - a) % timedelta(days=1) == timedelta(hours=EAST_H) for a, b in zip(there, elsewhere, strict=True))


def test_the_end_that_estimate_says_is_that_of_the_wall(cli: Cli, zone, job) -> None:  # noqa: F811
    for name in ("AAA-3", "BBB-8"):
        zone(name)
        before = datetime.now().replace(year=1900, month=1, day=1, second=0, microsecond=0)
        [said] = clocks(cli("estimate", *job).out)
        assert (said - before) % timedelta(days=1) <= timedelta(minutes=3)


def clocks(text: str) -> list[datetime]:
    """Every time of the day in a text; lengths have other forms or stand after a word that says so."""
    found = [match.group() for match in CLOCK.finditer(text)]
    return [datetime.strptime(one, "%H:%M:%S" if one.count(":") == 2 else "%H:%M") for one in found]
