"""Text from outside is shown, never obeyed: as markup, by the terminal, or by the layout."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from rich.segment import Segment
from textual.color import Color

from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.doctor.facts import from_json
from skyreels_tui.executors.fake import Script
from skyreels_tui.ui.drawing.safe import ControlFilter, safe
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.results.results import ResultsScreen
from skyreels_tui.ui.screens.system.doctor import CheckList
from tests.ui.conftest import SAMPLES
from tests.ui.shown import shown

MACHINES = Path(__file__).parents[1] / "cli" / "machines"

HOSTILE = {
    "markup": "[red]x[/] [bold",
    "tag": "[ZOOM_IN_CUT] [/] ] [",
    "ansi": "a\x1b[31mred\x1b[0m",
    "osc": "a\x1b]0;title\x07b\x1b]52;c;aGk=\x07",
    "c1": "a\x9b31mb\x90c",
    "bidi": "abc\u202edef\u2066ghi",
    "zero width": "a\u200bb\u2060c\ufeffd",
    "nul": "a\x00b\x08c",
    "surrogate": "name\udcff.png",
    "long": "wort " * 900,
    "emoji": "👩‍👩‍👧 🇧🇷 ✓",
}
NONSENSE = (
    "[]", "{", '{"request": [1]}', "[" * 100_000, '{"label": {"a": NaN}, "task": 7}', "\ufeff{}",
    '{"output": {"num_frames": 1e999, "fps": 0}}', '{"request": {"x": 1}}', '{"request": {}, "task": "talking_avatar"}',
)  # fmt: skip
"""Sidecars of nobody's making."""
FEW, FEW_NONSENSE = ("markup", "osc", "surrogate", "long"), NONSENSE[1:4]
STEERING = re.compile("[\x00-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_safe_text_holds_nothing_that_steers(text):
    shown = safe(text)
    assert not STEERING.search(shown)
    assert len(shown) <= 3 * 2000
    plain = re.sub("[^a-zA-Z]", "", STEERING.sub("", text))[:50]
    assert re.sub("[^a-zA-Z]", "", shown).startswith(plain[:1])


def test_the_last_gate_drops_what_an_editor_would_draw():
    segments = ControlFilter().apply([Segment("a\x1b[31m\u202eb"), Segment("fine")], Color(0, 0, 0))
    assert [segment.text for segment in segments] == ["a[31mb", "fine"]


@pytest.mark.parametrize("name", ["markup", "tag", "ansi", "osc", "bidi", "zero width", "nul", "long", "emoji"])
async def test_hostile_labels_prompts_and_errors_leave_the_screens_intact(start, name):
    text = HOSTILE[name]
    script = Script(failures={(Stage.DENOISE, 2): MediaError(f"ffmpeg said {text}")})
    async with start((100, 30), script=script) as s:
        s.add(text, prompt=text)
        await s.shows("✗ failed")
        for keys in ((), ("enter",)):
            await s.press(*keys)
            await s.pilot.pause()
            lines = s.text.splitlines()
            assert not STEERING.search(s.text.replace("\n", ""))
            assert len(lines) == 30
        if name in ("markup", "tag"):
            assert text in s.text, "shown literally"
        await s.press("escape", "a")
        await s.shows("References")
        assert not STEERING.search(s.text.replace("\n", ""))


async def test_control_characters_never_enter_a_field_by_pasting(start):
    from textual import events

    from skyreels_tui.ui.widgets.fields.text import PromptArea

    async with start() as s:
        await s.press("n")
        await s.shows("Prompt")
        area = s.app.screen.query_one(PromptArea)
        area.focus()
        s.app.post_message(events.Paste("one\x1b[31m\ttwo\x00\u202e\r\nthree"))
        await s.until(lambda: "three" in area.text)
        assert area.text == "one[31m two\nthree"


def intact(s, rows: int = 24) -> None:
    """Nothing on the screen steers, and every line is as wide as the terminal."""
    assert not STEERING.search(s.text.replace("\n", ""))
    strips = shown(s.app)
    assert [strip.cell_length for strip in strips] == [s.app.size.width] * rows


@pytest.mark.parametrize("names", [FEW, tuple(HOSTILE)], ids=["few", "all"])
async def test_hostile_recipes_and_names_of_videos_leave_the_results_intact(start, tmp_path, names):
    folder = tmp_path / "result" / "talking_avatar"
    folder.mkdir(parents=True)
    for text in (HOSTILE[name] for name in names):
        stem = text.replace("/", "").replace("\x00", "").encode("utf-8", "surrogateescape")[:200]
        path = folder / os.fsdecode(stem + b".mp4")
        shutil.copy(SAMPLES / "clip.mp4", path)
        request = {"prompt": text, "seed": text, "resolution": [text], "profile": {text: 1}, "input_image": text}
        recipe = {"label": text, "task": "talking_avatar", "request": request, "output": {"suspect": text, "fps": text}}
        path.with_suffix(".json").write_text(json.dumps(recipe))
    async with start((80, 24)) as s:
        await s.press("R")
        for _ in names:
            await s.shows("416x240")
            intact(s)
            for key, word in (("r", "Rename this video"), ("escape", "416x240")):
                await s.press(key)
                await s.shows(word)
                intact(s)
            await s.press("a")
            await s.until(lambda: isinstance(s.app.screen, FormScreen), "the form")
            await s.until(lambda: s.app.screen._checked is not None, "the checks")
            intact(s)
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, ResultsScreen))
            await s.press("j")
        assert HOSTILE["markup"] in s.text, "shown literally"


@pytest.mark.parametrize("recipes", [FEW_NONSENSE, NONSENSE], ids=["few", "all"])
async def test_a_recipe_that_makes_no_sense_is_no_recipe(start, tmp_path, recipes):
    folder = tmp_path / "result" / "talking_avatar"
    folder.mkdir(parents=True)
    for number, recipe in enumerate(recipes):
        shutil.copy(SAMPLES / "clip.mp4", folder / f"clip-{number}.mp4")
        (folder / f"clip-{number}.json").write_text(recipe)
    async with start((80, 24)) as s:
        await s.press("R")
        for _ in recipes:
            await s.shows("416x240")
            intact(s)
            await s.press("a", "A", "e")
            await s.until(lambda: isinstance(s.app.screen, FormScreen), "the form")
            intact(s)
            await s.until(lambda: s.app.screen._checked is not None, "the checks")
            while isinstance(s.app.screen, FormScreen):
                await s.press("escape")
                await s.pilot.pause()
            await s.press("j")


@pytest.mark.parametrize("names", [FEW, tuple(HOSTILE)], ids=["few", "all"])
async def test_a_hostile_machine_leaves_the_doctor_intact(start, monkeypatch, names):
    facts = from_json((MACHINES / "spark_cpu_torch.json").read_text(encoding="utf-8"))
    gathered = []
    monkeypatch.setattr("skyreels_tui.ui.screens.system.doctor.gather", lambda *_, **__: gathered[-1])
    async with start((80, 24)) as s:
        for number, text in enumerate(HOSTILE[name] for name in names):
            gathered.append(_poisoned(facts, f"{text} #{number}#"))
            await s.press("r" if number else "D")
            await s.until(lambda number=number: f"#{number}#" in "".join(check.found for check in checks(s)))
            for _ in checks(s):
                intact(s)
                await s.press("j")
            await s.press("g")


def checks(s):
    found = s.app.screen.query(CheckList)
    return found.first().checks if found else []


def _poisoned(value, text: str):
    """Put `text` behind every text of some facts."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        kept = {"state", "purpose"}
        return type(value)(**{name: v if name in kept else _poisoned(v, text) for name, v in fields.items()})
    if isinstance(value, tuple):
        return tuple(_poisoned(entry, text) for entry in value)
    return value + text if isinstance(value, str) else value
