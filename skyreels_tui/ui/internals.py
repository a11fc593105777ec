"""The one place that touches what Textual keeps private; knows nothing of the app's own work.

A newer Textual is tried here first. The command palette's one is in `screens/system/commands.py`.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from textual.app import App
from textual.filter import LineFilter
from textual.keys import _character_to_key
from textual.message_pump import MessagePump
from textual.notifications import Notification
from textual.screen import Screen
from textual.widget import Widget

AnyApp = TypeVar("AnyApp", bound=App[Any])


def swap_filters(
    app: App[Any], gone: type[LineFilter] | tuple[type[LineFilter], ...], *,
    first: Sequence[LineFilter] = (), last: Sequence[LineFilter] = (),
) -> None:  # fmt: skip
    """Put filters of drawn lines before and behind those that stay; Textual only lets the environment choose them."""
    stay = [one for one in app._filters if not isinstance(one, gone)]
    app._filters[:] = [*first, *stay, *last]


def draws_what_is_seen(app: type[AnyApp]) -> type[AnyApp]:
    """Have an app draw no screen under an opaque one, and of one under a question only what changes.

    Textual draws what cannot be seen, and all of the one on top with each of its changes, ten times a second of a job.
    """
    seen_through = app._background_screens.fget  # type: ignore[attr-defined]  # a property of the class

    def below(self: App[Any]) -> list[Screen[Any]]:
        hidden = not self.screen_stack or self.screen_stack[-1].styles.background.a == 1
        return [] if hidden else seen_through(self)

    refresh = Screen._compositor_refresh

    def refresh_once(self: Screen[Any]) -> None:
        refresh(self)
        if self is not self.app.screen:
            # It has told the one on top, and would tell it the same again whatever happens next.
            self._repaint_required = False
            self._exchange_repaint_regions()

    app._background_screens = property(below)  # type: ignore[assignment]  # in its place
    Screen._compositor_refresh = refresh_once  # type: ignore[method-assign]  # of every screen
    return app


def is_held_back(app: App[Any]) -> bool:
    """Whether what is drawn now goes nowhere: Textual draws a screen while it mounts it, and throws that away."""
    return bool(app._batch_count)


def keys_first(screen: Screen[Any], key_comes: Callable[[], bool]) -> None:
    """Have a screen draw in small pieces, what has the focus before the rest, and none of them while `key_comes`.

    A key is then followed after the piece that is being drawn, not after all that has changed with it.
    """
    draw = screen._on_timer_update

    def draw_next() -> None:
        # Its timer goes on and asks again after the time of a frame.
        if key_comes():
            return
        rest = _all_but_the_next(screen)
        screen._dirty_widgets -= rest
        draw()
        if rest:
            screen._dirty_widgets |= rest
            # Not at once: a screen that always has something to do leaves the others no turn.
            asyncio.get_running_loop().call_soon(screen.call_later, screen._on_timer_update)

    screen._on_timer_update = draw_next  # type: ignore[method-assign]  # of this screen alone


def _all_but_the_next(screen: Screen[Any]) -> set[Widget]:
    """The widgets that may be drawn after the one whose turn it is; none where all must be drawn together."""
    waiting = screen._dirty_widgets
    together = screen._layout_required or screen._scroll_required or screen._repaint_required or screen._callbacks
    if together or is_held_back(screen.app) or not screen.is_current or len(waiting) < 2:
        return set()
    following = [one for one in waiting if one is not screen.focused]
    if len(following) == len(waiting):
        following.remove(min(following, key=lambda one: one.size.area))
    return set(following)


def waits_for_more(pump: MessagePump) -> bool:
    """Whether a widget has handled all that was sent to it; one that is not there yet, or no more, never has."""
    queue: Any = pump._message_queue
    # It waits for its next message once it has done all that came of the one before; asyncio says it nowhere else.
    return bool(queue.empty() and queue.ready_event._waiters)


def waits_to_be_drawn(screen: Screen[Any], widget: Widget) -> bool:
    """Whether a widget has changed since it was drawn; one that is gone has not."""
    return widget in screen._dirty_widgets


def forget_size(widget: Widget) -> None:
    """Have the next layout ask a widget anew how large it is; a layout that it asks for itself does so too."""
    widget._layout_updates += 1
    for one in widget.ancestors:
        if not isinstance(one, Widget):
            break
        one._clear_arrangement_cache()
        one._layout_updates += 1
        if not one.styles.auto_dimensions:
            break


def draw_now(app: App[Any]) -> None:
    """Have the screen on top draw what waits to be drawn.

    Its timer waits for up to two frames after one that was late: it leaves out one more than it has missed.
    """
    screen = app.screen_stack[-1] if app.screen_stack else None
    if screen is not None and screen._dirty_widgets:
        screen.call_later(screen._on_timer_update)


def call_soon(app: App[Any], call: Callable[[], object]) -> bool:
    """Have the app call a function on its thread; False when it does not run.

    `call_from_thread` waits for the answer, which a signal handler on that very thread would do for ever.
    """
    if app._loop is None or not app.is_running:
        return False
    app._loop.call_soon_threadsafe(call)
    return True


def key_of_character(character: str) -> str:
    """Textual's name of the key that types a character: '?' -> 'question_mark'."""
    return _character_to_key(character)


def keep_clipboard(app: App[Any], text: str) -> None:
    """Remember a text for pasting inside the app alone; Textual would also write it to the terminal."""
    app._clipboard = text


def frame_pictures(start: str, end: str) -> None:
    """Have textual-image begin and end every message of a Kitty picture with these; it takes no other way out."""
    tgp = importlib.import_module("textual_image.renderable.tgp")
    tgp._TGP_MESSAGE_START, tgp._TGP_MESSAGE_END = start, end  # type: ignore[attr-defined]  # not its own to give


def take_back(app: App[Any], notes: Sequence[Notification]) -> None:
    """Stop showing these messages."""
    for note in notes:
        if note in app._notifications:
            app._unnotify(note)


def mouse_off(app: App[Any]) -> None:
    """Leave the mouse to the terminal, which selects with it."""
    if disable := getattr(app._driver, "_disable_mouse_support", None):
        disable()


def mouse_on(app: App[Any]) -> None:
    """Take the mouse again, where it was taken."""
    if enable := getattr(app._driver, "_enable_mouse_support", None):
        enable()


def write_sequence(app: App[Any], sequence: str) -> None:
    """Send the terminal a sequence that Textual does not know, from any thread; without a terminal nobody sees it."""
    driver, loop = app._driver, app._loop
    if driver is None or loop is None or not app.is_running or app.is_headless or app.is_web:
        return
    if app._thread_id == threading.get_ident():
        driver.write(sequence)
        return
    # The driver's queue is short: a terminal that nobody reads may hold up the screen, but never the engine.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(driver.write, sequence)
