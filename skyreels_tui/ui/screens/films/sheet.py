"""The contact sheet of a film: one cell a scene with a picture, its number, label and state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static
from textual.worker import get_current_worker

from pipelines.front.errors import PipelineError
from skyreels_tui.queue.film import Film, Scene
from skyreels_tui.ui.drawing.glyphs import state_mark
from skyreels_tui.ui.drawing.halfblocks import picture
from skyreels_tui.ui.drawing.safe import column
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.films.standing import scene_state
from skyreels_tui.ui.workers import hand_over

ACROSS, DOWN = 16, 10
"""Pixels of a picture: cells across, and two to a row."""
KEPT = 512
"""Pictures that are remembered."""

_pictures: OrderedDict[str, bytes] = OrderedDict()
_lock = threading.Lock()


class ContactSheet(VerticalScroll, can_focus=False):
    """Shows one film; pictures arrive from a worker as they are read."""

    DEFAULT_CSS = """
    ContactSheet { width: 1fr; padding: 0 1; }
    ContactSheet > Static { height: auto; }
    """

    def __init__(self) -> None:
        super().__init__(id="film-sheet")
        self._film: Film | None = None

    def compose(self) -> ComposeResult:
        """One drawn text."""
        yield Static(Content(""))

    def show(self, film: Film | None) -> None:
        """Show another film, or the same as it stands now."""
        self._film = film
        self._draw()
        missing = [path for path in _outputs(film) if path not in _pictures]
        if missing:
            self._read(missing)

    def on_resize(self) -> None:
        """As many cells a row as fit."""
        self._draw()

    @work(thread=True, exclusive=True, group="sheet")
    def _read(self, paths: list[str]) -> None:
        # Reading a video loads what the first paint of home must not pay for.
        from pipelines.media.read.probe import probe_video
        from pipelines.media.read.thumbnail import frames_at

        worker = get_current_worker()
        for path in paths:
            if worker.is_cancelled:
                return
            try:
                middle = probe_video(path).duration_s / 2
                rgb = frames_at(Path(path), [middle], ACROSS, DOWN)[0]
            except PipelineError:
                rgb = b""
            with _lock:
                _pictures[path] = rgb
                while len(_pictures) > KEPT:
                    _pictures.popitem(last=False)
            hand_over(self, self._draw)

    def _draw(self) -> None:
        if not self.is_mounted or self._film is None:
            return
        columns = max(1, (self.content_size.width + 1) // (ACROSS + 1))
        cells = [self._cell(number, scene) for number, scene in enumerate(self._film.scenes, 1)]
        lines: list[Content] = []
        for start in range(0, len(cells), columns):
            row = cells[start : start + columns]
            lines += [Content(" ").join(parts) for parts in zip(*row, strict=True)]
            lines.append(Content(""))
        show_in(self.query_one(Static), Content("\n").join(lines))

    def _cell(self, number: int, scene: Scene) -> list[Content]:
        """The lines of one cell, all ACROSS wide."""
        app = hub(self)
        rgb = _pictures.get(scene.chosen.output, b"") if scene.chosen is not None else b""
        if rgb:
            drawn = picture(rgb, ACROSS, DOWN, app.monochrome).split("\n")
        else:
            blank = Content.styled(app.glyphs.dot.center(ACROSS), "$text-muted")
            drawn = (
                [Content(" " * ACROSS)] * (DOWN // 4) + [blank] + [Content(" " * ACROSS)] * (DOWN // 2 - DOWN // 4 - 1)
            )
        take = scene.shown
        mark = str(state_mark(take, app.glyphs)) if take is not None else scene_state(scene)
        name = Content(column(f"{number} {scene.name}", ACROSS))
        return [*drawn, name, Content.styled(column(mark, ACROSS), "$text-muted")]


def _outputs(film: Film | None) -> list[str]:
    scenes = film.scenes if film is not None else ()
    return [scene.chosen.output for scene in scenes if scene.chosen is not None and scene.chosen.output]
