"""What the keys of the screens do to the queue: one handler an intent."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from textual import on, work

from pipelines.front.errors import InvalidRequest, PipelineError
from pipelines.front.language import tr
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.events import LogLine
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.states import Action, again, hold_or_release
from skyreels_tui.queue.store.listing import first_page
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import EngineEvent, HubApp

if TYPE_CHECKING:
    from skyreels_tui.queue.service import QueueService
    from skyreels_tui.queue.store.rows import NewJob


FIRST_PAGE = 200
"""Jobs that are listed for the first paint: more than any terminal shows."""


class QueueApp(HubApp):
    """An app over an open queue; every change is short and durable, every refusal is said in words."""

    service: QueueService | None = None
    folders: Folders

    def __init__(self) -> None:
        super().__init__(jobs=self._list_jobs)
        self._deleted: list[int] = []
        self._listed: int | None = FIRST_PAGE

    def _list_jobs(self) -> list[Job]:
        if self.service is not None:
            return self.service.jobs(limit=self._listed)
        return first_page(self.folders, FIRST_PAGE)

    def list_whole_queue(self) -> None:
        """From now on list every job: until then the first page, so that it is on the screen at once."""
        self._listed = None
        self.board.refresh()

    def _change(self, change: Callable[[QueueService], object], done: str = "") -> bool:
        """Do one short, durable change; say in words what the queue refused."""
        if self.service is None:
            return False
        try:
            change(self.service)
        except PipelineError as error:
            self.tell(str(error), "error")
            return False
        if done:
            self.tell(done)
        return True

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a short message; never parsed as markup."""
        self.notify(safe(text, 500), severity=severity, markup=False)  # type: ignore[arg-type]

    @on(EngineEvent)
    def _on_background_trouble(self, message: EngineEvent) -> None:
        """A warning that belongs to no job would otherwise stand in the log alone."""
        match message.event:
            case LogLine(level="warning" | "error", text=text, job_id=None):
                self.tell(text, "warning")

    @work(thread=True, group="submit")
    def on_submit_job(self, message: intents.SubmitJob) -> None:
        """Add the job on a worker: the queue opens its input files again before it takes it."""
        service = self.service
        if service is None:
            return
        try:
            added = service.add_many(_copies(message))
        except InvalidRequest as error:
            self.call_from_thread(message.answer, None, error.problems)
            return
        except PipelineError as error:
            self.call_from_thread(self.tell, str(error), "error")
            self.call_from_thread(message.answer, None, ())
            return
        self.call_from_thread(message.answer, added[-1], ())

    @work(thread=True, group="submit")
    def on_edit_job(self, message: intents.EditJob) -> None:
        """Change the job in place, on a worker for the same reason."""
        service = self.service
        if service is None:
            return
        try:
            job = service.edit(message.job_id, message.request, label=message.label)
        except InvalidRequest as error:
            self.call_from_thread(message.answer, None, error.problems)
        except PipelineError as error:
            self.call_from_thread(self.tell, str(error), "error")
            self.call_from_thread(message.answer, None, ())
        else:
            self.call_from_thread(message.answer, job, ())

    def on_cancel_job(self, message: intents.CancelJob) -> None:
        """Cancel; a job that has spent time running asks first, because that cannot be undone."""
        job = self.board.get(message.job_id)
        if job is None:
            return
        if job.state is not JobState.RUNNING and not job.run_seconds:
            self._change(lambda service: service.cancel(job.id), tr("job {id} cancelled", id=job.id))
            return
        from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen

        question = tr("Cancel job {id}?", id=job.id)
        spent = tr("it stops at its next step and its finished steps are lost")

        def answered(sure: bool | None) -> None:
            if sure:
                self._change(lambda service: service.cancel(job.id))

        self.push_screen(ConfirmScreen(question, spent, yes=tr("Cancel the job")), answered)

    def on_toggle_hold(self, message: intents.ToggleHold) -> None:
        """Hold or release."""
        job = self.board.get(message.job_id)
        if job is not None:
            held = hold_or_release(job) is Action.RELEASE
            self._change(lambda service: service.release(job.id) if held else service.hold(job.id))

    def on_retry_job(self, message: intents.RetryJob) -> None:
        """Resume an interrupted job; add a new row for a finished one; answer 'restart' to a question."""
        job = self.board.get(message.job_id)
        if job is None:
            return
        done = {
            Action.RETRY: tr("job {id} queued again as a new row", id=job.id),
            Action.RESTART: tr("job {id} starts again from step 0", id=job.id),
        }
        self._change(lambda service: service.again(job.id), done.get(again(job), ""))

    def on_delete_job(self, message: intents.DeleteJob) -> None:
        """Hide a row; undo brings it back."""
        done = tr("job {id} deleted: u brings it back", id=message.job_id)
        if self._change(lambda service: service.delete(message.job_id), done):
            self._deleted.append(message.job_id)
            self.screen.refresh_bindings()

    def on_undo_delete(self) -> None:
        """Bring back the row deleted last."""
        if self._deleted:
            job_id = self._deleted.pop()
            self._change(lambda service: service.undelete(job_id), tr("job {id} is back", id=job_id))
            self.screen.refresh_bindings()

    @property
    def can_undo(self) -> bool:
        """Whether this window deleted a row."""
        return bool(self._deleted)

    def on_move_job(self, message: intents.MoveJob) -> None:
        """Move a waiting job."""
        self._change(lambda service: service.move(message.job_id, message.offset))

    def on_run_next(self, message: intents.RunNext) -> None:
        """Put a job before all others that wait."""
        done = tr("job {id} runs next", id=message.job_id)
        self._change(lambda service: service.run_next(message.job_id), done)

    def on_toggle_pause(self) -> None:
        """Pause after the running job, or go on."""
        if self.board.status.pause:
            self._change(lambda service: service.unpause(), tr("the queue goes on"))
        else:
            self._change(lambda service: service.pause(), tr("paused: no further job starts; p goes on"))

    def on_again_job(self, message: intents.AgainJob) -> None:
        """Open the form with a job's request."""
        job = self.board.get(message.job_id)
        if job is None:
            return
        values = asdict(job.request)
        if message.new_seed:
            values["seed"] = random.randrange(2**31)
        self.post_message(intents.OpenForm(job.task_type, values, job.label))

    def on_change_job(self, message: intents.ChangeJob) -> None:
        """Open the form over a waiting job."""
        job = self.board.get(message.job_id)
        if job is not None:
            self.post_message(intents.OpenForm(job.task_type, asdict(job.request), job.label, edit_job_id=job.id))


def _copies(message: intents.SubmitJob) -> list[NewJob]:
    """One entry a seed; several with a name of their own carry the seed in it, so that the list tells them apart."""
    from skyreels_tui.queue.store.rows import NewJob

    first, label = message.request.seed, message.label
    seeds = range(first, first + message.copies)
    named = label and message.copies > 1
    return [NewJob(replace(message.request, seed=seed), f"{label} {seed}" if named else label) for seed in seeds]
