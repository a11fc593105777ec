"""An app over a real queue in a temporary folder, with the scripted executor."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from textual._wait import wait_for_idle
from textual.containers import Vertical
from textual.message import Message
from textual.notifications import Notify
from textual.pilot import Pilot

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.internals import waits_for_more
from skyreels_tui.ui.screens.dialogs.dialog import Dialog
from tests.terminal import ANOTHER_TERMINALS
from tests.ui.shown import shown

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
ASTRONAUT, COFFEE = SAMPLES / "astronaut.jpg", SAMPLES / "coffee.jpg"


@dataclass
class Session:
    """One running app and what tests ask it."""

    app: SkyreelsApp
    pilot: Pilot[None]
    executor: FakeExecutor
    told: list[str] = field(default_factory=list)
    """Every message that was shown, also one that has gone since: a busy machine looks rarely."""

    async def tells(self, words: str) -> None:
        """Wait for a message with these words; a narrow terminal breaks its lines."""
        await self.until(lambda: any(words in message for message in self.told), f"the message {words!r}")

    async def until(self, condition: Callable[[], object], what: str = "", timeout_s: float = 20.0) -> None:
        """Let the app work until the condition holds."""
        deadline, wait_s = time.monotonic() + timeout_s, 0.01
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {what or condition}\n{self.text}")
            # The pilot's own pause asks every widget of the screen whether it is done: once, at the end, is enough.
            await asyncio.sleep(wait_s)
            # A look at the screen draws it: what takes longer is looked at less often.
            wait_s = min(1.3 * wait_s, 0.05)
        await self.pilot.pause()

    async def stand_still(self) -> None:
        """End sensors and forecast: what is drawn and laid out from now on comes of keys and jobs alone."""
        await self.until(lambda: self.app.monitor is not None, "the sensors")
        for thread in (self.app.monitor, self.app.forecaster):
            assert thread is not None
            thread.stop()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
        await wait_for_idle(0)

    async def type(self, text: str) -> None:
        """Type text key by key, except that a long one is pasted."""
        await self.press(*[{" ": "space"}.get(char, char) for char in text])

    async def shows(self, text: str) -> None:
        def seen() -> bool:
            shown = self.text
            return text in shown or text in self._words(shown)

        await self.until(seen, f"{text!r} on the screen")

    @property
    def text(self) -> str:
        """What the terminal would show, line by line."""
        strips = shown(self.app)
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    @property
    def words(self) -> str:
        """What the screen, or the question over it, says as one line: where a long path broke it does not matter."""
        return self._words(self.text)

    def _words(self, text: str) -> str:
        lines = text.splitlines()
        screen = self.app.screen
        # A question just asked has no box yet.
        if isinstance(screen, Dialog) and screen.query(Vertical):
            box = screen.query_one(Vertical).region
            lines = [line[box.x : box.right] for line in lines[box.y : box.bottom]]
        return " ".join(re.sub("[─-╿]", " ", " ".join(lines)).split())

    @property
    def footer(self) -> str:
        return self.text.splitlines()[-1]

    def job(self, job_id: int) -> Job:
        assert self.app.service is not None
        return self.app.service.job(job_id)

    def state(self, job_id: int) -> JobState:
        return self.job(job_id).state

    def add(self, label: str = "", **values: object) -> Job:
        """Queue a valid demo job."""
        assert self.app.service is not None
        fields = {"prompt": "a walk", "ref_imgs": (str(ASTRONAUT),), "resolution": "128P", "profile": "demo"}
        return self.app.service.actions.add(ReferenceToVideo(**{**fields, **values}), label=label)


LOOKS = 3
"""Looks in a row that find an app at rest: what one moment brings is begun in the next."""


async def rests(app: SkyreelsApp, timeout_s: float = 30.0) -> bool:
    """Wait until every key was followed and every widget has done what it was told; False when the app has ended."""
    deadline, looks = time.monotonic() + timeout_s, 0
    while looks < LOOKS and app.is_running and app.screen_stack:
        assert time.monotonic() < deadline, "the app is never at rest"
        at_rest = not app.turns.busy and all(map(waits_for_more, [app, *app.screen.walk_children(with_self=True)]))
        looks = looks + 1 if at_rest else 0
        await asyncio.sleep(0 if at_rest else 0.001)
    return looks == LOOKS


Start = Callable[..., object]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AsyncIterator[Session]]:
    """`async with start(size=..., script=..., gated=...) as session`."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)
    # The pilot would wait for the processor twice a key; once after all of them is enough.
    monkeypatch.setattr("textual.app.wait_for_idle", lambda _: asyncio.sleep(0))
    for name in ANOTHER_TERMINALS:
        monkeypatch.delenv(name, raising=False)

    @asynccontextmanager
    async def run(
        size: tuple[int, int] = (80, 24),
        *,
        script: Script | None = None,
        gated: bool = False,
        settings: Settings | None = None,
        theme: str = "night",
        ascii: bool = False,
        served: bool = False,
    ) -> AsyncIterator[Session]:
        executor = FakeExecutor(script, gated=gated)
        services = Services(
            folders=find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")}),
            settings=settings or Settings(),
            result_dir=tmp_path / "result",
            executor=lambda: executor,
            served=served,
        )
        app = SkyreelsApp(services, theme=theme, ascii_only=ascii)
        told: list[str] = []

        def listen(message: Message) -> None:
            if isinstance(message, Notify):
                told.append(message.notification.message)

        async with app.run_test(size=size, notifications=True, message_hook=listen) as pilot:
            # The pilot's own wait sends every widget of the screen a message, which takes longer than most keys do.
            monkeypatch.setattr(pilot, "_wait_for_screen", partial(rests, app))
            session = Session(app, pilot, executor, told)
            await session.until(lambda: app.service is not None and app.service.status().engine != "off", "the engine")
            try:
                yield session
            finally:
                executor.open_gate()
        end(app)

    return run


def end(app: SkyreelsApp) -> None:
    """End what outlives an app's screen, as a session does: a thread that is left keeps the whole app."""
    app.controller.changes.close()
    if app.service is not None:
        app.service.close()
    if app.notifier is not None:
        app.notifier.stop()
