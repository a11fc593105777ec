"""The thread that lets a person's voice and picture command work for scenes whose takes wait, beside the runner."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping

from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from skyreels_tui.films.helpers import LIMITS, HelperFailed, HelperLimits, HelperStopped
from skyreels_tui.films.sounds import help_scene
from skyreels_tui.queue.film import SceneLack
from skyreels_tui.queue.service import QueueService
from skyreels_tui.settings.settings import Settings

LOOK_S = 1.0
"""How often the queue is looked at; one look without a change reads a number."""
TRY_AGAIN_S = 5.0

Commands = Callable[[], Mapping[str, str]]
"""Returns kind -> the command that makes it, '' for none."""


def commands_of(settings: Settings) -> Mapping[str, str]:
    """Kind -> the command that makes it, '' for none."""
    return {"voice": settings.voice_command.strip(), "picture": settings.picture_command.strip()}


def kinds_with_command(settings: Settings) -> list[str]:
    """The kinds that are set up."""
    return [kind for kind, command in commands_of(settings).items() if command]


class SceneHelp:
    """Works off what scenes lack, one after the other, in the order in which their takes will run."""

    def __init__(
        self,
        queue: QueueService,
        commands: Commands,
        tell: Callable[[str], object],
        limits: HelperLimits = LIMITS,
        hidden: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`commands` and `hidden` are asked before each one, so that a changed setting works at once.

        `tell` takes log lines, `hidden` names variables of the environment that no command sees.
        """
        self._queue, self._commands, self._tell = queue, commands, tell
        self._limits, self._hidden = limits, hidden
        self._stop = threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._work, name="scene-help", daemon=True)

    @property
    def idle(self) -> bool:
        """True when no scene lacks anything that a command can make."""
        return not self._queue.lacking()

    def start(self) -> None:
        """Start looking."""
        self._thread.start()

    def stop(self) -> None:
        """End the command that runs; what it was to make is made after the next start."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the thread's end."""
        if self._thread.ident is not None:
            self._thread.join()

    def _work(self) -> None:
        pause_s = 0.0
        while not self._stop.wait(pause_s):
            try:
                lacking = self._queue.lacking()
                if lacking:
                    self._help(lacking[0])
                pause_s = 0.0 if lacking else LOOK_S
                self._told = ""
            except HelperStopped:
                return
            except PipelineError as error:
                # A queue that cannot be read or written now: tried again, said once.
                pause_s = TRY_AGAIN_S
                if str(error) != self._told:
                    self._told = str(error)
                    self._tell(tr("voices and pictures: {error}", error=error))

    def _help(self, lack: SceneLack) -> None:
        film = self._queue.film(lack.film)
        scene = next((scene for scene in film.scenes if scene.id == lack.scene_id), None)
        if scene is None:
            return
        command = self._commands()[lack.kind]
        where = scene.name or f"#{scene.id}"
        try:
            made = help_scene(
                self._queue,
                film,
                scene,
                lack.kind,
                command,
                limits=self._limits,
                hidden=self._hidden(),
                stopped=self._stop.is_set,
            )
        except HelperFailed as error:
            self._tell(tr("{film}, {scene}: {error}", film=film.name, scene=where, error=error))
        else:
            self._tell(tr("{film}, {scene}: {path}", film=film.name, scene=where, path=made))
