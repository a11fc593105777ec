"""Where the program keeps its files: one home when told so, else the XDG folders."""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.durable import make_folder
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from pipelines.front.places import is_file, is_folder, is_taken, nearest_existing

_log = logging.getLogger(__name__)
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
    def queue_memory(self) -> Path:
        """Which queue there was; apart from the state folder, so that it tells when that has gone."""
        return self.config / "queue.json"

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
        """Make every folder, readable by their owner alone.

        Something else in the place of a folder inside the state folder gets another name: it is kept, and not in the
        way. Raises FolderUnusable where a folder of a person's choice cannot be made.
        """
        for path in (self.config, self.state, self.cache, self.logs, self.jobs, self.live):
            if path.parent == self.state and not is_folder(path) and is_taken(path):
                _move_aside(path)
            try:
                make_folder(path)
            except OSError as error:
                raise FolderUnusable(path, error) from error


class FolderUnusable(PipelineError):
    """A folder that the program needs cannot be made."""

    def __init__(self, path: Path, error: OSError) -> None:
        # A file lies in the place of the folder itself, or of one above it.
        blocking = next((one for one in (path, *path.parents) if is_taken(one)), path)
        reason = error.strerror or str(error)
        super().__init__(
            tr(
                "{path} cannot be a folder of the program: a link leads nowhere or a file lies there; move it away,"
                " or set SKYREELS_TUI_HOME to a folder",
                path=blocking,
            )
            if not is_folder(blocking)
            else tr(
                "{path} cannot be made: {reason}; set SKYREELS_TUI_HOME to a folder of yours", path=path, reason=reason
            )
        )


def _move_aside(path: Path) -> None:
    number = 1
    while is_taken(kept := path.with_name(f"{path.name}.odd-{number}")):
        number += 1
    with suppress(OSError):
        path.rename(kept)
        _log.warning("%s is no folder: it was renamed to %s", path, kept.name)


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


def free_bytes(path: Path) -> int:
    """Bytes an ordinary user may still write where `path` is or will be; raises OSError where no disk says it."""
    return shutil.disk_usage(nearest_existing(path)).free


def is_checkout(folder: Path) -> bool:
    """Whether the program runs from a copy of its repository instead of an installation."""
    return is_file(folder / "pyproject.toml") and is_folder(folder / "skyreels_tui")


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
