"""What the terminal would show of an app at the moment that a test looks."""

from __future__ import annotations

from typing import Any

from textual._context import visible_screen_stack
from textual.app import App
from textual.strip import Strip


def shown(app: App[Any]) -> list[Strip]:
    """Draw the screen as the app itself does, with those that are seen through it.

    What is drawn is kept: a question that a test drew alone would stand over nothing until it changes.
    """
    visible_screen_stack.set(app._background_screens)
    return app.screen._compositor.render_strips()
