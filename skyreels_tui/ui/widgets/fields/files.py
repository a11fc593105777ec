"""A list of files: typed with completion, pasted or browsed; ordered, removed, looked at."""

from __future__ import annotations

from pathlib import Path

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Static

from pipelines.front.fields import FieldSpec, Files, InputKind
from pipelines.front.language import tr
from pipelines.front.lora import STRONGEST, LoraRefused, parse_lora, with_strength
from pipelines.media.remote.address import is_address
from skyreels_tui.requests import typed_paths
from skyreels_tui.requests.references import token_name
from skyreels_tui.ui.drawing.halfblocks import picture, wave
from skyreels_tui.ui.drawing.safe import cut, cut_path, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.intents import BrowseFiles
from skyreels_tui.ui.keys import FILES, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.fetching import FetchLine
from skyreels_tui.ui.widgets.fields.path_input import PathInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.media_facts import MediaFacts, PictureView, SoundView, read_facts, small_view
from skyreels_tui.ui.workers import hand_over

VIEW_COLUMNS, VIEW_ROWS = 22, 6
LEAST_PATH = 24
"""Cells of a path that are worth more than its facts on the same line."""


class FileRows(Widget, can_focus=True):
    """The chosen files in order."""

    DEFAULT_CSS = """
    FileRows {
        height: auto; width: 1fr; padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis;
    }
    FileRows:focus { background: $panel; }
    """

    BINDINGS = bindings(FILES, "move", "remove", "strengthen")

    files: reactive[tuple[str, ...]] = reactive((), layout=True)
    cursor: reactive[int] = reactive(0)

    class Changed(Message):
        """Files or their order changed."""

    class Moved(Message):
        """Another file is selected."""

    def __init__(self, files: tuple[str, ...], media: InputKind) -> None:
        super().__init__()
        self.media = media
        self.set_reactive(FileRows.files, files)
        self.known: dict[str, MediaFacts] = {}
        # An empty list takes no room and no focus.
        self.display = self.can_focus = bool(files)

    @property
    def selected(self) -> str:
        """The file under the cursor; '' without files."""
        return self.files[self.cursor] if self.files else ""

    def watch_files(self, files: tuple[str, ...]) -> None:
        """Keep the cursor on a file."""
        self.display = self.can_focus = bool(files)
        self.cursor = max(0, min(self.cursor, len(files) - 1))

    def watch_cursor(self) -> None:
        """The view beside the list follows."""
        self.post_message(self.Moved())

    def render(self) -> Content:
        """Place, path and facts of each file."""
        return Content("\n").join(self._lines(self.content_size.width))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A file whose facts do not fit beside its name takes two lines."""
        return len(self._lines(width))

    def _lines(self, width: int) -> list[Content]:
        glyphs = hub(self).glyphs
        lines = []
        for index, path in enumerate(self.files):
            known = self.known.get(path, MediaFacts())
            mark, style = (glyphs.cross, "$text-error") if known.problem else (glyphs.check, "$text-success")
            selected = index == self.cursor and self.has_focus
            tail = f"{known.words} " if known.words else ""
            beside = width - 6 - Content(tail).cell_length
            together = beside >= min(Content(cut_path(path, width)).cell_length, LEAST_PATH)
            shown = cut_path(path, max(8, beside if together else width - 6))
            end = tail if together else ""
            gap = max(1, width - 6 - Content(shown + end).cell_length)
            lines.append(
                Content.assemble(
                    (f"{glyphs.cursor if selected else ' '}{index + 1} ", "$text-muted"),
                    (shown, "bold" if selected else ""),
                    " " * gap,
                    (end, "$text-muted"),
                    (mark if known != MediaFacts() else " ", style),
                )
            )
            if not together:
                lines.append(Content.styled(f"   {cut(tail, width - 3)}", "$text-muted"))
        return lines

    def on_key(self, event: events.Key) -> None:
        """Arrows move within the list, and leave it at its ends."""
        step = {"down": 1, "j": 1, "up": -1, "k": -1}.get(event.key)
        if step is None:
            return
        event.stop()
        if 0 <= self.cursor + step < len(self.files):
            self.cursor += step
        elif event.key in ("down", "up"):
            self.app.action_focus_next() if step > 0 else self.app.action_focus_previous()

    def action_move(self, offset: int) -> None:
        """Move the selected file in the order."""
        target = self.cursor + offset
        if 0 <= target < len(self.files):
            files = list(self.files)
            files[self.cursor], files[target] = files[target], files[self.cursor]
            self.files, self.cursor = tuple(files), target
            self.post_message(self.Changed())
        else:
            self.screen.query_one(KeyBar).say_end(offset)

    def action_strengthen(self, tenths: int) -> None:
        """Take more or less of the selected LoRA file."""
        if self.media != "lora" or not self.files:
            return
        try:
            strength = round(parse_lora(self.selected).strength + tenths / 10, 4)
        except LoraRefused:
            return
        if abs(strength) <= STRONGEST:
            changed = with_strength(self.selected, strength)
            self.files = (*self.files[: self.cursor], changed, *self.files[self.cursor + 1 :])
            self.post_message(self.Changed())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a LoRA file has a strength, and one file alone no order."""
        if action == "move":
            return len(self.files) > 1
        return self.media == "lora" if action == "strengthen" else True

    def action_remove(self) -> None:
        """Take the selected file off the list."""
        self.files = self.files[: self.cursor] + self.files[self.cursor + 1 :]
        self.post_message(self.Changed())


class FilesField(Field):
    """Between minimum and maximum files; a typed path counts even before Enter."""

    DEFAULT_CSS = """
    FilesField .box { height: auto; }
    FilesField .list { height: auto; width: 1fr; }
    FilesField .view { width: auto; height: auto; padding: 0 0 0 1; display: none; }
    FilesField .view.-shown { display: block; }
    """

    BINDINGS = bindings(FILES, "browse", "stop_fetch", "trim")

    class Replaced(Message):
        """A person has chosen other files."""

        def __init__(self, field: FilesField) -> None:
            self.field = field
            super().__init__()

    class Trimming(Message):
        """A person wants a part of the file."""

        def __init__(self, field: FilesField, path: str) -> None:
            self.field, self.path = field, path
            super().__init__()

    class Showing(Message):
        """Another file of the field is selected: a form may show it in more room than the field has."""

        def __init__(self, path: str, media: InputKind) -> None:
            self.path, self.media = path, media
            super().__init__()

    def __init__(self, name: str, spec: FieldSpec, value: object, downloads: Path) -> None:
        super().__init__(name, spec, value)
        assert isinstance(spec, Files)
        self._downloads = downloads
        self.files_spec = spec
        self.whole = False
        """Count what is still being typed: set when the form is sent."""
        self.trimmable = False
        """Other fields of the form say which part of the file is used."""
        self._refused = ""
        """Why the last address gave no file."""

    def controls(self) -> ComposeResult:
        """Rows, the input, and the view of the selected file."""
        files, addresses = _split(self.initial)
        media = self.files_spec.media
        with Horizontal(classes="box"):
            with Vertical(classes="list"):
                yield FileRows(tuple(files), media)
                yield PathInput(media, " ".join(addresses))
                if media != "lora":
                    yield FetchLine(media, self._downloads)
            yield Static(Content(""), classes="view")

    def on_mount(self) -> None:
        """Say how many there may be, and look at what a draft brought."""
        self._after_change()

    @property
    def _rows(self) -> FileRows:
        return self.query_one(FileRows)

    @property
    def _input(self) -> PathInput:
        return self.query_one(PathInput)

    @property
    def value(self) -> tuple[str, ...]:
        """The files in order, and what stands in the input."""
        return (*self._rows.files, *self._input.settled(whole=self.whole))

    def set_value(self, value: object) -> None:
        """Replace the files."""
        files, addresses = _split(value)
        self._input.value = " ".join(addresses)
        self._rows.files = tuple(files)
        self._after_change()

    def add(self, added: list[str], *, clear: bool = True) -> None:
        """Put paths at the end, and empty the line; a field of one file takes the newest."""
        files = (*self._rows.files, *map(typed_paths.expand, added))
        if self.files_spec.maximum == 1:
            files = files[-1:]
        if files != self._rows.files:
            self.post_message(self.Replaced(self))
        self._rows.files = files
        if clear:
            self._input.value = ""
        self._after_change()
        self.changed()

    def _after_change(self) -> None:
        have, most = len(self._rows.files), self.files_spec.maximum
        keys = {name: hub(self).key(f"files.{name}") for name in ("complete", "browse")}
        if not have and self.files_spec.media == "lora":
            self._input.placeholder = tr("path of a .safetensors file: {complete} completes, {browse} browses", **keys)
        elif not have:
            self._input.placeholder = tr("path or http address: {complete} completes, {browse} browses", **keys)
        elif have < most:
            self._input.placeholder = tr("another one: {complete}, {browse}", **keys)
        else:
            self._input.placeholder = tr("{have} of {most}", have=have, most=most)
        self._look()

    def show_problem(self, message: str) -> None:
        """What an address gave counts until something else is typed; half a path is no problem yet."""
        half = self._input.on_its_way and not self.whole
        super().show_problem(self._refused or ("" if half else message))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Esc leaves the form unless there is a transfer to stop; a part is taken of a file that is there."""
        if action == "trim":
            chosen = self._rows.selected if self.is_mounted and self.query(FileRows) else ""
            return self.trimmable and bool(chosen) and token_name(chosen) is None
        if action != "stop_fetch":
            return True
        return any(line.running for line in self.query(FetchLine))

    def action_trim(self) -> None:
        """Choose a part of the file."""
        self.post_message(self.Trimming(self, self._rows.selected))

    def action_stop_fetch(self) -> None:
        """Give up; the address stays in the line."""
        self._stop_fetch()

    def _stop_fetch(self) -> None:
        for line in self.query(FetchLine):
            line.stop()

    @on(FetchLine.Fetched)
    def _on_fetched(self, event: FetchLine.Fetched) -> None:
        event.stop()
        self.add(list(event.paths))

    @on(FetchLine.Failed)
    def _on_fetch_failed(self, event: FetchLine.Failed) -> None:
        event.stop()
        self._refused = event.words
        self.changed()

    @on(FileRows.Changed)
    def _on_rows_changed(self, event: FileRows.Changed) -> None:
        event.stop()
        self.post_message(self.Replaced(self))
        self._after_change()
        self.changed()

    @on(FileRows.Moved)
    def _on_moved(self, event: FileRows.Moved) -> None:
        event.stop()
        self._look()

    @on(PathInput.Entered)
    def _on_entered(self, event: PathInput.Entered) -> None:
        event.stop()
        self._refused = ""
        fetches = self.files_spec.media != "lora"
        files = [path for path in event.paths if not (fetches and is_address(path))]
        addresses = [path for path in event.paths if fetches and is_address(path)]
        if files:
            self.add(files, clear=not any(map(is_address, self._input.value.split())))
            self._leave_when_full()
        if addresses:
            self.query_one(FetchLine).start(addresses)

    def _leave_when_full(self) -> None:
        """Nothing more belongs here: what is typed next is meant for the next field, unless a name wants mending."""
        rows = self._rows.files
        full = len(rows) >= self.files_spec.maximum and all(
            token_name(one) or typed_paths.names_file(one) for one in rows
        )
        if full and self._input.has_focus_within:
            self.screen.focus_next()

    @on(PathInput.Typed)
    def _on_typed(self, event: PathInput.Typed) -> None:
        event.stop()
        self._refused = ""
        self._stop_fetch()
        self.changed()

    def action_browse(self) -> None:
        """Choose from a list of folders."""
        start = self._rows.files[-1] if self._rows.files else self._input.value
        room = self.files_spec.maximum - len(self._rows.files)
        several = self.files_spec.maximum > 1 and room > 1
        self.app.post_message(BrowseFiles(start, self.files_spec.media, self._browsed, several=several))

    def _browsed(self, chosen: tuple[str, ...] | None) -> None:
        if chosen:
            self.add(list(chosen))

    # Facts and view, made on a worker

    def _look(self) -> None:
        rows = self._rows
        self._examine(rows.files, rows.selected)
        if not token_name(rows.selected) and self.files_spec.media in ("image", "video"):
            self.post_message(self.Showing(rows.selected, self.files_spec.media))

    @work(thread=True, exclusive=True, group="look")
    def _examine(self, files: tuple[str, ...], selected: str) -> None:
        media = self.files_spec.media
        known = {path: read_facts(path, media) for path in files if token_name(path) is None}
        hand_over(self, self._take_facts, files, known)
        view = small_view(selected, media, VIEW_COLUMNS, VIEW_ROWS) if selected in known else None
        hand_over(self, self._take_view, selected, view)

    def _take_facts(self, files: tuple[str, ...], known: dict[str, MediaFacts]) -> None:
        # Of other files than these another look is on its way.
        if self.is_mounted and files == self._rows.files:
            self._rows.known = known
            self._rows.refresh(layout=True)

    def _take_view(self, selected: str, view: PictureView | SoundView | None) -> None:
        if not self.is_mounted or selected != self._rows.selected:
            return
        box = self.query_one(".view", Static)
        box.set_class(view is not None and hub(self).size.width >= 76, "-shown")
        box.set_class(isinstance(view, PictureView), "-picture")
        if isinstance(view, PictureView):
            drawn = picture(view.rgb, view.width, view.height, hub(self).monochrome)
            caption = f"\n{view.caption}" if view.caption else ""
            show_in(box, Content.assemble(drawn, (caption, "$text-muted")))
        elif isinstance(view, SoundView):
            strip = wave(list(view.peaks), hub(self).glyphs.sparks)
            show_in(box, Content.assemble((strip, "$primary"), (f"\n{safe(view.caption)}", "$text-muted")))


def _split(value: object) -> tuple[list[str], list[str]]:
    """Files, and addresses, which wait in the line for Enter as they did when they were typed."""
    given = [str(path) for path in value] if isinstance(value, tuple | list) else []
    return [path for path in given if not is_address(path)], [path for path in given if is_address(path)]
