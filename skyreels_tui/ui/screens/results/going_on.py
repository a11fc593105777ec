"""What one does with finished videos, wherever they are shown: go on from one, copy, open; knows no list."""

from __future__ import annotations

import getpass
import json
import platform
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textual.screen import Screen

from pipelines.front.errors import PipelineError, Problem
from pipelines.front.language import tr, trn
from pipelines.tasks import first_taking, task_named
from pipelines.tasks.talking_avatar import TALKING_AVATAR
from skyreels_tui.queue.model import Job
from skyreels_tui.results import gallery
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen
from skyreels_tui.ui.screens.results.still import StillScreen, StillUse
from skyreels_tui.ui.turns import OPENING
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.shell_words import shell_word


class GoingOn:
    """Acts for a screen; everything is called on the app's thread."""

    def __init__(self, screen: Screen[Any], clips: Path, *, served: bool) -> None:
        """`clips` is where held pictures are kept. `served`: a browser shows the screen, so it starts no program."""
        self._screen, self._clips, self._served = screen, clips, served

    def extend(self, video: Video) -> None:
        """Open the form that goes on from this clip."""
        task, field = first_taking("video")
        self._open(task.name, {field: (str(video.path),), **_profile(video)})

    def last_frames(self, chosen: Sequence[Video]) -> None:
        """Open a form with their last frames as references."""
        self._screen.run_worker(partial(self._save_last_frames, chosen), thread=True, group=OPENING)

    def _save_last_frames(self, chosen: Sequence[Video]) -> None:
        try:
            targets = tuple(str(gallery.save_last_frame(video.path)) for video in chosen)
        except (PipelineError, OSError) as error:
            hand_over(self._screen, self._tell, str(error), "error")
            return
        task, field = first_taking("image")
        hand_over(self._screen, self._open, task.name, {field: targets, **_profile(chosen[0])})

    def still(self, video: Video, number: int) -> None:
        """Keep a frame (from 1, or -1 for the last) as a picture, and ask what it shall begin."""
        self._screen.run_worker(partial(self._save_frame, video, number), thread=True, group=OPENING)

    def _save_frame(self, video: Video, number: int) -> None:
        try:
            picture = gallery.save_frame(video.path, number)
        except (PipelineError, OSError) as error:
            hand_over(self._screen, self._tell, str(error), "error")
            return
        hand_over(self._screen, self._ask_use, picture, _profile(video))

    def _ask_use(self, picture: Path, profile: dict[str, Any]) -> None:
        def answered(use: StillUse | None) -> None:
            match use:
                case "reference":
                    task, field = first_taking("image")
                    self._open(task.name, {field: (str(picture),), **profile})
                case "portrait":
                    self._open(TALKING_AVATAR.name, {"input_image": (str(picture),), **profile})
                case "held":
                    hold = partial(self._hold, picture, profile)
                    self._screen.run_worker(hold, thread=True, group=OPENING)
                case _:
                    self._tell(tr("The picture is {path}", path=picture), "information")

        self._screen.app.push_screen(StillScreen(picture.name), answered)

    def _hold(self, picture: Path, profile: dict[str, Any]) -> None:
        try:
            clip = gallery.hold_picture(picture, self._clips)
        except (PipelineError, OSError) as error:
            hand_over(self._screen, self._tell, str(error), "error")
            return
        task, field = first_taking("video")
        # The held picture is no part of the film that a person wants.
        hand_over(self._screen, self._open, task.name, {field: (str(clip),), "output": "new", **profile})

    def again(self, chosen: Sequence[Video], *, new_seed: bool = False) -> None:
        """Open the form with the request of one, or with a fresh seed; ask whether those of several are queued."""
        if len(chosen) == 1:
            self._open(chosen[0].task, _request(chosen[0], new_seed=new_seed), chosen[0].label)
            return
        names = ", ".join(safe(video.label, 60) for video in chosen)
        question = trn("Queue {count} job again?", "Queue {count} jobs again?", len(chosen))

        def answered(yes: bool | None) -> None:
            for video in chosen if yes else ():
                self._queue(video, _request(video, new_seed=new_seed))

        self._screen.app.push_screen(ConfirmScreen(question, names, yes=tr("queue them")), answered)

    def _queue(self, video: Video, values: Mapping[str, Any]) -> None:
        def answer(job: Job | None, problems: Sequence[Problem]) -> None:
            words = "; ".join(problem.message for problem in problems)
            if job is None:
                self._tell(tr("{label} is not queued: {reason}", label=video.label, reason=words), "error")

        try:
            request = task_named(video.task).request_type.from_json(json.dumps(values))
        except (ValueError, TypeError) as error:
            self._tell(tr("{label} is not queued: {reason}", label=video.label, reason=error), "error")
        else:
            self._screen.app.post_message(intents.SubmitJob(request, video.label, answer))

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
        key = hub(self._screen).key("results.play")
        opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
        if self._served:
            self._tell(tr("A browser starts no player on this machine; {key} plays it here", key=key), "warning")
        elif opener is None:
            self._tell(tr("This machine has no player to open it with; {key} plays it here", key=key), "warning")
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


def _request(video: Video, *, new_seed: bool) -> dict[str, Any]:
    return {**video.request, **({"seed": random.randrange(2**31)} if new_seed else {})}


def _profile(video: Video) -> dict[str, Any]:
    """A demo video goes on with the demo models."""
    return {"profile": "demo" if video.request.get("profile") == "demo" else "full"}
