"""All films: a list, and a contact sheet of the one under the cursor."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.durable import write_whole
from pipelines.front.language import reason_of, tr, trn
from skyreels_tui.films.written import FILM_FIELDS, NAME, film_values
from skyreels_tui.queue.film import HOLDABLE, Film, can_resume, can_run
from skyreels_tui.queue.model import FINISHED
from skyreels_tui.requests.typed_paths import expand
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import HubApp, hub
from skyreels_tui.ui.keys import FILMS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.line import LineScreen
from skyreels_tui.ui.screens.films.lists import FilmList
from skyreels_tui.ui.screens.films.sheet import ContactSheet
from skyreels_tui.ui.screens.films.written import WrittenScreen
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.workers import hand_over

if TYPE_CHECKING:
    from skyreels_tui.eta.forecast import QueueForecast


class FilmsScreen(Screen[None]):
    """Follows the queue: every change of a job may be one of a film."""

    DEFAULT_CSS = "FilmsScreen #film-list { width: 1fr; }"
    BINDINGS = bindings(FILMS)

    def __init__(self, downloads: Path, state: Path) -> None:
        """`downloads` is where files from the web are kept, `state` where a yes is remembered."""
        super().__init__()
        self._downloads, self._state = downloads, state

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
        app.forecast.subscribe(self, self._on_forecast)
        self.call_later(self.reload)

    def _on_forecast(self, _: QueueForecast) -> None:
        """A second has passed: times of day are drawn again."""
        films = self.query_one(FilmList)
        ends = hub(self).times.film_ends()
        if ends != films.ends:
            films.ends = ends
            films.refresh()

    def on_screen_resume(self) -> None:
        """What a film's own screen has changed."""
        self.reload()

    def reload(self, _event: object = None) -> None:
        """Read the films again, on a worker."""
        if self.is_mounted:
            self._read(hub(self))

    @work(thread=True, exclusive=True, group="films")
    def _read(self, app: HubApp) -> None:
        hand_over(self, self._take, app.films())

    def _take(self, films: list[Film]) -> None:
        if self.is_mounted:
            self.query_one(FilmList).show(films)
            count = trn("{count} film", "{count} films", len(films))
            title = Content.assemble((tr("Films"), "bold $primary"), "  ", (count, "$text-muted"))
            show_in(self.query_one("#films-title", Static), title)

    @property
    def _film(self) -> Film | None:
        return self.query_one(FilmList).selected if self.is_mounted else None

    @on(RowList.Moved)
    def _on_moved(self) -> None:
        self.query_one(ContactSheet).show(self._film)
        self.refresh_bindings()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What would change something; beginning one and leaving need no film."""
        film = self._film
        if film is None:
            return action in ("back", "new", "import")
        takes = [take for scene in film.scenes for take in scene.takes]
        match action:
            case "run":
                return any(map(can_run, film.scenes))
            case "resume":
                return any(map(can_resume, film.scenes))
            case "hold":
                return any(take.state in HOLDABLE for take in takes)
            case "cancel":
                return any(take.state not in FINISHED for take in takes)
            case "join":
                return bool(film.scenes)
        return True

    def action_open(self) -> None:
        """The scenes of the film."""
        # The form and the player load with it: paid by those who open a film, not by the list of them.
        from skyreels_tui.ui.screens.films.film import FilmScreen

        if self._film is not None:
            self.app.push_screen(FilmScreen(self._film, self._state))

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

    def action_new(self) -> None:
        """Ask for name, project, title and music."""
        values = {"name": "", "project": "", "title": "", "music": (), "goes_on": False}

        def keep(written: dict[str, object]) -> None:
            name = str(written["name"]).strip()
            self.app.post_message(intents.WriteFilm(name, written, begins=True, answer=self.reload))

        self.app.push_screen(WrittenScreen(tr("A new film"), {"name": NAME, **FILM_FIELDS}, values, keep))

    def action_edit(self) -> None:
        """Change what is known of the film."""
        film = self._film
        if film is None:
            return

        def keep(written: dict[str, object]) -> None:
            self.app.post_message(intents.WriteFilm(film.name, written, answer=self.reload))

        self.app.push_screen(WrittenScreen(safe(film.name, 60), FILM_FIELDS, film_values(film), keep))

    def action_import(self) -> None:
        """Choose a file, look at what it would become, then make it."""
        self.app.post_message(intents.BrowseFiles("", "film", self._chosen, several=False))

    def _chosen(self, paths: tuple[str, ...] | None) -> None:
        # Readers of every kind of file load with it.
        from skyreels_tui.ui.screens.films.importing import ImportScreen

        if paths:
            self.app.push_screen(ImportScreen(Path(paths[0]), self._downloads), lambda _: self.reload())

    def action_export(self) -> None:
        """Ask where to, then write the film."""
        film = self._film
        if film is not None:
            question = tr("Write {film} to which file?", film=film.name)
            detail = tr("Ending .md writes Markdown, any other one JSON; a file of this name is replaced")
            suggested = str(Path.home() / f"{film.name.replace('/', '-')}.json")
            self.app.push_screen(LineScreen(question, detail, suggested), partial(self._export_to, film))

    def _export_to(self, film: Film, text: str | None) -> None:
        if text:
            self._export(hub(self), film, text)

    @work(thread=True, group="export")
    def _export(self, app: HubApp, film: Film, text: str) -> None:
        from skyreels_tui.films.exporting import film_to_json, film_to_markdown

        target = Path(expand(text))
        markdown = target.suffix.lower() in (".md", ".markdown")
        written = film_to_markdown(film) if markdown else film_to_json(film)
        try:
            write_whole(target, written.encode("utf-8", "surrogateescape"), private=False)
        except OSError as error:
            words, severity = f"{target}: {reason_of(error)}", "error"
        else:
            words, severity = tr("Written: {path}", path=target), "information"
        hand_over(app, app.tell, words, severity)

    def action_back(self) -> None:
        """Back home."""
        self.dismiss()

    def _ask(self, act: intents.FilmAct) -> None:
        if self._film is not None:
            self.app.post_message(intents.ChangeFilm(self._film.name, act, answer=self.reload))
