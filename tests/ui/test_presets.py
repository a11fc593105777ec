"""What saves typing in a form: presets, defaults, earlier prompts and files, several seeds, web addresses."""

from __future__ import annotations

import json

import pytest
from textual import events

from pipelines.tasks import task_named
from skyreels_tui.queue.model import JobState
from skyreels_tui.requests.forms import summary
from skyreels_tui.requests.history import MOST, History
from skyreels_tui.requests.presets import Presets, PresetsError, preset_name_problem
from skyreels_tui.settings.reading import load
from skyreels_tui.ui.keys import HISTORY, PRESETS, SEEDS
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.form.history import HistoryScreen
from skyreels_tui.ui.screens.form.presets import PresetsScreen
from skyreels_tui.ui.screens.form.seeds import SeedsScreen
from skyreels_tui.ui.widgets.fields.fetching import FetchLine
from skyreels_tui.ui.widgets.fields.files import FilesField
from skyreels_tui.ui.widgets.fields.text import PromptArea
from tests.media.web import Handler, redirect, serving, whole
from tests.ui.conftest import ASTRONAUT, COFFEE, Session
from tests.ui.test_form import fill, open_form, problem

R2V = "reference_to_video"


async def on(s: Session, screen: type) -> None:
    await s.until(lambda: isinstance(s.app.screen, screen), screen.__name__)


@pytest.mark.parametrize(
    ("screen", "scope"), [(PresetsScreen, PRESETS), (HistoryScreen, HISTORY), (SeedsScreen, SEEDS)]
)
def test_every_key_of_these_screens_does_something(screen, scope):
    assert {binding.action for binding in screen.BINDINGS} == {key.action for key in scope.keys}
    assert all(hasattr(screen, f"action_{key.action.partition('(')[0]}") for key in scope.keys)


# Presets


async def test_a_preset_is_saved_loaded_replaced_deleted_and_brought_back_by_keys_alone(start, tmp_path):
    async with start() as s:
        form = await open_form(s)
        await fill(s, ref_imgs=(str(COFFEE),), prompt="[red]a cup[/]", duration=9)
        await s.press("f8")
        await s.shows("No presets yet")
        await s.press("s")
        await s.type("my look")
        await s.press("enter")
        await s.shows("my look")
        await s.shows("Duration 9")
        stored = json.loads((tmp_path / "home/config/presets" / f"{R2V}.json").read_text())
        assert stored["my look"]["prompt"] == "[red]a cup[/]" and stored["my look"]["duration"] == 9
        await s.press("escape")
        await fill(s, prompt="something else", duration=2)
        await s.press("f8")
        await s.shows("my look")
        await s.press("enter")
        await s.until(lambda: s.app.screen is form and form.values()["duration"] == 9)
        assert form.values()["prompt"] == "[red]a cup[/]"
        await s.press("ctrl+r")
        await s.until(lambda: isinstance(s.app.screen, FormScreen) and s.app.screen.values()["duration"] == 2)
        assert s.app.screen.values()["prompt"] == "something else"
        await s.press("f8")
        await s.shows("my look")
        await s.press("s", "enter")
        await s.shows("Duration 2")
        await s.press("u")
        await s.shows("Duration 9")
        await s.press("d")
        await s.until(lambda: "Duration" not in s.text)
        await s.press("u")
        await s.shows("Duration 9")


async def test_a_preset_leaves_alone_what_it_does_not_hold(start):
    async with start() as s:
        form = await open_form(s)
        await fill(s, duration=9)
        await s.press("f8", "s")
        await s.type("long")
        await s.press("enter")
        await s.shows("Saved as long")
        await s.press("escape")
        await fill(s, prompt="kept", ref_imgs=(str(COFFEE),), duration=3)
        await s.press("f8", "enter")
        await s.until(lambda: s.app.screen is form and form.values()["duration"] == 9)
        assert form.values()["prompt"] == "kept" and form.values()["ref_imgs"] == (str(COFFEE),)


async def test_the_form_becomes_the_defaults_of_its_task_and_undo_takes_that_back(start, tmp_path):
    settings = tmp_path / "home/config/settings.toml"
    async with start() as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(COFFEE),), prompt="not an option", duration=9, seed=7)
        await s.press("f8")
        await on(s, PresetsScreen)
        await s.press("D")
        await s.until(settings.exists)
        defaults = load(settings).settings.defaults[R2V]
        assert defaults["duration"] == 9 and defaults["seed"] == 7
        assert not {"prompt", "ref_imgs"} & set(defaults)
        await s.press("u")
        await s.until(lambda: not load(settings).settings.defaults)


def test_a_damaged_file_of_presets_is_left_alone(tmp_path):
    presets = Presets(tmp_path)
    path = tmp_path / f"{R2V}.json"
    for content in ("{", "[]", '{"a": 1}'):
        path.write_text(content)
        for change in (lambda: presets.of_task(R2V), lambda: presets.save(R2V, "b", {"seed": 1})):
            with pytest.raises(PresetsError, match=R2V):
                change()
        assert path.read_text() == content


def test_presets_hold_any_text_and_drop_foreign_fields(tmp_path):
    values = {
        "prompt": "a\u202eb [/] \udcff",
        "ref_imgs": ("/x/\udcff.png",),
        "seed": 0,
        "colour": "red",
        "offload": False,
    }
    Presets(tmp_path).save(R2V, "❄ ÿ", values)
    kept = Presets(tmp_path).get(R2V, "❄ ÿ")
    assert kept == {"prompt": values["prompt"], "ref_imgs": ["/x/\udcff.png"], "seed": 0, "offload": False}
    assert [bool(preset_name_problem(name)) for name in ("a", "", " ", "x" * 61, "a\x1b[m", "a\u202e")] == [
        False, True, True, True, True, True,
    ]  # fmt: skip


# Earlier prompts and files


async def test_earlier_prompts_and_files_are_found_and_taken(start):
    async with start() as s:
        for prompt, picture in (("a cup [ZOOM_IN_CUT]", COFFEE), ("a rocket", ASTRONAUT)):
            await open_form(s, demo=not s.app.board.jobs)
            await fill(s, ref_imgs=(str(picture),), prompt=prompt)
            await s.press("ctrl+s")
            await s.until(lambda: not isinstance(s.app.screen, FormScreen))
    async with start() as s:
        form = await open_form(s, demo=False)
        form.query_one(PromptArea).focus()
        await s.type("mine ")
        await s.press("f7")
        await s.shows("Earlier prompts")
        listed = [line for line in s.text.splitlines() if line.startswith("│") and ("cup" in line or "rocket" in line)]
        assert ["rocket" in line for line in listed] == [True, False], "newest first"
        await s.type("zoom")
        await s.until(lambda: "a rocket" not in s.text)
        await s.press("enter")
        await s.until(lambda: form.values()["prompt"] == "a cup [ZOOM_IN_CUT]")
        await s.press("ctrl+z")
        await s.until(lambda: form.values()["prompt"] == "mine ", "undo in the editor")
        files = form.query_one(FilesField)
        files._input._line.focus()
        await s.press("f7")
        await s.shows("Earlier files")
        await s.press("down", "enter")
        await s.until(lambda: form.values()["ref_imgs"] == (str(COFFEE),))


def test_the_history_keeps_the_newest_of_each_and_survives_damage(tmp_path):
    from pipelines.tasks.reference_to_video import ReferenceToVideo

    history = History(tmp_path / "history.json")
    for number in range(MOST + 5):
        history.add(
            ReferenceToVideo(prompt=f"prompt {number}", ref_imgs=(f"/x/{number}.png", "{{prev}}", "/\udcff.png"))
        )
    history.add(ReferenceToVideo(prompt="prompt 50", ref_imgs=()))
    prompts = history.entries("prompt")
    assert prompts[:2] == ["prompt 50", f"prompt {MOST + 4}"] and len(prompts) == len(set(prompts)) == MOST
    assert "{{prev}}" not in history.entries("image") and history.entries("image")[1] == "/\udcff.png"
    assert history.entries("video") == []
    (tmp_path / "history.json").write_text('{"prompt": 3}')
    assert history.entries("prompt") == []
    history.add(ReferenceToVideo(prompt="new"))
    assert history.entries("prompt") == ["new"]


# Several seeds


async def test_the_same_job_is_queued_with_several_seeds(start):
    async with start(gated=True) as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(ASTRONAUT),), prompt="a walk", seed=7, label="take")
        await s.press("f9")
        await on(s, SeedsScreen)
        await s.shows("Seeds 7 to 10")
        await s.type("100")
        await s.shows("A number from 2 to 99")
        await s.press("enter")
        assert isinstance(s.app.screen, SeedsScreen), "no such number"
        await s.press("backspace", "backspace", "backspace", "3")
        await s.shows("Seeds 7 to 9")
        await s.press("enter")
        await s.until(lambda: len(s.app.board.jobs) == 3)
        assert [s.job(number).request.seed for number in (1, 2, 3)] == [7, 8, 9]
        assert [s.job(number).label for number in (1, 2, 3)] == ["take 7", "take 8", "take 9"]


async def test_several_seeds_of_a_bad_job_queue_nothing(start):
    async with start() as s:
        await open_form(s)
        await fill(s, ref_imgs=("/nowhere.png",), prompt="a walk", seed=7)
        await s.press("f9")
        await on(s, SeedsScreen)
        await s.press("enter")
        await s.until(lambda: "no such file" in problem(s, "ref_imgs"))
        assert not s.app.board.jobs
        await fill(s, seed="x")
        await s.press("f9")
        await s.until(lambda: "not a number" in problem(s, "seed"))
        await fill(s, seed=2**63 - 2, ref_imgs=(str(ASTRONAUT),))
        await s.press("f9")
        await on(s, SeedsScreen)
        await s.shows("A number from 2 to 99")


# Web addresses


async def test_an_address_is_fetched_on_enter_and_becomes_an_ordinary_path(start, tmp_path):
    async with start(gated=True) as s:
        form = await open_form(s)
        with serving() as web:
            there = web("/there.jpg", whole(ASTRONAUT.read_bytes()))
            await s.type(web("/cup.jpg", redirect(there)))
            await s.press("enter")
            await s.until(lambda: len(form.query_one(FilesField).value) == 1)
        [path] = form.values()["ref_imgs"]
        assert path.startswith(str(tmp_path / "home/state/downloads/cup-"))
        await s.shows("512x512")
        await fill(s, prompt="a walk")
        await s.press("ctrl+s")
        await s.until(lambda: len(s.app.board.jobs) == 1)
        assert s.job(1).request.ref_imgs == (path,)
        assert s.job(1).state in (JobState.QUEUED, JobState.RUNNING)


async def test_an_address_waits_for_enter_and_its_failure_is_said_under_the_field(start):
    async with start() as s:
        form = await open_form(s)
        asked: list[str] = []

        def missing(handler: Handler) -> None:
            asked.append(handler.path)
            handler.reply(404)

        with serving() as web:
            address = web("/a.jpg", missing)
            form.focused.post_message(events.Paste(f"{COFFEE}\n{address}\n"))
            files = form.query_one(FilesField)
            await s.until(lambda: files._rows.files == (str(COFFEE),) and files._input.value == address)
            await fill(s, prompt="a walk")
            await s.press("ctrl+s")
            await s.until(lambda: "add it in this field, which fetches it" in problem(s, "ref_imgs"))
            assert not asked and not s.app.board.jobs
            await s.press("escape", "n")
            await s.until(lambda: isinstance(s.app.screen, FormScreen) and s.app.screen is not form)
            form = s.app.screen
            files = form.query_one(FilesField)
            await s.until(lambda: files._input.value == address, "the draft keeps the address")
            files._input._line.focus()
            await s.press("enter")
            await s.until(lambda: "no such file (404)" in problem(s, "ref_imgs"))
            assert asked == ["/a.jpg"]
            await s.press("backspace")
            await s.until(lambda: "404" not in problem(s, "ref_imgs"))


async def test_a_slow_transfer_shows_its_progress_and_stops_on_escape(start, tmp_path):
    def slow(handler: Handler) -> None:
        handler.reply(200, ASTRONAUT.read_bytes()[:5000], Content_Length="9999999")
        handler.over.wait(20)

    async with start() as s:
        form = await open_form(s)
        with serving() as web:
            address = web("/slow.jpg", slow)
            await s.type(address)
            await s.press("enter")
            await s.shows("127.0.0.1: 4.88 KiB of 9.54 MiB fetched, 0 %")
            assert "Esc Stop" in s.footer
            assert list((tmp_path / "home/state/downloads").iterdir())
            await s.press("escape")
            await s.until(lambda: not form.query_one(FetchLine).display)
            assert s.app.screen is form, "the first Esc stops the transfer, the next one leaves"
            assert form.query_one(FilesField)._input.value == address
            await s.press("escape")
            await s.until(lambda: not isinstance(s.app.screen, FormScreen))
        await s.until(lambda: not list((tmp_path / "home/state/downloads").iterdir()), "the part file is gone")


# The prompt


async def test_the_prompt_is_shown_as_the_model_reads_it_and_counted(start):
    async with start((80, 30)) as s:
        form = await open_form(s)
        await s.press("f4")
        await s.until(lambda: getattr(s.app.screen, "form_task", form.form_task) is not form.form_task)
        await fill(s, prompt="a  cat &amp;\n a dog", cut="[CUT_AWAY]")
        s.app.screen.query_one(PromptArea).focus()
        await s.press("ctrl+g")
        await s.shows("The model reads: [CUT_AWAY] a cat & a dog")
        await s.press("ctrl+g")
        await s.until(lambda: "The model reads" not in s.text)
        await fill(s, prompt="a cat walks slowly " * 40)
        await s.shows(" of 512 tokens: the last ")


def test_a_bare_number_in_a_summary_has_the_name_of_its_field() -> None:
    task = task_named("reference_to_video")
    assert summary(task, {"gpus": "2", "resolution": "540P"}).split(" · ") == ["540P", "GPUs 2"]
