"""Every screen through the pseudo catalogue: a word left in Latin letters was never looked up.

Cyrillic letters come from the catalogue. What people and files bring (labels, prompts, paths) is Cyrillic or a path
here, so that the list of what may stay Latin is short.
"""

from __future__ import annotations

import asyncio
import json
import platform
import re
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.command import CommandList
from textual.widgets import Static

from pipelines.checkpoints.locate import hub_cache
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from pipelines.tasks import TASKS
from skyreels_tui.app.alone import AloneApp
from skyreels_tui.app.services import Services
from skyreels_tui.doctor.gather import gather
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.service import QueueService
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.settings.settings import Settings
from skyreels_tui.settings.themes import theme_files
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.panels import PANELS
from skyreels_tui.ui.screens.dialogs.damaged_queue import UnusableScreen
from skyreels_tui.ui.screens.home.home import HomeScreen
from skyreels_tui.ui.screens.models.fetch import FetchScreen
from skyreels_tui.ui.screens.models.files import ModelFileRows, ModelFilesScreen
from skyreels_tui.ui.screens.models.models import ModelList, ModelsScreen
from skyreels_tui.ui.screens.system.commands import CommandScreen
from skyreels_tui.ui.screens.system.doctor import CheckList
from skyreels_tui.ui.screens.system.help import HelpScreen
from skyreels_tui.ui.screens.system.themes import ThemeList
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.more import More
from skyreels_tui.ui.widgets.panel import Panel
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.widgets.status_bar import MACHINE_LETTERS
from tests.i18n.pseudo import latin_words
from tests.models_hub.conftest import V2V_FILES, Repo, hub, r2v_files  # noqa: F401 - hub is a fixture
from tests.ui.conftest import SAMPLES, Session, start  # noqa: F401 - fixture
from tests.ui.test_unusable import GARBAGE, app_over, folders  # noqa: F401 - fixture

LABEL, PROMPT = "ярлык", "прогулка"
UNITS = {"GiB", "MiB", "KiB", "TiB", "MHz", "fps", "min"}
KEYS = {"Ctrl", "Alt", "Esc", "Enter", "Tab", "Shift", "Del", "PgDn", "PgUp", "Backspace", "F10", "F11"}
NAMES = {
    "skyreels-tui", "SkyReels", *(task.short for task in TASKS), *theme_files(),
    "JPEG", "PNG", "Home", "End", "GPU", "English", "fake",
}  # fmt: skip
"""Our own, of task types as the shell takes them, of palettes, of formats, of languages, of what the log says."""
PATH = re.compile(r"(?:(?<=[\s(])|^)[~…]?/?[\w.…-]*/\S*|\S+\.(?:toml|png|jpg|mp4|json|wav)\b", re.MULTILINE)
WIDE, SMALL = (160, 45), (80, 24)


def without(text: str, *data: str) -> str:
    """Text on a screen without pieces of data, also where a box breaks one of them at the end of a line."""
    for piece in data:
        text = re.sub(r"[\s│┃]*".join(map(re.escape, piece)), " ", text)
    return text


@pytest.mark.parametrize("width", range(1, 40))
def test_a_path_is_data_wherever_a_line_breaks_it(width):
    path = "/home/someone else/.cache/huggingface/hub"
    lines = [path[at : at + width] for at in range(0, len(path), width)]
    boxed = "\n".join(f"  │ {line:<{width}} │  " for line in ("Искать в", *lines, "untranslated"))
    assert latin_words(without(boxed, path)) == ["untranslated"]


def untranslated(session: Session, *also: str) -> list[str]:
    """Words on the screen that came through no catalogue."""
    text = without(session.text, str(hub_cache()), platform.node(), safe(platform.node(), MACHINE_LETTERS))
    # What a command's line has filled in is typed as it stands; any other name in braces was forgotten.
    text = re.sub(r"\{(voice|out|text)\}", " ", PATH.sub(" ", text))
    return latin_words(text, {*UNITS, *KEYS, *NAMES, *also})


@pytest.fixture
def picture(tmp_path):
    return str(shutil.copy(SAMPLES / "astronaut.jpg", tmp_path / "п.jpg"))


@pytest.fixture
def begin(start, tmp_path, picture, folders, pseudo) -> Callable[..., object]:  # noqa: F811
    """The app over a queue with a job in every state; job 1 is the one that will run."""
    service = QueueService(folders, tmp_path / "result", lambda event: None)
    from pipelines.tasks.reference_to_video import ReferenceToVideo

    request = ReferenceToVideo(prompt=PROMPT, ref_imgs=(picture,), resolution="128P", profile="demo")
    rows = [
        {"state": "queued"},
        {"state": "held"},
        {"state": "held", "attempts": 2, "reason": because(Code.DIED_TWICE, step=3, num_steps=8).to_json()},
        {"state": "interrupted", "step": 3, "num_steps": 8, "reason": because(Code.PROGRAM_CLOSED).to_json()},
        {"state": "done", "run_seconds": 61, "output": str(tmp_path / "result/a.mp4")},
        {"state": "done", "run_seconds": 61, "output": str(tmp_path / "result/b.mp4"), "suspect": "чёрный"},
        {"state": "failed", "stage": "denoise", "step": 2, "num_steps": 8, "segment": 1, "num_segments": 3,
         "error": "нет места", "traceback": "след"},
        {"state": "cancelled"},
    ]  # fmt: skip
    for _ in rows:
        service.actions.add(request, label=LABEL)
    service.close()
    connection = sqlite3.connect(folders.database)
    moment = "2026-03-01T10:00:00+00:00"
    for job_id, values in enumerate(rows, 1):
        ended = values["state"] in ("done", "failed", "cancelled")
        filled = {**values, "started_at": moment, "finished_at": moment} if ended else values
        names = ", ".join(f"{name} = ?" for name in filled)
        connection.execute(f"UPDATE jobs SET {names} WHERE id = ?", (*filled.values(), job_id))
    connection.commit()
    connection.close()
    return start


async def running(s: Session, steps: int = 2) -> None:
    s.executor.advance(steps)
    await seen(s, lambda: f"{steps}/8" in s.text)


async def seen(s: Session, condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Let the app work until the condition holds and what it changed is drawn.

    Session.until also waits for an idle processor, which these many looks at one screen cannot afford.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, s.text
        await asyncio.sleep(0.01)
    drawn = asyncio.Event()
    s.app.screen.call_after_refresh(drawn.set)
    await asyncio.wait_for(drawn.wait(), timeout_s)


@pytest.mark.parametrize("size", [WIDE, (120, 36), SMALL])
async def test_home_with_a_job_in_every_state(begin, size):
    async with begin(size, gated=True) as s:
        await running(s)
        await seen(s, lambda: s.app.last_sample is not None)
        await seen(s, lambda: True)
        assert untranslated(s) == []


async def test_home_that_is_empty_or_small(start, pseudo):  # noqa: F811
    for size in (WIDE, SMALL, (60, 18)):
        async with start(size) as s:
            await seen(s, lambda: s.app.last_sample is not None)
            assert untranslated(s) == []


@pytest.mark.parametrize("task", [task.name for task in TASKS])
async def test_the_form_of_each_task(begin, task, picture):
    async with begin(WIDE, gated=True) as s:
        for values in ({}, {"prompt": PROMPT, "ref_imgs": (picture,), "profile": "demo"}, {"ref_imgs": ("/нет",)}):
            s.app.post_message(intents.OpenForm(task, values))
            await seen(s, lambda: s.app.screen.query(More))
            s.app.screen.query_one(More).open = True
            await seen(s, lambda: s.app.screen._checked is not None)
            assert untranslated(s) == []
            if values.get("profile") != "demo":
                await s.press("ctrl+s")
                await seen(s, lambda: s.app.screen.query(".-wrong") or s.app._notifications)
                assert untranslated(s) == []
            # What is said of a field is the same whatever stands in it.
            for field in s.app.screen.query(Field) if not values else ():
                field.post_message(Field.Focused(field))
                await seen(s, lambda: True)
                assert untranslated(s) == [], field.field_name
            s.app.pop_screen()
            await seen(s, lambda: isinstance(s.app.screen, HomeScreen))


@pytest.mark.parametrize("key", ["f7", "f8", "f9"])
async def test_what_the_form_opens(begin, key):
    async with begin(WIDE, gated=True) as s:
        await s.press("n")
        await seen(s, lambda: s.app.screen.query(More))
        await s.press(key)
        await seen(s, lambda: not s.app.screen.query(More) or len(s.app._notifications))
        await seen(s, lambda: True)
        assert untranslated(s) == []


async def test_a_job_that_is_edited(begin):
    async with begin(WIDE, gated=True) as s:
        await running(s)
        await s.press("j", "e")
        await seen(s, lambda: s.app.screen.query(More))
        assert untranslated(s) == []


@pytest.mark.parametrize("key", ["R", "M", "D", "S", "ctrl+t"])
async def test_the_screens_beside_home(begin, key, tmp_path):
    folder = tmp_path / "result" / "reference_to_video"
    folder.mkdir(parents=True)
    shutil.copy(SAMPLES / "clip.mp4", folder / "ролик.mp4")
    recipe = {"label": LABEL, "task_type": "reference_to_video", "request": {"prompt": PROMPT, "resolution": "128P"}}
    (folder / "ролик.json").write_text(json.dumps(recipe))
    async with begin(WIDE, gated=True) as s:
        await s.press(key)
        await seen(s, lambda: not isinstance(s.app.screen, HomeScreen))
        lists = s.app.screen.query(RowList)
        await seen(s, lambda: not lists or lists.first().count())
        await seen(s, lambda: True)
        known = data(s)
        for row in range(lists.first().count() if lists else 1):
            if lists:
                lists.first().cursor = row
            for field in s.app.screen.query(Field):
                field.post_message(Field.Focused(field))
                await seen(s, lambda: True)
                assert untranslated(s) == [], field.field_name
            await seen(s, lambda: True)
            assert untranslated(s, *known) == []


def data(s: Session) -> list[str]:
    """Names of palettes, of parts of checkpoints, and what the doctor read from this machine."""
    screen = s.app.screen
    known = [str(names.names) for names in screen.query(ThemeList)]
    known += [f"skyreels-tui models download {models.models}" for models in screen.query(ModelList)]
    if screen.query(CheckList):
        known.append(str(gather(s.app.services.folders, s.app.services.settings.now, s.app.services.result_dir)))
    return latin_words(" ".join(known))


async def test_help_to_its_end(begin):
    async with begin(WIDE, gated=True) as s:
        await s.press("question_mark")
        await seen(s, lambda: isinstance(s.app.screen, HelpScreen))
        assert untranslated(s) == []
        pages = 0
        while s.app.screen.query_one(RowList).cursor < s.app.screen.query_one(RowList).count() - 1:
            s.app.screen.action_scroll(2)
            await seen(s, lambda: True)
            assert untranslated(s) == []
            pages += 1
        assert pages > 2
        await s.type("zzz")
        assert untranslated(s, "zzz") == []


async def test_the_detail_of_each_job(begin):
    async with begin(WIDE, gated=True) as s:
        await running(s)
        for job in s.app.board.jobs:
            s.app.post_message(intents.OpenJob(job.id))
            await seen(s, lambda: not isinstance(s.app.screen, HomeScreen))
            s.app.screen.action_traceback()
            await seen(s, lambda: True)
            assert untranslated(s) == [], job.state
            s.app.pop_screen()
            await seen(s, lambda: isinstance(s.app.screen, HomeScreen))


@pytest.mark.parametrize("keys", [("x",), ("ctrl+q",), ("p",), ("j", "d"), ("G", "r"), ("j", "t")])
async def test_questions_and_answers(begin, keys):
    async with begin(WIDE, gated=True) as s:
        await running(s)
        await s.press(*keys)
        await seen(s, lambda: not isinstance(s.app.screen, HomeScreen) or len(s.app._notifications))
        await seen(s, lambda: True)
        assert untranslated(s) == []


async def test_the_commands_to_their_end(begin):
    async with begin(WIDE, gated=True) as s:
        await s.press("ctrl+p")
        await seen(s, lambda: isinstance(s.app.screen, CommandScreen))
        commands = s.app.screen.query_one(CommandList)
        await seen(s, lambda: commands.option_count)
        while commands.highlighted < commands.option_count - 1:
            await s.press("pagedown")
            await seen(s, lambda: True)
            assert untranslated(s) == []
        await s.type("zzz")
        await seen(s, lambda: commands.option_count == 1 and commands.get_option_at_index(0).disabled)
        assert untranslated(s, "zzz") == []


@pytest.mark.parametrize("name", CHECKPOINTS)
async def test_what_a_fetch_asks_and_the_files_of_a_model(begin, hub, name):  # noqa: F811
    hub.repos[CHECKPOINTS["r2v"].repo_ids[1]] = Repo(r2v_files())
    hub.repos[CHECKPOINTS["v2v"].repo_ids[0]] = Repo(V2V_FILES, sizes={"Wan2.1_VAE.pth": 10**16})
    place = list(CHECKPOINTS).index(name)
    async with begin(WIDE, gated=True) as s:
        await s.press("M")
        await seen(s, lambda: s.app.screen.query(ModelList) and s.app.screen.query_one(ModelList).count())
        models = s.app.screen.query_one(ModelList)
        models.cursor = place
        checkpoint = models.selected.checkpoint
        known = [*data(s), *latin_words(f"{checkpoint.licence} {checkpoint.title}")]
        await s.press("w")
        # Of the avatar's model the hub knows nothing and says so on the screen itself.
        refused = name == "a2v"
        await seen(s, lambda: "(404)" in s.text if refused else isinstance(s.app.screen, FetchScreen))
        assert untranslated(s, *known) == []
        if not refused:
            await s.press("escape")
            await seen(s, lambda: isinstance(s.app.screen, ModelsScreen))
        await s.press("enter")
        await seen(s, lambda: isinstance(s.app.screen, ModelFilesScreen))
        note = s.app.screen.query_one("#files-note", Static)
        await seen(s, lambda: checkpoint.repo_ids[0].split("/")[1] in str(note.render()))
        files = s.app.screen.query_one(ModelFileRows).files
        known += latin_words(" ".join(f"{file.part} {file.path}" for file in files))
        assert untranslated(s, *known) == []


@pytest.mark.parametrize("has_copy", [True, False])
async def test_a_queue_that_cannot_be_read(tmp_path, pseudo, monkeypatch, has_copy):
    monkeypatch.chdir(tmp_path)
    # Relative: a path that the question breaks in two is no word.
    folders = Folders(*(Path("home") / name for name in ("config", "state", "cache", "logs", "result")))  # noqa: F811
    folders.create()
    if has_copy:
        # The second opening makes the day's copy.
        open_store(folders.database).close()
        open_store(folders.database).close()
    folders.database.write_bytes(GARBAGE)
    app, executor = app_over(folders, tmp_path)
    async with app.run_test(size=WIDE) as pilot:
        s = Session(app, pilot, executor)
        await seen(s, lambda: isinstance(app.screen, UnusableScreen))
        sqlites = latin_words("file is not a database")
        assert untranslated(s, *sqlites, "queue") == []
        await s.press("r" if has_copy else "n")
        await seen(s, lambda: app.service is not None and app._notifications)
        # The name under which the bad file is kept is given.
        assert untranslated(s, "queue") == []
    app.service.close()


@pytest.mark.parametrize("name", [panel.name for panel in PANELS])
async def test_each_panel_alone(begin, tmp_path, folders, name):  # noqa: F811
    executor = FakeExecutor(gated=True)
    owner = QueueService(folders, tmp_path / "result", lambda event: None, executor=lambda: executor)
    app = AloneApp(name, Services(folders, Settings(), tmp_path / "result"))
    try:
        async with app.run_test(size=(80, 14)) as pilot:
            s = Session(app, pilot, executor)
            await seen(s, lambda: app.last_sample is not None)
            assert untranslated(s) == [], "before anything runs"
            owner.start()
            executor.advance(2)
            await seen(s, lambda: app.board.progress is not None and app.board.progress.progress.step == 2)
            assert untranslated(s) == [], "while a job runs"
            await s.press("q")
    finally:
        executor.open_gate()
        owner.close()


async def test_each_panel_opened_below_the_queue(begin):
    async with begin(SMALL, gated=True) as s:
        await running(s)
        await seen(s, lambda: s.app.last_sample is not None)
        for panel in PANELS[1:]:
            await s.press(panel.key)
            await seen(s, lambda panel=panel: getattr(s.app.focused, "SPEC", None) is panel)
            await seen(s, lambda: True)
            assert untranslated(s) == [], panel.name


async def test_a_failure_before_the_eyes(start, pseudo):  # noqa: F811
    script = Script(failures={(Stage.DENOISE, 3): MediaError("нет места")})
    async with start(WIDE, script=script) as s:
        s.add(LABEL, prompt=PROMPT)
        await seen(s, lambda: s.app.board.jobs and s.app.board.jobs[0].error)
        await seen(s, lambda: True)
        assert untranslated(s) == []


async def test_another_language_is_spoken_at_once(start, pseudo_folder, monkeypatch):  # noqa: F811
    from pipelines.front import language

    async with start(WIDE) as s:
        await s.shows("Nothing here yet.")
        monkeypatch.setattr(language, "LOCALE_DIR", pseudo_folder)
        try:
            await s.press("S")
            await s.shows("Memory floor")
            field = s.app.screen.query_one("#field-language")
            field.set_value("pt_BR")
            await s.press("ctrl+s")
            await seen(s, lambda: isinstance(s.app.screen, HomeScreen))
            s.app.clear_notifications()
            await seen(s, lambda: s.app.last_sample is not None)
            await seen(s, lambda: "Queue" not in s.text)
            gpu = s.app.last_sample.gpu.problem
            # A sensor that found nothing says so again when it looks again; the others speak every second.
            await seen(s, lambda: untranslated(s, *latin_words(gpu)) == [])
            assert all("Queue" not in str(panel.border_title) for panel in s.app.screen.query(Panel))
        finally:
            language.choose(language.ENGLISH)
