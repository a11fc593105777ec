"""A screen that is left while its workers are at work: what they bring is dropped, and nothing ends."""

from __future__ import annotations

import threading

import pytest
from textual.app import App
from textual.message_pump import MessagePump
from textual.widgets import Static

from skyreels_tui.ui.screens.home.home import HomeScreen
from skyreels_tui.ui.workers import hand_over
from tests.models_hub.conftest import hub  # noqa: F401 - a fixture
from tests.ui.test_walk import WAYS, begin, go  # noqa: F401 - begin is a fixture

BY_A_WORKER = ("LeaveScreen", "FetchScreen")
"""Opened by what a worker or the engine brings: they do not open while that is held back."""


class Gate:
    """Holds back every result that a worker's thread brings, until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._open.set()
        self._lock = threading.Lock()
        self.held = 0
        for owner, name in ((MessagePump, "call_later"), (App, "call_from_thread")):
            monkeypatch.setattr(owner, name, self._behind(getattr(owner, name)))

    def _behind(self, method):
        main = threading.current_thread()

        def waits(*args, **kwargs):
            if threading.current_thread() is not main and not self._open.is_set():
                with self._lock:
                    self.held += 1
                assert self._open.wait(60)
            return method(*args, **kwargs)

        return waits

    def close(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()


def busy(app: App[None], *, besides: str = "") -> list[object]:
    return [worker for worker in app.workers if worker.is_running and worker.group != besides]


@pytest.mark.parametrize("name", [name for name in WAYS if name not in BY_A_WORKER])
async def test_what_the_workers_of_a_screen_bring_after_it_was_left_is_dropped(begin, monkeypatch, name):  # noqa: F811
    gate = Gate(monkeypatch)
    async with begin((100, 40), gated=True) as s:
        try:
            await go(s, name, gate.close)
            left = s.app.screen
            # Its workers have something to say, or it has none.
            await s.until(
                lambda: gate.held or not busy(s.app, besides="follow"), "the workers to come to the gate", timeout_s=60
            )
            # Not by keys, which may close a line or a question first: the sudden way is the hard one.
            while not isinstance(s.app.screen, HomeScreen):
                await s.app.pop_screen()
            assert not left.is_attached
            gate.open()
            await s.until(lambda: not busy(s.app), "the workers to end", timeout_s=60)
            await s.press("question_mark")
            await s.until(lambda: type(s.app.screen).__name__ == "HelpScreen", "the next key")
        finally:
            gate.open()


async def test_a_result_waits_for_its_widget_and_is_dropped_with_it():
    seen: list[str] = []

    class Small(App[None]):
        def compose(self):
            yield Static(id="one")

    async with Small().run_test() as pilot:
        widget = pilot.app.query_one("#one")

        def work(text: str) -> None:
            thread = threading.Thread(target=hand_over, args=(widget, seen.append, text))
            thread.start()
            threads.append(thread)

        threads: list[threading.Thread] = []
        work("shown")
        while threads[0].is_alive():
            await pilot.pause(0.01)
        await widget.remove()
        work("dropped")
        while threads[1].is_alive():
            await pilot.pause(0.01)
    assert seen == ["shown"]
