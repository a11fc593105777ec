"""Reads a terminal and sleeps until something comes: Textual's own thread looks ten times a second."""

from __future__ import annotations

import os
import select
from codecs import getincrementaldecoder
from threading import Event
from typing import Any, Protocol, runtime_checkable

from textual import constants, events
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from skyreels_tui.ui.terminal.pastes import BoundedParser

AT_ONCE = 1 << 12
"""Bytes read in one go."""
SHORT_WAITS = 3
"""Looks after the last byte, each long enough for the parser to see that an escape began no sequence."""
SHORT_S = constants.ESCAPE_DELAY + 0.01


class WakingEvent(Event):
    """An event that also ends the wait for its `descriptor`; the pipe lives as long as the program."""

    def __init__(self) -> None:
        super().__init__()
        self.descriptor, self._waker = os.pipe()

    def set(self) -> None:
        """Set it, and make the descriptor readable."""
        super().set()
        os.write(self._waker, b".")

    def clear(self) -> None:
        """Unset it, and make waiting for the descriptor possible again."""
        if self.is_set():
            os.read(self.descriptor, AT_ONCE)
        super().clear()


@runtime_checkable
class Hearing(Protocol):
    """An app that wants to know of a key before its turn has come."""

    def hear(self) -> None:
        """A key or a paste is on its way; called on the thread that reads the terminal."""


class SleepingDriver(LinuxDriver):
    """The driver of a terminal whose input costs nothing while nobody types."""

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self.exit_event: WakingEvent = WakingEvent()

    def process_message(self, message: Message) -> None:
        """Send it to the app."""
        if isinstance(message, events.Key | events.Paste) and isinstance(self._app, Hearing):
            self._app.hear()
        super().process_message(message)

    def run_input_thread(self) -> None:
        """Pass on what is typed until the exit event is set or the terminal has gone."""
        parser, decode = BoundedParser(self._debug), getincrementaldecoder("utf-8")("replace").decode
        waits = 0
        while not self.exit_event.is_set():
            watched = [self.fileno, self.exit_event.descriptor]
            readable, _, _ = select.select(watched, [], [], SHORT_S if waits else None)
            waits -= 1
            if self.fileno in readable:
                waits = SHORT_WAITS
                try:
                    data = os.read(self.fileno, AT_ONCE)
                except OSError:
                    return
                if not data:
                    return
                for message in parser.feed(decode(data)):
                    self.process_message(message)
            for message in parser.tick():
                self.process_message(message)
            waits = max(0, waits)


def sleeping(driver: type[Driver]) -> type[Driver]:
    """Return the driver that sleeps in place of the one that does not; any other stays."""
    return SleepingDriver if driver is LinuxDriver else driver
