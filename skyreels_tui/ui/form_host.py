"""What the app lends a form: drafts, estimates and folders; keeps the form free of the queue and of settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from textual.dom import DOMNode

from pipelines.front.plan import Plan
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.files.folders import Folders
from skyreels_tui.requests.drafts import Drafts
from skyreels_tui.requests.forms import Machine


class FormHost(Protocol):
    """The app as a form sees it."""

    drafts: Drafts
    folders: Folders

    @property
    def cache_dir(self) -> Path:
        """Where demo models and embeddings are kept."""

    def own_model(self, family: str) -> str:
        """The checkpoint folder that the settings name for a family, or ''."""

    def task_defaults(self, task: str) -> Mapping[str, Any]:
        """Field values that the settings file gives a new form."""

    def estimate(self, task: TaskSpec, plan: Plan) -> tuple[float | None, bool]:
        """Predicted seconds, and whether this machine has done such a job before."""

    def machine(self) -> Machine:
        """Memory and disk that are free now."""

    def tell(self, text: str, severity: str = "information") -> None:
        """Show a short message."""

    def show_job(self, job_id: int) -> None:
        """Put the cursor of the queue on a job."""


def form_host(node: DOMNode) -> FormHost:
    """Return the app of a mounted node as a form's host."""
    return cast(FormHost, node.app)
