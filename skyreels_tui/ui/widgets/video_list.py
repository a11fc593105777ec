"""The list of finished videos, with the order in which some of them were marked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from textual.content import Content

from pipelines.front.language import tr
from pipelines.front.places import is_there
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui.drawing.safe import cut
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.words.sizes import size
from skyreels_tui.words.times import ago, duration

SIZE_FROM, LENGTH_FROM = 46, 54
"""Columns from which size and length are listed too."""


class VideoList(RowList):
    """One row a video."""

    def __init__(self) -> None:
        super().__init__(id="result-list")
        self.videos: list[Video] = []
        self.marked: list[Path] = []
        """In the order they were marked: that is how they are joined."""
        self.looking = True
        """The folder has not been read yet."""

    @property
    def selected(self) -> Video | None:
        """The video under the cursor."""
        return self.videos[self.cursor] if self.cursor < len(self.videos) else None

    def show(self, videos: list[Video], go_to: Path | None = None) -> None:
        """Replace the rows; the cursor stays with its video, or goes to `go_to`."""
        wanted = go_to or (self.selected.path if self.selected is not None else None)
        self.videos, self.looking = videos, False
        self.marked = [path for path in self.marked if is_there(path)]
        places = {video.path: index for index, video in enumerate(videos)}
        before = self.cursor
        self.cursor = places.get(wanted, self.cursor) if wanted is not None else self.cursor
        self.refresh()
        if self.cursor == before:
            # Another video may stand in the same row now.
            self.post_message(self.Moved(self))

    def toggle_mark(self) -> None:
        """Mark or unmark the row, and go on to the next."""
        if self.selected is None:
            return
        if self.selected.path in self.marked:
            self.marked.remove(self.selected.path)
        else:
            self.marked.append(self.selected.path)
        self.cursor += 1
        self.refresh()

    def count(self) -> int:
        """Videos shown."""
        return len(self.videos)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Place among the marked, label, task, size, length and age."""
        app = hub(self)
        video, glyphs = self.videos[index], app.glyphs
        moment = datetime.fromtimestamp(video.modified_s, UTC).isoformat()
        num_bytes = f" {size(video.num_bytes):>8}" if width >= SIZE_FROM else ""
        length = f" {duration(video.seconds):>6}" if width >= LENGTH_FROM else ""
        age = ago(moment, app.wall_clock().astimezone())
        tail = f" {cut(video.short, 6):<6}{num_bytes}{length} {age:>7}"
        place = self.marked.index(video.path) + 1 if video.path in self.marked else 0
        room = max(4, width - len(tail) - 4)
        label = cut(video.label, room)
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '}", "bold $accent"),
            (f"{place or '':>2} ", "bold $text-success"),
            (label, "bold" if place else ""),
            " " * max(0, room - Content(label).cell_length),
            (tail, "$text-muted"),
        )

    def empty(self, width: int) -> Content:
        """Why nothing is listed, and where videos come from."""
        if self.looking:
            return Content.styled(tr("Looking for videos …"), "$text-muted")
        return Content.styled(tr("No video here. n on the home screen makes one; Esc clears a search."), "$text-muted")
