"""What the process that runs jobs tells, by polling: its state, the job's progress and its log, never its rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import LogFollower
from skyreels_tui.queue.events import Publish, QueueStatus

LOG_TAIL_BYTES = 64 * 1024


def watched_status(live: LiveFiles, owner: int | None) -> QueueStatus:
    """What another process's engine does; `owner` is that process, None where none lives."""
    if owner is None:
        return QueueStatus(is_owner=False)
    # An owner that has said nothing yet is opening the queue.
    told = live.read_status() or QueueStatus(is_owner=False, engine="idle")
    return replace(told, is_owner=False, read_only=False)


class Reports:
    """Publishes what is new at every `look`; with `catch_up` the first one also tells what stands there already."""

    def __init__(self, live: LiveFiles, log: Path, publish: Publish, *, catch_up: bool = False) -> None:
        """`log` is the file of the engine's log."""
        self._live, self._publish = live, publish
        self._stamp = () if catch_up else live.stamp()
        self._log = LogFollower(log, LOG_TAIL_BYTES if catch_up else 0)

    def look(self) -> None:
        """Publish progress and lines that were written since the last look."""
        stamp = self._live.stamp()
        if stamp != self._stamp:
            new = {name for name, *_ in set(stamp) - set(self._stamp)}
            self._stamp = stamp
            for name in sorted(new):
                progress = self._live.read_file(name)
                if progress is not None:
                    self._publish(progress)
        for line in self._log.new_lines():
            self._publish(line)
