"""Reads themes/<name>.toml into Textual themes; a new theme is one more file in that folder."""

from __future__ import annotations

from functools import cache

from textual.theme import Theme

from pipelines.front.documents import read_toml
from pipelines.front.language import mark, tr
from skyreels_tui.settings.themes import DEFAULT, theme_files

SIXTEEN = "sixteen"
"""Taken by itself where the terminal has no more colours."""
COLOURS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
"""Every palette names all of these; nothing is derived by chance."""


TITLES = (
    mark("Night: soft blue on near black, the default"),
    mark("Day: dark ink on paper white, for bright rooms"),
    mark("High contrast: pure white on black, strong colours"),
    mark("Colour-blind safe: blue, orange and yellow instead of green and red"),
    mark("Ember: warm amber on brown, easy on tired eyes"),
    mark("Fjord: cold slate and frost"),
    mark("Terminal: its own foreground and background, light or dark"),
    mark("Sixteen: the terminal's own colours, for old or remote terminals"),
)
"""What the palettes here say about themselves, for the catalogues; a palette of another origin speaks for itself."""


class ThemeError(Exception):
    """A palette file that cannot be used, in words."""


@cache
def load_theme(name: str) -> Theme:
    """Read one palette; an unknown or empty name gives the default one. Raises ThemeError for a damaged file."""
    entries = theme_files()
    name = name if name in entries else DEFAULT
    try:
        content = read_toml(entries[name].read_text(encoding="utf-8"))
        colours = {key: str(content["colours"][key]) for key in COLOURS}
    except (ValueError, KeyError) as error:
        raise ThemeError(f"themes/{name}.toml: {error}") from error
    variables = {key: str(value) for key, value in content.get("variables", {}).items()}
    return Theme(
        name=name,
        dark=bool(content.get("dark", True)),
        ansi=bool(content.get("ansi", False)),
        variables={**_derived(colours), **variables},
        **colours,  # type: ignore[arg-type]  # COLOURS are its text fields
    )


def title_of(name: str) -> str:
    """One line about a palette, for the picker."""
    file = theme_files().get(name)
    return tr(str(read_toml(file.read_text(encoding="utf-8")).get("title", name))) if file else name


def _derived(colours: dict[str, str]) -> dict[str, str]:
    """Variables that Textual would mix by itself, set so that text keeps its contrast on every surface."""
    return {
        "text-success": colours["success"],
        "text-warning": colours["warning"],
        "text-error": colours["error"],
        "text-primary": colours["primary"],
        "text-accent": colours["accent"],
        "text-muted": colours["secondary"],
        "text-disabled": colours["secondary"],
        "border": colours["primary"],
        "border-blurred": colours["secondary"],
        "input-cursor-background": colours["foreground"],
        "input-cursor-foreground": colours["background"],
        "input-selection-background": f"{colours['primary']} 35%",
        "block-cursor-background": colours["primary"],
        "block-cursor-foreground": colours["background"],
        "block-cursor-text-style": "none",
        "footer-key-foreground": colours["primary"],
        "scrollbar": colours["secondary"],
        "scrollbar-background": colours["surface"],
        "scrollbar-corner-color": colours["surface"],
    }
