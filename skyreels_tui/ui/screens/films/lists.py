"""The list of films and the list of scenes of one, with marks."""

from __future__ import annotations

from collections.abc import Mapping

from textual.content import Content

from pipelines.front.language import tr
from skyreels_tui.queue.film import Film, Scene
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.ui.drawing.bars import bar
from skyreels_tui.ui.drawing.glyphs import state_mark
from skyreels_tui.ui.drawing.safe import cells, column, cut
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.screens.films.standing import (
    film_words,
    is_overlong,
    narration_words,
    scene_state,
    scene_waits,
)
from skyreels_tui.ui.widgets.row_list import RowList

BAR_WIDTH = 8
NAME_WIDTH = 16
"""Cells of a name that are shown before any figure is."""


class FilmList(RowList):
    """One row a film: name, project, bar, where it stands, what is left."""

    def __init__(self) -> None:
        super().__init__(id="film-list")
        self.films: list[Film] = []
        self.ends: dict[str, str] = {}
        """Film -> when it ends, as far as that is known."""
        self.looking = True
        """They have not been read yet."""

    @property
    def selected(self) -> Film | None:
        """The film under the cursor."""
        return self.films[self.cursor] if self.cursor < len(self.films) else None

    def show(self, films: list[Film]) -> None:
        """Replace the rows; the cursor stays with its film."""
        wanted = self.selected.name if self.selected is not None else None
        self.films, self.looking, self.ends = films, False, hub(self).times.film_ends()
        place = next((n for n, film in enumerate(films) if film.name == wanted), self.cursor)
        with self.prevent(RowList.Moved):
            self.cursor = place
        self.refresh()
        self.post_message(self.Moved(self))

    def count(self) -> int:
        """Films."""
        return len(self.films)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Name and project, bar, counts, time left."""
        film, app = self.films[index], hub(self)
        done = film.counts[JobState.DONE] / max(1, len(film.scenes))
        left = app.times.film_left([take for scene in film.scenes for take in scene.takes])
        words = film_words(film) + (f"  {left}" if left else "")
        end = self.ends.get(film.name, "")
        words += f"  {end}" if end and width - BAR_WIDTH - 5 - cells(f"{words}  {end}") >= NAME_WIDTH else ""
        name = f"{film.project}/{film.name}" if film.project else film.name
        room = max(min(NAME_WIDTH, cells(name)), width - BAR_WIDTH - 5 - cells(words))
        return Content.assemble(
            (f"{app.glyphs.cursor if selected else ' '} ", "bold $accent"),
            f"{column(name, room)} ",
            bar(done, BAR_WIDTH, app.glyphs),
            (f" {cut(words, max(4, width - room - BAR_WIDTH - 4))}", "$text-muted"),
        )

    def empty(self, width: int) -> Content:
        """Where films come from."""
        if self.looking:
            return Content.styled(tr("Looking for films …"), "$text-muted")
        return Content.styled(
            tr(
                "No film here. {begin} begins one, {bring} makes one from a file: JSON or Markdown.",
                begin=hub(self).key("films.new"),
                bring=hub(self).key("films.import"),
            ),
            "$text-muted",
        )


class SceneList(RowList):
    """One row a scene: number, mark, label, task, state, takes, narration, what it waits for."""

    def __init__(self) -> None:
        super().__init__(id="scene-list")
        self.scenes: tuple[Scene, ...] = ()
        self._places: Mapping[object, int] = {}
        """Job -> the number of the scene that it is a take of."""
        self.marked: set[int] = set()
        """Ids of scenes."""
        self.seconds: Mapping[str, float] = {}
        """Lengths of narrations and clips."""

    @property
    def selected(self) -> Scene | None:
        """The scene under the cursor."""
        return self.scenes[self.cursor] if self.cursor < len(self.scenes) else None

    @property
    def chosen(self) -> list[Scene]:
        """The marked scenes in order, else the one under the cursor."""
        marked = [scene for scene in self.scenes if scene.id in self.marked]
        return marked or ([self.selected] if self.selected is not None else [])

    def show(self, scenes: tuple[Scene, ...], go_to: int | None = None) -> None:
        """Replace the rows; the cursor stays with its scene, or goes to the one with the id `go_to`."""
        wanted = go_to if go_to is not None else (self.selected.id if self.selected is not None else None)
        self.scenes = scenes
        self._places = {take.id: number for number, scene in enumerate(scenes, 1) for take in scene.takes}
        self.marked &= {scene.id for scene in scenes}
        place = next((n for n, scene in enumerate(scenes) if scene.id == wanted), self.cursor)
        with self.prevent(RowList.Moved):
            self.cursor = place
        self.refresh()
        self.post_message(self.Moved(self))

    def toggle_mark(self) -> None:
        """Mark or unmark the row, and go on to the next."""
        if self.selected is not None:
            self.marked ^= {self.selected.id}
            self.cursor += 1
            self.refresh()

    def count(self) -> int:
        """Scenes."""
        return len(self.scenes)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """One scene."""
        scene, glyphs = self.scenes[index], hub(self).glyphs
        take = scene.shown
        shown = state_mark(take, glyphs, self._places) if take is not None else None
        state = column(str(shown) if shown is not None else f"  {scene_state(scene)}", 14)
        more = f"×{len(scene.takes)}" if len(scene.takes) > 1 else ""
        marked = glyphs.cursor if selected else " "
        room = max(6, min(24, width - 34))
        # Which scene it comes after is said by its state.
        said = take is not None and take.reason.code is Code.WAITS_FOR_JOB and take.reason.get("id") in self._places
        waits = "" if said else scene_waits(scene)
        rest = "  ".join(part for part in (narration_words(scene, self.seconds), waits) if part)
        overlong = is_overlong(scene, self.seconds)
        return Content.assemble(
            (marked, "bold $accent"),
            ("* " if scene.id in self.marked else "  ", "bold $text-success"),
            (f"{index + 1:>3} ", "$text-muted"),
            f"{column(scene.name, room)} ",
            (state, shown.style if shown is not None else "$text-muted"),
            (f" {column(more, 3)} ", "$text-muted"),
            (cut(rest, max(0, width - room - 26)), "$text-warning" if overlong else "$text-muted"),
        )

    def empty(self, width: int) -> Content:
        """How scenes come."""
        return Content.styled(tr("No scene yet. {key} adds one.", key=hub(self).key("film.new")), "$text-muted")
