"""The inbox: batches and films that are dropped into a folder become jobs; knows files and the queue, no screens."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Protocol

from pipelines.front.documents import plain_number
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.errors import InvalidRequest, PipelineError, Problem
from pipelines.front.language import reason_of, tr, trn
from pipelines.front.places import is_file
from skyreels_tui.queue.batches import batch_file
from skyreels_tui.queue.batches.arrival import Arrival, is_batch, put_away
from skyreels_tui.queue.engine.heartbeat import Heartbeats
from skyreels_tui.queue.engine.log import Level
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.rows import NewJob, utc_now

DONE, REJECTED = "done", "rejected"
"""Folders inside the inbox."""
LOCK = ".lock"
"""Two queues may be told of the same folder; one of them watches it."""
TAKING = ".taking"
"""A file is moved here first, so that nobody changes it while it is read and a crash leaves it recognisable."""
QUIET_S = 1.0
"""A file that has lain still for this long has arrived."""
POLL_S = 2.0
"""Looks without being told: folders on other machines report no changes."""
_STEP_MS = 200
LATE_S = 60.0
"""A round takes in whole files and waits for other writers of the queue."""


class Adding(Protocol):
    """Puts jobs into the queue."""

    def add_many(self, entries: Sequence[NewJob], *, checked: bool = False) -> list[Job]:
        """Add all or none."""
        ...


class Queue(Protocol):
    """What the inbox needs of the queue."""

    @property
    def actions(self) -> Adding:
        """Where jobs are added."""
        ...

    def batch(self, name: str) -> list[Job]:
        """The jobs of a batch in the order they were added."""
        ...


class DroppedFilms(Protocol):
    """What a file holds that is no batch of jobs."""

    @property
    def names(self) -> list[str]:
        """What its films are called."""
        ...

    @property
    def problems(self) -> list[Problem]:
        """Why nothing may be made of it."""
        ...

    @property
    def warnings(self) -> list[Problem]:
        """What is understood in another way than it is written."""
        ...

    def make(self) -> tuple[list[Job], list[Problem]]:
        """Begin the films and queue their scenes; returns the jobs, and what keeps scenes from one."""
        ...


ReadFilms = Callable[[Path, Path, bool], DroppedFilms | None]
"""(file, where it was dropped, whether a crash may have left its films begun) -> its films; None where it has none.

Raises InvalidRequest for what cannot be read.
"""


class _Report(NamedTuple):
    """What became of a file: the folder it goes to, line by line, and in a few words."""

    folder: str
    lines: list[str]
    words: str


class Inbox:
    """A thread that takes what arrives in `folder`; only the process that runs the queue has one."""

    def __init__(
        self,
        folder: Path,
        queue: Queue,
        tell: Callable[[str, Level], None],
        changed: Callable[[], None],
        *,
        quiet_s: float = QUIET_S,
        poll_s: float = POLL_S,
        beats: Heartbeats | None = None,
        now: Callable[[], float] = time.monotonic,
        read_films: ReadFilms | None = None,
    ) -> None:
        """`tell` takes a line for the log, `changed` is called after each look; both from this thread.

        With `read_films` a file that is no batch of jobs may hold films.
        """
        self.folder = folder.expanduser().absolute()
        self._queue, self._tell, self._changed = queue, tell, changed
        self._quiet_s, self._poll_s, self._now = quiet_s, poll_s, now
        self._read_films = read_films
        self._arrivals: dict[Path, Arrival] = {}
        self._idle = False
        self._told = ""
        self._stop = threading.Event()
        self._beats = beats or Heartbeats()
        self._thread = threading.Thread(target=self._work, name="inbox", daemon=True)

    @property
    def idle(self) -> bool:
        """True when the last look found nothing to take and nothing still arriving."""
        return self._idle

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more; returns at once."""
        self._stop.set()

    def join(self) -> None:
        """Wait until the file under way is put away."""
        self._thread.join()

    def look(self) -> None:
        """Take every file that has arrived; first those that a crash left half taken."""
        for path in self._claimed():
            self._take(path, again=True)
        self._forget_notes()
        found = [path for path in _sorted(self.folder) if is_batch(path)]
        self._idle = self._idle and not found
        self._arrivals = {path: self._arrivals.get(path) or Arrival(path, self._now) for path in found}
        for path, arrival in list(self._arrivals.items()):
            if self._stop.is_set():
                return
            claimed = self.folder / TAKING / path.name
            with suppress(FileNotFoundError):
                if arrival.is_whole(self._quiet_s) and not claimed.exists():
                    path.rename(claimed)
                    del self._arrivals[path]
                    self._take(claimed)
        self._idle = not self._arrivals and not self._claimed()

    def _take(self, claimed: Path, *, again: bool = False) -> None:
        """Queue the jobs of a claimed file and put it away; a queue that cannot be written leaves it claimed."""
        self._idle = False
        name = claimed.name
        try:
            report = self._queued(claimed, again=again)
        except InvalidRequest as error:
            report = _refused(name, error.problems)
        except PipelineError as error:
            self._tell_once(tr("inbox: {name} waits: {error}", name=name, error=error))
            return
        target = _put_away(claimed, self.folder / report.folder, report.lines)
        if report.folder == DONE:
            self._tell(tr("inbox: {text}", text=f"{name}: {report.words}"), "info")
            return
        self._tell(
            tr(
                "inbox: {name} was not queued: {count}, see {report}.txt in {folder}",
                name=name,
                count=report.words,
                report=target.name,
                folder=REJECTED,
            ),
            "warning",
        )

    def _queued(self, claimed: Path, *, again: bool) -> _Report:
        """Queue what a claimed file holds; raises InvalidRequest, or what a queue that cannot be written says."""
        name = claimed.name
        try:
            entries = batch_file.parse_batch(batch_file.read_text(claimed), self.folder / name)
        except InvalidRequest:
            films = self._films_in(claimed, again=again)
            if films is None:
                raise
            return self._made(claimed, films)
        jobs = self._added_before(claimed, entries) if again else []
        if not jobs:
            self._note(claimed, entries[0].batch)
            jobs = self._queue.actions.add_many(entries, checked=True)
        queued = trn("{count} job queued", "{count} jobs queued", len(jobs))
        text = tr(
            "{name}: {queued} ({time}), batch {batch}", name=name, queued=queued, time=utc_now(), batch=entries[0].batch
        )
        return _Report(DONE, [text, *_lines_of(jobs)], queued)

    def _films_in(self, claimed: Path, *, again: bool) -> DroppedFilms | None:
        if self._read_films is None:
            return None
        try:
            return self._read_films(claimed, self.folder / claimed.name, again and is_file(_note_of(claimed)))
        except InvalidRequest:
            # No list of scenes either: what is wrong with it as a batch says more.
            return None

    def _made(self, claimed: Path, films: DroppedFilms) -> _Report:
        """Make films, and say what was understood in another way and what keeps scenes from a job."""
        warnings = films.warnings
        if problems := films.problems:
            return _refused(claimed.name, problems, warnings)
        write_whole(_note_of(claimed), b"")
        jobs, left = films.make()
        queued = trn("{count} job queued", "{count} jobs queued", len(jobs))
        text = tr(
            "{name}: {queued} ({time}), films: {films}",
            name=claimed.name,
            queued=queued,
            time=utc_now(),
            films=", ".join(films.names),
        )
        lines = [text]
        lines += _warned(warnings)
        lines += [tr("waits: {field}: {message}", field=one.field, message=one.message) for one in left]
        waits = trn("{count} scene waits", "{count} scenes wait", len(left)) if left else ""
        warned = trn("{count} warning", "{count} warnings", len(warnings)) if warnings else ""
        return _Report(DONE, [*lines, *_lines_of(jobs)], ", ".join(part for part in (queued, waits, warned) if part))

    def _claimed(self) -> list[Path]:
        return [path for path in _sorted(self.folder / TAKING) if not path.name.startswith(".")]

    def _forget_notes(self) -> None:
        """Remove what a crash has left of a file that was put away: the next one of its name is another file."""
        meant = {_note_of(path) for path in self._claimed()}
        for path in _sorted(self.folder / TAKING):
            if path.name.startswith(".") and path not in meant:
                path.unlink(missing_ok=True)

    def _note(self, claimed: Path, batch: str) -> None:
        """Write down the last row of the batch before any is added; what is noted already stays true."""
        note = _note_of(claimed)
        if not is_file(note):
            last = max((job.id for job in self._queue.batch(batch)), default=0)
            write_whole(note, str(last).encode())

    def _added_before(self, claimed: Path, entries: Sequence[NewJob]) -> list[Job]:
        """The jobs that this file has already become: the rows of its batch beyond the one that was noted.

        Numbers tell, for a clock may be set at any time. Without a note the last rows count.
        """
        rows = self._queue.batch(entries[0].batch)
        try:
            before = plain_number(_note_of(claimed).read_text(encoding="ascii"))
        except (OSError, ValueError):
            before = None
        beyond = [job for job in rows if before is not None and job.id > before]
        found = rows[-len(entries) :] if before is None else beyond[: len(entries)]
        wanted = [entry.request.to_json() for entry in entries]
        return found if [job.request_json for job in found] == wanted else []

    # The thread

    def _work(self) -> None:
        while not self._stop.is_set():
            lock = OwnerLock(self.folder / LOCK)
            try:
                make_folder(self.folder / TAKING, private=False)
                if lock.acquire():
                    for _ in self._rounds():
                        self._beats.beat("inbox", self._poll_s + LATE_S)
                        self.look()
                        self._changed()
                else:
                    self._pass(tr("inbox: another queue watches this folder"))
            except OSError as error:
                self._pass(tr("inbox: {text}", text=f"{self.folder}: {reason_of(error)}"))
            except PipelineError as error:
                self._pass(tr("inbox: {text}", text=error))
            finally:
                lock.release()
        self._beats.end("inbox")

    def _rounds(self) -> Iterator[None]:
        """Yield now, after each change of the folder, and every `poll_s`; ends when the folder cannot be watched.

        A folder that was removed is made anew by the next round.
        """
        yield
        # Loads a library of a megabyte that most people's settings never need.
        from watchfiles import watch

        poll_ms = max(int(self._poll_s * 1000), 1)
        step_ms = min(_STEP_MS, poll_ms)
        try:
            for _ in watch(
                self.folder,
                watch_filter=None,
                recursive=False,
                stop_event=self._stop,
                step=step_ms,
                debounce=2 * step_ms,
                rust_timeout=poll_ms,
                yield_on_timeout=True,
                raise_interrupt=False,
            ):
                if self._stop.is_set() or not (self.folder / LOCK).exists():
                    return
                yield
        except RuntimeError as error:
            self._tell_once(
                tr(
                    "inbox: {folder} reports no changes ({error}); it is looked at every few seconds",
                    folder=self.folder,
                    error=error,
                )
            )
        self._stop.wait(self._poll_s)

    def _pass(self, problem: str) -> None:
        """Say what keeps this round from looking, and wait for the next."""
        self._beats.beat("inbox", self._poll_s + LATE_S)
        self._tell_once(problem)
        self._idle = True
        self._changed()
        self._stop.wait(self._poll_s)

    def _tell_once(self, problem: str) -> None:
        if problem != self._told:
            self._told = problem
            self._tell(problem, "warning")


def _refused(name: str, problems: Sequence[Problem], warnings: Sequence[Problem] = ()) -> _Report:
    count = trn("{count} problem", "{count} problems", len(problems))
    lines = [tr("{name} was not queued ({time}): {count}", name=name, time=utc_now(), count=count)]
    lines += [f"{problem.field}: {problem.message}" for problem in problems]
    return _Report(REJECTED, [*lines, *_warned(warnings)], count)


def _warned(warnings: Sequence[Problem]) -> list[str]:
    return [tr("warning: {field}: {message}", field=one.field, message=one.message) for one in warnings]


def _lines_of(jobs: Sequence[Job]) -> list[str]:
    return [tr("job {id} {label}", id=job.id, label=job.label) for job in jobs]


def _note_of(claimed: Path) -> Path:
    # A name may be as long as names can be.
    return claimed.with_name(f".{hashlib.sha256(os.fsencode(claimed.name)).hexdigest()[:16]}")


def _put_away(claimed: Path, folder: Path, lines: Sequence[str]) -> Path:
    target = put_away(claimed, folder, lines)
    _note_of(claimed).unlink(missing_ok=True)
    return target


def _sorted(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
