"""Keys take turns: one is followed to its end, a screen it opens included, before the next is looked at."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

from skyreels_tui.ui.internals import draw_now, waits_for_more, waits_to_be_drawn

OPENING = "opening"
"""Group of the workers that make what a key opens: keys wait for them too."""
LONGEST_S = 3.0
"""A key that takes longer than this holds up no other: something on the way waits for more than the screen."""
STEP_S = 0.5
"""A widget that ends while it is waited for says nothing; then the next look finds another in its place."""
QUIET_LOOKS = 3
"""Looks in a row at the same screen and field that mean that nothing more comes of a key."""

SOON_S = 0.05
"""A key is in its field by then; what is drawn waits no longer for it."""

Typed = events.Key | events.Paste


class Turns:
    """The keys and pastes of an app that wait for the one before them."""

    def __init__(self, app: App[Any], handle: Callable[[Typed], Awaitable[None]]) -> None:
        """`handle` gives a key to the screen that is there when its turn comes."""
        self._app, self._handle = app, handle
        self._waiting: deque[Typed] = deque()
        self._following: asyncio.Task[None] | None = None
        self._typed_s = float("-inf")

    def typed(self) -> None:
        """Take note, on the thread that reads the terminal, that a key or a paste is on its way."""
        self._typed_s = time.monotonic()

    @property
    def one_comes(self) -> bool:
        """Whether one was typed a moment ago that has not been given to its screen yet."""
        return time.monotonic() - self._typed_s < SOON_S

    @property
    def busy(self) -> bool:
        """Whether something may still come of what was typed."""
        return self._following is not None

    async def take(self, typed: Typed) -> None:
        """Handle what was typed, now or after what was typed before it."""
        if self._following is not None:
            self._waiting.append(typed)
            return
        await self._begin(typed)

    async def _begin(self, typed: Typed) -> None:
        self._following = asyncio.create_task(self._follow())
        await self._handle(typed)

    async def _follow(self) -> None:
        try:
            async with asyncio.timeout(LONGEST_S):
                await self._settle()
        except TimeoutError:
            pass
        finally:
            self._app.call_later(self._next)

    async def _next(self) -> None:
        self._following = None
        if self._waiting:
            await self._begin(self._waiting.popleft())

    async def _settle(self) -> None:
        place, quiet = self._place(), 0
        while quiet < QUIET_LOOKS:
            screen, field = place
            for pump in [*(field or screen).ancestors_with_self, screen, self._app] if screen else [self._app]:
                await _passed(pump)
                if field is not None and waits_to_be_drawn(screen, field):
                    self._draw()
            self._draw()
            now = self._place()
            busy = any(worker.group == OPENING and not worker.is_finished for worker in self._app.workers)
            if busy:
                await asyncio.sleep(0.01)
            quiet = 0 if busy or now != place else quiet + 1
            place = now

    def _draw(self) -> None:
        """Show what has come of a key so far, and let what moves by itself be shown again; not between two keys."""
        if not self._waiting:
            self._typed_s = float("-inf")
            draw_now(self._app)

    def _place(self) -> tuple[Any, Any]:
        """The screen on top and its field with the focus."""
        if not self._app.screen_stack:
            return None, None
        return self._app.screen, self._app.screen.focused


async def _passed(pump: MessagePump) -> None:
    """Wait until a widget has handled all that has been sent to it so far."""
    if waits_for_more(pump):
        # Whatever was to follow in this moment follows; to send it something would cost more than most keys do.
        await asyncio.sleep(0)
        return
    passed = asyncio.Event()
    if pump.is_running and pump.call_later(passed.set):
        with suppress(TimeoutError):
            await asyncio.wait_for(passed.wait(), STEP_S)
