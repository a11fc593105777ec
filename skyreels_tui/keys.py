"""Every key of the app in one table: bindings, footer, help screen and doc/keys.md are made from it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one place."""

    keys: str
    """Textual's names, comma-separated when several do the same."""
    shown: str
    """As the footer and the help print it."""
    action: str
    label: str
    """One or two words for the footer."""
    help: str
    """What it does, in a sentence."""
    footer: int = 0
    """Place in the footer, 1 is leftmost; 0 leaves it out."""
    priority: bool = False
    """Works even while a text field has the focus."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A place with keys of its own."""

    name: str
    title: str
    keys: tuple[Key, ...]


EVERYWHERE = Scope("everywhere", "Everywhere", (
    Key("question_mark,f1", "?", "help", "Help", "Show every key; type to search", 99),
    Key("ctrl+p", "Ctrl+P", "command_palette", "Commands", "Find any command by name", 98, True),
    Key("ctrl+q", "Ctrl+Q", "quit", "Quit", "Leave; asks first when a job runs", 0, True),
    Key("ctrl+t", "Ctrl+T", "themes", "Theme", "Choose colours, with a live preview"),
    Key("tab", "Tab", "app.focus_next", "Next", "Go to the next panel or field"),
    Key("shift+tab", "Shift+Tab", "app.focus_previous", "Previous", "Go to the panel or field before"),
))  # fmt: skip

HOME = Scope("home", "Home", (
    Key("n", "n", "new_job", "New", "New job: opens the form of the task used last", 1),
    Key("enter", "Enter", "open", "Open", "Show the selected job: request, steps, error, log", 2),
    Key("x", "x", "cancel", "Cancel", "Cancel the job; a running one stops at its next step", 3),
    Key("space", "Space", "hold", "Hold", "Hold a waiting job, or release a held one", 4),
    Key("J,shift+down", "J", "move(1)", "Later", "Move the job one place later"),
    Key("K,shift+up", "K", "move(-1)", "J/K Move", "Move the job one place sooner", 5),
    Key("r", "r", "retry", "Retry", "Run again, resume, or restart if the row asks", 6),
    Key("e", "e", "edit", "Edit", "Change a waiting job in the form; it keeps its number and place", 6),
    Key("t", "t", "run_next", "Run next", "Put the job before all others that wait; a held one is queued", 6),
    Key("a", "a", "again", "Again", "Open the form filled with this job's request"),
    Key("A", "A", "again_new_seed", "Again, new seed", "Open the form with this request and a fresh seed"),
    Key("p", "p", "pause", "Pause", "Start no further job after the running one; again to go on", 7),
    Key("d", "d", "delete", "Delete", "Take the job off the list; its files stay", 8),
    Key("u", "u", "undo", "Undo", "Bring back what was deleted last", 9),
    Key("R", "R", "results", "Results", "Finished videos: play, extend, copy", 10),
    Key("M", "M", "models", "Models", "Checkpoints on this machine: verify, download", 11),
    Key("D", "D", "doctor", "Doctor", "What is wrong with this machine and what mends it", 12),
    Key("S", "S", "settings", "Settings", "Folders, defaults, notifications, looks", 13),
    Key("1", "1-7", "panel(1)", "Panel", "Focus a panel; on small terminals it takes the lower half"),
    Key("2", "2", "panel(2)", "Progress", "Focus the progress panel", 14),
    Key("3", "3", "panel(3)", "Preview", "Focus the preview panel", 15),
    Key("4", "4", "panel(4)", "Memory", "Focus the memory panel"),
    Key("5", "5", "panel(5)", "GPU", "Focus the GPU panel"),
    Key("6", "6", "panel(6)", "Disk", "Focus the disk panel"),
    Key("7", "7", "panel(7)", "Log", "Focus the log"),
    Key("escape", "Esc", "fold", "Fold", "Fold the open panel; back to the queue"),
    Key("q", "q", "app.quit", "Quit", "Leave; asks first when a job runs"),
))  # fmt: skip

LIST = Scope("list", "In every list", (
    Key("down,j", "j", "cursor(1)", "Down", "One row down"),
    Key("up,k", "k", "cursor(-1)", "Up", "One row up"),
    Key("pagedown,ctrl+d", "PgDn", "page(1)", "Page down", "One page down"),
    Key("pageup,ctrl+u", "PgUp", "page(-1)", "Page up", "One page up"),
    Key("home,g", "g", "first", "First", "First row"),
    Key("end,G", "G", "last", "Last", "Last row"),
))  # fmt: skip

FORM = Scope("form", "New job", (
    Key("ctrl+s,f10,ctrl+enter", "Ctrl+S", "submit", "Queue", "Add the job to the queue; also F10 and Ctrl+Enter",
        1, True),
    Key("ctrl+s,f10,ctrl+enter", "Ctrl+S", "save", "Save", "Change the job that is edited; also F10 and Ctrl+Enter",
        1, True),
    Key("f2", "F2", "task(0)", "Reference", "Form of reference to video", 0, True),
    Key("f3", "F3", "task(1)", "Single shot", "Form of single-shot extension", 0, True),
    Key("f4", "F4", "task(2)", "Shot switching", "Form of shot switching", 0, True),
    Key("f5", "F5", "task(3)", "Avatar", "Form of the talking avatar", 0, True),
    Key("f6", "F6", "next_task", "Task", "Form of the next task (F2 to F5 go straight)", 4, True),
    Key("ctrl+o", "Ctrl+O", "profile", "Demo models", "Switch between the real and the tiny built-in models",
        5, True),
    Key("ctrl+y", "Ctrl+Y", "copy_command", "Copy command", "Copy this job as a shell command", 6, True),
    Key("ctrl+r", "Ctrl+R", "reset", "Clear", "Empty the form; again to get the old one back", 7, True),
    Key("down", "Down", "app.focus_next", "Next field", "Next field, from a field of one line"),
    Key("up", "Up", "app.focus_previous", "Field before", "Field before, from a field of one line"),
    Key("escape", "Esc", "back", "Back", "Leave; what was typed is kept as a draft", 3),
))  # fmt: skip

FILES = Scope("files", "File fields", (
    Key("enter", "Enter", "add", "Add", "Add the typed path"),
    Key("tab", "Tab", "complete", "Complete", "Complete the typed path; on an empty line go on"),
    Key("ctrl+b", "Ctrl+B", "browse", "Browse", "Choose files from a list of folders", 2),
    Key("J,shift+down", "J", "move(1)", "Later", "Move the file down in the order"),
    Key("K,shift+up", "K", "move(-1)", "J/K Order", "Move the file up in the order", 2),
    Key("delete,backspace,x", "Del", "remove", "Remove", "Take the file off the list", 2),
))  # fmt: skip

FIELDS = Scope("fields", "Other fields", (
    Key("left", "Left", "choose(-1)", "Choose", "The choice before"),
    Key("right", "Right", "choose(1)", "Choose", "The next choice"),
    Key("space", "Space", "flip", "Toggle", "Turn a yes-or-no field over; the next choice", 2),
    Key("ctrl+g", "Ctrl+G", "random", "Random", "Draw a random value (seed)", 2),
    Key("enter", "Enter", "toggle_more", "More", "Open or close the fields under More", 2),
))  # fmt: skip

BROWSE = Scope("browse", "File browser", (
    Key("enter,right,l", "Enter", "choose", "Choose", "Open the folder, or take the file", 1),
    Key("left,backspace,h", "Left", "parent", "Up", "To the folder above", 2),
    Key("space", "Space", "mark", "Mark", "Mark several files, then Enter takes them", 3),
    Key("full_stop", ".", "hidden", "Hidden", "Show or hide hidden files", 4),
    Key("slash", "/", "filter", "Filter", "Show only names that contain what you type", 5),
    Key("escape", "Esc", "back", "Back", "Leave without choosing", 6),
))  # fmt: skip

JOB = Scope("job", "Job detail", (
    Key("escape,q", "Esc", "back", "Back", "Back to the list", 1),
    Key("x", "x", "cancel", "Cancel", "Cancel the job; a running one stops at its next step", 2),
    Key("r", "r", "retry", "Retry", "Run again, resume, or restart if the row asks", 3),
    Key("a", "a", "again", "Again", "Open the form filled with this job's request", 4),
    Key("t", "t", "traceback", "Traceback", "Show or hide the traceback of a failed job", 5),
    Key("y", "y", "copy_path", "Copy path", "Copy the path of the finished video", 6),
    Key("Y", "Y", "copy_command", "Copy command", "Copy the job as a shell command", 7),
))  # fmt: skip

RESULTS = Scope("results", "Results", (
    Key("enter", "Enter", "play", "Play", "Play here, in the terminal; again stops", 1),
    Key("left", "Left", "frame(-1)", "Frame before", "One frame back"),
    Key("right", "Right", "frame(1)", "Next frame", "One frame on"),
    Key("o", "o", "open_player", "Open", "Open with the system's player, where there is one"),
    Key("e", "e", "extend", "Extend", "Open the single-shot form with this clip", 2),
    Key("l", "l", "last_frame", "Last frame", "Use the last frame as a reference of a new job", 3),
    Key("a", "a", "again", "Again", "Open the form with this video's request", 4),
    Key("A", "A", "again_new_seed", "New seed", "The same with a fresh seed", 5),
    Key("y", "y", "copy_path", "Copy path", "Copy the path", 6),
    Key("Y", "Y", "copy_scp", "scp", "Copy an scp line for fetching the file", 7),
    Key("slash", "/", "search", "Search", "Show only what contains the words you type", 8),
    Key("f", "f", "filter", "Filter", "Show only the videos of one task; again for the next task", 9),
    Key("space", "Space", "mark", "Mark", "Mark videos to join or to throw away together", 10),
    Key("J", "J", "join", "Join", "Join the marked videos to one, in the order they were marked", 1),
    Key("r", "r", "rename", "Rename", "Give the video and its sidecar another name", 11),
    Key("delete,d", "Del", "trash", "Trash", "Move the video and its sidecar, or the marked ones, to the trash", 12),
    Key("u", "u", "undo", "Undo", "Bring back what went to the trash last", 13),
    Key("escape,q", "Esc", "back", "Back", "Stop what plays, close the search, then back home", 7),
))  # fmt: skip

RENAME = Scope("rename", "Renaming a video", (
    Key("enter", "Enter", "keep", "Rename", "Give the video this name", 1, True),
    Key("escape", "Esc", "back", "Back", "Leave the name as it is", 2),
))  # fmt: skip

MODELS = Scope("models", "Models", (
    Key("v", "v", "verify", "Verify", "Check names, sizes and tensors of what is there", 1),
    Key("w", "w", "download", "Download", "Fetch what is missing; shows size and licence, then asks", 2),
    Key("c", "c", "stop", "Stop", "Stop the transfer; what came stays and is resumed", 3),
    Key("y", "y", "copy", "Copy command", "Copy the shell command that does it", 4),
    Key("escape,q", "Esc", "back", "Back", "Back home", 5),
))  # fmt: skip

DOCTOR = Scope("doctor", "Doctor", (
    Key("r", "r", "again", "Check again", "Run every check again", 1),
    Key("y", "y", "copy", "Copy fix", "Copy the command that mends the selected finding", 2),
    Key("escape,q", "Esc", "back", "Back", "Back home", 3),
))  # fmt: skip

SETTINGS = Scope("settings", "Settings", (
    Key("ctrl+s,f10", "Ctrl+S", "save", "Save", "Write the settings file", 1, True),
    Key("escape", "Esc", "back", "Back", "Leave without saving; asks when something changed", 2),
))  # fmt: skip

HELP = Scope("help", "Help", (
    Key("escape", "Esc", "back", "Back", "Clear the search, then leave", 1, True),
    Key("down", "Down", "scroll(1)", "Down", "One row down", 0, True),
    Key("up", "Up", "scroll(-1)", "Up", "One row up", 0, True),
    Key("pagedown", "PgDn", "scroll(2)", "Page down", "One page down", 2, True),
    Key("pageup", "PgUp", "scroll(-2)", "Page up", "One page up", 3, True),
))  # fmt: skip

THEMES = Scope("themes", "Theme picker", (
    Key("enter", "Enter", "keep", "Keep", "Keep this theme, for the next start too", 1),
    Key("escape,q", "Esc", "back", "Back", "Back to the theme before", 2),
))  # fmt: skip

CONFIRM = Scope("confirm", "Questions", (
    Key("y", "y", "yes", "Yes", "Do what the question says", 1),
    Key("escape,n", "Esc", "no", "No", "Leave everything as it is", 2),
))  # fmt: skip

UNUSABLE = Scope("unusable", "When the queue cannot be read", (
    Key("r", "r", "restore", "Last good copy", "Go on with the newest backup, when there is one", 1),
    Key("n", "n", "start_new", "New queue", "Begin with an empty queue; the bad file is kept", 2),
    Key("q", "q", "leave", "Leave", "Change nothing", 3),
))  # fmt: skip

LEAVE = Scope("leave", "Leaving while a job runs", (
    Key("s", "s", "stop", "Stop and leave", "Stop at the next step; the job goes on from there next time", 1),
    Key("f", "f", "finish", "Finish without screen", "Leave the screen; this terminal finishes the job", 2),
    Key("escape", "Esc", "back", "Stay", "Stay", 3),
))  # fmt: skip

SCOPES = (
    EVERYWHERE, HOME, LIST, FORM, FILES, FIELDS, BROWSE, JOB, RESULTS, RENAME, MODELS, DOCTOR, SETTINGS, HELP, THEMES,
    CONFIRM, UNUSABLE, LEAVE,
)  # fmt: skip


def bindings(scope: Scope, *actions: str) -> list[BindingType]:
    """Return Textual's bindings of a scope, or of those of its keys whose action is named."""
    return [
        Binding(
            key.keys,
            key.action,
            key.label,
            show=key.footer > 0,
            key_display=key.shown,
            priority=key.priority,
            id=f"{scope.name}.{key.action}",
        )
        for key in scope.keys
        if not actions or key.action.partition("(")[0] in actions
    ]


@cache
def footer_places() -> dict[str, int]:
    """Id of a binding -> its place in the footer."""
    return {f"{scope.name}.{key.action}": key.footer for scope in SCOPES for key in scope.keys if key.footer}


def keys_markdown() -> str:
    """The page doc/keys.md."""
    lines = ["# Keys", "", "Written by `python -m skyreels_tui.keys doc/keys.md`; do not edit by hand.", ""]
    for scope in SCOPES:
        lines += [f"## {scope.title}", "", "| key | does |", "|---|---|"]
        lines += [f"| {_names(key)} | {key.help} |" for key in scope.keys]
        lines.append("")
    return "\n".join(lines)


_PRINTED = {"question_mark": "?", "full_stop": ".", "slash": "/", "pagedown": "PgDn", "pageup": "PgUp",
            "escape": "Esc", "delete": "Del"}  # fmt: skip


def printed(name: str) -> str:
    """Textual's name of a key as a person reads it: 'ctrl+s' -> 'Ctrl+S'."""
    if name in _PRINTED:
        return _PRINTED[name]
    if len(name) == 1:
        return name
    return "+".join(_PRINTED.get(part, part.capitalize()) for part in name.split("+"))


def _names(key: Key) -> str:
    return ", ".join(f"`{printed(name)}`" for name in key.keys.split(","))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(keys_markdown(), encoding="utf-8")
