"""Builds the notifier of the running app or of a headless worker from the settings; starts nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from skyreels_tui.notify.notifier import Notifier, NotifyOptions
from skyreels_tui.notify.terminal import Terminal, ask_tmux, find_terminal
from skyreels_tui.settings.settings import Settings


def options_of(settings: Settings) -> NotifyOptions:
    """Return what the settings say about being told."""
    return NotifyOptions(
        bell=settings.bell,
        desktop=settings.desktop,
        title=settings.window_title,
        progress=settings.tab_progress,
        hook=settings.hook,
        webhook=settings.webhook,
    )


def this_terminal() -> Terminal:
    """Recognise the terminal around this process; asks tmux, which takes a moment."""
    return find_terminal(os.environ, ask_tmux() if os.environ.get("TMUX") else ())


def screen_notifier(
    app: Any, settings: Callable[[], Settings], is_owner: Callable[[], bool], tells: Callable[[], bool]
) -> Notifier:
    """Return the notifier of a Textual app: sequences go out through the app's own driver.

    `tells` says whether bell and desktop notification are this window's business.
    """

    def write(sequence: str) -> None:
        driver, loop = app._driver, app._loop
        # Textual offers no public way to write a sequence of its own; without a terminal nobody is there to see it.
        if driver is None or loop is None or not app.is_running or app.is_headless or app.is_web:
            return
        if app._thread_id == threading.get_ident():
            driver.write(sequence)
            return
        # The driver's queue is short: a terminal that nobody reads may hold up the screen, but never the engine.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(driver.write, sequence)

    return Notifier(lambda: options_of(settings()), write, sends=is_owner, tells=tells)


def headless_notifier(settings: Callable[[], Settings]) -> Notifier:
    """Return the notifier of a worker without a screen: hook and webhook only."""
    return Notifier(lambda: options_of(settings()))
