"""What a task is to the rest of the program: all that form, queue, shell, screens, demo and benchmark know of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.front.cost import NetworkSize
from pipelines.front.crop import Crop
from pipelines.front.language import mark
from pipelines.front.plan import Plan
from pipelines.front.request import Request
from pipelines.front.task_names import SHORT, TITLES


@dataclass(frozen=True, slots=True)
class BenchCase:
    """One transformer call of a family at a size, as `bench` measures it."""

    name: str
    family: str
    height: int
    width: int
    latent_frames: int
    """Frames in the call, condition included."""
    condition_frames: int = 0
    condition_stays: bool = False
    """The condition frames have a timestep of their own and are part of the output, not only of the input."""

    @property
    def num_tokens(self) -> int:
        """Tokens of the call."""
        return self.latent_frames * (self.height // 16) * (self.width // 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task; every word in it is marked for translation and looked up where it is shown."""

    name: str
    """Key of `pipelines.front.task_names`."""
    hint: str
    """One sentence for a person choosing a task."""
    family: str
    """Name of one of `pipelines.families.FAMILIES`, key of `pipelines.checkpoints.registry.CHECKPOINTS`."""
    components: tuple[str, ...]
    """Names of the checkpoint's components that it needs."""
    network: NetworkSize
    """The figures of its full-size transformer."""
    request_type: type[Request]
    entry: str
    """'module:function' of the family's generate(request, runtime, pool, report) -> Output; imports torch."""
    plan: Callable[[Any], Plan]
    """Cost of a valid request; opens input files to learn their size. Raises MediaError."""
    crop: Callable[[Any], Crop] | None = None
    """How the picture with a request's regions is cut to the video; opens it. Raises MediaError."""
    key: str = ""
    """Textual's name of the key that opens its form, such as 'f2'; '' when only the key of the next task does."""
    key_label: str = ""
    """One or two words for that key."""
    key_help: str = ""
    """What that key does."""
    condition_word: str = mark("condition")
    """What its condition is made of, for the list of stages."""
    demo: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its demo job; file names are looked up among the shipped samples."""
    bench: tuple[BenchCase, ...] = ()
    """The calls that `bench` measures; none where another task of the family makes the same ones."""

    @property
    def title(self) -> str:
        """What it is called."""
        return TITLES[self.name]

    @property
    def short(self) -> str:
        """At most six letters, for the queue table."""
        return SHORT[self.name]

    def load_entry(self) -> Callable[..., Any]:
        """Import the family (torch and all) and return its generate function."""
        module, function = self.entry.split(":")
        entry: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return entry
