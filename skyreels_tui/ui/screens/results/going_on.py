"""What one does with finished videos, wherever they are shown: go on from one, copy, open; knows no list."""

from __future__ import annotations

import getpass
import platform
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textual.screen import Screen

from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from pipelines.tasks import first_taking
from skyreels_tui.results import gallery
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui import intents
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.turns import OPENING
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.shell_words import shell_word


class GoingOn:
    """Acts for a screen; everything is called on the app's thread."""

    def __init__(self, screen: Screen[Any], *, served: bool) -> None:
        """`served`: a browser shows the screen, so it starts no program here."""
        self._screen, self._served = screen, served

    def extend(self, video: Video) -> None:
        """Open the form that goes on from this clip."""
        task, field = first_taking("video")
        self._open(task.name, {field: (str(video.path),), **_profile(video)})

    def last_frame(self, video: Video) -> None:
        """Open a form with its last frame as a reference."""
        self._screen.run_worker(partial(self._save_last_frame, video), thread=True, group=OPENING)

    def _save_last_frame(self, video: Video) -> None:
        try:
            target = gallery.save_last_frame(video.path)
        except (PipelineError, OSError) as error:
            hand_over(self._screen, self._tell, str(error), "error")
            return
        task, field = first_taking("image")
        hand_over(self._screen, self._open, task.name, {field: (str(target),), **_profile(video)})

    def again(self, video: Video, *, new_seed: bool = False) -> None:
        """Open the form with its request, or with a fresh seed."""
        seed = {"seed": random.randrange(2**31)} if new_seed else {}
        self._open(video.task, {**video.request, **seed}, video.label)

    def copy_paths(self, chosen: Sequence[Video]) -> None:
        """Copy the path; those of several as words of a shell."""
        paths = [str(video.path.absolute()) for video in chosen]
        if paths:
            one = len(paths) == 1 and paths[0].isprintable()
            self._screen.app.copy_to_clipboard(paths[0] if one else " ".join(map(shell_word, paths)))

    def copy_scp(self, chosen: Sequence[Video]) -> None:
        """Copy a line that fetches the files to another machine."""
        host = hub(self._screen).settings.scp_host.strip() or f"{getpass.getuser()}@{platform.node()}"
        remote = [shell_word(f"{host}:{video.path.absolute()}") for video in chosen]
        if remote:
            self._screen.app.copy_to_clipboard(f"scp {' '.join(remote)} .")

    def open_player(self, chosen: Sequence[Video]) -> None:
        """Open with the system's player, where there is one."""
        opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
        if self._served:
            self._tell(tr("A browser starts no player on this machine; Enter plays it here"), "warning")
        elif opener is None:
            self._tell(tr("This machine has no player to open it with; Enter plays it here"), "warning")
        else:
            null = subprocess.DEVNULL
            for video in chosen:
                subprocess.Popen(
                    [opener, str(Path(video.path))], stdin=null, stdout=null, stderr=null, start_new_session=True
                )

    def _open(self, task: str, values: dict[str, Any], label: str = "") -> None:
        self._screen.app.post_message(intents.OpenForm(task, values, label))

    def _tell(self, text: str, severity: str) -> None:
        hub(self._screen).tell(text, severity)


def _profile(video: Video) -> dict[str, Any]:
    """A demo video goes on with the demo models."""
    return {"profile": "demo" if video.request.get("profile") == "demo" else "full"}
