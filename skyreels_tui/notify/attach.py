"""Builds the notifier of the running app or of a headless worker from the settings; starts nothing."""

from __future__ import annotations

import os
from collections.abc import Callable

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
    write: Callable[[str], None],
    settings: Callable[[], Settings],
    is_owner: Callable[[], bool],
    tells: Callable[[], bool],
) -> Notifier:
    """Return the notifier of an app with a screen; `write` sends its terminal a sequence, from any thread.

    `tells` says whether bell and desktop notification are this window's business.
    """
    return Notifier(lambda: options_of(settings()), write, sends=is_owner, tells=tells)


def headless_notifier(settings: Callable[[], Settings]) -> Notifier:
    """Return the notifier of a worker without a screen: hook and webhook only."""
    return Notifier(lambda: options_of(settings()))
