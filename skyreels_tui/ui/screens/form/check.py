"""What is known of one state of a form: its problems, its plan, the time it takes and what to know beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.tasks.spec import TaskSpec
from skyreels_tui.eta.model import Estimate
from skyreels_tui.requests import forms
from skyreels_tui.ui.screens.form.services import FormServices


@dataclass(frozen=True, slots=True)
class FormCheck:
    """True of these values alone."""

    values: dict[str, Any]
    """What stood in the fields."""
    found: forms.Checked
    takes: Estimate | None
    """None where the inputs do not say what the job costs."""
    warning: str
    """What to know before this request is queued; '' for nothing."""


def check_values(services: FormServices, task: TaskSpec, values: dict[str, Any], profile: Any, kind: str) -> FormCheck:
    """Check what stands in the fields; opens files and may wait for a driver, so call it on a worker.

    `kind` names the worker that would take the job, '' where that is this machine or not known.
    """
    request = forms.build_request(task, values, profile)
    settings, cache = services.settings.now, services.folders.cache
    own_model = settings.models.get(task.family, "")
    found = forms.check_form(task, request, cache, own_model, runs_here=not settings.runs_elsewhere)
    takes = None
    # Asked here first, because it may wait for a driver.
    services.machine()
    if found.plan is not None:
        takes = services.rates.estimate(task.name, found.plan, kind)
    return FormCheck(values, found, takes, services.warning(task.name, request))
