"""The tasks, in the order a person sees them."""

from pipelines.front.cost import NetworkSize
from pipelines.front.fields import Files
from pipelines.front.language import tr
from pipelines.front.request import Request, field_specs
from pipelines.tasks.film import FILM
from pipelines.tasks.reference_to_video import REFERENCE_TO_VIDEO
from pipelines.tasks.shot_switching_extension import SHOT_SWITCHING_EXTENSION
from pipelines.tasks.single_shot_extension import SINGLE_SHOT_EXTENSION
from pipelines.tasks.spec import TaskSpec
from pipelines.tasks.talking_avatar import TALKING_AVATAR

TASKS: tuple[TaskSpec, ...] = (
    REFERENCE_TO_VIDEO,
    SINGLE_SHOT_EXTENSION,
    SHOT_SWITCHING_EXTENSION,
    TALKING_AVATAR,
)

WORK: tuple[TaskSpec, ...] = (*TASKS, FILM)
"""Everything that a row of the queue may be: the tasks, and what is made from their clips without a model."""


def task_named(name: str) -> TaskSpec:
    """Return the task called `name`; KeyError names the ones there are."""
    for task in WORK:
        if task.name == name:
            return task
    raise KeyError(tr("no task {name!r}: choose {names}", name=name, names=", ".join(task.name for task in TASKS)))


def task_of(request: Request) -> TaskSpec:
    """The task whose request this is; TypeError for a request of none."""
    for task in WORK:
        if task.request_type is type(request):
            return task
    raise TypeError(f"{type(request).__name__} belongs to no task")


def tasks_of(family: str) -> tuple[TaskSpec, ...]:
    """The tasks of a family, at least one; KeyError names the families there are."""
    found = tuple(task for task in TASKS if task.family == family)
    if not found:
        families = ", ".join(dict.fromkeys(task.family for task in TASKS))
        raise KeyError(f"no family {family!r}: there are {families}")
    return found


def network_of(family: str) -> NetworkSize:
    """The figures of a family's full-size transformer; KeyError for a family that no task has."""
    return tasks_of(family)[0].network


def first_taking(media: str) -> tuple[TaskSpec, str]:
    """The first task that asks for files of this kind ('image', 'video', 'audio'), and the name of that field."""
    return next(
        (task, name)
        for task in TASKS
        for name, spec in field_specs(task.request_type)
        if isinstance(spec, Files) and spec.media == media
    )
