"""What a screen asks the app to do; only the app talks to the queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

from textual.message import Message

if TYPE_CHECKING:
    from pipelines.front.errors import Problem
    from pipelines.front.fields import InputKind
    from pipelines.front.request import Request
    from skyreels_tui.queue.film import NewFilm
    from skyreels_tui.queue.model import Job

JobAnswer = Callable[["Job | None", Sequence["Problem"]], None]
"""Called on the UI thread with the added job, or with None and what was refused."""


class QueueIntent(Message):
    """An intent that changes the queue, or begins to."""


class SubmitJob(QueueIntent):
    """Add a job to the queue, or `copies` of it with rising seeds; with `model` it is held until that is here."""

    def __init__(self, request: Request, label: str, answer: JobAnswer, *, copies: int = 1, model: str = "") -> None:
        self.request, self.label, self.answer = request, label, answer
        self.copies, self.model = copies, model
        super().__init__()


class EditJob(QueueIntent):
    """Give a waiting job another request and label; it keeps its number and place."""

    def __init__(self, job_id: int, request: Request, label: str, answer: JobAnswer) -> None:
        self.job_id, self.request, self.label, self.answer = job_id, request, label, answer
        super().__init__()


class JobIntent(QueueIntent):
    """An intent about one job."""

    def __init__(self, job_id: int) -> None:
        self.job_id = job_id
        super().__init__()


class CancelJob(JobIntent):
    """Stop a running job at its next step, or cancel a pending one."""


class ToggleHold(JobIntent):
    """Hold a queued job, or release a held one."""


class RetryJob(JobIntent):
    """Add the job again as a new row, or resume an interrupted one."""


class DeleteJob(JobIntent):
    """Hide a job from the lists; `UndoDelete` brings it back."""


class UndoDelete(QueueIntent):
    """Bring back the job deleted last."""


class MoveJob(JobIntent):
    """Move a pending job `offset` places; negative runs sooner."""

    def __init__(self, job_id: int, offset: int) -> None:
        self.offset = offset
        super().__init__(job_id)


class RunNext(JobIntent):
    """Put a job before all others that wait; a held or interrupted one is queued."""


class JobAct(StrEnum):
    """What is done to several jobs at once."""

    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    AGAIN = "again"
    DELETE = "delete"
    RUN_NEXT = "run_next"


class ChangeJobs(QueueIntent):
    """Do the same to several jobs, in their order; those that it does not apply to stay as they are."""

    def __init__(self, act: JobAct, job_ids: Sequence[int]) -> None:
        self.act, self.job_ids = act, tuple(job_ids)
        super().__init__()


class TogglePause(QueueIntent):
    """Start no further job after the running one, or go on."""


@dataclass(frozen=True, slots=True)
class SceneSlot:
    """Where a form's request goes instead of the queue: into a scene of a film."""

    film: str
    place: int = 0
    """Where a new scene stands, from 0."""
    scene_id: int | None = None
    """The scene that is changed; None adds one."""


class WriteScene(QueueIntent):
    """Add a scene, or give one another request and label; `answer` hears what was refused, () for nothing."""

    def __init__(
        self, where: SceneSlot, request: Request, label: str, answer: Callable[[Sequence[Problem]], object]
    ) -> None:
        self.where, self.request, self.label, self.answer = where, request, label, answer
        super().__init__()


class WriteFilm(QueueIntent):
    """Begin a film, or change what a person has written about the one called `name` or one of its scenes."""

    def __init__(
        self,
        name: str,
        values: dict[str, object],
        *,
        scene_id: int | None = None,
        begins: bool = False,
        answer: Callable[[], object],
    ) -> None:
        """`values` as the fields of the form of a film or of a scene have them."""
        self.name, self.values, self.scene_id, self.begins, self.answer = name, values, scene_id, begins, answer
        super().__init__()


class ImportFilms(QueueIntent):
    """Store what a file was read as."""

    def __init__(self, films: Sequence[NewFilm], answer: Callable[[], object]) -> None:
        self.films, self.answer = films, answer
        super().__init__()


class FilmAct(StrEnum):
    """What is done to a film or to scenes of it."""

    RUN = "run"
    RESUME = "resume"
    ANOTHER = "another"
    HOLD = "hold"
    CANCEL = "cancel"
    CHOOSE = "choose"
    MOVE = "move"
    REMOVE = "remove"
    RESTORE = "restore"
    DUPLICATE = "duplicate"
    VOICE = "voice"
    PICTURE = "picture"
    JOIN = "join"


class ChangeFilm(QueueIntent):
    """Do something to a film; `ids` are of scenes (of jobs for CHOOSE), none for all; `answer` hears of its end."""

    def __init__(
        self,
        film: str,
        act: FilmAct,
        ids: tuple[int, ...] = (),
        place: int = 0,
        *,
        answer: Callable[[], object],
    ) -> None:
        self.film, self.act, self.ids, self.place, self.answer = film, act, ids, place, answer
        super().__init__()


class OpenJob(Message):
    """Show a job's detail screen; with `play` its video plays there."""

    def __init__(self, job_id: int, *, play: bool = False) -> None:
        self.job_id, self.play = job_id, play
        super().__init__()


class AgainJob(JobIntent):
    """Open the form filled with a job's request; with a fresh seed when asked."""

    def __init__(self, job_id: int, *, new_seed: bool = False) -> None:
        self.new_seed = new_seed
        super().__init__(job_id)


class ChangeJob(JobIntent):
    """Open the form over a waiting job, which is changed in place."""


class OpenForm(Message):
    """Open the form of a task ('' for the one used last), filled with `values` where given.

    With `edit_job_id` the form changes that job instead of adding one, with `scene` it writes a scene of a film.
    """

    def __init__(
        self,
        task_type: str = "",
        values: dict[str, object] | None = None,
        label: str = "",
        *,
        edit_job_id: int | None = None,
        scene: SceneSlot | None = None,
    ) -> None:
        self.task_type, self.values, self.label = task_type, values, label
        self.edit_job_id, self.scene = edit_job_id, scene
        super().__init__()


class FetchModel(Message):
    """Open the models and ask whether one is fetched."""

    def __init__(self, family: str) -> None:
        self.family = family
        super().__init__()


class OpenScreen(Message):
    """Open a screen by its name: results, models, doctor, settings, help, themes."""

    def __init__(self, screen: str) -> None:
        self.screen = screen
        super().__init__()


class ShowText(Message):
    """Show a text in one piece, to be selected."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__()


class StopAndLeave(Message):
    """Stop the running job at its step edge, then leave the app."""


class BrowseFiles(Message):
    """Choose files of one kind from a list of folders; `answer` gets their paths, none when it is left."""

    def __init__(
        self,
        start: str,
        media: InputKind | Literal["film"],
        answer: Callable[[tuple[str, ...] | None], None],
        *,
        several: bool,
    ) -> None:
        self.start, self.media, self.answer, self.several = start, media, answer, several
        super().__init__()
