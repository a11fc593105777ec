"""The tasks, in the order a person sees them."""

from pipelines.front.language import tr
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


def task_named(name: str) -> TaskSpec:
    """Return the task called `name`; KeyError names the ones there are."""
    for task in TASKS:
        if task.name == name:
            return task
    raise KeyError(tr("no task {name!r}: choose {names}", name=name, names=", ".join(task.name for task in TASKS)))
