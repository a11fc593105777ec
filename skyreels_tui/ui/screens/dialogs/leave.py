"""Asked when the app is left while a job runs here."""

from __future__ import annotations

from textual.content import Content

from pipelines.front.language import tr
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

    def __init__(self, job: Job, *, whole_queue: bool = False) -> None:
        """`whole_queue`: in the background not this job alone is finished."""
        self._whole_queue = whole_queue
        self._name_shown = cut(job.label or job.request.prompt, 40)
        super().__init__(plain(tr("Job {id} is running", id=job.id)), plain(self._name_shown))
        self._job_id = job.id
        self._stopping = False

    def on_mount(self) -> None:
        """Say how much is left; a job that ends meanwhile answers the question."""
        app = hub(self)
        app.job_changed.subscribe(self, self._on_changed)
        app.queue_changed.subscribe(self, self._on_changed)
        app.queue_status.subscribe(self, self._on_condition)
        times = hub(self).running_times
        if times.left_s(self._job_id) is not None:
            left = times.left_words(self._job_id)
            self.set_text(plain(tr("{name}, {time} left", name=self._name_shown, time=left)))

    def _on_changed(self, _: object) -> None:
        job = hub(self).board.get(self._job_id)
        if (job is None or job.state is not JobState.RUNNING) and not self._stopping:
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
