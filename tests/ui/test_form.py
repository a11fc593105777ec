"""The form: live checks in words, drafts, completion, and what Ctrl+S does."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from textual import events

from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.quality import QUALITY_FILE, Figures, QualityBook
from skyreels_tui.requests.typed_paths import split_pasted
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.widgets import media_facts
from skyreels_tui.ui.widgets.fact_lines import FactLines
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.files import FilesField
from tests.ui.conftest import ASTRONAUT, COFFEE, SAMPLES, Session
from tests.ui.test_hostile import STEERING


async def open_form(s: Session, *, demo: bool = True) -> FormScreen:
    """The form of reference to video, on the demo models."""
    if demo:
        s.app.services.drafts.profile = "demo"
    return await opened(s)


async def opened(s: Session) -> FormScreen:
    """The form that the key for a new job opens, checked."""
    await s.press("n")
    await s.until(lambda: isinstance(s.app.screen, FormScreen))
    screen = s.app.screen
    await s.until(lambda: screen._checked is not None, "the first check")
    return screen


def field(s: Session, name: str) -> Field:
    return s.app.screen.query_one(f"#field-{name}", Field)


async def fill(s: Session, **values: object) -> None:
    for name, value in values.items():
        field(s, name).set_value(value)
    field(s, "prompt").changed()
    screen = s.app.screen
    await s.until(lambda: screen._checked is not None and screen._checked.values == screen.values())


def problem(s: Session, name: str) -> str:
    return str(field(s, name).query_one(".problem").render())


async def test_a_job_is_typed_checked_and_queued_with_keys_alone(start):
    async with start(gated=True) as s:
        await open_form(s)
        await s.type(f"{SAMPLES}/as")
        await s.press("tab")
        await s.until(lambda: "astronaut.jpg" in s.text)
        await s.press("enter")
        await s.shows("512x512")
        await s.type(f"{COFFEE}")
        await s.press("tab")
        await s.type("a cat [ZOOM_IN_CUT] walks")
        await s.shows("tokens")
        await s.shows("121 frames")
        await s.press("ctrl+s")
        await s.until(lambda: len(s.app.board.jobs) == 1)
        request = s.job(1).request
        assert request.ref_imgs == (str(ASTRONAUT), str(COFFEE))
        assert request.prompt == "a cat [ZOOM_IN_CUT] walks" and request.profile == "demo"
        await s.until(lambda: s.app.board.running is not None)


async def test_one_press_queues_one_job_however_long_the_queue_takes(start, tmp_path):
    """What is typed meanwhile is checked, and what is checked is not sent again."""
    async with start(gated=True) as s:
        screen = await open_form(s)
        await fill(s, prompt="a walk", ref_imgs=(str(ASTRONAUT),))
        with closing(sqlite3.connect(tmp_path / "home" / "state" / "queue.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            sent = screen._checked
            assert sent is not None
            await s.press("ctrl+s")
            field(s, "label").query_one("LineInput").focus()
            await s.press("x")
            await s.until(lambda: screen._checked is not None and screen._checked is not sent, "another check")
            other.execute("ROLLBACK")
        await s.until(lambda: s.app.screen is not screen, "the answer")

        def is_quiet() -> bool:
            asks = [worker for worker in s.app.workers if worker.group == "submit" and worker.is_running]
            return not asks and not s.app.controller.changes.waiting

        await s.until(is_quiet, "whatever else was asked for")
        assert s.app.service is not None
        assert len(s.app.service.jobs()) == 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("text.png", b"I am no picture", "text.png"),
        ("cut.png", None, "cut.png"),
        ("tiny.png", (1, 1), "1x1"),
        ("missing.png", ..., "missing.png"),
        ("folder", "folder", "directory"),
    ],
)
async def test_a_bad_picture_is_refused_under_its_field(start, tmp_path, name, content, words):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is None:
        Image.effect_noise((200, 200), 50).save(path)
        path.write_bytes(path.read_bytes()[:4000])
    elif isinstance(content, tuple):
        Image.new("RGB", content).save(path)
    elif content == "folder":
        path.mkdir()
    async with start() as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(path),), prompt="a walk")
        await s.press("ctrl+s")
        await s.until(lambda: words in problem(s, "ref_imgs"), f"{words} under the field")
        assert not s.app.board.jobs and isinstance(s.app.screen, FormScreen)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("prompt", "   ", "empty"),
        ("duration", "0", "1 to 60"),
        ("duration", "1.5", "whole number"),
        ("duration", "61", "1 to 60"),
        ("duration", "five", "not a number"),
        ("seed", "-1", "0 to"),
        ("ref_imgs", (), "at least 1"),
        ("ref_imgs", (str(ASTRONAUT),) * 5, "at most 4"),
        ("num_inference_steps", "0", "1 to 200"),
    ],
)
async def test_a_bad_value_is_refused_in_words_and_kept(start, name, value, words):
    async with start() as s:
        await open_form(s)
        await fill(s, **{"ref_imgs": (str(ASTRONAUT),), "prompt": "a walk", name: value})
        await s.press("ctrl+s")
        await s.until(lambda: words in problem(s, name), f"{words} under {name}")
        assert not s.app.board.jobs
        kept = field(s, name).value
        assert str(kept) == str(value)
        assert field(s, name).has_focus_within, "the cursor goes to the first field to mend"


async def test_a_draft_survives_leaving_and_restarting(start, tmp_path):
    async with start() as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(COFFEE),), prompt="half a thought", duration=7, label="draft")
        await s.press("escape")
    async with start() as s:
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.values()["prompt"] == "half a thought"
        assert s.app.screen.values()["duration"] == 7
        assert s.app.screen.values()["ref_imgs"] == (str(COFFEE),)
        assert field(s, "label").value == "draft"
    assert json.loads((tmp_path / "home/state/drafts.json").read_text())["task"] == "reference_to_video"


async def test_files_are_reordered_and_removed(start):
    async with start() as s:
        await open_form(s)
        await fill(s, ref_imgs=(str(ASTRONAUT), str(COFFEE)), prompt="a walk")
        files = s.app.screen.query_one(FilesField)
        files._rows.focus()
        await s.press("J", "J")
        assert files.value == (str(COFFEE), str(ASTRONAUT))
        await s.shows("it is the last already")
        await s.press("delete")
        assert files.value == (str(COFFEE),)


async def test_several_paths_are_pasted_at_once(start):
    async with start() as s:
        await open_form(s)
        line = s.app.screen.focused
        line.post_message(events.Paste(f"'{ASTRONAUT}' {COFFEE}"))
        files = s.app.screen.query_one(FilesField)
        await s.until(lambda: files.value == (str(ASTRONAUT), str(COFFEE)))


async def test_a_field_that_takes_no_more_hands_on_to_the_next(start, tmp_path):
    shutil.copy(SAMPLES / "clip.mp4", tmp_path)
    async with start() as s:
        await s.press("n", "f3")
        await s.until(lambda: getattr(s.app.screen, "form_task", None).name == "single_shot_extension")
        line = field(s, "input_video").query_one("Input")
        line.focus()
        await s.type("nothing.mp4")
        await s.press("enter")
        await s.until(lambda: field(s, "input_video").value)
        assert line.has_focus
        await s.type("clip.mp4")
        await s.press("enter")
        await s.until(lambda: field(s, "prompt").has_focus_within)
        await s.type("on")
        assert field(s, "prompt").value == "on"
        assert field(s, "input_video").value == (str(tmp_path / "clip.mp4"),)


async def test_a_refusal_counts_fields_not_faults(start):
    async with start() as s:
        await open_form(s)
        pictures = [str(SAMPLES / f"missing-{number}.jpg") for number in range(5)]
        await fill(s, prompt="a walk", ref_imgs=pictures)
        await s.press("ctrl+s")
        await s.shows("Not queued: 1 field to mend")


async def test_a_random_seed_is_drawn_and_other_numbers_are_not(start):
    async with start() as s:
        await open_form(s)
        seed = field(s, "seed").query("NumberInput").first()
        seed.focus()
        await s.press("ctrl+g")
        assert field(s, "seed").value != 42
        field(s, "duration").query("NumberInput").first().focus()
        await s.press("ctrl+g")
        assert field(s, "duration").value == 5


async def test_every_task_has_its_form_and_keeps_its_own_draft(start):
    async with start((100, 40)) as s:
        await open_form(s)
        await fill(s, prompt="of the first")
        for key, title, label in (
            ("f3", "Single-shot extension", "Video"),
            ("f4", "Shot switching", "cut in (closer)"),
            ("f5", "Talking avatar", "not trained at 540P"),
        ):
            await s.press(key)
            await s.shows(title)
            await s.shows(label)
        await s.press("f2")
        await s.until(lambda: getattr(s.app.screen, "form_task", None).name == "reference_to_video")
        assert s.app.screen.values()["prompt"] == "of the first"


async def test_again_opens_the_form_with_the_request_of_a_job(start):
    async with start() as s:
        job = s.add("take one", duration=3)
        await s.until(lambda: s.state(job.id) is JobState.DONE)
        await s.shows("✓ done")
        await s.press("a")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.values()["duration"] == 3
        assert field(s, "label").value == "take one"


async def test_the_browser_takes_a_file_into_the_form(start, tmp_path):
    folder = Path(tmp_path / "pictures")
    folder.mkdir()
    (folder / "notes.txt").write_text("no picture")
    Image.new("RGB", (64, 48)).save(folder / "[red]x.png")
    async with start((100, 30)) as s:
        await open_form(s)
        await s.press("ctrl+g")
        await s.shows("pictures/")
        await s.press(*["j"] * [e.path.name for e in s.app.screen.query_one("FileList").entries].index("pictures"))
        await s.press("enter")
        await s.shows("[red]x.png")
        assert "notes.txt" not in s.text
        await s.shows("64x48")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.values()["ref_imgs"] == (str(folder / "[red]x.png"),)


@pytest.mark.parametrize("way", ["from the root", "from here", "pasted"])
async def test_the_browser_goes_to_a_path_that_is_typed_or_pasted(start, tmp_path, way):
    folder = tmp_path / "far" / "away"
    folder.mkdir(parents=True)
    for name in ("a", "b", "c"):
        Image.new("RGB", (64, 48)).save(folder / f"{name}.png")
    async with start((100, 30)) as s:
        await open_form(s)
        await s.press("ctrl+g")
        await s.shows("far/")
        if way == "pasted":
            s.app.post_message(events.Paste(f"'{folder / 'b.png'}'\n"))
        else:
            # The slash of the root is the key that opens the line.
            await s.press("slash")
            await s.type(str(folder / "b.png").removeprefix("/") if way == "from the root" else "far/away/b.png")
            await s.shows("No such files here")
            await s.press("enter")
        await s.shows("c.png")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.values()["ref_imgs"] == (str(folder / "b.png"),)


async def test_hostile_file_names_are_shown_escaped_and_taken_as_they_are(start, tmp_path):
    names = [
        b"a\x1b]0;owned\x07.png",
        "b\u202egnp.png".encode(),
        b"c\xff[red].png",
        b"d\ne.png",
        "e\u200bf.png".encode(),
    ]
    folder = tmp_path / "0"
    folder.mkdir()
    for name in names:
        Image.new("RGB", (64, 48)).save(folder / "x.png")
        (folder / "x.png").rename(os.fsdecode(os.fsencode(folder) + b"/" + name))
    async with start((100, 30)) as s:
        form = await open_form(s)
        await s.type("0/")
        await s.press("tab")
        await s.shows("␛]0;owned")
        assert not STEERING.search(s.text.replace("\n", ""))
        await s.press("ctrl+g")
        await s.shows("␛]0;owned")
        await s.shows("64x48")
        assert not STEERING.search(s.text.replace("\n", ""))
        for shown in ("\\u202e", "\\xff[red]", "⏎", "\\u200b"):
            assert shown in s.text
        await s.press("space", "space", "space", "space", "enter")
        await s.until(lambda: s.app.screen is form)
        await s.shows("␛]0;owned")
        assert not STEERING.search(s.text.replace("\n", ""))
        taken = [os.fsencode(path).rpartition(b"/")[2] for path in form.query_one(FilesField).value]
        assert taken == sorted(names)[:4]
        await fill(s, prompt="a walk")
        chosen = form.values()["ref_imgs"]
        await s.press("ctrl+s")
        await s.until(lambda: len(s.app.board.jobs) == 1)
        assert s.job(1).request.ref_imgs == chosen


async def test_a_draft_keeps_a_file_name_that_is_not_utf8(start, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    async with start() as s:
        await open_form(s)
        await fill(s, ref_imgs=(path,), prompt="half")
        await s.press("escape")
    async with start() as s:
        await s.press("n")
        await s.until(lambda: isinstance(s.app.screen, FormScreen))
        assert s.app.screen.values()["ref_imgs"] == (path,)


async def test_the_facts_of_a_video_and_the_estimate_stay_whole_at_80_columns(start):
    async with start((80, 24)) as s:
        await open_form(s)
        await s.press("f3")
        await s.until(lambda: getattr(s.app.screen, "form_task", None).name == "single_shot_extension")
        await fill(s, input_video=(str(SAMPLES / "clip.mp4"),), prompt="on")
        facts = media_facts.read_facts(str(SAMPLES / "clip.mp4"), "video").words
        await s.shows(facts)
        await s.shows("132 frames (5.5 s)")
        estimate = [line for line in s.text.splitlines()[-5:] if " · " in line or "disk " in line]
        assert all(len(line.rstrip()) <= 80 for line in estimate)
        assert re.search(r"\d+ steps", " ".join(estimate)) and re.search(r"disk .* of .*iB", s.text)


@pytest.mark.parametrize(
    ("pasted", "paths"),
    [
        ("/a/b.png\n/c d.png\n", ["/a/b.png", "/c d.png"]),
        ("'/a b.png' /c.png", ["/a b.png", "/c.png"]),
        ("/a\\ b.png", ["/a b.png"]),
        ('"/a b.png"', ["/a b.png"]),
        ("file:///a%20b.png", ["/a b.png"]),
        ("file:///a.png file://localhost/b%C3%A9.png", ["/a.png", "/bé.png"]),
        ("file:///a.png\r\nfile:///b.png\r\n", ["/a.png", "/b.png"]),
        ("http://h.example/a%20b.png", ["http://h.example/a%20b.png"]),
        ("/it's here.png", ["/it's here.png"]),
        ("   ", []),
    ],
)
def test_pasted_paths_are_read_as_shells_and_file_managers_write_them(pasted, paths):
    assert split_pasted(pasted) == paths


async def test_an_approximate_job_is_warned_about_until_it_has_proved_itself(start):
    good = Figures((0.02, 0.2), 33.0, 0.95, 80.0, 60.0)
    async with start() as s:
        book = QualityBook(s.app.services.folders.state / QUALITY_FILE)
        gpu = s.app.services.gpu_name()
        await open_form(s, demo=False)

        async def said(quality: str) -> str:
            """What the estimate says, as it stands in 80 columns; asked anew after another choice."""
            await fill(s, prompt="a walk", ref_imgs=(str(COFFEE),), resolution="540P", quality="exact")
            assert "approximate" not in s.app.screen.query_one(FactLines).render().plain
            await fill(s, quality=quality)
            lines = s.app.screen.query_one(FactLines).render().plain.splitlines()
            assert all(len(line) < 80 for line in lines), "whole in every terminal"
            return " ".join(lines)

        for way in ("fast", "fastest"):
            warned = await said(way)
            assert "never compared with the exact way on this machine: skyreels-tui quality" in warned
            assert f"--way {way} does" in warned
            book.keep(gpu, "reference_to_video", way, replace(good, psnr_db=20.0))
            assert "approximate beyond your limits: PSNR 20.0 dB, at least 25" in await said(way)
            book.keep(gpu, "reference_to_video", way, good)
            assert "approximate" not in await said(way), "a run within the limits"
