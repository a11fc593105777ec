"""Carries out a download plan: several files at a time, resumable, checked, cancellable; torch-free."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipelines.checkpoints.download.client import SILENCE_S, HubAnswer, asked
from pipelines.checkpoints.download.errors import Changed, DownloadError, Interrupted, disk_error
from pipelines.checkpoints.download.hub import PART, DownloadPlan, RemoteFile, is_whole
from pipelines.checkpoints.download.meter import Meter, Moved
from pipelines.checkpoints.locate import repo_folder
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.errors import Cancelled
from pipelines.front.language import tr

AT_ONCE = 4
"""Files that are fetched side by side."""
GIVE_UP_S = 600.0
"""Without a single new byte a file is given up after this long: a router that restarts is no reason."""
PAUSE_S = 15.0
"""Longest wait before a broken line is tried again."""
LEAST_BYTES = 1 << 16
"""A line that brings less than this in `GIVE_UP_S` is given up as well."""
TELL_S = 0.25

Tell = Callable[[Moved], None]
"""Called a few times a second on the calling thread; raising `Cancelled` stops, and what is here stays."""


def download(plan: DownloadPlan, tell: Tell, *, clock: Callable[[], float] = time.monotonic) -> Path:
    """Fetch what is missing and return the snapshot folder: the plan's files and bytes, whatever the hub sends.

    Raises DownloadError in words, Changed when the hub no longer gives what was planned; running the same plan
    again goes on where it stopped.
    """
    try:
        make_folder(plan.blobs, private=False)
    except OSError as error:
        raise disk_error(error, plan.blobs / "x") from error
    meter = Meter(
        {planned.file.path: planned.file.num_bytes for planned in plan.contents},
        {planned.file.path: planned.have_bytes for planned in plan.contents},
        clock,
    )
    fetcher = _Fetcher(plan, meter)
    crew = _Crew(fetcher, [planned.file for planned in plan.contents])
    pace = _Pace(plan.endpoint)
    try:
        while crew.is_busy(TELL_S):
            moved = meter.read()
            pace.check(moved)
            tell(moved)
        tell(meter.read())
    finally:
        # Whatever ended the wait, no thread may go on filling the disk or hold a file that is wanted again.
        fetcher.stop.set()
        crew.join()
    _name_branch(plan)
    return plan.folder


class _Pace:
    """Gives up a line that is not silent, and brings nothing all the same."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint, self._since, self._bytes = endpoint, time.monotonic(), 0

    def check(self, moved: Moved) -> None:
        """Raise Interrupted when hardly anything came for longer than a silent line is waited for."""
        now = time.monotonic()
        if moved.checking or moved.done_bytes - self._bytes >= LEAST_BYTES:
            self._since, self._bytes = now, moved.done_bytes
        elif now - self._since > GIVE_UP_S + 2 * SILENCE_S:
            raise Interrupted(tr("{endpoint} sends hardly anything: try again later", endpoint=self._endpoint))


class _Crew:
    """Threads that share a list of files. They are daemons: a silent line must not hold up the program's end."""

    def __init__(self, fetcher: _Fetcher, files: list[RemoteFile]) -> None:
        self._fetcher, self._files = fetcher, deque(files)
        self._changed = threading.Condition()
        self._working = min(AT_ONCE, len(files))
        self._error: DownloadError | None = None
        self._threads = [
            threading.Thread(target=self._work, name=f"download-{number}", daemon=True)
            for number in range(self._working)
        ]
        for thread in self._threads:
            thread.start()

    def is_busy(self, timeout_s: float) -> bool:
        """Wait a moment and tell whether a thread still works; raises the first error of any of them."""
        with self._changed:
            self._changed.wait_for(lambda: not self._working or self._error, timeout_s)
            if self._error is not None:
                raise self._error
            return self._working > 0

    def join(self) -> None:
        """Wait until every thread has left its file; one whose line says nothing ends at its next byte."""
        until = time.monotonic() + 2 * SILENCE_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _next(self) -> RemoteFile | None:
        with self._changed:
            return self._files.popleft() if self._files else None

    def _work(self) -> None:
        ended: DownloadError | None = DownloadError(tr("a download ended in an unforeseen way: see the log"))
        try:
            while (file := self._next()) is not None:
                self._fetcher.fetch(file)
            ended = None
        except Cancelled:
            ended = None
        except DownloadError as error:
            ended = error
        finally:
            with self._changed:
                self._working -= 1
                self._error = self._error or ended
                self._changed.notify_all()


class _Fetcher:
    """Brings blobs into the cache, whole and checked. Used from several threads, one file each."""

    def __init__(self, plan: DownloadPlan, meter: Meter) -> None:
        self._plan, self._meter = plan, meter
        self.stop = threading.Event()
        """Set when nothing more is wanted."""

    def fetch(self, file: RemoteFile) -> None:
        """Fetch one file and show it under its names; raises Cancelled when it was stopped."""
        self._go_on()
        target = self._plan.blobs / file.etag
        part = self._plan.blobs / f"{file.etag}{PART}"
        try:
            if not is_whole(self._plan.blobs, file):
                with _locked(part) as stream:
                    # Another process may have finished it before it gave the lock away.
                    if not is_whole(self._plan.blobs, file):
                        self._receive(file, stream)
                        self._check(file, stream, part)
                        part.replace(target)
                    else:
                        part.unlink(missing_ok=True)
            _show(self._plan, file)
        except OSError as error:
            raise disk_error(error, part) from error
        self._meter.close(file.path)

    def _receive(self, file: RemoteFile, stream: BinaryIO) -> None:
        """Append what is missing, over as many connections as it takes."""
        have = stream.seek(0, os.SEEK_END)
        if have > file.num_bytes:
            have = 0
            stream.truncate(0)
        pause_s, silent_since = 0.5, time.monotonic()
        while have < file.num_bytes:
            before = have
            self._meter.at(file.path, have)
            try:
                have = self._receive_once(file, stream, have)
            except Interrupted as error:
                have = stream.seek(0, os.SEEK_END)
                if have > before:
                    pause_s, silent_since = 0.5, time.monotonic()
                elif time.monotonic() - silent_since >= GIVE_UP_S:
                    raise
                self._meter.wait(file.path, str(error))
                self.stop.wait(pause_s)
                pause_s = min(2 * pause_s, PAUSE_S)
            self._go_on()

    def _receive_once(self, file: RemoteFile, stream: BinaryIO, have: int) -> int:
        """One connection; returns the bytes that are here when it ends, never more than the file has."""
        # A documented name that the package does not mark as exported.
        from huggingface_hub import hf_hub_url

        plan = self._plan
        url = hf_hub_url(plan.repo_id, file.path, revision=plan.revision, endpoint=plan.endpoint)
        headers = {"Range": f"bytes={have}-"} if have else {}
        with asked(url, plan.repo_id, plan.endpoint, headers) as answer:
            self._check_head(file, answer, stream, have)
            # Pieces as they arrive: what is gathered first is lost when the process is killed.
            for chunk in answer.iter_raw():
                if have + len(chunk) > file.num_bytes:
                    raise _changed(file, tr("more bytes"))
                stream.write(chunk)
                have += len(chunk)
                self._meter.at(file.path, have)
                self._go_on()
        if have < file.num_bytes:
            raise Interrupted(
                tr(
                    "the line broke at {have} of {size} bytes of {file}",
                    have=have,
                    size=file.num_bytes,
                    file=file.path,
                )
            )
        return have

    def _check_head(self, file: RemoteFile, answer: HubAnswer, stream: BinaryIO, have: int) -> None:
        """Raise Changed before the first byte when what comes is not the rest of the file."""
        if have and answer.status_code != 206:
            # To start over would fetch more than was agreed to.
            stream.truncate(0)
            raise _changed(file, tr("everything from the start, where only the rest was wanted"))
        claimed = answer.headers.get("Content-Range", "")
        whole = {f"bytes {have}-{file.num_bytes - 1}/{size}" for size in (file.num_bytes, "*")}
        if answer.status_code == 206 and claimed and claimed not in whole:
            raise _changed(file, tr("another part of it"))
        length = answer.headers.get("Content-Length", "")
        if length and length != str(file.num_bytes - have):
            raise _changed(file, tr("{sent} bytes, where {due} were to come", sent=length, due=file.num_bytes - have))

    def _check(self, file: RemoteFile, stream: BinaryIO, part: Path) -> None:
        """Compare size and checksum with the hub's; a damaged file is removed."""
        self._meter.check(file.path)
        os.fsync(stream.fileno())
        if part.stat().st_size == file.num_bytes and matches_etag(part, file.etag, lambda _: self._go_on()):
            return
        part.unlink()
        raise DownloadError(tr("{file} arrived damaged and was removed: fetch it again", file=file.path))

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Cancelled


def _changed(file: RemoteFile, what: str) -> Changed:
    return Changed(
        tr("the hub gives {file} differently from what was agreed ({what}): ask it again", file=file.path, what=what)
    )


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Open a part file for going on; two downloads of one file must not write into each other."""
    with part.open("ab", buffering=0) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(
                tr("another process downloads {file} already", file=part.name.removesuffix(PART)[:12])
            ) from None
        yield stream


def matches_etag(path: Path, etag: str, tell: Callable[[int], None] | None = None) -> bool:
    """True when the file's checksum is `etag`: a sha256, or a git object id; other etags prove nothing.

    `tell(bytes)` hears what was read and may raise to stop.
    """
    if len(etag) == 64:
        digest = hashlib.sha256()
    elif len(etag) == 40:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    else:
        return True
    with path.open("rb") as stream:
        while chunk := stream.read(8 << 20):
            digest.update(chunk)
            if tell is not None:
                tell(len(chunk))
        # On unified memory the page cache is room that a job may want.
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return digest.hexdigest() == etag


def _show(plan: DownloadPlan, file: RemoteFile) -> None:
    """Give a blob its names in the snapshot, as the shared cache expects; at once, so that all see what is here."""
    for planned in plan.files:
        name = plan.folder / planned.file.path
        if planned.file.etag == file.etag and not name.is_symlink() and not name.exists():
            make_folder(name.parent, private=False)
            name.symlink_to(os.path.relpath(plan.blobs / file.etag, name.parent))


def _name_branch(plan: DownloadPlan) -> None:
    """Say which commit the branch was at."""
    refs = repo_folder(plan.repo_id, plan.cache) / "refs"
    try:
        make_folder(refs, private=False)
        write_whole(refs / "main", plan.revision.encode(), durable=False, private=False)
    except OSError as error:
        raise disk_error(error, refs / "main") from error
