"""Asked when the app is left while a job runs here."""

from __future__ import annotations

from textual.content import Content

from pipelines.front.language import tr
from skyreels_tui.queue.events import JobChanged
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import cut, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import LEAVE, bindings
from skyreels_tui.ui.screens.dialogs.dialog import Dialog, answer_lines


class LeaveScreen(Dialog[str]):
    """Answers 'finish' or '' (stay); while a stop waits for the step edge, this box stays and says so."""

    BINDINGS = bindings(LEAVE)

    def __init__(self, job: Job) -> None:
        self._name_shown = cut(job.label or job.request.prompt, 40)
        super().__init__(plain(tr("Job {id} is running", id=job.id)), plain(self._name_shown))
        self._job_id = job.id
        self._stopping = False

    def on_mount(self) -> None:
        """Say how much is left; a job that ends meanwhile answers the question."""
        hub(self).job_changed.subscribe(self, self._on_changed)
        times = hub(self).running_times
        if times.left_s(self._job_id) is not None:
            left = times.left_words(self._job_id)
            self.set_text(plain(tr("{name}, {time} left", name=self._name_shown, time=left)))

    def _on_changed(self, event: JobChanged) -> None:
        if event.job.id == self._job_id and event.job.state is not JobState.RUNNING and not self._stopping:
            self.dismiss("ended")

    def choices(self) -> Content:
        """What may become of the job."""
        return answer_lines(
            ("s", tr("stop at the next step and leave; the job goes on from there next time")),
            ("f", tr("leave the screen, finish the job in this terminal")),
            ("Esc", tr("stay")),
        )

    def action_stop(self) -> None:
        """Stop at the step edge, with this box still there."""
        if not self._stopping:
            self._stopping = True
            steps = hub(self).board.progress
            usual = steps.step_seconds[-1] if steps is not None and steps.step_seconds else None
            if usual:
                words = tr("Stopping at the next step (a step takes {seconds} s) …", seconds=f"{usual:.0f}")
            else:
                words = tr("Stopping at the next step …")
            self.set_text(plain(words))
            self.app.post_message(intents.StopAndLeave())

    def action_finish(self) -> None:
        """Leave the screen only."""
        if not self._stopping:
            self.dismiss("finish")

    def action_back(self) -> None:
        """Stay."""
        if not self._stopping:
            self.dismiss("")
