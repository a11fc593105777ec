"""Whether the wall clock may decide that something is old: it has jumped before; only time since the boot cannot.

Knows nothing of what is kept or removed.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull
from skyreels_tui.files.boot_clock import boot_time

AGREES_S = 3600.0
"""What a clock may be set by, within one boot, and still be trusted: summer time is not its business."""
AWAY_S = 60 * 86400.0
"""A machine that was off for longer, or whose clock says so, is believed when the next boot says the same."""
NOTE_BYTES = 4096

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at the clocks."""

    boot: str
    """Changes with every boot; '' where the system does not tell."""
    since_boot_s: float
    wall_s: float
    trusted: bool = True
    """False after a jump between two boots, until a later boot agrees."""


def read_clocks() -> Moment:
    """Read the clocks of this machine."""
    now = boot_time()
    return Moment(now.boot, now.seconds, time.time())


def may_be_trusted(note: Path, now: Callable[[], Moment] = read_clocks) -> bool:
    """Compare the wall clock with what `note` says of the last time, and note it; False while it cannot be right."""
    moment, last = now(), _read(note)
    if last is None:
        _write(note, moment)
        return True
    passed_s = moment.wall_s - last.wall_s
    if moment.boot and moment.boot == last.boot:
        off_s = passed_s - (moment.since_boot_s - last.since_boot_s)
        if abs(off_s) <= AGREES_S:
            # What is noted stays: small steps must not add up to a large one.
            return last.trusted
        _tell(off_s)
        return False
    if passed_s + AGREES_S >= 0 and passed_s <= AWAY_S:
        _write(note, moment)
        return True
    _tell(passed_s)
    _write(note, Moment(moment.boot, moment.since_boot_s, moment.wall_s, trusted=False))
    return False


def _tell(off_s: float) -> None:
    days = abs(off_s) / 86400
    if off_s < 0:
        _log.warning("the clock ran backwards by %.1f days: nothing is removed for its age", days)
    else:
        _log.warning("the clock is %.1f days ahead of what it was: nothing is removed for its age", days)


def _read(note: Path) -> Moment | None:
    try:
        with note.open("rb") as file:
            content = read_json(file.read(NOTE_BYTES))
        numbers = float(content["since_boot_s"]), float(content["wall_s"])
        return Moment(str(content["boot"]), *numbers, trusted=content["trusted"] is True)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None


def _write(note: Path, moment: Moment) -> None:
    with suppress(OSError, DiskFull):
        write_whole(note, json.dumps(asdict(moment)).encode())
