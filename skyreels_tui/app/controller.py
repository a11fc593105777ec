"""What the keys of the screens do to the queue: one method an intent; draws nothing but its questions."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pipelines.front.errors import InvalidRequest, PipelineError, Problem
from pipelines.front.language import tr, trn
from skyreels_tui.app.changes import Changes
from skyreels_tui.queue.errors import NotAllowed, QueueTrouble
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.reasons import NONE, Code, because
from skyreels_tui.queue.states import Action, again, hold_or_release
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.ui import intents
from skyreels_tui.ui.hub import HubApp

if TYPE_CHECKING:
    from skyreels_tui.queue.service import QueueService


class Controller:
    """Changes an open queue for an app; every change is short and durable, every refusal is said in words."""

    def __init__(self, app: HubApp) -> None:
        self._app = app
        self.service: QueueService | None = None
        """The open queue; None until it has been opened, and nothing can be changed before."""
        self._early: list[Callable[[QueueService], object]] = []
        self._deleted: list[tuple[int, ...]] = []
        self.changes = Changes(app.call_later, self._say_what_waits, self._beat)
        """What was asked for and is not stored yet: no key waits for a disk."""

    def _beat(self, within_s: float) -> None:
        if self.service is not None:
            self.service.beats.beat("changes", within_s)

    @property
    def early(self) -> int:
        """Changes that wait for the queue to open."""
        return len(self._early)

    def open(self, service: QueueService) -> None:
        """Take the open queue, and carry out what was asked for before it was."""
        self.service = service
        early, self._early = self._early, []
        for ask in early:
            ask(service)

    def _once_open(self, ask: Callable[[QueueService], object]) -> None:
        # The first page is on the screen before the queue is open: a key that acts on it must not be lost.
        if self.service is None:
            self._early.append(ask)
            self._app.condition_changed()
        else:
            ask(self.service)

    @property
    def can_undo(self) -> bool:
        """Whether this window deleted a row."""
        return bool(self._deleted)

    def take(self, intent: intents.QueueIntent) -> None:
        """Do what a screen asks for."""
        match intent:
            case intents.SubmitJob():
                self._submit(intent)
            case intents.EditJob():
                self._edit(intent)
            case intents.CancelJob(job_id=job_id):
                self._cancel(job_id)
            case intents.ToggleHold(job_id=job_id):
                self._toggle_hold(job_id)
            case intents.RetryJob(job_id=job_id):
                self._retry(job_id)
            case intents.DeleteJob(job_id=job_id):
                self._delete(job_id)
            case intents.UndoDelete():
                self._undo_delete()
            case intents.MoveJob(job_id=job_id, offset=offset):
                self._change(lambda service: service.actions.move(job_id, offset))
            case intents.RunNext(job_id=job_id):
                self._change(lambda service: service.actions.run_next(job_id), tr("job {id} runs next", id=job_id))
            case intents.ChangeJobs():
                self._change_jobs(intent)
            case intents.TogglePause():
                self._toggle_pause()
            case intents.AgainJob(job_id=job_id, new_seed=new_seed):
                self._again(job_id, new_seed=new_seed)
            case intents.ChangeJob(job_id=job_id):
                self._open_for_change(job_id)
            case intents.ChangeFilm() | intents.ImportFilms() | intents.WriteFilm():
                self._change_film(intent)
            case intents.WriteScene():
                self._write_scene(intent)

    def _change_film(self, intent: intents.ChangeFilm | intents.ImportFilms | intents.WriteFilm) -> None:
        # What films need loads with the first change of one.
        from skyreels_tui.app.film_changes import carry_out, import_films, write_film

        said: list[str] = []

        def change(service: QueueService) -> None:
            match intent:
                case intents.ChangeFilm():
                    said.extend(carry_out(service, intent, self._app.settings, self._app.key("film.undo")))
                case intents.ImportFilms():
                    said.extend(import_films(service, intent))
                case intents.WriteFilm():
                    write_film(service, intent)

        undoes = isinstance(intent, intents.ChangeFilm) and intent.act in (
            intents.FilmAct.REMOVE,
            intents.FilmAct.RESTORE,
        )

        def answer() -> None:
            for words in said:
                self._app.tell(words, about="undo" if undoes else "")
            intent.answer()

        self._change(change, then=answer)

    def _write_scene(self, intent: intents.WriteScene) -> None:
        from skyreels_tui.app.film_changes import write_scene

        def answered(refused: PipelineError | None) -> None:
            if isinstance(refused, InvalidRequest):
                intent.answer(refused.problems)
            elif refused is not None:
                self._app.tell(str(refused), "error")
                intent.answer([Problem("", "")])
            else:
                intent.answer(())

        self._once_open(lambda service: self.changes.ask(lambda: write_scene(service, intent), answered))

    def _change(
        self,
        change: Callable[[QueueService], object],
        done: str = "",
        then: Callable[[], None] | None = None,
        *,
        about: str = "",
    ) -> None:
        """Ask for one short, durable change; say in words what the queue refused, else `done`, and do what follows.

        `about` is that of `HubApp.tell`.
        """

        def answered(refused: PipelineError | None) -> None:
            if isinstance(refused, NotAllowed):
                self._app.notes.remark(str(refused))
            elif refused is not None:
                self._app.tell(str(refused), "error")
            else:
                if done:
                    self._app.tell(done, about=about)
                if then is not None:
                    then()

        self._once_open(lambda service: self.changes.ask(lambda: change(service), answered))

    def _say_what_waits(self, trouble: QueueTrouble | None) -> None:
        if trouble is not None:
            self._app.tell(
                tr("{error}. Your change is kept and tried again by itself.", error=trouble.cause), "warning"
            )
        self._app.condition_changed()

    # Adding and changing: the input files are opened again before the queue takes a job, on a worker of their own

    def _submit(self, intent: intents.SubmitJob) -> None:
        entries = _copies(intent)
        self._check_then(
            intent.answer,
            lambda service: service.actions.check(entries),
            lambda service: service.actions.add_many(entries, checked=True)[-1],
        )

    def _edit(self, intent: intents.EditJob) -> None:
        job_id, request, label = intent.job_id, intent.request, intent.label
        self._check_then(
            intent.answer,
            lambda service: service.actions.check([NewJob(request)]),
            lambda service: service.actions.edit(job_id, request, label=label, checked=True),
        )

    def _check_then(
        self,
        answer: intents.JobAnswer,
        check: Callable[[QueueService], None],
        change: Callable[[QueueService], Job],
    ) -> None:
        changed: list[Job] = []

        def answered(refused: PipelineError | None) -> None:
            if isinstance(refused, InvalidRequest):
                answer(None, refused.problems)
            elif refused is not None:
                self._app.tell(str(refused), "error")
                answer(None, ())
            else:
                answer(changed[-1], ())

        def checked(service: QueueService) -> None:
            try:
                check(service)
            except PipelineError as error:
                refused = error
                self._app.call_later(lambda: answered(refused))
            else:
                self.changes.ask(lambda: changed.append(change(service)), answered)

        self._once_open(lambda service: self._app.run_worker(lambda: checked(service), thread=True, group="submit"))

    # One job

    def _cancel(self, job_id: int) -> None:
        """Cancel; a job that has spent time running asks first, because that cannot be undone."""
        job = self._app.board.get(job_id)
        if job is None:
            return
        if job.state is not JobState.RUNNING and not job.run_seconds:
            self._change(lambda service: service.actions.cancel(job_id), tr("job {id} cancelled", id=job_id))
            return
        from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen

        question = tr("Cancel job {id}?", id=job_id)
        spent = tr("it stops at its next step and its finished steps are lost")

        def answered(sure: bool | None) -> None:
            if sure:
                self._change(lambda service: service.actions.cancel(job_id))

        self._app.push_screen(ConfirmScreen(question, spent, yes=tr("Cancel the job")), answered)

    def _toggle_hold(self, job_id: int) -> None:
        job = self._app.board.get(job_id)
        if job is not None:
            held = hold_or_release(job) is Action.RELEASE
            self._change(lambda service: service.actions.release(job_id) if held else service.actions.hold(job_id))

    def _retry(self, job_id: int) -> None:
        """Resume an interrupted job; add a new row for a finished one; answer 'restart' to a question."""
        job = self._app.board.get(job_id)
        if job is None:
            return
        done = {
            Action.RETRY: tr("job {id} queued again as a new row", id=job_id),
            Action.RESTART: tr("job {id} starts again from step 0", id=job_id),
        }
        self._change(lambda service: service.actions.again(job_id), done.get(again(job), ""))

    def _delete(self, job_id: int) -> None:
        """Hide a row; undo brings it back."""
        done = tr("job {id} deleted: {key} brings it back", id=job_id, key=self._app.key("home.undo"))

        def deleted() -> None:
            self._deleted.append((job_id,))
            self._app.keys_changed()

        self._change(lambda service: service.actions.delete(job_id), done, deleted, about="undo")

    def _undo_delete(self) -> None:
        """Bring back the row deleted last."""
        if self._deleted:
            ids = self._deleted.pop()
            if len(ids) == 1:
                said = tr("job {id} is back", id=ids[0])
            else:
                said = trn("{count} job is back", "{count} jobs are back", len(ids))

            def back() -> None:
                # The next key is meant for what came back, not for its neighbour.
                self._app.show_job(ids[0])

            self._change(lambda service: [service.actions.undelete(job_id) for job_id in ids], said, back, about="undo")
            self._app.keys_changed()

    def _again(self, job_id: int, *, new_seed: bool) -> None:
        """Open the form with a job's request."""
        job = self._app.board.get(job_id)
        values = self._values(job) if job is not None else None
        if job is None or values is None:
            return
        if new_seed:
            values["seed"] = random.randrange(2**31)
        self._app.post_message(intents.OpenForm(job.task_type, values, job.label))

    def _open_for_change(self, job_id: int) -> None:
        """Open the form over a waiting job."""
        job = self._app.board.get(job_id)
        values = self._values(job) if job is not None else None
        if job is not None and values is not None:
            self._app.post_message(intents.OpenForm(job.task_type, values, job.label, edit_job_id=job.id))

    def _values(self, job: Job) -> dict[str, Any] | None:
        """The fields of a job's request; None, and the reason said, where no form has them or it cannot be read."""
        try:
            request = job.request
        except InvalidRequest as error:
            self._app.tell(str(error), "error")
            return None
        if not job.task.components:
            words = tr("a film is joined anew from its scenes: `film join {film}`", film=job.label)
            self._app.tell(words, "warning")
            return None
        return asdict(request)

    # Several jobs

    def _change_jobs(self, intent: intents.ChangeJobs) -> None:
        """Do it to every job that it applies to; cancelling asks first where time would be lost."""
        jobs = [job for job_id in intent.job_ids if (job := self._app.board.get(job_id)) is not None]
        begun = [
            job for job in jobs if job.state not in FINISHED and (job.run_seconds or job.state is JobState.RUNNING)
        ]
        if intent.act is not intents.JobAct.CANCEL or not begun:
            self._do_to(intent.act, jobs)
            return
        from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen

        question = trn("Cancel {count} job?", "Cancel {count} jobs?", len(jobs))
        lost = trn("the finished steps of {count} are lost", "the finished steps of {count} are lost", len(begun))

        def answered(sure: bool | None) -> None:
            if sure:
                self._do_to(intent.act, jobs)

        self._app.push_screen(ConfirmScreen(question, lost, yes=tr("Cancel the jobs")), answered)

    def _do_to(self, act: intents.JobAct, jobs: Sequence[Job]) -> None:
        done: list[int] = []
        # The last of those that run next is first: they keep their order.
        left = [job.id for job in (reversed(jobs) if act is intents.JobAct.RUN_NEXT else jobs)]

        def change(service: QueueService) -> None:
            # What is done is not done again when the disk makes the rest wait.
            while left:
                with suppress(NotAllowed):
                    _DOES[act](service, left[0])
                    done.append(left[0])
                left.pop(0)

        def then() -> None:
            if act is intents.JobAct.DELETE and done:
                self._deleted.append(tuple(done))
                self._app.keys_changed()
            others = len(jobs) - len(done)
            more = trn("; {count} stays as it is", "; {count} stay as they are", others) if others else ""
            about = "undo" if act is intents.JobAct.DELETE else ""
            self._app.tell(_said(act, len(done), self._app.key("home.undo")) + more, about=about)

        self._change(change, then=then)

    # The whole queue

    def _toggle_pause(self) -> None:
        """Pause after the running job, or go on."""
        if self._app.board.status.pause in ("after_job", "now"):
            self._change(lambda service: service.actions.unpause(), tr("the queue goes on"), about="pause")
        else:
            words = tr("paused: no further job starts; {key} goes on", key=self._app.key("home.pause"))
            self._change(lambda service: service.actions.pause(), words, about="pause")


_DOES: Mapping[intents.JobAct, Callable[[QueueService, int], object]] = {
    intents.JobAct.CANCEL: lambda service, job_id: service.actions.cancel(job_id),
    intents.JobAct.HOLD: lambda service, job_id: service.actions.hold(job_id),
    intents.JobAct.RELEASE: lambda service, job_id: service.actions.release(job_id),
    intents.JobAct.AGAIN: lambda service, job_id: service.actions.again(job_id),
    intents.JobAct.DELETE: lambda service, job_id: service.actions.delete(job_id),
    intents.JobAct.RUN_NEXT: lambda service, job_id: service.actions.run_next(job_id),
}


def _said(act: intents.JobAct, count: int, undo_key: str) -> str:
    match act:
        case intents.JobAct.CANCEL:
            return trn("{count} job cancelled", "{count} jobs cancelled", count)
        case intents.JobAct.HOLD:
            return trn("{count} job held", "{count} jobs held", count)
        case intents.JobAct.RELEASE:
            return trn("{count} job released", "{count} jobs released", count)
        case intents.JobAct.AGAIN:
            return trn("{count} job queued again", "{count} jobs queued again", count)
        case intents.JobAct.DELETE:
            words = trn("{count} job deleted: {key} undoes it", "{count} jobs deleted: {key} undoes it", count,
                        key=undo_key)  # fmt: skip
            return words
        case intents.JobAct.RUN_NEXT:
            return trn("{count} job runs next", "{count} jobs run next", count)


def _copies(message: intents.SubmitJob) -> list[NewJob]:
    """One entry a seed; several with a name of their own carry the seed in it, so that the list tells them apart."""
    first, label = message.request.seed, message.label
    seeds = range(first, first + message.copies)
    named = label and message.copies > 1
    reason = because(Code.WAITS_FOR_MODEL, model=message.model) if message.model else NONE
    return [
        NewJob(
            replace(message.request, seed=seed), f"{label} {seed}" if named else label, held=bool(reason), reason=reason
        )
        for seed in seeds
    ]
