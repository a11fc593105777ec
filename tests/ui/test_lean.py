"""What the app loads before its first screen."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import skyreels_tui
from pipelines.front import language
from pipelines.front.request import Request
from pipelines.tasks import task_of
from pipelines.tasks.reference_to_video import ReferenceToVideo
from pipelines.tasks.shot_switching_extension import ShotSwitchingExtension
from pipelines.tasks.single_shot_extension import SingleShotExtension
from pipelines.tasks.talking_avatar import TalkingAvatar
from skyreels_tui.eta.forecast import Forecast, plans_here
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.requests.planning_apart import plans_apart

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "PIL",
    "scipy",
    "ffmpeg",
    "huggingface_hub",
    "tomlkit",
    "psutil",
)

LATER = (
    "pipelines.tasks",
    "pipelines.media",
    "pipelines.front.crop",
    "pipelines.front.lora",
    "pipelines.front.progress",
    "pipelines.front.regions",
    "pipelines.front.request",
    "pipelines.front.shapes",
    "skyreels_tui.doctor",
    "skyreels_tui.downloads",
    "skyreels_tui.eta",
    "skyreels_tui.executors",
    "skyreels_tui.films",
    "skyreels_tui.monitors",
    "skyreels_tui.notify",
    "skyreels_tui.queue.batches",
    "skyreels_tui.queue.film",
    "skyreels_tui.queue.pace",
    "skyreels_tui.queue.service",
    "skyreels_tui.queue.speed",
    "skyreels_tui.queue.watching",
    "skyreels_tui.requests.drafts",
    "skyreels_tui.requests.forms",
    "skyreels_tui.results",
    "skyreels_tui.settings.hours",
    "skyreels_tui.settings.limits",
    "skyreels_tui.ui.screens.dialogs",
    "skyreels_tui.ui.screens.form",
    "skyreels_tui.ui.screens.system",
    "skyreels_tui.ui.widgets.fields",
    "skyreels_tui.web",
    "ctypes",
)
"""Rooms of our own, and a library, that nothing in the first picture of an idle queue needs."""

FIRST_PICTURE = """
import json, sys
from skyreels_tui import __main__, cli
from skyreels_tui.commands.system import app as door
from skyreels_tui.app import session
import asyncio
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.files.folders import find_folders
from skyreels_tui.settings.settings import Settings

async def show():
    folders, loaded = find_folders(), []
    app = SkyreelsApp(Services(folders, Settings(), folders.results))
    app.after_paint(lambda: loaded.extend(sys.modules))
    async with app.run_test(size=(160, 45)) as pilot:
        while not loaded:
            await pilot.pause(0.01)
    return loaded

print(json.dumps(asyncio.run(show())))
"""

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"

ALL_PANELS = """
import json, sys
from skyreels_tui.commands.system import panel
panel.load_event_loop()
import asyncio
from pathlib import Path
from skyreels_tui.app.alone import AloneApp
from skyreels_tui.app.services import Services
from skyreels_tui.files.folders import find_folders
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.panels import PANELS

async def show():
    folders = find_folders()
    app = AloneApp("queue", Services(folders, Settings(), folders.results))
    async with app.run_test(size=(100, 60)) as pilot:
        await app.screen.mount(*(one.load()() for one in PANELS if one.name != "queue"))
        while app.last_forecast is None or app.last_sample is None:
            await pilot.pause(0.01)
        await pilot.pause()
        return [app.last_forecast.job_seconds, app.last_forecast.needs_bytes, app.last_forecast.unknown]

told = asyncio.run(show())
print(json.dumps([told, [name for name in sys.argv[1:] if name in sys.modules]]))
"""


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return find_folders({"SKYREELS_TUI_HOME": str(tmp_path)})


@pytest.fixture
def portuguese() -> Iterator[None]:
    before = language.spoken()
    language.choose("pt_BR")
    yield
    language.choose(before)


def jobs_of_every_task(folders: Folders) -> list[Job]:
    """Queue one job of each, and one whose video has gone."""
    picture, video, voice = (str(SAMPLES / name) for name in ("astronaut.jpg", "clip.mp4", "voice.mp3"))
    requests: list[Request] = [
        ReferenceToVideo(prompt="a", ref_imgs=(picture,), profile="demo"),
        SingleShotExtension(prompt="a", input_video=(video,), profile="demo"),
        ShotSwitchingExtension(prompt="a", input_video=(video,), profile="demo"),
        TalkingAvatar(prompt="a", input_image=(picture,), input_audio=(voice,), profile="demo"),
        SingleShotExtension(prompt="a", input_video=("/gone.mp4",), profile="demo"),
    ]
    folders.create()
    store = open_store(folders.database)
    for number, request in enumerate(requests):
        store.add(NewJob(request, label=task_of(request).short, batch="ep01" if number % 2 else ""))
    jobs = store.list()
    store.close()
    return jobs


def test_every_panel_alone_plans_all_tasks_and_loads_no_media_library(folders: Folders, tmp_path: Path):
    jobs = jobs_of_every_task(folders)
    here = Forecast(lambda: jobs, EtaBook(tmp_path / "rates.json")).read()
    environ = {**os.environ, "SKYREELS_TUI_HOME": str(folders.state.parent)}
    heavy = [*HEAVY, "_ssl"]
    done = subprocess.run(
        [sys.executable, "-c", ALL_PANELS, *heavy], capture_output=True, text=True, check=True, env=environ
    )
    told, loaded = json.loads(done.stdout)
    expected = json.loads(json.dumps([here.job_seconds, here.needs_bytes, here.unknown]))
    assert here.unknown == 1
    assert told == expected
    assert loaded == []


@pytest.mark.usefixtures("portuguese")
def test_plans_made_apart_are_the_same_to_the_last_word(folders: Folders):
    jobs = jobs_of_every_task(folders)
    apart = list(plans_apart(jobs))
    assert apart == list(plans_here(jobs))
    assert [plan is None for plan in apart] == [False] * 4 + [True]


def test_importing_the_app_loads_nothing_heavy():
    code = f"import sys, skyreels_tui.app.app; print([name for name in {HEAVY + LATER!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_first_picture_of_a_queue_waits_for_nothing_that_it_does_not_show(folders: Folders):
    jobs_of_every_task(folders)
    environ = {**os.environ, "SKYREELS_TUI_HOME": str(folders.state.parent)}
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PICTURE], capture_output=True, text=True, check=True, env=environ
    )
    loaded = set(json.loads(done.stdout))
    assert "skyreels_tui.ui.panels.queue" in loaded
    assert loaded & {*HEAVY, *LATER} == set()


def test_the_style_sheet_that_is_read_first_arranges_home_alone():
    text = Path(skyreels_tui.__file__).with_name("app").joinpath("app.tcss").read_text(encoding="utf-8")
    assert set(re.findall(r"\b\w+Screen\b", text)) == {"HomeScreen"}


def test_a_panel_alone_loads_nothing_heavy_with_all_that_its_threads_use():
    rooms = ("commands.system.panel", "app.alone", "app.sensors", "app.machine", "eta.forecaster", "ui.panels.memory")
    imports = ", ".join(f"skyreels_tui.{room}" for room in rooms)
    code = f"import sys, {imports}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
