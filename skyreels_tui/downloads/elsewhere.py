"""One small file a process, by which windows and shells see each other's transfers; losing it loses nothing."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipelines.checkpoints.download.meter import Moved
from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull
from skyreels_tui.downloads.transfers import Transfer, TransferKind, TransferState
from skyreels_tui.files.boot_clock import BootTime, boot_time, boot_time_of

EVERY_S = 1.0
"""Figures are written so often at most; what begins or ends at once."""
SILENT_S = 15.0
"""Who has written nothing for this long is gone: one that fetches or checks tells several times a second."""
_NAMES = "transfers-*.json"


class TransferFile:
    """Writes the busy transfers of this process, and reads those of the others in the same folder."""

    def __init__(self, folder: Path, now: Callable[[], BootTime] = boot_time) -> None:
        self._folder, self._now = folder, now
        self._path = folder / _NAMES.replace("*", secrets.token_hex(4))
        self._states: list[tuple[str, TransferState]] = []
        self._strange: dict[Path, BootTime] = {}
        """Files that say nothing, and when that was seen first."""
        self._written_s = -EVERY_S

    def write(self, transfers: Sequence[Transfer]) -> None:
        """Tell the others; a full disk keeps it from them, and stops nothing."""
        busy = [transfer for transfer in transfers if transfer.is_busy]
        states = [(transfer.family, transfer.state) for transfer in busy]
        now = self._now()
        if states == self._states and now.seconds - self._written_s < EVERY_S:
            return
        self._states, self._written_s = states, now.seconds
        with suppress(OSError, DiskFull):
            if busy:
                content = json.dumps({"written": asdict(now), "transfers": [_values(transfer) for transfer in busy]})
                write_whole(self._path, content.encode(), durable=False)
            else:
                self._path.unlink(missing_ok=True)

    def others(self) -> tuple[Transfer, ...]:
        """What others fetch or check now."""
        found: list[Transfer] = []
        now, strange = self._now(), self._strange
        self._strange = {}
        for path in sorted(self._folder.glob(_NAMES)):
            if path == self._path:
                continue
            try:
                content = read_json(path.read_bytes())
                said, transfers = boot_time_of(content["written"]), list(map(_transfer, content["transfers"]))
            except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
                # A file that goes meanwhile, or that another version wrote.
                said, transfers = strange.get(path, now), []
                self._strange[path] = said
            age_s = now.age_s(said)
            if age_s is None or age_s > SILENT_S:
                with suppress(OSError):
                    path.unlink()
            else:
                found += transfers
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
