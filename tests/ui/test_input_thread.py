"""The thread that reads the keys sleeps until something comes, wakes for it, and ends at once when it is to end."""

from __future__ import annotations

import asyncio
import os
import pty
import select
import signal
import tty
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import pytest
from textual import events
from textual.message import Message

from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.terminal.input_thread import SleepingDriver
from skyreels_tui.ui.terminal.run import run_on_terminal

PATIENCE_S = 20.0


class Typed(SleepingDriver):
    """Keeps what was read instead of posting it."""

    def __init__(self, terminal: int) -> None:
        super().__init__(HubApp())
        self.fileno = terminal
        self.read: SimpleQueue[Message] = SimpleQueue()

    def process_message(self, message: Message) -> None:
        """Keep it."""
        self.read.put(message)

    def keys(self, count: int) -> list[str]:
        """The next keys."""
        found: list[str] = []
        while len(found) < count:
            try:
                message = self.read.get(timeout=PATIENCE_S)
            except Empty:
                return found
            found += [message.key] if isinstance(message, events.Key) else []
        return found


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """A driver of Textual's leaves its own ways of Ctrl+Z and fg behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def driver() -> Iterator[tuple[Typed, int, Thread]]:
    """A driver whose thread reads a terminal, the end at which a person types, and that thread."""
    end, terminal = pty.openpty()
    tty.setraw(terminal)
    typed = asyncio.run(_made(terminal))
    thread = Thread(target=typed.run_input_thread)
    thread.start()
    yield typed, end, thread
    typed.exit_event.set()
    thread.join(PATIENCE_S)
    os.close(terminal)


async def _made(terminal: int) -> Typed:
    # A driver wants to be made where an event loop runs.
    return Typed(terminal)


def test_every_key_comes(driver: tuple[Typed, int, Thread]) -> None:
    typed, end, _ = driver
    os.write(end, b"a\x1b[Ab\xc3")
    assert typed.keys(3) == ["a", "up", "b"]
    # The second half of a letter, and an escape key that no further byte tells from a sequence.
    os.write(end, b"\xa7\x1b")
    assert typed.keys(2) == ["ç", "escape"]
    # What is no UTF-8 takes no later key with it.
    os.write(end, b"\xff")
    os.write(end, b"z")
    assert typed.keys(2)[-1] == "z"


def test_it_waits_without_looking(monkeypatch: pytest.MonkeyPatch, driver: tuple[Typed, int, Thread]) -> None:
    typed, end, thread = driver
    waits: SimpleQueue[float | None] = SimpleQueue()
    real = select.select

    def watched(read: Any, write: Any, other: Any, seconds: float | None = None) -> Any:
        waits.put(seconds)
        return real(read, write, other, seconds)

    monkeypatch.setattr(select, "select", watched)
    os.write(end, b"\x1b")
    assert typed.keys(1) == ["escape"]
    seen = [waits.get(timeout=PATIENCE_S)]
    while seen[-1] is not None:
        seen.append(waits.get(timeout=PATIENCE_S))
    assert all(wait for wait in seen[:-1]) and len(seen) < 8
    # Nothing but a key or the end wakes it from here on; an app left and come back to (fg) reads again.
    typed.exit_event.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    typed.exit_event.clear()
    again = Thread(target=typed.run_input_thread)
    again.start()
    os.write(end, b"x")
    assert typed.keys(1) == ["x"]
    typed.exit_event.set()
    again.join(PATIENCE_S)
    assert not again.is_alive()


def test_it_ends_with_its_terminal(driver: tuple[Typed, int, Thread]) -> None:
    _, end, thread = driver
    os.close(end)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_the_app_reads_with_it() -> None:
    assert HubApp().driver_class is SleepingDriver


def test_who_has_left_the_app_is_stopped_and_woken_as_any_program() -> None:
    """Also when its terminal closes, which wakes it: a job may go on without a screen."""

    class Leaves(HubApp):
        def run(self, **_: Any) -> None:
            asyncio.run(_made(0))
            assert callable(signal.getsignal(signal.SIGCONT))

    run_on_terminal(Leaves(), "yes")
    assert signal.getsignal(signal.SIGTSTP) == signal.getsignal(signal.SIGCONT) == signal.SIG_DFL
