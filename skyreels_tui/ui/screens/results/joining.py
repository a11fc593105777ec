"""Joins videos in the background for a screen, one set at a time; knows nothing of lists, marks or keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textual.screen import Screen

from pipelines.front.errors import Cancelled, PipelineError
from pipelines.front.language import tr
from skyreels_tui.results import gallery
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui.workers import hand_over

JoinListener = Callable[[Path | None, str, str], None]
"""Hears the file that was made, None when none was, what to tell a person, and how serious it is."""


class Joining:
    """Its callbacks are called on the app's thread, also when the screen has gone meanwhile."""

    def __init__(self, screen: Screen[Any], changed: Callable[[], None], ended: JoinListener) -> None:
        self._screen, self._changed, self._ended = screen, changed, ended
        self._stop: threading.Event | None = None
        self._left = False
        self.words = ""
        """How far it is; '' while nothing is joined."""

    @property
    def running(self) -> bool:
        """Whether videos are being joined."""
        return self._stop is not None

    def start(self, chosen: Sequence[Video], folder: Path) -> None:
        """Join the videos in this order into a new file of the folder."""
        self._stop = threading.Event()
        target = gallery.joined_path(folder, chosen)
        self._screen.run_worker(partial(self._join, chosen, target, self._stop), thread=True, group="join")
        self._say(tr("joining {count} videos …", count=len(chosen)))

    def stop(self) -> None:
        """Give up what is under way; nothing is written."""
        if self._stop is not None:
            self._stop.set()

    def leave(self) -> None:
        """The screen goes: give up, and tell nobody."""
        self._left = True
        self.stop()

    def _join(self, chosen: Sequence[Video], target: Path, stop: threading.Event) -> None:
        from pipelines.media.write.join import join_clips

        told = -1

        def tell(done: int) -> None:
            nonlocal told
            if stop.is_set():
                raise Cancelled
            if done != told:
                told = done
                words = tr("joining: {done} of {count} videos ready", done=done, count=len(chosen))
                hand_over(self._screen, self._say, words)

        made, severity = None, "information"
        try:
            target = join_clips([video.path for video in chosen], target, tell=tell)
            label = " + ".join(video.label for video in chosen)
            gallery.write_recipe(target.with_suffix(".json"), {"label": label[:200]})
        except Cancelled:
            if self._left:
                return
            words, severity = tr("Joining was stopped; nothing was written"), "warning"
        except (PipelineError, OSError) as error:
            words, severity = tr("Not joined: {reason}", reason=error), "error"
        else:
            made, words = target, tr("Joined to {name}", name=target.name)
        hand_over(self._screen, self._end, made, words, severity)

    def _say(self, words: str) -> None:
        self.words = words
        self._changed()

    def _end(self, made: Path | None, words: str, severity: str) -> None:
        self._stop, self.words = None, ""
        self._ended(made, words, severity)
