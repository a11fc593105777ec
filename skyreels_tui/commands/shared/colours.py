"""How many colours the screen uses; decided before Textual is imported, which reads it from the environment."""

from __future__ import annotations

import subprocess
from collections.abc import MutableMapping

SYSTEMS = {"truecolor": "truecolor", "256": "256", "16": "standard"}
"""Setting -> Textual's word."""
MILLIONS = ("kitty", "ghostty", "foot", "alacritty", "wezterm", "contour", "-direct", "iterm")
"""Parts of names, by TERM, of terminals that all have 16 million; ssh hands on TERM, and not COLORTERM."""
ASK_S = 0.5


def use_colours(setting: str, environ: MutableMapping[str, str]) -> None:
    """Tell Textual what the setting `colours` wants; 'auto' looks further than COLORTERM, which ssh and tmux lose."""
    if setting == "none":
        environ["NO_COLOR"] = "1"
    elif setting in SYSTEMS:
        # Who names a number here wants it in spite of what other programs are told.
        environ.pop("NO_COLOR", None)
        environ["TEXTUAL_COLOR_SYSTEM"] = SYSTEMS[setting]
    elif not environ.get("COLORTERM") and "TEXTUAL_COLOR_SYSTEM" not in environ and has_millions(environ):
        environ["TEXTUAL_COLOR_SYSTEM"] = "truecolor"


def has_millions(environ: MutableMapping[str, str]) -> bool:
    """Whether the terminal is known to have 16 million colours though COLORTERM does not say so."""
    if environ.get("TMUX"):
        return b"RGB" in _tmux_features()
    return any(part in environ.get("TERM", "").lower() for part in MILLIONS)


def _tmux_features() -> bytes:
    question = ["tmux", "display-message", "-p", "#{client_termfeatures}"]
    try:
        return subprocess.run(question, capture_output=True, timeout=ASK_S, stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.SubprocessError):
        return b""
