"""Where the request of a form goes: into the queue as a new job, into a job that waits, or into a scene of a film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.front.errors import Problem
from pipelines.front.language import tr
from skyreels_tui.queue.model import Job
from skyreels_tui.requests.forms import Checked
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import safe


@dataclass(frozen=True, slots=True)
class Target:
    """With neither, each request becomes a new job."""

    job_id: int | None = None
    """The job that is changed in place."""
    scene: intents.SceneSlot | None = None
    """The scene that is written."""

    @property
    def is_new_job(self) -> bool:
        """Whether a new job comes of the request; then what is typed is kept as a draft."""
        return self.job_id is None and self.scene is None

    @property
    def keeps_task(self) -> bool:
        """Whether what is written has a task already."""
        return self.job_id is not None or (self.scene is not None and self.scene.scene_id is not None)

    def title(self) -> str:
        """Words that stand before the task's own; '' for a new job. Safe to draw."""
        if self.scene is not None:
            film = safe(self.scene.film, 30)
            is_new = self.scene.scene_id is None
            return tr("New scene of {film}", film=film) if is_new else tr("Scene of {film}", film=film)
        return "" if self.job_id is None else tr("Edit job {id}", id=self.job_id)

    def accepts(self, found: Checked) -> bool:
        """Whether a request may go there without its model: a scene's is not run yet, a new job waits for its own."""
        if self.scene is not None or not found.checkpoint:
            return True
        return found.absent is not None and self.job_id is None

    def intent(
        self,
        found: Checked,
        label: str,
        copies: int,
        answered: intents.JobAnswer,
        written: Callable[[Sequence[Problem]], object],
    ) -> intents.QueueIntent:
        """What the app is asked to do; a job is told to `answered`, a scene to `written`."""
        if self.scene is not None:
            return intents.WriteScene(self.scene, found.request, label, written)
        if self.job_id is not None:
            return intents.EditJob(self.job_id, found.request, label, answered)
        return intents.SubmitJob(found.request, label, answered, copies=copies, model=waits_for(found))

    def told(self, job: Job, copies: int, model: str) -> str:
        """What a person reads once the queue has it; `model` is the one that the job waits for, or ''."""
        if self.job_id is not None:
            return tr("Job {id} changed", id=job.id)
        one = tr("Job {id} queued", id=job.id)
        if model:
            one = tr("Job {id} waits for its model and starts by itself", id=job.id)
        many = tr("{count} jobs queued", count=copies)
        return one if copies == 1 else many


def waits_for(found: Checked) -> str:
    """The model that a new job of this request waits for; '' where none is missing."""
    return found.absent.title if found.absent is not None else ""
