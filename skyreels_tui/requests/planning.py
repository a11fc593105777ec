"""The one road from a request to its plan; opens input files, so it belongs on no event loop."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pipelines.front.boundary import boundary
from pipelines.front.errors import MediaError, PipelineError
from pipelines.front.fields import untouched
from pipelines.front.language import tr
from pipelines.front.lora import parse_lora
from pipelines.front.request import field_specs

if TYPE_CHECKING:
    from pipelines.front.plan import Plan
    from pipelines.front.request import Request
    from pipelines.tasks.spec import TaskSpec


class Planned(Protocol):
    """A job, or a form that is about to be one."""

    @property
    def task(self) -> TaskSpec:
        """Its task; KeyError for one that this program does not know."""

    @property
    def request(self) -> Request:
        """Its request; ValueError for one that this program cannot read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks for, or an attempt whose inputs another job has made."""

    task: TaskSpec
    request: Request


def plan_of(job: Planned) -> Plan:
    """What the job will take. Raises PipelineError in words, whatever it is that cannot be read."""
    # A picture moved away, a newer version's request, a file that confuses its reader.
    with boundary() as tried:
        request = job.request
        loras = tuple(parse_lora(entry).words for entry in request.lora)
        return replace(job.task.plan(request), gpus=request.gpus, loras=loras)
    if isinstance(tried.error, PipelineError):
        raise tried.error
    raise MediaError(tr("what the job will take is not known: {error}", error=tried.words)) from tried.error


def known_plan(job: Planned) -> Plan | None:
    """What the job will take; None while its inputs cannot be read, which is for its attempt to say."""
    try:
        return plan_of(job)
    except PipelineError:
        return None


def used_of(job: Planned) -> tuple[str, ...]:
    """What of its inputs a job uses and what it cuts, in words; () where it cuts nothing or they cannot be read."""
    try:
        request = job.request
    except PipelineError:
        return ()
    if all(untouched(spec, getattr(request, name)) for name, spec in field_specs(type(request)) if spec.belongs_to):
        return ()
    plan = known_plan(job)
    return plan.used if plan is not None else ()
