"""Palettes: enough of them, complete, readable; the picker shows them at once and can be left."""

from __future__ import annotations

import tomllib

import pytest
from textual.color import Color
from textual.design import ColorSystem

from skyreels_tui.settings.themes import theme_files
from skyreels_tui.ui.palette import TITLES, load_theme
from tests.ui.shown import shown

SURFACES = ("background", "surface", "panel")
TEXTS = ("foreground", "primary", "accent", "text-muted", "text-success", "text-warning", "text-error")
HEX = [name for name in list(theme_files()) if not load_theme(name).ansi]


def luminance(color: Color) -> float:
    parts = [value / 255 for value in color.rgb]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Color, other: Color) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_there_are_light_dark_high_contrast_colour_blind_and_sixteen_colour_palettes():
    names = list(theme_files())
    assert len(names) >= 6 and names[0] == "night"
    assert {"day", "contrast", "clear", "sixteen"} <= set(names)
    assert not load_theme("day").dark and load_theme("sixteen").ansi
    assert load_theme("no such theme").name == "night"


def test_every_title_can_be_translated():
    files = theme_files().values()
    assert sorted(tomllib.loads(file.read_text(encoding="utf-8"))["title"] for file in files) == sorted(TITLES)


@pytest.mark.parametrize("name", HEX)
def test_text_stands_out_from_every_surface(name):
    variables = ColorSystem.generate(load_theme(name).to_color_system())
    least = 7.0 if name == "contrast" else 4.5
    for surface in SURFACES:
        for text in TEXTS:
            found = contrast(Color.parse(variables[text]), Color.parse(variables[surface]))
            assert found >= least, f"{name}: {text} on {surface} has {found:.2f}"


@pytest.mark.parametrize(
    ("background", "least"),
    [("#ffffff", 4.5), ("#000000", 4.5), ("#fdf6e3", 3.5), ("#002b36", 3.0), ("#1e1e1e", 3.0), ("#f6f6f6", 3.5)],
)
def test_the_terminal_s_own_background_may_be_light_or_dark(background, least):
    theme = load_theme("terminal")
    for name in ("foreground", "background", "surface", "panel"):
        assert getattr(theme, name) == "ansi_default", name
    variables = ColorSystem.generate(theme.to_color_system())
    for name in (*TEXTS, "secondary", "success", "warning", "error"):
        if variables[name] != "ansi_default":
            found = contrast(Color.parse(variables[name]), Color.parse(background))
            assert found >= least, f"{name} on {background} has {found:.2f}"
    for on, text in (("block-cursor-background", "block-cursor-foreground"),
                     ("input-cursor-background", "input-cursor-foreground"),
                     ("input-selection-background", "input-selection-foreground")):  # fmt: skip
        assert contrast(Color.parse(variables[on]), Color.parse(variables[text])) >= 4.3, on


async def test_the_terminal_palette_leaves_its_colours_to_the_terminal(start):
    async with start(theme="terminal") as s:
        await s.shows("Nothing here yet")
        strips = shown(s.app)
        styles = [segment.style for strip in strips for segment in strip if segment.style and segment.text.strip()]
        assert styles and all(style.bgcolor is None or style.bgcolor.is_default for style in styles)
        assert any(style.color is None or style.color.is_default for style in styles)


def test_the_colour_blind_palette_keeps_states_apart_without_red_and_green():
    def seen(value: str) -> tuple[float, float]:
        """Lightness and blue-yellow: what remains without red-green vision."""
        color = Color.parse(value)
        return luminance(color), color.b / 255 - (color.r + color.g) / 510

    theme = load_theme("clear")
    good, warning, bad = seen(theme.success), seen(theme.warning), seen(theme.error)
    for one, other in ((good, bad), (good, warning), (warning, bad)):
        assert abs(one[0] - other[0]) + abs(one[1] - other[1]) > 0.2


async def test_the_picker_previews_keeps_and_goes_back(start, tmp_path):
    async with start() as s:
        await s.press("ctrl+t")
        await s.shows("High contrast")
        await s.press("j")
        await s.until(lambda: s.app.theme != "night")
        await s.press("escape")
        await s.until(lambda: s.app.theme == "night")
        await s.press("ctrl+t")
        await s.shows("High contrast")
        await s.press("G", "enter")
        await s.until(lambda: s.app.services.settings.now.theme == s.app.theme != "night")
    assert "theme" in (tmp_path / "home/config/settings.toml").read_text()


async def test_ascii_draws_no_symbol_in_the_queue(start):
    from skyreels_tui.ui.panels.queue import QueuePanel

    async with start(ascii=True) as s:
        s.add("plain")
        await s.shows("+ done")
        assert s.app.screen.query_one(QueuePanel).render().plain.isascii()
