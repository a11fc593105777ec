"""Pictures of screens as text files: what stands where, and in which style; compared by tests.

`SNAPSHOTS=write pytest tests/ui/test_snapshots.py` writes them anew (add `-k pt_BR` for the Portuguese ones alone).
Nothing else ever does; look at the difference before it is committed.
"""

from __future__ import annotations

import difflib
import itertools
import os
from pathlib import Path

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.widgets import Input, TextArea

from tests.ui.shown import shown

FOLDER = Path(__file__).with_name("snapshots")
HOW = "SNAPSHOTS=write pytest tests/ui/test_snapshots.py"
NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PICTURE = "picture"
"""The style of half blocks: their colours come from a video decoder, not from the screen."""
ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


def render(app: App[None]) -> str:
    """The screen's rows, then the styles of each row as runs (`a12b3` is twelve cells of style a, three of b)."""
    for line in app.screen.query(Input):
        line.cursor_blink = False
    for area in app.screen.query(TextArea):
        area.cursor_blink = False
    strips = [list(strip) for strip in shown(app)]
    names: dict[str, str] = {}
    rows, runs = [], []
    for strip in strips:
        rows.append("".join(segment.text for segment in strip).rstrip())
        runs.append(_runs(strip, names))
    legend = [f"{name} {style}" for style, name in names.items()]
    return "\n".join([*rows, "", *legend, "", *runs, ""])


def _runs(strip: list[Segment], names: dict[str, str]) -> str:
    cells = [style for segment in strip for style in itertools.repeat(_style(segment), segment.cell_length)]
    runs = [(style, len(list(group))) for style, group in itertools.groupby(cells)]
    return "".join(f"{names.setdefault(style, NAMES[len(names)])}{length}" for style, length in runs)


def _style(segment: Segment) -> str:
    if segment.text.strip(" ") and not segment.text.strip("▀ "):
        return PICTURE
    style = segment.style or Style()
    parts = [color.name if color is not None else "default" for color in (style.color, style.bgcolor)]
    return " ".join([f"{parts[0]} on {parts[1]}", *(name for name in ATTRIBUTES if getattr(style, name))])


def difference(name: str, shown: str) -> str:
    """Compare with the stored picture: '' when it is the same, else a unified diff; writes it when told so."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown, encoding="utf-8")
        return ""
    if not path.exists():
        return f"there is no picture {path.name} yet: {HOW}"
    stored = path.read_text(encoding="utf-8")
    if stored == shown:
        return ""
    lines = difflib.unified_diff(stored.splitlines(), shown.splitlines(), f"{name} as stored", "as shown", lineterm="")
    return "\n".join([*lines, f"where this is meant: {HOW}"])
