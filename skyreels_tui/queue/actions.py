"""What a person does to jobs and to the queue as a whole; runs nothing itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import reason_of, tr
from pipelines.front.request import Request
from skyreels_tui.queue.engine.attempt import work_folder
from skyreels_tui.queue.engine.attempt.cancel import Why
from skyreels_tui.queue.engine.runners import Runners
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.states import Action, again
from skyreels_tui.queue.store.films import Films
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.queue.store.store import Store
from skyreels_tui.requests.references import check_request, made_first, with_absolute_paths


class QueueActions:
    """Every change returns after it is durable; any thread may ask for one.

    It raises NoSuchJob, NotAllowed (the state forbids it), ReadOnlyQueue, InvalidRequest or QueueTrouble (the file
    cannot be written this time); then nothing changed.
    """

    def __init__(
        self,
        store: Store,
        jobs_dir: Path,
        result_dir: Path,
        *,
        runners: Callable[[], Runners | None],
        status_changed: Callable[[], None],
    ) -> None:
        """`runners` are those of this process, when it runs jobs; `result_dir` is where new jobs write unless told."""
        self._store, self._jobs_dir, self._result_dir = store, jobs_dir, result_dir
        self._runners, self._status_changed = runners, status_changed

    # Adding

    def add(
        self, request: Request, *, label: str = "", batch: str = "", held: bool = False, checked: bool = False
    ) -> Job:
        """Store a request at the end of the queue; `checked` says that the caller has just checked it."""
        return self.add_many([NewJob(request, label, batch, held)], checked=checked)[0]

    def check(self, entries: Sequence[NewJob]) -> None:
        """Open the input files of new jobs; raises InvalidRequest, with several entries for 'entry 3.prompt'."""
        problems = []
        for number, entry in enumerate(entries, 1):
            prefix = tr("entry {number}", number=number) + "." if len(entries) > 1 else ""
            found = check_request(entry.request)
            problems += [Problem(prefix + problem.field, problem.message) for problem in found]
        if problems:
            raise InvalidRequest(problems)

    def add_many(self, entries: Sequence[NewJob], *, checked: bool = False) -> list[Job]:
        """Add all or none; with several entries a problem's field reads 'entry 3.prompt'."""
        if not checked:
            self.check(entries)
        lonely = [field for entry in entries if not entry.scene for field in made_first(entry.request)]
        if lonely:
            words = tr("only for a scene of a film a voice or a picture is made first")
            raise InvalidRequest([Problem(field, words) for field in lonely])
        anchored = [
            replace(
                entry,
                request=with_absolute_paths(entry.request),
                result_dir=entry.result_dir or str(self.results_of(entry.batch)),
            )
            for entry in entries
        ]
        jobs = self._store.add_many(anchored)
        self.wake()
        return jobs

    def results_of(self, film: str) -> Path:
        """The folder of what is made from a film: its project's, where it has one."""
        here = self._result_dir.absolute()
        return here / self._store.films.project_of(film) if film else here

    @property
    def films(self) -> Films:
        """What a person does to films and scenes; `wake` afterwards lets jobs go on that may."""
        return self._store.films

    def choose_takes(self, job_ids: Sequence[int]) -> None:
        """Let finished jobs, and no newer ones, stand for their scenes, all or none; raises NoSuchFilm besides."""
        self._store.films.choose(job_ids)
        self.wake()

    def duplicate(self, job_id: int, seeds: Sequence[int] | None = None) -> list[Job]:
        """Add one copy a seed at the end of the queue; without seeds one copy with the same seed."""
        jobs = self._store.duplicate(job_id, seeds)
        self.wake()
        return jobs

    def retry(self, job_id: int) -> Job:
        """Add a new row for a finished job, which says so; stored steps of a failed one are used again."""
        old = self._store.get(job_id)
        job = self._store.retry(job_id)
        if old.state != JobState.DONE:
            # Without the folder the new row starts at step 0: a crash right here costs time only.
            with contextlib.suppress(OSError):
                (self._jobs_dir / str(job_id)).rename(self._jobs_dir / str(job.id))
        self.wake()
        return job

    def again(self, job_id: int) -> Job:
        """Run a job again in the way that its state asks for: resume, answer its question, release or retry."""
        match again(self._store.get(job_id)):
            case Action.RESUME:
                return self.resume(job_id)
            case Action.RESTART:
                return self.restart(job_id)
            case Action.RELEASE:
                return self.release(job_id)
            case _:
                return self.retry(job_id)

    # Changing

    def edit(self, job_id: int, request: Request, *, label: str | None = None, checked: bool = False) -> Job:
        """Replace the request of a pending job; stored steps of another request are not used."""
        problems = [] if checked else check_request(request)
        if problems:
            raise InvalidRequest(problems)
        return self._woken(self._store.edit(job_id, with_absolute_paths(request), label))

    def rename(self, job_id: int, label: str) -> Job:
        """Change the label of a job in any state."""
        return self._store.rename(job_id, label)

    def cancel(self, job_id: int) -> Job:
        """Cancel now when it waits, at the next step edge when it runs."""
        job = self._store.cancel(job_id)
        if (runners := self._runners()) is not None:
            runners.stop_job(Why.CANCEL, job_id)
        return job

    def hold(self, job_id: int) -> Job:
        """Keep a waiting or interrupted job from running until it is released."""
        return self._store.hold(job_id)

    def release(self, job_id: int) -> Job:
        """Let a held job queue again."""
        return self._woken(self._store.release(job_id))

    def resume(self, job_id: int) -> Job:
        """Queue an interrupted job again; it goes on at its stored step."""
        return self._woken(self._store.resume(job_id))

    def restart(self, job_id: int) -> Job:
        """Forget the stored steps of a waiting or interrupted job and queue it from step 0."""
        folder = self._jobs_dir / str(job_id)
        try:
            aside = work_folder.set_aside(folder)
        except OSError as error:
            words = tr("the stored steps of job {id} cannot be removed: {reason}", id=job_id, reason=reason_of(error))
            raise QueueError(words) from error
        try:
            job = self._store.restart(job_id)
        except BaseException:
            # Refused or not stored: the steps count as before.
            work_folder.put_back(folder, aside)
            raise
        work_folder.discard(aside)
        return self._woken(job)

    def move(self, job_id: int, offset: int) -> Job:
        """Move by `offset` places among the waiting jobs: negative is sooner."""
        return self._store.move(job_id, offset)

    def move_to(self, job_id: int, place: int) -> Job:
        """Move to a place among the waiting jobs, 1 is first; past the end means last."""
        return self._store.move_to(job_id, place - 1)

    def run_next(self, job_id: int) -> Job:
        """Put a job before all others that wait; a held or interrupted one is queued."""
        return self._woken(self._store.run_next(job_id))

    def delete(self, job_id: int) -> Job:
        """Hide a job that does not run; its files stay. `undelete` brings it back."""
        return self._store.delete(job_id)

    def undelete(self, job_id: int) -> Job:
        """Bring a deleted job back in the state and place it had."""
        return self._woken(self._store.undelete(job_id))

    # The queue as a whole

    def pause(self, *, now: bool = False) -> None:
        """Stop after the running job, or with `now` at its next step edge; it goes on there later."""
        self._store.set_control("pause", "now" if now else "after_job")
        if now and (runners := self._runners()) is not None:
            runners.stop_job(Why.PAUSE)
        self._status_changed()

    def unpause(self) -> None:
        """Go on after a pause."""
        self._store.set_control("pause", "")
        self.wake()
        self._status_changed()

    def stop_job(self) -> None:
        """Interrupt the running jobs of this process at their next step edges; the queue goes on."""
        if (runners := self._runners()) is not None:
            runners.stop_job(Why.STOP, reason=because(Code.STOPPED_BY_HAND))

    def _woken(self, job: Job) -> Job:
        self.wake()
        return job

    def wake(self) -> None:
        """Let the runner of this process look at the queue again."""
        if (runners := self._runners()) is not None:
            runners.wake()
