"""What a file would become, before it does: scenes, references, warnings, what is missing, mistakes by scene."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import tr, trn
from pipelines.media.remote.address import Media, host_of
from skyreels_tui.films.film_plan import FilmPlan
from skyreels_tui.films.importing import plan_import
from skyreels_tui.requests.typed_paths import expand
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import cut, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import IMPORT, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.line import LineScreen
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.workers import hand_over


@dataclasses.dataclass(frozen=True, slots=True)
class Line:
    """One line of the preview: what kind of thing it is, and its words."""

    kind: str
    words: str
    style: str = ""


class PlanList(RowList):
    """The lines of the preview."""

    def __init__(self) -> None:
        super().__init__(id="import-list")
        self.lines: list[Line] = []
        self.note = ""
        """Shown while there is no line."""

    def show(self, lines: list[Line], note: str = "") -> None:
        """Replace the lines."""
        self.lines, self.note = lines, note
        self.refresh()
        self.post_message(self.Moved(self))

    def count(self) -> int:
        """Lines."""
        return len(self.lines)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Kind and words."""
        line = self.lines[index]
        kind = cut(line.kind, 9)
        return Content.assemble(
            (f"{hub(self).glyphs.cursor if selected else ' '} ", "bold $accent"),
            (f"{kind:<9} " if line.kind else "", line.style or "$text-muted"),
            (cut(line.words, max(8, width - 13)), "" if line.kind else line.style),
        )

    def empty(self, width: int) -> Content:
        """That it is read, or why it cannot be."""
        return Content.styled(safe(self.note, 500), "$text-muted")


class ImportScreen(Screen[bool]):
    """Answers True once the films are stored; nothing is stored before a yes."""

    DEFAULT_CSS = """
    ImportScreen {
        #import-list { height: 1fr; }
        #import-words { height: auto; min-height: 2; max-height: 4; padding: 0 2; }
    }
    """
    BINDINGS = bindings(IMPORT)

    def __init__(self, path: Path, downloads: Path) -> None:
        super().__init__()
        self._path, self._downloads = path, downloads
        self._name, self._folders = "", list[Path]()
        self._plans: list[FilmPlan] = []
        self._fetches = False

    def compose(self) -> ComposeResult:
        """Title, lines, the whole of the selected one, keys."""
        yield Static(Content(""), id="import-title", classes="bar")
        yield PlanList()
        yield Static(Content(""), id="import-words")
        yield KeyBar()

    def on_mount(self) -> None:
        """Read the file."""
        self.query_one(PlanList).focus()
        self._look()

    def _look(self) -> None:
        self.query_one(PlanList).show([], tr("Reading {name} …", name=self._path.name))
        self._read(self._name, tuple(self._folders))

    @work(thread=True, exclusive=True, group="import")
    def _read(self, name: str, folders: tuple[Path, ...]) -> None:
        try:
            plans = plan_import(self._path, name=name, folders=folders)
        except InvalidRequest as error:
            hand_over(self, self._refuse, list(error.problems))
        else:
            hand_over(self, self._show, plans)

    def _refuse(self, problems: list[Problem]) -> None:
        self._plans = []
        show_in(self.query_one("#import-title", Static), Content.styled(safe(self._path.name, 60), "bold $primary"))
        words = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        self.query_one(PlanList).show([], tr("This file is no film. {problems}", problems=words))
        self.refresh_bindings()

    def _show(self, plans: list[FilmPlan]) -> None:
        self._plans = plans
        scenes = sum(len(plan.new_scenes) for plan in plans)
        parts = [
            trn("{count} scene", "{count} scenes", scenes),
            trn("{count} warning", "{count} warnings", sum(len(plan.warnings) for plan in plans)),
            trn("{count} problem", "{count} problems", len(self._problems)),
        ]
        title = Content.assemble(
            (cut(", ".join(plan.name for plan in plans), 40), "bold $primary"),
            (f"  {', '.join(parts)}", "$text-error" if self._problems else "$text-muted"),
        )
        show_in(self.query_one("#import-title", Static), title)
        key = hub(self).key("import.fetch")
        self.query_one(PlanList).show(
            [line for plan in plans for line in plan_lines(plan, fetches=self._fetches, fetch_key=key)]
        )
        self.refresh_bindings()

    @property
    def _problems(self) -> list[Problem]:
        return [problem for plan in self._plans for problem in plan.all_problems]

    @property
    def _addresses(self) -> list[str]:
        return [address for plan in self._plans for address in plan.addresses]

    def on_row_list_moved(self) -> None:
        """The whole line below the list: names and reasons are often longer than the screen is wide."""
        listed = self.query_one(PlanList)
        words = listed.lines[listed.cursor].words if listed.lines else ""
        show_in(self.query_one("#import-words", Static), Content(safe(words, 600)))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """With mistakes only the rest can be imported; an address can be fetched where there is one."""
        match action:
            case "take":
                return bool(self._plans) and not self._problems
            case "rest":
                usable = all(plan.can_be_left for plan in self._plans)
                return usable and bool(self._problems) and any(plan.new_scenes for plan in self._plans)
            case "fetch":
                return bool(self._addresses)
            case "name":
                return len(self._plans) == 1
        return True

    def action_take(self) -> None:
        """Import all."""
        self._import()

    def action_rest(self) -> None:
        """Import what has no mistake."""
        self._import()

    def action_fetch(self) -> None:
        """Fetch what the addresses name when it is imported, or do not."""
        self._fetches = not self._fetches
        self._show(self._plans)

    def action_look_in(self) -> None:
        """Ask for a folder, and look again."""
        question = tr("Where may its files be too?")
        self.app.push_screen(LineScreen(question, tr("A folder; paths of the file may begin there")), self._look_also)

    def _look_also(self, text: str | None) -> None:
        if text:
            self._folders.append(Path(expand(text)))
            self._look()

    def action_name(self) -> None:
        """Ask for a name, and look again."""
        name = self._plans[0].name if self._plans else ""
        self.app.push_screen(LineScreen(tr("Name of the film"), str(self._path.name), name), self._rename)

    def _rename(self, text: str | None) -> None:
        if text:
            self._name = text
            self._look()

    def action_back(self) -> None:
        """Import nothing."""
        self.dismiss(False)

    def _import(self) -> None:
        if self._fetches and self._addresses:
            hub(self).tell(tr("Fetching {count} …", count=len(self._addresses)))
            self._fetch(self._name, tuple(self._folders))
        else:
            self._store(self._plans)

    @work(thread=True, exclusive=True, group="import")
    def _fetch(self, name: str, folders: tuple[Path, ...]) -> None:
        # urllib and the probes are paid by those who say yes.
        from pipelines.media.remote.fetch import fetch

        def get(address: str, media: Media) -> str:
            return str(fetch(address, media, self._downloads))

        plans = plan_import(self._path, name=name, folders=folders, fetch=get)
        hand_over(self, self._store, plans)

    def _store(self, plans: list[FilmPlan]) -> None:
        films = [plan.new_film() for plan in plans]
        self.app.post_message(intents.ImportFilms(films, self._stored))

    def _stored(self) -> None:
        if self.is_current:
            self.dismiss(True)


def plan_lines(plan: FilmPlan, *, fetches: bool, fetch_key: str) -> list[Line]:
    """Mistakes first, then what is missing, warnings, addresses, and every scene with what it refers to."""
    named = f"{plan.project}/{plan.name}" if plan.project else plan.name
    lines = [Line("", named, "bold")]
    lines += [Line(tr("problem"), f"{one.field}: {one.message}", "$text-error") for one in plan.all_problems]
    lines += [Line(tr("waits"), f"{one.field}: {one.message}", "$text-warning") for one in plan.all_waits]
    lines += [Line(tr("warning"), f"{one.field}: {one.message}", "$text-warning") for one in plan.warnings]
    for address in plan.addresses:
        words = tr("web address on {host}: is fetched", host=host_of(address))
        asked = tr("web address on {host}: {key} fetches it", host=host_of(address), key=fetch_key)
        lines.append(Line(tr("web"), words if fetches else asked, "$text-warning"))
    for scene in plan.scenes:
        state = tr("left out") if scene.scene is None else tr("done") if scene.scene.output else tr("new")
        parts = [scene.where, *scene.refers]
        if scene.scene is not None and scene.scene.facts.narration:
            parts.append(tr("narration"))
        elif scene.scene is not None and scene.scene.facts.words:
            parts.append(tr("no sound yet"))
        lines.append(Line(state, f" {' · '.join(parts)}".strip()))
    return lines
