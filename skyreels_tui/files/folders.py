"""Where the program keeps its files: one home when told so, else the XDG folders."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.durable import make_folder

APP = "skyreels-tui"
CHECKOUT = Path(__file__).resolve().parents[2]
"""The repository, where the program runs from one."""
_VIDEOS = re.compile(r'^\s*XDG_VIDEOS_DIR="(\$HOME)?(/(?:[^"\\\n]|\\.)*)"', re.MULTILINE)
"""One of the lines that xdg-user-dirs writes: "$HOME/Films" or "/data/films"."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one installation; `create()` makes them."""

    config: Path
    state: Path
    cache: Path
    logs: Path
    results: Path
    """Where finished videos go unless a person chooses another folder."""

    @property
    def settings_file(self) -> Path:
        """The TOML file with a person's settings."""
        return self.config / "settings.toml"

    @property
    def database(self) -> Path:
        """The queue."""
        return self.state / "queue.db"

    @property
    def lock(self) -> Path:
        """Held by the process that runs jobs; never unlinked."""
        return self.state / "queue.lock"

    @property
    def jobs(self) -> Path:
        """Work folders of unfinished jobs, one a job id."""
        return self.state / "jobs"

    @property
    def live(self) -> Path:
        """Small files by which other processes follow the running job."""
        return self.state / "live"

    @property
    def downloads(self) -> Path:
        """Input files that were fetched from a web address; jobs refer to them by path."""
        return self.state / "downloads"

    @property
    def presets(self) -> Path:
        """Saved forms, one file a task."""
        return self.config / "presets"

    def create(self) -> None:
        """Make every folder, readable by their owner alone."""
        for path in (self.config, self.state, self.cache, self.logs, self.jobs, self.live):
            make_folder(path)


def find_folders(environ: Mapping[str, str] | None = None) -> Folders:
    """Read SKYREELS_TUI_HOME, else XDG_CONFIG_HOME, XDG_STATE_HOME and XDG_CACHE_HOME with their defaults."""
    environ = os.environ if environ is None else environ
    home = environ.get("SKYREELS_TUI_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Folders(root / "config", root / "state", root / "cache", root / "logs", root / "result")
    user = Path(environ.get("HOME", "~")).expanduser()

    def xdg(name: str, default: str) -> Path:
        value = environ.get(name, "")
        # The specification says that relative paths in these variables must be ignored.
        return (Path(value) if value.startswith("/") else user / default) / APP

    state = xdg("XDG_STATE_HOME", ".local/state")
    config = xdg("XDG_CONFIG_HOME", ".config")
    results = CHECKOUT / "result" if is_checkout(CHECKOUT) else videos_folder(config.parent, user) / APP
    return Folders(config, state, xdg("XDG_CACHE_HOME", ".cache"), state / "logs", results)


def is_checkout(folder: Path) -> bool:
    """Whether the program runs from a copy of its repository instead of an installation."""
    return (folder / "pyproject.toml").is_file() and (folder / "skyreels_tui").is_dir()


def videos_folder(config: Path, user: Path) -> Path:
    """Return the desktop's folder of videos, as `user-dirs.dirs` in `config` names it, else ~/Videos."""
    try:
        text = (config / "user-dirs.dirs").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        text = ""
    found = _VIDEOS.findall(text)
    if not found:
        return user / "Videos"
    home, rest = found[-1][0], re.sub(r"\\(.)", r"\1", found[-1][1])
    return user / rest.lstrip("/") if home else Path(rest)
