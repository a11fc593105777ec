"""Which widgets and screens the app defines: tests that must miss none compare their lists with these."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from types import ModuleType

from textual.screen import Screen
from textual.widget import Widget

from skyreels_tui.ui import screens
from skyreels_tui.ui.screens.dialogs.dialog import Dialog

FRAMES = {Dialog}
"""Only ever shown as what is built on them."""


def widget_classes(package: ModuleType) -> list[type[Widget]]:
    """Widgets that the modules of a package define."""
    found: list[type[Widget]] = []
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        module = importlib.import_module(info.name)
        own = [item for item in vars(module).values() if inspect.isclass(item) and item.__module__ == module.__name__]
        found += [item for item in own if issubclass(item, Widget)]
    return found


SCREENS: tuple[type[Screen[object]], ...] = tuple(
    cls for cls in widget_classes(screens) if issubclass(cls, Screen) and cls not in FRAMES
)
"""Every screen and every question that a person may have before the eyes."""
