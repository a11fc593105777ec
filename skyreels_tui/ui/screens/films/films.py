"""All films: a list, and a contact sheet of the one under the cursor."""

from __future__ import annotations

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.language import tr, trn
from skyreels_tui.queue.film import Film
from skyreels_tui.ui import intents
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import FILMS, bindings
from skyreels_tui.ui.screens.films.film import FilmScreen
from skyreels_tui.ui.screens.films.lists import FilmList
from skyreels_tui.ui.screens.films.sheet import ContactSheet
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.workers import hand_over


class FilmsScreen(Screen[None]):
    """Follows the queue: every change of a job may be one of a film."""

    BINDINGS = bindings(FILMS)

    def compose(self) -> ComposeResult:
        """List left, sheet right."""
        yield Static(Content(""), id="films-title", classes="bar")
        with Horizontal():
            yield FilmList()
            yield ContactSheet()
        yield KeyBar()

    def on_mount(self) -> None:
        """List now, and after every change."""
        self.query_one(FilmList).focus()
        app = hub(self)
        app.job_changed.subscribe(self, self.reload)
        app.queue_changed.subscribe(self, self.reload)
        self.call_later(self.reload)

    def on_screen_resume(self) -> None:
        """What a film's own screen has changed."""
        self.reload()

    def reload(self, _event: object = None) -> None:
        """Read the films again, on a worker."""
        if self.is_mounted:
            self._read()

    @work(thread=True, exclusive=True, group="films")
    def _read(self) -> None:
        hand_over(self, self._take, hub(self).films())

    def _take(self, films: list[Film]) -> None:
        if self.is_mounted:
            self.query_one(FilmList).show(films)
            count = trn("{count} film", "{count} films", len(films))
            title = Content.assemble((tr("Films"), "bold $primary"), "  ", (count, "$text-muted"))
            self.query_one("#films-title", Static).update(title)

    @property
    def _film(self) -> Film | None:
        return self.query_one(FilmList).selected if self.is_mounted else None

    @on(RowList.Moved)
    def _on_moved(self) -> None:
        self.query_one(ContactSheet).show(self._film)
        self.refresh_bindings()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Everything but leaving needs a film."""
        return action == "back" or self._film is not None

    def action_open(self) -> None:
        """The scenes of the film."""
        if self._film is not None:
            self.app.push_screen(FilmScreen(self._film))

    def action_run(self) -> None:
        """Queue what is not done."""
        self._ask(intents.FilmAct.RUN)

    def action_resume(self) -> None:
        """Failed scenes again."""
        self._ask(intents.FilmAct.RESUME)

    def action_hold(self) -> None:
        """Hold what waits."""
        self._ask(intents.FilmAct.HOLD)

    def action_cancel(self) -> None:
        """Cancel the rest."""
        self._ask(intents.FilmAct.CANCEL)

    def action_join(self) -> None:
        """One video of it."""
        self._ask(intents.FilmAct.JOIN)

    def action_back(self) -> None:
        """Back home."""
        self.dismiss()

    def _ask(self, act: intents.FilmAct) -> None:
        if self._film is not None:
            self.app.post_message(intents.ChangeFilm(self._film.name, act, answer=self.reload))
