"""Every file of one checkpoint: name, bytes, whether it is here; the hub is asked for names that are not."""

from __future__ import annotations

from dataclasses import dataclass

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.checkpoints.damage import DamageBook
from pipelines.checkpoints.download.hub import DownloadPlan, is_needed, is_offline, plan_download
from pipelines.checkpoints.inventory import PRESENCE_WORDS, Presence
from pipelines.checkpoints.shelf import Shelved
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr, trn
from pipelines.front.places import num_bytes
from skyreels_tui.ui.drawing.safe import cells, column, cut_path, plain
from skyreels_tui.ui.keys import MODEL_FILES, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.sizes import GIB, size

_STYLES = {
    Presence.PRESENT: "$text-success",
    Presence.PARTIAL: "$text-warning",
    Presence.MISSING: "$text-muted",
    Presence.CORRUPT: "$text-error",
}
PART_WIDTH = 17


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file, or a pattern of names that only the hub knows."""

    part: str
    path: str
    num_bytes: int
    presence: Presence
    is_pattern: bool = False


class ModelFileRows(RowList):
    """One row a file."""

    def __init__(self) -> None:
        super().__init__(id="model-files")
        self.files: list[FileRow] = []

    def count(self) -> int:
        """Files known."""
        return len(self.files)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Part, path, bytes, whether it is here."""
        file = self.files[index]
        about = tr("about {size}", size=size(file.num_bytes)) if file.is_pattern else size(file.num_bytes)
        about_width = cells(tr("about {size}", size=size(99.9 * GIB)))
        room = max(12, width - PART_WIDTH - about_width - cells(*map(tr, PRESENCE_WORDS.values())) - 1)
        return Content.assemble(
            (column(file.part, PART_WIDTH), "$text-muted"),
            column(cut_path(file.path, room - 1), room),
            f"{column(about, about_width, right=True)} ",
            (tr(PRESENCE_WORDS[file.presence]), _STYLES[file.presence]),
        )


class ModelFilesScreen(Screen[None]):
    """What lies here at once, then what the hub says there is."""

    DEFAULT_CSS = """
    ModelFilesScreen {
        #model-files { height: 1fr; }
        #files-note { height: auto; max-height: 4; padding: 0 1; background: $panel; text-overflow: ellipsis; }
    }
    """
    BINDINGS = bindings(MODEL_FILES)

    def __init__(self, model: Shelved, book: DamageBook) -> None:
        super().__init__()
        self._model, self._book = model, book

    def compose(self) -> ComposeResult:
        """Title, files, a line about the hub."""
        yield Static(plain(self._model.checkpoint.title, "bold $primary"), classes="bar")
        yield ModelFileRows()
        yield Static(Content(""), id="files-note")
        yield KeyBar()

    def on_mount(self) -> None:
        """List what is here."""
        self.query_one(ModelFileRows).focus()
        self._show(local_files(self._model), "")
        if self._model.presence is not Presence.PRESENT and not self._model.is_own:
            if is_offline():
                self._show(local_files(self._model), tr("Offline: the names of missing files are not known."))
            else:
                self._ask()

    @work(thread=True, exclusive=True)
    def _ask(self) -> None:
        try:
            plan = plan_download(self._model.checkpoint, damaged=self._book.damaged())
        except PipelineError as error:
            hand_over(self, self._show, local_files(self._model), str(error))
            return
        tried = "; ".join((*plan.attempts, plan.repo_id))
        hand_over(self, self._show, planned_files(self._model, plan), tried)

    def _show(self, files: list[FileRow], note: str) -> None:
        if self.is_attached:
            rows = self.query_one(ModelFileRows)
            rows.files = files
            rows.refresh()
            whole = trn("{count} file", "{count} files", sum(not file.is_pattern for file in files))
            show_in(self.query_one("#files-note", Static), plain(f"{whole}  {note}".rstrip()))

    def action_back(self) -> None:
        """Back to the models."""
        self.dismiss()


def local_files(model: Shelved) -> list[FileRow]:
    """Files that lie here, names that must be here and are not, and patterns of what nobody has named."""
    rows = []
    for part in model.parts:
        name = part.component.name
        for path in part.files:
            relative = path.relative_to(model.folder).as_posix() if model.folder else path.name
            presence = Presence.CORRUPT if relative in part.corrupt else Presence.PRESENT
            rows.append(FileRow(name, relative, num_bytes(path), presence))
        if part.files:
            rows += [FileRow(name, path, 0, Presence.MISSING) for path in part.absent]
        else:
            patterns = " ".join(part.component.patterns)
            rows.append(FileRow(name, patterns, part.component.num_bytes, Presence.MISSING, is_pattern=True))
    return rows


def planned_files(model: Shelved, plan: DownloadPlan) -> list[FileRow]:
    """Files as the hub lists them, in the order of the parts."""
    corrupt = {path for part in model.parts for path in part.corrupt}
    rows = []
    for component in model.checkpoint.components:
        for entry in plan.files:
            if is_needed(entry.file.path, [component]):
                presence = Presence.PARTIAL if entry.have_bytes else Presence.MISSING
                presence = presence if entry.missing_bytes else Presence.PRESENT
                presence = Presence.CORRUPT if entry.file.path in corrupt else presence
                rows.append(FileRow(component.name, entry.file.path, entry.file.num_bytes, presence))
    return rows
