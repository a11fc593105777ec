"""The engine's log: a rotating file for every process and an event for the screens of this one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

from pipelines.front.documents import plain_number
from pipelines.front.places import num_bytes
from skyreels_tui.files.app_log import QuietFile
from skyreels_tui.queue.events import LogLine, Publish
from skyreels_tui.queue.store.rows import utc_now

LOG_NAME = "engine.log"
"""Name of the file in the folder of logs."""

Level = Literal["info", "warning", "error"]
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class EngineLog:
    """Writes lines to `engine.log` (1 MiB, three old ones kept) and publishes them."""

    def __init__(self, folder: Path, publish: Publish, clock: Callable[[], datetime] = datetime.now) -> None:
        self.path = folder / LOG_NAME
        self._publish, self._clock = publish, clock
        self._handler = QuietFile(self.path, maxBytes=2**20, backupCount=3, encoding="utf-8", delay=True)

    def write(self, text: str, *, level: Level = "info", job_id: int | None = None) -> None:
        """Write one line; line breaks in `text` are kept as spaces."""
        line = " ".join(text.split())
        at = utc_now(self._clock)
        shown = f"{at} {level} {'-' if job_id is None else job_id} {line}"
        self._handler.handle(logging.makeLogRecord({"msg": shown, "levelno": _LEVELS[level], "levelname": level}))
        self._publish(LogLine(at, level, line, job_id))

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


def parse_line(text: str) -> LogLine | None:
    """Read one line of the file back, for a process that follows another one's log."""
    parts = text.rstrip("\n").split(" ", 3)
    if len(parts) != 4 or parts[1] not in _LEVELS:
        return None
    return LogLine(parts[0], parts[1], parts[3], plain_number(parts[2]))


class LogFollower:
    """Reads what was added to a log since the last call; starts near its end and survives its rotation."""

    def __init__(self, path: Path, tail_bytes: int = 0) -> None:
        """The first call also returns the whole lines of the last `tail_bytes` that are there already."""
        self._path = path
        self._offset = max(0, num_bytes(path) - tail_bytes)

    def new_lines(self) -> list[LogLine]:
        """The complete lines that were added."""
        try:
            size = self._path.stat().st_size
            if size < self._offset:
                self._offset = 0
            if size == self._offset:
                return []
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except OSError:
            return []
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        lines = (parse_line(line) for line in complete.decode("utf-8", "replace").splitlines())
        return [line for line in lines if line is not None]
