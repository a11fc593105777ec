"""One small file a process, by which windows and shells see each other's transfers; losing it loses nothing."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipelines.checkpoints.download.meter import Moved
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull
from skyreels_tui.downloads.transfers import Transfer, TransferKind, TransferState

EVERY_S = 1.0
"""Figures are written so often at most; what begins or ends at once."""
SILENT_S = 15.0
"""Who has written nothing for this long is gone: one that fetches or checks tells several times a second."""
_NAMES = "transfers-*.json"


class TransferFile:
    """Writes the busy transfers of this process, and reads those of the others in the same folder."""

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder, self._now = folder, now
        self._path = folder / _NAMES.replace("*", secrets.token_hex(4))
        self._states: list[tuple[str, TransferState]] = []
        self._written_s = 0.0

    def write(self, transfers: Sequence[Transfer]) -> None:
        """Tell the others; a full disk keeps it from them, and stops nothing."""
        busy = [transfer for transfer in transfers if transfer.is_busy]
        states = [(transfer.family, transfer.state) for transfer in busy]
        if states == self._states and abs(self._now() - self._written_s) < EVERY_S:
            return
        self._states, self._written_s = states, self._now()
        with suppress(OSError, DiskFull):
            if busy:
                content = json.dumps([_values(transfer) for transfer in busy])
                write_whole(self._path, content.encode(), durable=False)
            else:
                self._path.unlink(missing_ok=True)

    def others(self) -> tuple[Transfer, ...]:
        """What others fetch or check now."""
        found: list[Transfer] = []
        for path in sorted(self._folder.glob(_NAMES)):
            # A file that goes meanwhile, or that another version wrote, says nothing.
            with suppress(OSError, ValueError, TypeError, KeyError):
                if path == self._path:
                    continue
                if abs(self._now() - path.stat().st_mtime) > SILENT_S:
                    path.unlink()
                else:
                    found += [_transfer(values) for values in json.loads(path.read_bytes())]
        return tuple(found)


def _values(transfer: Transfer) -> dict[str, Any]:
    return asdict(replace(transfer, folder=None, plan=None))


def _transfer(values: dict[str, Any]) -> Transfer:
    moved = values["moved"]
    if moved is not None:
        files = tuple((str(path), int(done), int(whole)) for path, done, whole in moved.pop("files"))
        moved = Moved(**moved, files=files)
    return Transfer(
        TransferKind(values["kind"]), str(values["family"]), tuple(values["tasks"]),
        state=TransferState(values["state"]), moved=moved, said=str(values["said"]), elsewhere=True,
    )  # fmt: skip
