"""What a task is to the rest of the program: a request type, a plan, and the name of its family's entry."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.front.plan import Plan
from pipelines.front.request import Request


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task: everything that a form, the queue and the executor need to know about it."""

    name: str
    title: str
    short: str
    """At most six letters, for the queue table."""
    hint: str
    """One sentence for a person choosing a task."""
    family: str
    """Key of `pipelines.checkpoints.registry.CHECKPOINTS`."""
    request_type: type[Request]
    entry: str
    """'module:function' of the family's generate(request, runtime, pool, report) -> Output; imports torch."""
    plan: Callable[[Any], Plan]
    """Cost of a valid request; opens input files to learn their size. Raises MediaError."""

    def load_entry(self) -> Callable[..., Any]:
        """Import the family (torch and all) and return its generate function."""
        module, function = self.entry.split(":")
        entry: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return entry
