"""Says why a key that has just been pressed does nothing; the screens know the reasons."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.screen import Screen

from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keyboard import with_keys
from skyreels_tui.ui.keys import Scope
from skyreels_tui.ui.widgets.key_bar import KeyBar

Reasons = Callable[[str], str]
"""Action of a key -> why it does nothing now, in a sentence; '' where it does something."""


def say_why(screen: Screen[Any], scope: Scope, key: str, why_not: Reasons) -> None:
    """Show in the line of the keys why a pressed key does nothing; nothing where it has a meaning that applies."""
    scope = with_keys(scope, hub(screen).chosen_keys)
    actions = (one.action.partition("(")[0] for one in scope.keys if key in one.keys.split(","))
    reasons = [why_not(action) for action in actions]
    if reasons and all(reasons):
        screen.query_one(KeyBar).say(reasons[-1])
