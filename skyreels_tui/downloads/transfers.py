"""Checkpoints on their way: fetched or checked in the background, one at a time; knows nothing of screens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from pipelines.checkpoints.damage import DamageBook
from pipelines.checkpoints.download.fetch import TELL_S
from pipelines.checkpoints.download.hub import DownloadPlan
from pipelines.checkpoints.download.meter import Meter, Moved
from pipelines.checkpoints.inventory import inspect
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.checkpoints.shelf import remove_unfinished
from pipelines.checkpoints.verify import FileCheck, Finding, verify
from pipelines.front.errors import Cancelled, PipelineError
from pipelines.front.language import reason_of, tr, trn
from pipelines.front.places import num_bytes
from skyreels_tui.downloads.agreed import fetch_agreed


class TransferKind(StrEnum):
    """What is done."""

    DOWNLOAD = "download"
    VERIFY = "verify"


class TransferState(StrEnum):
    """How far it is."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSING = "pausing"
    """Asked to stop; the file in hand is let go of."""
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One download or check."""

    kind: TransferKind
    family: str
    tasks: tuple[str, ...] = ()
    """Download only what these need; all for none."""
    plan: DownloadPlan | None = None
    """What a person agreed to fetch; every download that begins here has one."""
    folder: Path | None = None
    """Check this."""
    state: TransferState = TransferState.WAITING
    moved: Moved | None = None
    said: str = ""
    """Names that were tried before, what came of it, or what went wrong."""
    elsewhere: bool = False
    """Another window does it: here it can be looked at."""

    @property
    def is_busy(self) -> bool:
        """Whether it moves, or is about to."""
        return self.state in (TransferState.WAITING, TransferState.RUNNING, TransferState.PAUSING)


Listener = Callable[[tuple[Transfer, ...]], None]
"""Hears all transfers whenever one has changed, on any thread; must not block."""


class Transfers:
    """One transfer for each checkpoint, the newest; the thread lives only while there is something to do."""

    def __init__(self, book: DamageBook, tell: Listener) -> None:
        self._book, self._tell = book, tell
        self._changed = threading.Condition()
        self._all: dict[str, Transfer] = {}
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        """The running transfer is to stop."""
        self._dropped: set[str] = set()
        """Families whose running transfer is to leave the list when it has stopped."""
        self._closed = False

    # What a person asks for

    def add(self, transfer: Transfer) -> None:
        """Begin, or wait for the one before; takes the place of an ended transfer of the same checkpoint."""
        with self._changed:
            known = self._all.get(transfer.family)
            if not self._closed and (known is None or not known.is_busy):
                self._all.pop(transfer.family, None)
                self._put(transfer)
                self._wake()

    def pause(self, family: str) -> None:
        """Stop it; what came stays."""
        with self._changed:
            known = self._all.get(family)
            if known is not None and known.state is TransferState.WAITING:
                self._put(replace(known, state=TransferState.PAUSED))
            elif known is not None and known.state is TransferState.RUNNING:
                self._put(replace(known, state=TransferState.PAUSING))
                self._stop.set()

    def go_on(self, family: str) -> None:
        """Go on with a paused or failed one."""
        with self._changed:
            known = self._all.get(family)
            if known is not None and not known.is_busy and not self._closed:
                self._put(replace(known, state=TransferState.WAITING, said=""))
                self._wake()

    def cancel(self, family: str) -> None:
        """Stop it, take it off the list, and delete what came of files that are not whole."""
        with self._changed:
            known = self._all.get(family)
            if known is not None and known.state in (TransferState.RUNNING, TransferState.PAUSING):
                self._dropped.add(family)
                self._put(replace(known, state=TransferState.PAUSING))
                self._stop.set()
            elif known is not None:
                self._drop(known)

    @property
    def all(self) -> tuple[Transfer, ...]:
        """Every transfer, in the order of asking."""
        with self._changed:
            return tuple(self._all.values())

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Wait until nothing moves or waits; tells whether that is so."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(transfer.is_busy for transfer in self._all.values()), timeout_s
            )

    def close(self, timeout_s: float = 0) -> None:
        """Let nothing more begin and stop what runs; a silent line is not waited for."""
        with self._changed:
            self._closed = True
            self._stop.set()
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    # The thread

    def _put(self, transfer: Transfer) -> None:
        """Replace a transfer and say so; called with the lock held, so that the order of news is that of facts."""
        self._all[transfer.family] = transfer
        self._changed.notify_all()
        self._tell(tuple(self._all.values()))

    def _wake(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._main, name="transfers", daemon=True)
            self._thread.start()

    def _main(self) -> None:
        while (transfer := self._next()) is not None:
            self._run(transfer)

    def _next(self) -> Transfer | None:
        with self._changed:
            waiting = next((one for one in self._all.values() if one.state is TransferState.WAITING), None)
            if waiting is None or self._closed:
                # Whoever adds one now starts another thread: this one has seen all there was.
                self._thread = None
                return None
            self._stop.clear()
            running = replace(waiting, state=TransferState.RUNNING)
            self._put(running)
            return running

    def _run(self, transfer: Transfer) -> None:
        state, said = TransferState.FAILED, tr("it ended in an unforeseen way: see the log")
        try:
            state, said = self._download(transfer) if transfer.kind is TransferKind.DOWNLOAD else self._verify(transfer)
        except Cancelled:
            state, said = TransferState.PAUSED, ""
        except PipelineError as error:
            said = str(error)
        except OSError as error:
            said = tr("{path} cannot be read: {why}", path=error.filename or "", why=reason_of(error))
        finally:
            self._settle(transfer.family, state, said)

    def _settle(self, family: str, state: TransferState, said: str) -> None:
        with self._changed:
            ended = replace(self._all[family], state=state, said=said)
            if family in self._dropped:
                self._dropped.discard(family)
                self._drop(ended)
            else:
                self._put(ended)

    def _drop(self, transfer: Transfer) -> None:
        if transfer.kind is TransferKind.DOWNLOAD and transfer.state is not TransferState.DONE:
            remove_unfinished(CHECKPOINTS[transfer.family])
        del self._all[transfer.family]
        self._changed.notify_all()
        self._tell(tuple(self._all.values()))

    def _download(self, transfer: Transfer) -> tuple[TransferState, str]:
        plan = transfer.plan
        assert plan is not None
        tried = "; ".join(plan.attempts)
        checkpoint = CHECKPOINTS[transfer.family]
        fetch_agreed(plan, checkpoint, self._book, lambda moved: self._hear(transfer.family, moved, tried))
        return TransferState.DONE, trn("{count} file is here", "{count} files are here", len(plan.files))

    def _verify(self, transfer: Transfer) -> tuple[TransferState, str]:
        assert transfer.folder is not None
        wrong: list[FileCheck] = []
        seen = 0
        for check in self._checked(transfer, transfer.folder):
            seen += 1
            wrong += [check] if check.finding is not Finding.OK else []
            if check.finding is not Finding.MISSING:
                self._book.note(transfer.folder / check.path, check.detail)
        if not wrong:
            words = trn("{count} file checked: as it should be", "{count} files checked: as they should be", seen)
            return TransferState.DONE, words
        first = f"{wrong[0].path}: {wrong[0].detail}"
        if len(wrong) > 1:
            first = trn("{first}, and {count} more", "{first}, and {count} more", len(wrong) - 1, first=first)
        return TransferState.FAILED, first

    def _checked(self, transfer: Transfer, folder: Path) -> Iterator[FileCheck]:
        """Check the parts that are here, whole or not; a part nobody has asked for is no fault."""
        parts = [part for part in inspect(folder, CHECKPOINTS[transfer.family].components) if part.files]
        sizes = {path.relative_to(folder).as_posix(): num_bytes(path) for part in parts for path in part.files}
        meter = Meter(sizes, dict.fromkeys(sizes, 0), time.monotonic)
        done = dict.fromkeys(sizes, 0)
        told_at = float("-inf")

        def tell(path: str, num_bytes: int) -> None:
            nonlocal told_at
            done[path] += num_bytes
            meter.at(path, done[path])
            if time.monotonic() - told_at >= TELL_S or self._stop.is_set():
                told_at = time.monotonic()
                self._hear(transfer.family, replace(meter.read(), checking=True), "")

        for check in verify(folder, [part.component for part in parts], tell=tell):
            if check.path in sizes:
                meter.close(check.path)
            yield check

    def _hear(self, family: str, moved: Moved, said: str) -> None:
        if self._stop.is_set():
            raise Cancelled
        with self._changed:
            self._put(replace(self._all[family], moved=moved, said=said))
