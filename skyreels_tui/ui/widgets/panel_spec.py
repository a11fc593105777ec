"""What a panel says of itself before it is loaded: its name, its key and its place; knows nothing of Textual."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal

Place = Literal["queue", "job", "figures", "log"]
"""Where home puts a panel: the queue, beside it about the running job or about the machine, and the log below."""


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """One panel: the home screen, a lone panel, the command line, the keys and their page are made from it."""

    name: str
    """On the command line."""
    entry: str
    """'module:class'."""
    key: str
    """The digit that focuses it, printed in its border."""
    label: str
    """First words of the border, marked for translation."""
    help: str
    """What its key does, marked too."""
    place: Place
    footer: int = 0
    """Place of its key in the footer; 0 leaves it out."""

    def load(self) -> Any:
        """Import the module and return the class."""
        module, name = self.entry.split(":")
        return getattr(importlib.import_module(module), name)
