"""Control sequences that tell a person through the terminal: title, notification, progress, bell.

Pure functions: what is written here is written by whoever owns the terminal.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from skyreels_tui.words.safe_text import safe

ESC, BEL = "\x1b", "\x07"
ST = f"{ESC}\\"

Popup = Literal["", "9", "777", "99"]
"""Number of the operating system command that shows a notification; '' where there is none."""

POPUPS: tuple[tuple[str, Popup], ...] = (
    ("kitty", "99"),
    ("foot", "777"),
    ("rxvt", "777"),
    ("ghostty", "9"),
    ("wezterm", "9"),
    ("iterm", "9"),
    ("contour", "777"),
)
"""By a part of the terminal's own name."""

BARS = ("ghostty", "wezterm", "iterm", "conemu", "windows-terminal", "mintty")
"""Terminals that show OSC 9;4 on their tab, window or task bar entry; others could show it as a message."""

PASSES = ("on", "all", "1")
"""Values of allow-passthrough that let sequences out; before tmux 3.4 it is a flag, which formats print as 1."""

PROBE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Terminal:
    """What the terminal at the other end understands."""

    popup: Popup = ""
    bar: bool = False
    tmux: bool = False
    """Inside tmux."""
    passthrough: bool = False
    """tmux hands sequences on to the terminal outside."""

    def outside(self, sequence: str) -> str:
        """Wrap a sequence for the terminal outside of tmux; '' when tmux would swallow it."""
        if not self.tmux or not sequence:
            return sequence
        escaped = sequence.replace(ESC, ESC + ESC)
        return f"{ESC}Ptmux;{escaped}{ST}" if self.passthrough else ""


def find_terminal(environ: Mapping[str, str], tmux_facts: Sequence[str] = ()) -> Terminal:
    """Recognise the terminal; `tmux_facts` are what `ask_tmux` gives."""
    tmux = bool(environ.get("TMUX"))
    allowed = bool(tmux_facts) and tmux_facts[0] in PASSES
    names = [*tmux_facts[1:2]] if tmux else [environ.get("TERM_PROGRAM", ""), environ.get("TERM", "")]
    names.append(environ.get("LC_TERMINAL", ""))
    marks = (("KITTY_WINDOW_ID", "kitty"), ("WT_SESSION", "windows-terminal"), ("ConEmuPID", "conemu"))
    names += [name for variable, name in marks if environ.get(variable) and not tmux]
    name = " ".join(names).lower()
    command: Popup = next((code for part, code in POPUPS if part in name), "")
    return Terminal(command, any(part in name for part in BARS), tmux, allowed)


def ask_tmux() -> tuple[str, ...]:
    """Ask the tmux around us for its allow-passthrough, the client's TERM and the client's features.

    () when it does not answer.
    """
    question = ["tmux", "display-message", "-p", "#{allow-passthrough}\n#{client_termname}\n#{client_termfeatures}"]
    try:
        answer = subprocess.run(
            question, capture_output=True, text=True, timeout=PROBE_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(answer.stdout.splitlines()) if answer.returncode == 0 else ()


def title(text: str) -> str:
    """Set the window's title; tmux takes it for its pane."""
    return f"{ESC}]2;{safe(text, 120)}{BEL}"


SAVE_TITLE, RESTORE_TITLE = f"{ESC}[22;2t", f"{ESC}[23;2t"


def popup(terminal: Terminal, heading: str, text: str) -> str:
    """Show a notification; '' where the terminal has none."""
    # A semicolon separates the parts of these commands.
    head, body = safe(heading, 80).replace(";", ","), safe(text, 200).replace(";", ",")
    match terminal.popup:
        case "9":
            # 'ESC ] 9 ; 4' would be a progress bar, so the text must never begin with a digit.
            return terminal.outside(f"{ESC}]9;skyreels-tui: {head}. {body}{BEL}")
        case "777":
            return terminal.outside(f"{ESC}]777;notify;{head};{body}{BEL}")
        case "99":
            # OSC 99 takes title and body as two chunks of one identifier.
            return terminal.outside(f"{ESC}]99;i=skyreels:d=0;{head}{ST}") + terminal.outside(
                f"{ESC}]99;i=skyreels:p=body;{body}{ST}"
            )
        case _:
            return ""


def progress(terminal: Terminal, percent: int | None, *, failed: bool = False) -> str:
    """Show a share on the tab or task bar: None takes it away."""
    if not terminal.bar:
        return ""
    if percent is None:
        return terminal.outside(f"{ESC}]9;4;0;0{BEL}")
    return terminal.outside(f"{ESC}]9;4;{2 if failed else 1};{max(0, min(100, percent))}{BEL}")
