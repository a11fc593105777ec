"""What may not be changed through a browser: commands that this machine runs, and folders outside the home."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from pipelines.front.language import tr
from pipelines.front.places import real
from skyreels_tui.settings.settings import Settings, SettingsError

SERVED = "SKYREELS_TUI_SERVED"
"""Set in the environment of an app that a browser shows: the number of the server's process."""

COMMANDS = (
    "cluster",
    "hook",
    "webhook",
    "voice_command",
    "picture_command",
    "prompt_endpoint",
    "prompt_model",
    "prompt_key",
)
"""Settings that run a program or send what this machine knows elsewhere."""
FOLDERS = ("result_dir", "inbox", "loras")
"""Settings that name a folder which the program writes to or takes jobs from."""


def is_served(environ: Mapping[str, str]) -> bool:
    """Whether this process draws for a browser: our server says so, and so does the driver of any other."""
    return bool(environ.get(SERVED)) or "web_driver" in environ.get("TEXTUAL_DRIVER", "")


def why_locked(name: str) -> str:
    """Why a browser only shows this setting, or ''."""
    if name not in COMMANDS:
        return ""
    return tr("cannot be changed in a browser: use skyreels-tui settings set {name} on the machine", name=name)


def check(before: Settings, after: Settings, home: Path) -> None:
    """Raise SettingsError when a browser may not make this change; `home` holds the folders that it may choose."""
    for entry in dataclasses.fields(Settings):
        if getattr(before, entry.name) != getattr(after, entry.name) and (reason := why_locked(entry.name)):
            raise SettingsError(f"{entry.name}: {reason}")
    folders = {name: (getattr(before, name), getattr(after, name)) for name in FOLDERS}
    folders |= {f"models.{name}": (before.models.get(name, ""), path) for name, path in after.models.items()}
    for name, (old, new) in folders.items():
        if new != old and new.strip() and not _inside(new, home):
            words = tr("{path} lies outside {home}: a browser cannot choose it", path=new, home=home)
            raise SettingsError(f"{name}: {words}")


def _inside(folder: str, home: Path) -> bool:
    try:
        # Links count as what they lead to.
        return real(Path(folder).expanduser()).is_relative_to(real(home))
    except (OSError, RuntimeError, ValueError):
        return False
