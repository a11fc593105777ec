"""Choose files from a list of folders, with the keys alone."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from pipelines.front.fields import InputKind
from pipelines.front.language import mark, tr
from pipelines.front.places import is_folder
from skyreels_tui.requests.typed_paths import MOST_ENTRIES, bare, is_media, split_pasted
from skyreels_tui.ui.drawing.halfblocks import picture, wave
from skyreels_tui.ui.drawing.safe import cut, cut_path, plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import BROWSE, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.media_facts import PictureView, SoundView, read_facts, small_view
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.sizes import size

VIEW = (36, 14)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list."""

    path: Path
    is_folder: bool
    num_bytes: int = 0


class FileList(RowList):
    """The entries of one folder."""

    def __init__(self) -> None:
        super().__init__(id="browse-list")
        self.entries: list[Entry] = []
        self.marked: list[Path] = []

    def show(self, entries: list[Entry]) -> None:
        """Replace the rows and start at the first."""
        self.entries = entries
        self.cursor = 0
        self.refresh()
        self.post_message(self.Moved(self))

    @property
    def selected(self) -> Entry | None:
        """The entry under the cursor."""
        return self.entries[self.cursor] if self.entries else None

    def count(self) -> int:
        """Entries shown."""
        return len(self.entries)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Mark, name and size."""
        entry, glyphs = self.entries[index], hub(self).glyphs
        name = safe(entry.path.name, 300) + ("/" if entry.is_folder else "")
        length = "" if entry.is_folder else size(entry.num_bytes)
        mark = glyphs.check if entry.path in self.marked else " "
        room = max(4, width - len(length) - 5)
        name = cut(name, room)
        gap = " " * max(1, room - Content(name).cell_length)
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '} ", "bold $accent"),
            (f"{mark} ", "$text-success"),
            (name, "bold $primary" if entry.is_folder else ""),
            gap,
            (length, "$text-muted"),
        )

    def empty(self, width: int) -> Content:
        """Why nothing is listed."""
        return Content.styled(tr("No such files here. Left goes up, . shows hidden files."), "$text-muted")


class BrowseScreen(Screen[tuple[str, ...]]):
    """Answers with the chosen paths, none when it is left."""

    DEFAULT_CSS = """
    BrowseScreen {
        #browse-path { height: 1; padding: 0 1; background: $panel; text-style: bold; }
        #browse-view { width: 40; padding: 1 1; }
    }
    """
    BINDINGS = bindings(BROWSE)

    def __init__(self, start: str, media: InputKind | Literal["film"], *, several: bool) -> None:
        super().__init__()
        self._media, self._several = media, several
        self._folder = _start_folder(start)
        self._hidden = False
        self._filter = ""

    def compose(self) -> ComposeResult:
        """Path, list and a view of the selected file."""
        yield Static(Content(""), id="browse-path")
        yield LineInput(placeholder=tr("part of a name, or a path"), id="browse-filter")
        with Horizontal():
            yield FileList()
            yield Static(Content(""), id="browse-view")
        yield KeyBar()

    def on_mount(self) -> None:
        """List the first folder."""
        self.query_one("#browse-filter").display = False
        self.query_one(FileList).focus()
        self._list()

    def _list(self) -> None:
        entries = _entries(self._folder, self._media, self._hidden, self._filter.lower())
        show_in(self.query_one("#browse-path", Static), plain(cut_path(str(self._folder), self.size.width - 2)))
        self.query_one(FileList).show(entries)

    @on(RowList.Moved)
    def _on_moved(self) -> None:
        entry = self.query_one(FileList).selected
        show_in(self.query_one("#browse-view", Static), Content(""))
        if entry is not None and not entry.is_folder:
            self._look(str(entry.path))
        self.refresh_bindings()

    @work(thread=True, exclusive=True, group="look")
    def _look(self, path: str) -> None:
        if self._media == "film":
            # What is in it is shown before it is imported.
            return
        known = read_facts(path, self._media)
        view = None if known.problem else small_view(path, self._media, *VIEW)
        hand_over(self, self._show, path, known.problem or known.words, view)

    def _show(self, path: str, words: str, view: PictureView | SoundView | None) -> None:
        entry = self.query_one(FileList).selected if self.is_mounted else None
        if entry is None or str(entry.path) != path:
            return
        drawn = Content("")
        if isinstance(view, PictureView):
            drawn = picture(view.rgb, view.width, view.height, hub(self).monochrome)
        elif isinstance(view, SoundView):
            drawn = Content.styled(wave(list(view.peaks), hub(self).glyphs.sparks), "$primary")
        show_in(self.query_one("#browse-view", Static), Content.assemble(plain(words), "\n", drawn))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Marking makes sense only where several files may be taken, choosing where there is one."""
        if action == "choose" and self.is_mounted:
            return self.query_one(FileList).selected is not None
        return self._several if action == "mark" else True

    def action_choose(self) -> None:
        """Open the folder, or answer with the marked files or this one."""
        files = self.query_one(FileList)
        entry = files.selected
        if entry is None:
            return
        if entry.is_folder and not files.marked:
            self._go(entry.path)
        else:
            self.dismiss(tuple(map(str, files.marked or [entry.path])))

    def action_parent(self) -> None:
        """To the folder above, with the cursor on the one we come from."""
        came_from = self._folder
        self._go(self._folder.parent)
        files = self.query_one(FileList)
        for index, entry in enumerate(files.entries):
            if entry.path == came_from:
                files.cursor = index

    def _go(self, folder: Path) -> None:
        self._folder, self._filter = folder, ""
        self._list()

    def action_mark(self) -> None:
        """Mark or unmark the file, and go on to the next."""
        files = self.query_one(FileList)
        entry = files.selected
        if entry is None or entry.is_folder:
            return
        if entry.path in files.marked:
            files.marked.remove(entry.path)
        else:
            files.marked.append(entry.path)
        files.cursor += 1
        files.refresh()
        self.refresh_bindings()

    def action_hidden(self) -> None:
        """Show or hide names with a leading dot."""
        self._hidden = not self._hidden
        self._list()

    def action_filter(self) -> None:
        """Type a part of a name; Enter goes back to the list."""
        line = self.query_one("#browse-filter", LineInput)
        line.display = True
        line.focus()
        self.refresh_bindings()

    @on(Input.Changed)
    def _on_filter(self, event: Input.Changed) -> None:
        if event.value != self._filter:
            self._filter = event.value
            self._list()

    @on(Input.Submitted)
    def _on_filter_done(self) -> None:
        files = self.query_one(FileList)
        files.focus()
        if not files.entries:
            self._go_to(self._filter)

    def on_paste(self, event: events.Paste) -> None:
        """Go to a path that is pasted into the list."""
        event.stop()
        for path in split_pasted(event.text)[:1]:
            self._go_to(path)

    def _go_to(self, typed: str) -> None:
        path = _typed_path(self._folder, bare(typed))
        if path is None:
            return
        self._close_filter()
        self._go(path if is_folder(path) else path.parent)
        files = self.query_one(FileList)
        files.cursor = next((index for index, entry in enumerate(files.entries) if entry.path == path), 0)

    def key_label(self, action: str) -> str:
        """A folder is opened and a file taken by one key; the way out closes the filter first."""
        files = self.query_one(FileList)
        if action == "choose" and files.selected is not None and files.selected.is_folder and not files.marked:
            return mark("Open")
        return mark("Close filter") if action == "back" and self.query_one("#browse-filter").display else ""

    def action_back(self) -> None:
        """Close the filter first, then leave without choosing."""
        if self.query_one("#browse-filter").display:
            self._close_filter()
        else:
            self.dismiss(())

    def _close_filter(self) -> None:
        line = self.query_one("#browse-filter", LineInput)
        line.display, line.value = False, ""
        self.query_one(FileList).focus()
        self.refresh_bindings()


def _start_folder(start: str) -> Path:
    try:
        path = Path(start).expanduser()
        for folder in (path, *path.parents):
            if start and is_folder(folder):
                return folder.absolute()
    except (RuntimeError, OSError, ValueError):
        pass
    return Path.cwd()


def _typed_path(folder: Path, typed: str) -> Path | None:
    """What was meant, from `folder` or from the root, whose slash has opened the filter; None where there is none."""
    with suppress(RuntimeError, OSError, ValueError):
        for path in (folder / Path(typed).expanduser(), Path("/", typed)):
            if typed and path.exists():
                return path.absolute()
    return None


def _entries(folder: Path, media: str, hidden: bool, part: str) -> list[Entry]:
    """Folders first, then files of that media, by name; an unreadable folder is empty."""
    found = []
    try:
        with os.scandir(folder) as listing:
            for seen, item in enumerate(listing):
                if seen >= MOST_ENTRIES:
                    break
                if (item.name.startswith(".") and not hidden) or part not in item.name.lower():
                    continue
                if item.is_dir():
                    found.append(Entry(Path(item.path), True))
                elif is_media(item.name, media):
                    found.append(Entry(Path(item.path), False, item.stat().st_size))
    except OSError:
        return found
    return sorted(found, key=lambda entry: (not entry.is_folder, entry.path.name.lower()))
