"""The engine log: the newest lines, cut to the width."""

from __future__ import annotations

from collections import deque

from textual.content import Content

from pipelines.front.language import tr
from skyreels_tui.queue.events import LogLine
from skyreels_tui.ui.drawing.safe import cut
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.words.times import local

KEPT = 2000
_STYLES = {"warning": "$text-warning", "error": "$text-error"}


class LogPanel(RowList):
    """Follows the newest line until the cursor moves up; End follows again."""

    SPEC = panel_named("log")

    DEFAULT_CSS = """
    LogPanel { height: 5; }
    """

    def __init__(self, *, id: str | None = None, job_id: int | None = None) -> None:
        super().__init__(id=id)
        self._job_id = job_id
        self._lines: deque[LogLine] = deque(maxlen=KEPT)

    def on_mount(self) -> None:
        """Start with what the app remembers, then follow."""
        super().on_mount()
        app = hub(self)
        self._lines.extend(line for line in app.board.log if self._wants(line))
        app.log_line.subscribe(self, self._on_log_line)
        self.action_last()

    def _wants(self, line: LogLine) -> bool:
        return self._job_id is None or line.job_id == self._job_id

    def _on_log_line(self, line: LogLine) -> None:
        if not self._wants(line):
            return
        follows = self.cursor >= len(self._lines) - 1
        self._lines.append(line)
        if follows:
            self.cursor = len(self._lines) - 1
        self.refresh()

    def count(self) -> int:
        """Lines kept."""
        return len(self._lines)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Local time, job and text."""
        entry = self._lines[index]
        job = f" {entry.job_id}" if entry.job_id is not None and self._job_id is None else ""
        head = f"{local(entry.at):%H:%M:%S}{job} "
        return Content.assemble(
            (head, "$text-muted"), (cut(entry.text, width - len(head)), _STYLES.get(entry.level, ""))
        )

    def line(self, width: int) -> Content:
        """The newest line."""
        return self.row(len(self._lines) - 1, width, False) if self._lines else Content("")

    def empty(self, width: int) -> Content:
        """Says what will come here."""
        return Content.styled(tr("What the engine does will be written here."), "$text-muted")
