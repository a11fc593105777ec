"""How a text gets out of the program: into tmux, or to the terminal's clipboard; knows nothing of screens."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from skyreels_tui.notify.terminal import BEL, ESC, ST

PATIENCE_S = 2.0
"""A tmux that takes longer to answer is not waited for."""
LONGEST_BYTES = 74_000
"""Of base64: terminals drop what is longer without a word."""
SCREEN_BYTES = 240
"""GNU screen hands on so much of a sequence at once; it joins nothing and cuts nothing below that."""
TAKES_NONE = ("linux", "dumb", "vt100", "vt220")
"""Terminals by TERM that have no clipboard."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a text has come; nowhere when both are False."""

    tmux: bool = False
    """tmux holds it: it was read back."""
    terminal: bool = False
    """The terminal has been sent it; no terminal says whether it took it."""


def copy(text: str, environ: Mapping[str, str], write: Callable[[str], object]) -> Reached:
    """Hand a text to whatever keeps a clipboard around the program; `write` writes to the terminal.

    Blocks while tmux is asked, PATIENCE_S at most for each of five questions.
    """
    if environ.get("TMUX"):
        return _into_tmux(text)
    sequence = clipboard_sequence(text, environ)
    if sequence:
        write(sequence)
    return Reached(terminal=bool(sequence))


def clipboard_sequence(text: str, environ: Mapping[str, str]) -> str:
    """Return the control sequence OSC 52 for the terminal around us; '' where it would be lost."""
    encoded = base64.b64encode(text.encode(errors="surrogateescape")).decode()
    if len(encoded) > LONGEST_BYTES or not takes_text(environ):
        return ""
    sequence = f"{ESC}]52;c;{encoded}{BEL}"
    if not environ.get("STY"):
        return sequence
    pieces = [sequence[start : start + SCREEN_BYTES] for start in range(0, len(sequence), SCREEN_BYTES)]
    return "".join(f"{ESC}P{piece}{ST}" for piece in pieces)


def takes_text(environ: Mapping[str, str]) -> bool:
    """Whether the terminal may put a text of ours on its clipboard; False where it is known not to."""
    if environ.get("STY"):
        # What stands in the environment is of the terminal in which the session was begun.
        return True
    known_not_to = bool(environ.get("VTE_VERSION")) or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    return not known_not_to and environ.get("TERM", "") not in TAKES_NONE


def _into_tmux(text: str) -> Reached:
    data = text.encode(errors="surrogateescape")
    # `-w` also sends it to the terminal outside; a tmux before 3.2 does not know it.
    sent = _tmux(("load-buffer", "-w", "-"), data) is not None
    if not sent and _tmux(("load-buffer", "-"), data) is None:
        return Reached()
    if _tmux(("save-buffer", "-")) != data:
        return Reached()
    return Reached(tmux=True, terminal=sent and hands_on())


def hands_on() -> bool:
    """Whether the tmux around us knows how to fill the clipboard of the terminal outside."""
    mine = (_tmux(("display-message", "-p", "#{client_tty}")) or b"").strip()
    # One paragraph a terminal; `Ms` is the capability, which a configuration may give or take.
    terminals = re.split(rb"^Terminal ", _tmux(("show-messages", "-T")) or b"", flags=re.MULTILINE)
    return any(mine and mine in one.partition(b"\n")[0] and b" Ms: (string)" in one for one in terminals)


def _tmux(words: Sequence[str], data: bytes = b"") -> bytes | None:
    try:
        done = subprocess.run(["tmux", *words], input=data, capture_output=True, timeout=PATIENCE_S)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout if done.returncode == 0 else None
