"""Walks one room of an extended copy of the program; run by test_extending in a process of its own."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pipelines.demo
from pipelines.tasks import TASKS, task_named
from skyreels_tui.app.alone import AloneApp
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.settings.settings import Settings

SAMPLES = Path(pipelines.demo.__file__).parent / "samples"
ADD = (
    "add", "--task_type", "still_life", "--prompt", "steam", "--ref_imgs", str(SAMPLES / "coffee.jpg"),
    "--profile", "demo", "--label", "cup",
)  # fmt: skip


def run(*words: str) -> str:
    """One command's stdout; it must end well."""
    out = io.StringIO()
    with redirect_stdout(out):
        code: int
        try:
            code = main(words)
        except SystemExit as end:
            code = int(end.code or 0)
    assert code == 0, (words, code, out.getvalue())
    return out.getvalue()


def services(executor: Callable[[], Any] = FakeExecutor) -> Services:
    """A program in the home folder of this walk, whose thermometer shows 21 degrees."""
    folders = find_folders()
    folders.create()
    (folders.state / "air").write_text("21.3", encoding="ascii")
    return Services(folders, Settings(), Path("result").absolute(), executor)


def text(app: Any) -> str:
    """What the terminal would show."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def shows(app: Any, pilot: Any, words: str) -> None:
    """Wait until the screen shows the words."""
    deadline = time.monotonic() + 60
    while words not in text(app):
        assert time.monotonic() < deadline, f"{words!r} never came\n{text(app)}"
        await pilot.pause(0.02)


def shell() -> None:
    """The task is an option's value, a job and a line of the list; the panel a word of `panel`."""
    assert "still_life" in run("add", "--help")
    assert "still_life" in run("demo", "--help")
    assert "weather" in run("panel", "--help")
    assert run(*ADD).strip() == "1"
    [job] = json.loads(run("list", "--json"))
    assert (job["task_type"], job["label"], job["request"]["duration"]) == ("still_life", "cup", 1)
    assert run("add", *ADD[1:-1], "").strip() == "2"
    assert json.loads(run("show", "2", "--json"))["label"] == "still-2"


def demo() -> None:
    """The demo makes its video with the tiny models, under its own name."""
    [path] = run("demo", "still_life", "--progress", "none").split()
    assert Path(path).is_file() and Path(path).parent.name == "still_life"
    assert [video["task_type"] for video in json.loads(run("results", "--json"))] == ["still_life"]


def form() -> None:
    """Its key opens its form from another one, with its fields and its title; the queue takes what it asks for."""

    async def walk() -> None:
        app = SkyreelsApp(services())
        async with app.run_test(size=(120, 45)) as pilot:
            await shows(app, pilot, "Nothing here yet")
            await pilot.press("n")
            await shows(app, pilot, "Reference to video")
            assert "F11 still" in text(app)
            await pilot.press("f11")
            await shows(app, pilot, "Still life")
            await shows(app, pilot, "Picture")
            await pilot.press(*["f6"] * len(TASKS))
            await shows(app, pilot, "Still life")

    asyncio.run(walk())


def home() -> None:
    """The panel stands on home with the sensor's figure; its digit focuses it."""

    async def walk() -> None:
        app = SkyreelsApp(services())
        async with app.run_test(size=(160, 60)) as pilot:
            await shows(app, pilot, "air 21 °C")
            assert "8 Weather" in text(app)
            await pilot.press("8")
            await pilot.pause()
            assert type(app.focused).__name__ == "WeatherPanel"

    asyncio.run(walk())


def alone() -> None:
    """The panel stands alone."""

    async def walk() -> None:
        app = AloneApp("weather", services())
        async with app.run_test(size=(38, 6)) as pilot:
            await shows(app, pilot, "air 21 °C")
            await pilot.press("q")
        assert app.return_code == 0

    asyncio.run(walk())


def help_and_pages() -> None:
    """The help lists both keys, and so do the pages that are written from the tables."""
    from skyreels_tui.commands.system.manual import commands_section
    from skyreels_tui.ui.keyboard import keys_markdown

    assert "| `F11` | Form of the still life |" in keys_markdown()
    assert "| `8` | Focus the weather panel |" in keys_markdown()
    assert "still_life" in commands_section()

    async def walk() -> None:
        app = SkyreelsApp(services())
        async with app.run_test(size=(120, 45)) as pilot:
            await shows(app, pilot, "Nothing here yet")
            await pilot.press("question_mark")
            await shows(app, pilot, "type to search")
            await pilot.press(*"still")
            await shows(app, pilot, "Form of the still life")
            await pilot.press(*["backspace"] * 5, *"weather")
            await shows(app, pilot, "Focus the weather panel")

    asyncio.run(walk())


def executor() -> None:
    """The executor runs a job of the new task."""
    from skyreels_tui.executors.copying import CopyingExecutor

    def copies() -> CopyingExecutor:
        return CopyingExecutor(SAMPLES / "clip.mp4")

    run(*ADD)
    assert main(["run", "--progress", "none"], executor=copies) == 0
    [job] = json.loads(run("list", "--all", "--json"))
    assert job["status"] == "done"
    assert Path(job["output"]).read_bytes() == (SAMPLES / "clip.mp4").read_bytes()


def completion() -> None:
    """Tab offers the task and the panel."""
    for line, word in (("skyreels-tui add --task_type sti", "still_life"), ("skyreels-tui panel wea", "weather")):
        environ = {
            **os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9",
            "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        }  # fmt: skip
        words = ["bash", "-c", 'exec "$@" 8>&1 9>/dev/null 1>/dev/null', "bash", sys.executable, "-m", "skyreels_tui"]
        offered = subprocess.run(words, env=environ, capture_output=True, text=True, check=True, timeout=60).stdout
        assert word in offered, (line, offered)


def models() -> None:
    """The checkpoint's parts say that the task needs them."""
    found = json.loads(run("models", "list", "--json"))
    [own] = [model for model in found if model["model"] == task_named("still_life").family]
    assert all("still_life" in part["tasks"] for part in own["components"])


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    sys.stdout.write(f"walked {sys.argv[1]}\n")
