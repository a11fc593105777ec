"""The speakers' regions, drawn over the portrait by keys: moved, made larger, switched, added and taken away."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

from textual import events, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.crop import Crop
from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.front.regions import WHOLE, Box, boxes_problem, boxes_text, kept_box
from skyreels_tui.ui.drawing.halfblocks import CellPicture, cell_picture
from skyreels_tui.ui.drawing.outlines import Outline, Outlined
from skyreels_tui.ui.drawing.safe import plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import REGIONS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.media_facts import PictureView, small_view
from skyreels_tui.ui.workers import hand_over

STEP = 2.0
"""Per cent that one key moves an edge by."""
LEAST = 4.0
"""Per cent that a side of a region keeps."""
FIRST = Box(30, 10, 40, 70)
"""Where the first region begins: a head in the middle."""
DARKER = bytes(level * 3 // 10 for level in range(256))
WAYS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


class RegionsScreen(Screen[str | None]):
    """Answers with the regions as a request has them, None when it is left."""

    BINDINGS = bindings(REGIONS)

    DEFAULT_CSS = """
    RegionsScreen #regions-picture { height: 1fr; content-align: center middle; padding: 0 1; }
    RegionsScreen #regions-facts { height: auto; padding: 0 1; }
    """

    def __init__(self, path: str, boxes: Sequence[Box], most: int, crop: Callable[[], Crop] | None = None) -> None:
        """`path` is the portrait, `crop` tells how it is cut to the video; at most `most` regions may be drawn."""
        super().__init__()
        self._path, self._most, self._crop = path, most, crop
        self._kept = Box(0, 0, WHOLE, WHOLE)
        """What the video shows of the portrait."""
        self._boxes = list(boxes) or [FIRST]
        self._chosen = 0
        self._view: PictureView | None = None

    def compose(self) -> ComposeResult:
        """Title, portrait, the regions in figures, the keys."""
        title = (tr("Who speaks"), "bold $primary"), f"   {safe(self._path, 60)}"
        yield Static(Content.assemble(*title), classes="bar")
        yield Static(Content(""), id="regions-picture")
        yield Static(Content(""), id="regions-facts")
        yield KeyBar()

    def on_mount(self) -> None:
        """Draw once there is room."""
        self._show()

    def on_resize(self, _: events.Resize) -> None:
        """The portrait is as large as there is room."""
        self.call_after_refresh(self._look)

    def _look(self) -> None:
        width, height = self.query_one("#regions-picture").content_size
        if width and height:
            self._read(width, height)

    @work(thread=True, exclusive=True, group="regions-picture")
    def _read(self, columns: int, rows: int) -> None:
        view = small_view(self._path, "image", columns, rows)
        kept = self._kept
        # A picture that cannot be read is the form's to refuse.
        with suppress(MediaError, KeyError):
            kept = kept if self._crop is None else kept_box(self._crop())
        hand_over(self, self._take_view, view if isinstance(view, PictureView) else None, kept)

    def _take_view(self, view: PictureView | None, kept: Box) -> None:
        self._view, self._kept = view, kept
        self._show()

    def _show(self) -> None:
        if not self.is_mounted:
            return
        view = self._view
        if view is not None:
            drawn = portrait(view, self._kept, hub(self).monochrome)
            order = sorted(range(len(self._boxes)), key=lambda number: number == self._chosen)
            outlines = [self._outline(number, view.width, view.height // 2) for number in order]
            show_in(self.query_one("#regions-picture", Static), Outlined(drawn, outlines))
        lines = [self._facts(number, box) for number, box in enumerate(self._boxes)]
        problem = self._problem
        is_cut = min(self._kept.width, self._kept.height) < WHOLE - STEP
        note = tr("what is dark is cut away: the video has another shape") if is_cut else ""
        said = plain(f"{hub(self).glyphs.cross} {problem}", "$text-error") if problem else plain(note, "$text-muted")
        show_in(self.query_one("#regions-facts", Static), Content("\n").join([*lines, said]))
        self.refresh_bindings()

    def _outline(self, number: int, columns: int, rows: int) -> Outline:
        box, chosen, glyphs = self._boxes[number], number == self._chosen, hub(self).glyphs
        left, top = round(box.left / WHOLE * columns), round(box.top / WHOLE * rows)
        right = max(left + 1, round(box.right / WHOLE * columns) - 1)
        bottom = max(top + 1, round(box.bottom / WHOLE * rows) - 1)
        strokes, style = (glyphs.thick, "bold $accent on $surface") if chosen else (glyphs.thin, "$text on $surface")
        return Outline(left, top, right, bottom, str(number + 1), strokes, style)

    def _facts(self, number: int, box: Box) -> Content:
        chosen = number == self._chosen
        cursor = hub(self).glyphs.cursor if chosen else " "
        words = tr(
            "{number}  left {left:g} %  top {top:g} %  width {width:g} %  height {height:g} %",
            number=number + 1, left=box.left, top=box.top, width=box.width, height=box.height,
        )  # fmt: skip
        return Content.styled(f"{cursor} {words}", "bold" if chosen else "$text-muted")

    @property
    def _problem(self) -> str:
        return boxes_problem(boxes_text(self._boxes), self._most)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A second region is added once, and needed to switch."""
        if action == "add":
            return len(self._boxes) < self._most
        return len(self._boxes) > 1 if action in ("switch", "remove") else True

    def action_move(self, way: str) -> None:
        """Move the chosen region; it stops at the edges of the portrait."""
        across, down = WAYS[way]
        box = self._boxes[self._chosen]
        left = min(max(box.left + across * STEP, 0), WHOLE - box.width)
        top = min(max(box.top + down * STEP, 0), WHOLE - box.height)
        self._put(replace(box, left=left, top=top))

    def action_grow(self, way: str) -> None:
        """Move the right or the lower edge of the chosen region."""
        across, down = WAYS[way]
        box = self._boxes[self._chosen]
        width = min(max(box.width + across * STEP, LEAST), WHOLE - box.left)
        height = min(max(box.height + down * STEP, LEAST), WHOLE - box.top)
        self._put(replace(box, width=width, height=height))

    def _put(self, box: Box) -> None:
        # Figures a person can read, whatever those were that came.
        self._boxes[self._chosen] = Box(*(round(value, 2) for value in (box.left, box.top, box.width, box.height)))
        self._show()

    def action_switch(self) -> None:
        """Choose the other region."""
        self._chosen = (self._chosen + 1) % len(self._boxes)
        self._show()

    def action_add(self) -> None:
        """Put another region beside the first, on the side with more room."""
        one = self._boxes[0]
        if one.left >= WHOLE - one.right:
            width = min(one.width, one.left)
            self._boxes.append(replace(one, left=one.left - width, width=width))
        else:
            self._boxes.append(replace(one, left=one.right, width=min(one.width, WHOLE - one.right)))
        self._chosen = len(self._boxes) - 1
        if self._boxes[-1].width < LEAST:
            # The first fills the portrait: the overlap is said, and a person makes it smaller.
            self._boxes[-1] = FIRST
        self._show()

    def action_remove(self) -> None:
        """Take the chosen region away."""
        del self._boxes[self._chosen]
        self._chosen = 0
        self._show()

    def action_whole(self) -> None:
        """Answer that the whole portrait speaks."""
        self.dismiss("")

    def action_take(self) -> None:
        """Answer with the regions, unless they cannot stand together."""
        if not self._problem:
            self.dismiss(boxes_text(self._boxes))

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss(None)


@lru_cache(maxsize=1)
def portrait(view: PictureView, kept: Box, monochrome: bool) -> CellPicture:
    """The portrait with all outside `kept` dark, which stays while a region moves over it."""
    return cell_picture(darkened(view.rgb, view.width, view.height, kept), view.width, view.height, monochrome)


def darkened(rgb: bytes, width: int, height: int, kept: Box) -> bytes:
    """Make every pixel outside `kept` darker."""
    left, right = (round(edge / WHOLE * width) * 3 for edge in (kept.left, kept.right))
    top, bottom = (round(edge / WHOLE * height) for edge in (kept.top, kept.bottom))
    lines = []
    for row in range(height):
        line = rgb[row * width * 3 : (row + 1) * width * 3]
        inside = line[left:right] if top <= row < bottom else b""
        lines.append(line[:left].translate(DARKER) + inside + line[left + len(inside) :].translate(DARKER))
    return b"".join(lines)
