"""A list of any length that draws only the rows in sight; subclasses say what a row looks like."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive

from skyreels_tui.ui.keys import LIST, bindings
from skyreels_tui.ui.widgets.panel import Panel


class RowList(Panel):
    """Rows with a cursor. Drawing costs what is visible, so 10 000 rows cost as much as 20."""

    BINDINGS = bindings(LIST)

    DEFAULT_CSS = """
    RowList { height: 1fr; }
    """

    cursor: reactive[int] = reactive(0, repaint=False)
    """Index of the selected row; a move draws the two rows that it changes."""

    class Moved(Message):
        """The cursor stands on another row, or the row under it changed."""

        def __init__(self, row_list: RowList) -> None:
            self.row_list = row_list
            super().__init__()

        @property
        def control(self) -> RowList:
            """The list, for `@on` selectors."""
            return self.row_list

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._top = 0

    # What a subclass says

    def count(self) -> int:
        """How many rows there are."""
        raise NotImplementedError

    def row(self, index: int, width: int, selected: bool) -> Content:
        """One row, at most `width` cells."""
        raise NotImplementedError

    def height(self, index: int) -> int:
        """Lines of a row; `row` gives as many."""
        return 1

    def header(self, width: int) -> Content | None:
        """A line above the rows, or None."""
        return None

    def highlighted(self, line: Content) -> Content:
        """A line of the selected row while the list has the focus."""
        return line.stylize("$foreground on $panel")

    def empty(self, width: int) -> Content:
        """Shown instead of rows when there are none, wrapped where it is wider than the list."""
        return Content("")

    # Drawing

    def body(self, width: int, height: int) -> Content:
        """Header and the visible rows."""
        header = self.header(width)
        lines = [header] if header is not None else []
        total = self.count()
        if not total:
            return Content("\n").join([*lines, *self.empty(width).wrap(width)])
        visible = max(1, height - len(lines))
        self._scroll_into_view(total, visible)
        room = visible
        for index in range(self._top, total):
            if room <= 0:
                break
            selected = index == self.cursor
            drawn = self.row(index, width, selected).split("\n", allow_blank=True)[:room]
            room -= len(drawn)
            if selected and self.has_focus:
                drawn = [self.highlighted(line.pad_right(max(0, width - line.cell_length))) for line in drawn]
            lines += drawn
        return Content("\n").join(lines)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Lists take the room they are given; this is only asked for automatic heights."""
        return max(1, self.count()) + (self.header(width) is not None)

    def _scroll_into_view(self, total: int, visible: int) -> None:
        cursor = min(self.cursor, total - 1)
        self._top = max(min(self._top, cursor, self._first_above(total - 1, visible)),
                        self._first_above(cursor, visible), 0)  # fmt: skip

    def _first_above(self, last: int, visible: int) -> int:
        """The first row of a view that ends with the whole of row `last`."""
        first, room = last, visible - self.height(last)
        while first > 0 and room >= self.height(first - 1):
            first -= 1
            room -= self.height(first)
        return first

    def _draw_move(self, before: int) -> None:
        """Draw the row that the cursor has left and the one it stands on, or all where others are in sight now."""
        top, total, has_header = self._top, self.count(), self.header(1) is not None
        visible = self.content_size.height - has_header
        if self.folded or visible < 1 or not before < total:
            self.refresh()
            return
        self._scroll_into_view(total, visible)
        if self._top != top:
            self.refresh()
            return
        for index in (before, self.cursor):
            line = has_header + sum(self.height(above) for above in range(top, index))
            self.refresh(Region(0, line, self.content_size.width, self.height(index)))

    @property
    def page_rows(self) -> int:
        """Rows of one page."""
        return max(1, (self.content_size.height - 1) // self.height(self.cursor))

    # Moving

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(cursor, self.count() - 1))

    def watch_cursor(self, before: int, _now: int) -> None:
        """Draw the move, and tell whoever shows details of the selected row."""
        self._draw_move(before)
        self.post_message(self.Moved(self))

    def action_cursor(self, offset: int) -> None:
        """Move the cursor by rows."""
        self.cursor += offset

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.cursor += pages * self.page_rows

    def action_first(self) -> None:
        """Go to the first row."""
        self.cursor = 0

    def action_last(self) -> None:
        """Go to the last row."""
        self.cursor = self.count() - 1

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.cursor += 1

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the cursor."""
        event.stop()
        self.cursor -= 1

    def on_click(self, event: events.Click) -> None:
        """A click selects; a second one opens, like Enter."""
        offset = event.get_content_offset(self)
        if offset is None or not self.count():
            return
        line = offset.y - (self.header(self.content_size.width) is not None)
        index = self._top
        while 0 <= index < self.count() and line >= self.height(index):
            line -= self.height(index)
            index += 1
        if line >= 0 and index < self.count():
            self.cursor = index
