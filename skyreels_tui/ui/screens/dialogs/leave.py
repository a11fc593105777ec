"""Asked when the app is left while a job runs here."""

from __future__ import annotations

from textual.content import Content

from pipelines.front.language import tr, trn
from skyreels_tui.queue.condition import condition_words
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import cut, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import LEAVE, bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog, answer_lines


class LeaveScreen(Dialog[str]):
    """Answers 'background', 'finish' or '' (stay); while a stop waits for the step edge, this box stays and says so."""

    BINDINGS = bindings(LEAVE)

    def __init__(self, *jobs: Job, whole_queue: bool = False) -> None:
        """`jobs` run at this moment, at least one; `whole_queue`: in the background not they alone are finished."""
        self._whole_queue = whole_queue
        names = [cut(job.label or job.request.prompt, 40) for job in jobs]
        self._name_shown = cut(", ".join(names), 60)
        title = trn("{count} job is running", "{count} jobs are running", len(jobs))
        super().__init__(
            plain(tr("Job {id} is running", id=jobs[0].id) if len(jobs) == 1 else title), plain(self._name_shown)
        )
        self._job_ids = [job.id for job in jobs]
        self._stopping = self._answered = False

    def on_mount(self) -> None:
        """Jobs that have all ended meanwhile answer the question."""
        app = hub(self)
        app.job_changed.subscribe(self, self._on_changed)
        app.queue_changed.subscribe(self, self._on_changed)
        app.queue_status.subscribe(self, self._on_condition)
        app.forecast.subscribe(self, self._say_left)
        self._say_left(None)

    def _say_left(self, _: object) -> None:
        """How long they take yet, as the screen below says it too, every second while they run."""
        if self._stopping:
            return
        times = hub(self).times.running
        known = {job_id: left for job_id in self._job_ids if (left := times.left_s(job_id)) is not None}
        words = self._name_shown
        if len(known) == len(self._job_ids):
            last = max(known, key=lambda job_id: known[job_id])
            words = tr("{name}, {time} left", name=words, time=times.left_words(last))
        self.set_text(plain(words))

    def _on_changed(self, _: object) -> None:
        jobs = [hub(self).board.get(job_id) for job_id in self._job_ids]
        over = not any(job is not None and job.state is JobState.RUNNING for job in jobs)
        if over and not self._stopping and not self._answered:
            # The app may be closing by the time the next change is told.
            self._answered = True
            self.dismiss("ended")

    def _on_condition(self, _: object) -> None:
        """While it stops: how long at most, by the clock."""
        if self._stopping:
            self.set_text(plain(condition_words(hub(self).condition, short=True)))

    def choices(self) -> Content:
        """What may become of the job."""
        background = (
            tr("go on in the background until the queue is empty; this terminal is free")
            if self._whole_queue
            else tr("go on in the background until this job is done; this terminal is free")
        )
        return answer_lines(
            ("b", background),
            ("s", tr("stop at the next step and leave; the job goes on from there next time")),
            ("f", tr("leave the screen, finish the job in this terminal")),
            ("Esc", tr("stay")),
        )

    def action_stop(self) -> None:
        """Stop at the step edge, with this box still there."""
        if not self._stopping:
            self._stopping = True
            self.set_text(plain(tr("stopping at the next step")))
            self.app.post_message(intents.StopAndLeave())

    def action_background(self) -> None:
        """Leave the screen and the terminal."""
        if not self._stopping:
            self.dismiss("background")

    def action_finish(self) -> None:
        """Leave the screen only."""
        if not self._stopping:
            self.dismiss("finish")

    def action_back(self) -> None:
        """Stay."""
        if not self._stopping:
            self.dismiss("")
