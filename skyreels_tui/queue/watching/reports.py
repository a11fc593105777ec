"""What the process that runs jobs tells of the running one, by polling: its progress and its log, never its rows."""

from __future__ import annotations

from pathlib import Path

from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import LogFollower
from skyreels_tui.queue.events import Publish

LOG_TAIL_BYTES = 64 * 1024


class Reports:
    """Publishes what is new at every `look`; with `catch_up` the first one also tells what stands there already."""

    def __init__(self, live: LiveFiles, log: Path, publish: Publish, *, catch_up: bool = False) -> None:
        """`log` is the file of the engine's log."""
        self._live, self._publish = live, publish
        self._stamp = (0, 0) if catch_up else live.stamp()
        self._log = LogFollower(log, LOG_TAIL_BYTES if catch_up else 0)

    def look(self) -> None:
        """Publish progress and lines that were written since the last look."""
        stamp = self._live.stamp()
        if stamp != self._stamp:
            self._stamp = stamp
            progress = self._live.read()
            if progress is not None:
                self._publish(progress)
        for line in self._log.new_lines():
            self._publish(line)
