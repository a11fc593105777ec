"""The list of finished videos: a picture and three lines each, days as headings, and the order of marking."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from textual import work
from textual.content import Content

from pipelines.front.language import tr
from pipelines.front.places import is_there
from skyreels_tui.requests.glance import glance
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui.drawing.halfblocks import picture
from skyreels_tui.ui.drawing.safe import cells, cut, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.widgets import thumbnails
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.sizes import size
from skyreels_tui.words.times import ago, duration, weekday

LINES = 3
"""Of one video."""
PICTURE = (10, LINES)
"""Cells of a thumbnail."""
PICTURES_FROM = 34
"""Columns from which a row has its thumbnail."""
AT_ONCE = 64
"""Thumbnails that wait to be made at most: those asked for last are made first."""


class VideoList(RowList):
    """Three lines a video; a heading stands above the first one of a day while the newest come first."""

    def __init__(self) -> None:
        super().__init__(id="result-list")
        self.videos: list[Video] = []
        self.marked: list[Path] = []
        """In the order they were marked: that is how they are joined."""
        self.looking = True
        """The folder has not been read yet."""
        self._headings: dict[int, str] = {}
        """Row -> the day that begins with it."""
        self._wanted: list[Video] = []
        """Thumbnails to make, the one asked for last at the end."""
        self._making = False

    @property
    def selected(self) -> Video | None:
        """The video under the cursor."""
        return self.videos[self.cursor] if self.cursor < len(self.videos) else None

    def show(self, videos: list[Video], go_to: Path | None = None, *, by_day: bool = True) -> None:
        """Replace the rows; the cursor stays with its video, or goes to `go_to`."""
        wanted = go_to or (self.selected.path if self.selected is not None else None)
        self.videos, self.looking = videos, False
        self._headings = _headings(videos, hub(self).wall_clock().astimezone()) if by_day else {}
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

    # Thumbnails

    def _thumbnail(self, video: Video) -> list[Content]:
        """The lines of a video's picture; it is made when there is none yet, and then drawn again."""
        columns, rows = PICTURE
        found = thumbnails.known(video.path, video.modified_s, columns, rows)
        blank = Content(" " * columns)
        if found is None:
            self._want(video)
            drawn = [Content.styled(hub(self).glyphs.dot.center(columns), "$text-muted")]
        else:
            drawn = picture(found.rgb, found.width, found.height, hub(self).monochrome).split("\n") if found.rgb else []
        lines = [line.pad_left((columns - line.cell_length) // 2) for line in drawn]
        return [line.pad_right(columns - line.cell_length) for line in lines] + [blank] * (rows - len(lines))

    def _want(self, video: Video) -> None:
        self._wanted = [*(one for one in self._wanted if one.path != video.path), video][-AT_ONCE:]
        if not self._making:
            self._making = True
            self.call_later(self._make)

    @work(thread=True, group="thumbnails")
    def _make(self) -> None:
        while self._wanted:
            video = self._wanted.pop()
            thumbnails.make(video.path, video.modified_s, *PICTURE)
            hand_over(self, self.refresh)
        hand_over(self, self._made)

    def _made(self) -> None:
        self._making = False
        self.refresh()

    # Drawing

    def count(self) -> int:
        """Videos shown."""
        return len(self.videos)

    def height(self, index: int) -> int:
        """The lines of a video, and one for its day."""
        return LINES + (index in self._headings)

    def highlighted(self, line: Content) -> Content:
        """The background alone: a picture keeps its colours."""
        return line.stylize_before("$foreground on $panel")

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Picture; star, label and age; note and prompt; seed, size, task, bytes and length."""
        video, glyphs = self.videos[index], hub(self).glyphs
        has_picture = width >= PICTURES_FROM
        room = max(8, width - 4 - (PICTURE[0] + 1 if has_picture else 0))
        place = self.marked.index(video.path) + 1 if video.path in self.marked else 0
        heads = [(f"{glyphs.cursor if selected else ' '}", f"{place or '':>2} "), ("", "    "), ("", "    ")]
        pictures = self._thumbnail(video) if has_picture else [Content("")] * LINES
        now = hub(self).wall_clock().astimezone()
        texts = _texts(video, room, now, bold=bool(place), star=glyphs.star, dot=glyphs.dot)
        lines = [
            Content.assemble((cursor, "bold $accent"), (mark, "bold $text-success"), drawn, has_picture * " ", text)
            for (cursor, mark), drawn, text in zip(heads, pictures, texts, strict=True)
        ]
        if day := self._headings.get(index):
            lines.insert(0, Content.styled(cut(day, width), "bold $text-muted"))
        return Content("\n").join(lines)

    def empty(self, width: int) -> Content:
        """Why nothing is listed, and where videos come from."""
        if self.looking:
            return Content.styled(tr("Looking for videos …"), "$text-muted")
        app = hub(self)
        words = tr("No video here. {new} on the home screen makes one; {back} clears search and filter.",
                   new=app.key("home.new_job"), back=app.key("results.back"))  # fmt: skip
        return Content.styled(words, "$text-muted")


def _texts(
    video: Video, room: int, now: datetime, *, bold: bool, star: str, dot: str
) -> tuple[Content, Content, Content]:
    moment = datetime.fromtimestamp(video.modified_s, UTC).isoformat()
    age = ago(moment, now)
    mark = f"{star} " if video.star else ""
    label = cut(video.label, max(4, room - cells(mark) - cells(age) - 1))
    gap = max(1, room - cells(mark) - cells(label) - cells(age))
    first = Content.assemble(
        (mark, "bold $text-warning"), (label, "bold" if bold else ""), " " * gap, (age, "$text-muted")
    )
    seen = glance(video.request)
    note = plain(video.note, "$text-accent").truncate(room, ellipsis=True)
    left = room - note.cell_length - (2 if video.note else 0)
    prompt = Content.styled(cut(seen.prompt, left), "$text-muted") if seen.prompt and left > 4 else Content("")
    second = Content.assemble(note, "  ", prompt) if video.note else prompt
    parts = [tr("seed {seed}", seed=seen.seed) if seen.seed else "", seen.size, video.short, size(video.num_bytes)]
    parts += [duration(video.seconds)] if video.seconds is not None else []
    third = Content.styled(cut(f" {dot} ".join(part for part in parts if part), room), "$text-muted")
    return first, second, third


def _headings(videos: list[Video], now: datetime) -> dict[int, str]:
    """Row -> its day, for the first video of each."""
    found: dict[int, str] = {}
    last = None
    for index, video in enumerate(videos):
        moment = datetime.fromtimestamp(video.modified_s).astimezone()
        if moment.date() != last:
            last = moment.date()
            found[index] = _day(moment, now)
    return found


def _day(moment: datetime, now: datetime) -> str:
    if moment.date() == now.date():
        return tr("today")
    if moment.date() == (now - timedelta(days=1)).date():
        return tr("yesterday")
    return f"{weekday(moment)} {moment:%Y-%m-%d}"
