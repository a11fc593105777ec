"""Real pictures in terminals that can show them: Kitty or Sixel, never without proof or a person's word."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from skyreels_tui.ui.internals import frame_pictures

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image as Picture
    from textual.widget import Widget

    from pipelines.front.progress import PreviewStrip

    Pixels = npt.NDArray[np.uint8]
    """[height, width, 3]."""

Drawing = Literal["cells", "kitty", "sixel", "off"]
"""How previews are drawn."""

CANDIDATES = ("kitty", "ghostty", "wezterm", "foot", "iterm", "contour", "mlterm", "konsole")
"""Parts of the names of terminals worth asking: a question costs every other one a fifth of a second at start."""

BY_SETTING: Mapping[str, Drawing] = {"kitty": "kitty", "sixel": "sixel"}

PLACEHOLDERS = ("kitty", "ghostty")
"""Parts of the names of terminals that draw a picture where letters stand for it: tmux moves letters, not pictures."""

GAP_PIXELS = 2
ENLARGED = 640
"""Pixels that a small picture's longer side may grow to."""


def choose_drawing(setting: str, environ: Mapping[str, str], *, is_tty: bool) -> Drawing:
    """Return how previews are drawn; call before Textual starts, because it takes over the terminal's answers.

    `setting` is 'auto', 'cells', 'kitty', 'sixel' or 'off'. Automatic choice asks the terminal, and only where
    the answer can be yes; screen gets cells, because it drops pictures on the way. tmux is asked instead of the
    terminal: with passthrough on it hands Kitty's pictures on, and from 3.4 on it may draw Sixel itself.
    """
    if setting in ("cells", "off") or not is_tty:
        return "off" if setting == "off" else "cells"
    if environ.get("TMUX"):
        return _through_tmux(setting)
    if setting in BY_SETTING:
        return BY_SETTING[setting]
    names = [environ.get(variable, "") for variable in ("TERM", "TERM_PROGRAM", "LC_TERMINAL")]
    name = " ".join(names).lower()
    if environ.get("STY") or not any(candidate in name for candidate in CANDIDATES):
        return "cells"
    return _ask_terminal()


def _through_tmux(setting: str) -> Drawing:
    # Only tmux is asked: the first paint outside of it needs none of this.
    from skyreels_tui.notify.terminal import ESC, PASSES, ST, Terminal, ask_tmux

    allowed, name, features = (*ask_tmux(), "", "", "")[:3]
    passes = allowed in PASSES
    if passes and (setting == "kitty" or (setting == "auto" and any(part in name for part in PLACEHOLDERS))):
        outside = Terminal(tmux=True, passthrough=True)
        frame_pictures(*outside.outside(f"{ESC}_G|{ST}").split("|"))
        return "kitty"
    if setting != "kitty" and (setting == "sixel" or "sixel" in features.split(",")):
        return "sixel"
    return "cells"


def _ask_terminal() -> Drawing:
    """Importing the library makes it ask; what it chose is the answer."""
    renderable = importlib.import_module("textual_image.renderable")
    if renderable.Image is renderable.TGPImage:
        return "kitty"
    return "sixel" if renderable.Image is renderable.SixelImage else "cells"


def picture_widget(drawing: str) -> Widget:
    """Make the widget that shows a picture by the chosen protocol; its `image` takes the picture."""
    module = importlib.import_module("textual_image.widget")
    widget: Any = module.TGPImage() if drawing == "kitty" else module.SixelImage()
    widget.styles.width, widget.styles.height = "auto", "100%"
    made: Widget = widget
    return made


def pictures(strip: PreviewStrip) -> list[Pixels]:
    """Return the strip's pictures, each [height, width, 3]; raises ValueError when the bytes do not fit."""
    # Loaded with the first picture, not with the first screen.
    import numpy as np

    shape = (len(strip.frames), strip.height, strip.width, 3)
    return list(np.frombuffer(strip.rgb, dtype=np.uint8).reshape(shape))


def shown_pictures(strip: PreviewStrip, count: int) -> list[Pixels]:
    """Return `count` of the strip's pictures, evenly spread."""
    every = pictures(strip)
    step = max(1.0, len(every) / max(1, count))
    return [every[int(index * step)] for index in range(min(count, len(every)))]


def as_picture(strip: PreviewStrip, count: int) -> Picture:
    """Join `count` pictures of a strip, small ones enlarged without inventing detail."""
    from PIL import Image

    pictures = [Image.fromarray(pixels) for pixels in shown_pictures(strip, count)]
    width = sum(picture.width for picture in pictures) + GAP_PIXELS * (len(pictures) - 1)
    joined = Image.new("RGB", (width, strip.height))
    left = 0
    for picture in pictures:
        joined.paste(picture, (left, 0))
        left += picture.width + GAP_PIXELS
    scale = min(4, max(1, ENLARGED // max(strip.width, strip.height)))
    return joined.resize((joined.width * scale, joined.height * scale), Image.Resampling.BICUBIC)
