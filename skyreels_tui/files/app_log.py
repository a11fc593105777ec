"""Where the program's own warnings go: a rotating file beside the engine's log, never the terminal."""

from __future__ import annotations

import logging
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler

from pipelines.front.durable import private_opener
from skyreels_tui.files.folders import Folders

PACKAGE = "skyreels_tui"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MAX_BYTES = 2**20
KEPT = 2


class QuietFile(RotatingFileHandler):
    """A log that cannot be written stays silent: stderr belongs to the screen, and the job matters more."""

    def _open(self) -> TextIOWrapper:
        """Open it for its owner alone: warnings name files and prompts."""
        return open(self.baseFilename, "a", encoding=self.encoding, opener=private_opener)

    def handleError(self, record: logging.LogRecord) -> None:
        """Drop the line."""


def log_to_file(folders: Folders, name: str = "app.log") -> QuietFile:
    """Send this package's warnings, with their tracebacks, to a file in the logs folder; returns its handler.

    The full-screen app and lone panels use files of their own `name`, because several of them run beside each other.
    """
    logger = logging.getLogger(PACKAGE)
    for old in [handler for handler in logger.handlers if isinstance(handler, QuietFile)]:
        logger.removeHandler(old)
        old.close()
    handler = QuietFile(folders.logs / name, maxBytes=MAX_BYTES, backupCount=KEPT, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger.addHandler(handler)
    # Without a handler further up, Python would write to stderr, over the panels.
    logger.propagate = False
    return handler
