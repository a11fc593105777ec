"""Carries out a download plan: several files at a time, resumable, checked, cancellable; torch-free."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipelines.checkpoints.hub import PART, DownloadPlan, RemoteFile
from pipelines.checkpoints.hub_errors import DownloadError, Interrupted, disk_error, explained
from pipelines.checkpoints.locate import repo_folder

AT_ONCE = 4
"""Files that are fetched side by side."""
ATTEMPTS = 5
"""Broken lines in a row, without a new byte between them, before a file is given up."""
TELL_S = 0.25
WINDOW_S = 20.0
"""The rate is the mean over this long."""


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download is; `files` are those in flight, each (path, bytes here, bytes in all)."""

    done_bytes: int
    total_bytes: int
    rate: float
    """Bytes a second lately."""
    left_s: float | None
    files: tuple[tuple[str, int, int], ...]
    checking: bool = False
    """True while nothing is fetched and finished files are checked."""


Tell = Callable[[DownloadProgress], None]
"""Called a few times a second on the calling thread; raising `Cancelled` stops, and what is here stays."""


def download(plan: DownloadPlan, tell: Tell, *, clock: Callable[[], float] = time.monotonic) -> Path:
    """Fetch what is missing and return the snapshot folder.

    Raises DownloadError in words; running the same plan again goes on where it stopped.
    """
    meter = Meter(plan, clock)
    stop = threading.Event()
    try:
        plan.blobs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, plan.blobs / "x") from error
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="download") as pool:
        jobs = {pool.submit(_fetch_file, plan, planned.file, meter, stop) for planned in plan.contents}
        try:
            _watch(jobs, meter, tell)
        finally:
            # Whatever ended the watch, no thread may go on filling the disk.
            stop.set()
    _show_files(plan)
    return plan.folder


def _watch(jobs: set[Future[None]], meter: Meter, tell: Tell) -> None:
    while jobs:
        done, jobs = wait(jobs, timeout=TELL_S, return_when=FIRST_EXCEPTION)
        for job in done:
            job.result()
        tell(meter.read())


class Meter:
    """Counts bytes from several threads."""

    def __init__(self, plan: DownloadPlan, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._sizes = {planned.file.path: planned.file.num_bytes for planned in plan.contents}
        self._have = {planned.file.path: planned.have_bytes for planned in plan.contents}
        self._open: set[str] = set()
        self._checking: set[str] = set()
        self._marks: list[tuple[float, int]] = []

    def at(self, path: str, num_bytes: int) -> None:
        """A file is in flight and has this many bytes."""
        with self._lock:
            self._open.add(path)
            self._have[path] = num_bytes

    def check(self, path: str) -> None:
        """A file is here and is being checked."""
        with self._lock:
            self._checking.add(path)

    def close(self, path: str) -> None:
        """A file is finished."""
        with self._lock:
            self._have[path] = self._sizes[path]
            self._open.discard(path)
            self._checking.discard(path)

    def read(self) -> DownloadProgress:
        """Sum up."""
        with self._lock:
            now, done, total = self._clock(), sum(self._have.values()), sum(self._sizes.values())
            self._marks = [mark for mark in self._marks if now - mark[0] <= WINDOW_S] + [(now, done)]
            first_at, first_done = self._marks[0]
            rate = max(done - first_done, 0) / (now - first_at) if now > first_at else 0.0
            files = tuple((path, self._have[path], self._sizes[path]) for path in sorted(self._open))
            checking = bool(self._checking) and self._checking >= self._open
        return DownloadProgress(done, total, rate, (total - done) / rate if rate else None, files, checking)


def _fetch_file(plan: DownloadPlan, file: RemoteFile, meter: Meter, stop: threading.Event) -> None:
    """Bring one blob into the cache, whole and checked."""
    target = plan.blobs / file.etag
    if target.exists() or stop.is_set():
        return
    part = plan.blobs / f"{file.etag}{PART}"
    try:
        with _locked(part) as stream:
            if not target.exists():
                _receive(plan, file, stream, meter, stop)
                if stop.is_set():
                    return
                meter.check(file.path)
                os.fsync(stream.fileno())
                _check(part, file)
                part.replace(target)
    except OSError as error:
        raise disk_error(error, part) from error
    meter.close(file.path)


@contextmanager
def _locked(part: Path) -> Iterator[BinaryIO]:
    """Open a part file for going on; two downloads of one file must not write into each other."""
    with part.open("ab", buffering=0) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DownloadError(f"another process downloads {part.name.removesuffix(PART)[:12]} already") from None
        yield stream


def _receive(plan: DownloadPlan, file: RemoteFile, stream: BinaryIO, meter: Meter, stop: threading.Event) -> None:
    """Append what is missing, over as many connections as it takes."""
    failures = 0
    have = stream.seek(0, os.SEEK_END)
    if have > file.num_bytes:
        have = 0
        stream.truncate(0)
    while have < file.num_bytes and not stop.is_set():
        before = have
        meter.at(file.path, have)
        try:
            have = _receive_once(plan, file, stream, have, meter, stop)
        except Interrupted:
            have = stream.seek(0, os.SEEK_END)
            failures = failures + 1 if have == before else 1
            if failures >= ATTEMPTS:
                raise
            stop.wait(min(2**failures / 4, 5))


def _receive_once(
    plan: DownloadPlan, file: RemoteFile, stream: BinaryIO, have: int, meter: Meter, stop: threading.Event
) -> int:
    """One connection; returns the bytes that are here when it ends."""
    # Documented names that the package does not mark as exported.
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # re-exported untyped
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    url = hf_hub_url(plan.repo_id, file.path, revision=plan.revision, endpoint=plan.endpoint)
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with (
        explained(plan.repo_id, plan.endpoint),
        get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=30) as response,
    ):
        hf_raise_for_status(response)
        if have and response.status_code != 206:
            # The server starts over instead of going on.
            have = 0
            stream.truncate(0)
        # Pieces as they arrive: what is gathered first is lost when the process is killed.
        for chunk in response.iter_bytes():
            stream.write(chunk)
            have += len(chunk)
            meter.at(file.path, have)
            if stop.is_set():
                return have
    if have < file.num_bytes:
        raise Interrupted(f"the line broke at {have} of {file.num_bytes} bytes of {file.path}")
    return have


def _check(part: Path, file: RemoteFile) -> None:
    """Compare size and checksum with the hub's; a damaged file is removed."""
    if part.stat().st_size == file.num_bytes and matches(part, file.etag):
        return
    part.unlink()
    raise DownloadError(f"{file.path} arrived damaged and was removed: run the same command again")


def matches(path: Path, etag: str, tell: Callable[[int], None] | None = None) -> bool:
    """True when the file's checksum is `etag`: a sha256, or a git object id; other etags prove nothing."""
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
    return digest.hexdigest() == etag


def _show_files(plan: DownloadPlan) -> None:
    """Give the blobs their names in the snapshot, and the branch its commit, as the shared cache expects."""
    repo = repo_folder(plan.repo_id, plan.cache)
    try:
        for planned in plan.files:
            name = plan.folder / planned.file.path
            name.parent.mkdir(parents=True, exist_ok=True)
            blob = plan.blobs / planned.file.etag
            if name.is_symlink() or name.exists():
                continue
            name.symlink_to(os.path.relpath(blob, name.parent))
        (repo / "refs").mkdir(exist_ok=True)
        (repo / "refs" / "main").write_text(plan.revision, encoding="utf-8")
    except OSError as error:
        raise disk_error(error, plan.folder / "x") from error
