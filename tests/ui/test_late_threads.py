"""The first line of home names a thread of this window that is late, and the doctor of another process knows it."""

from __future__ import annotations

import threading
import time

from skyreels_tui import monitors
from skyreels_tui.queue.engine.live import LiveFiles
from tests.queue.conftest import WAIT_S


def hanging(go_on: threading.Event):
    return lambda _: lambda _: go_on.wait(WAIT_S)


async def test_a_sensor_that_hangs_is_named_until_it_answers(start, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(monitors, "SENSORS", [("weather", hanging(go_on))])
    monkeypatch.setattr("skyreels_tui.monitors.monitor.LATE_S", -2.9)
    monkeypatch.setattr("skyreels_tui.queue.watch._TELL_THREADS_S", 0.05)
    async with start() as s:
        try:
            await s.shows("the thread monitor is late")
            live = LiveFiles(s.app.services.folders.live)
            await s.until(lambda: ("monitor", True) in [(name, late) for name, _, late in live.read_threads()])
            s.add("first")
            await s.until(lambda: "forecast" in s.app.service.beats.ages())
            assert "forecast" not in s.app.service.beats.late()
        finally:
            monkeypatch.setattr("skyreels_tui.monitors.monitor.LATE_S", 60.0)
            go_on.set()
        await s.until(lambda: "is late" not in s.text)


async def test_every_thread_of_the_window_has_a_heartbeat_and_ends_in_order(start):
    async with start() as s:
        await s.press("p")
        await s.until(lambda: {"inference", "queue-watch", "forecast", "monitor", "changes"} <= set(beats(s)))
        assert s.app.service.beats.late() == ()
    deadline = time.monotonic() + WAIT_S
    while {"forecast", "monitor"} & set(beats(s)):
        assert time.monotonic() < deadline, "they end with the screen"
        time.sleep(0.01)


def beats(s) -> list[str]:
    return list(s.app.service.beats.ages())
