"""The doctor: what is wrong with this machine, and the exact command that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.language import mark, tr
from skyreels_tui.doctor.checks import Check, CheckState, run_checks
from skyreels_tui.doctor.facts import PARTS, MachineFacts
from skyreels_tui.doctor.gather import gather
from skyreels_tui.files.folders import Folders
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.ui.drawing.pictures import Drawing
from skyreels_tui.ui.drawing.safe import cut, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import DOCTOR, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.workers import hand_over

NAME_WIDTH = 20
_PART_WORDS = {
    "machine": mark("this machine"),
    "models": mark("models"),
    "ffmpeg": mark("ffmpeg"),
    "cluster": mark("cluster"),
    "torch": mark("torch and the GPU"),
}
_STYLES = {
    CheckState.OK: "$text-success",
    CheckState.NOTE: "$text-muted",
    CheckState.WARN: "$text-warning",
    CheckState.BAD: "$text-error",
}


class CheckList(RowList):
    """One row a check; the worst are marked, not moved, so that the page reads the same every time."""

    def __init__(self) -> None:
        super().__init__(id="doctor-list")
        self.checks: list[Check] = []

    @property
    def selected(self) -> Check | None:
        """The check under the cursor."""
        return self.checks[self.cursor] if self.checks else None

    def count(self) -> int:
        """Checks made."""
        return len(self.checks)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """State, name and finding."""
        check, glyphs = self.checks[index], hub(self).glyphs
        mark = {
            CheckState.OK: glyphs.check,
            CheckState.NOTE: glyphs.dot,
            CheckState.WARN: "!",
            CheckState.BAD: glyphs.cross,
        }[check.state]
        head = f"{cut(check.title, NAME_WIDTH):<{NAME_WIDTH}} "
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '} ", "bold $accent"),
            (f"{mark:<2} {tr(check.state):<5} ", _STYLES[check.state]),
            (head, "bold"),
            cut(check.found, max(8, width - len(head) - 12)),
        )

    def empty(self, width: int) -> Content:
        """While the checks run."""
        return Content.styled(tr("Looking at Python, torch, the GPU, memory, disks and the terminal …"), "$text-muted")


class DoctorScreen(Screen[None]):
    """Checks on a worker thread; the selected finding is explained below."""

    BINDINGS = bindings(DOCTOR)

    def __init__(self, folders: Folders, settings: LiveSettings, result_dir: Path) -> None:
        super().__init__()
        self._folders, self._settings, self._result_dir = folders, settings, result_dir

    def compose(self) -> ComposeResult:
        """Title, findings, explanation."""
        yield Static(Content(""), id="doctor-title", classes="bar")
        yield CheckList()
        yield Static(Content(""), id="doctor-why", classes="explain")
        yield KeyBar()

    def on_mount(self) -> None:
        """Start to look."""
        self._write_title(PARTS[0])
        self.query_one(CheckList).focus()
        self._examine(hub(self).looks.drawing)

    def _write_title(self, next_part: str) -> None:
        """`next_part` is what is looked at now, '' at the end."""
        looking = tr("looking at: {part} …", part=tr(_PART_WORDS[next_part])) if next_part else ""
        title = Content.assemble((tr("Doctor"), "bold $primary"), "  ", (looking, "$text-muted"))
        show_in(self.query_one("#doctor-title", Static), title)

    @work(thread=True, exclusive=True, group="doctor")
    def _examine(self, pictures: Drawing) -> None:
        def tell(facts: MachineFacts, known: Sequence[str]) -> None:
            hand_over(self, self._show, run_checks(facts, known), known)

        tell(gather(self._folders, self._settings.now, self._result_dir, pictures=pictures, tell=tell), PARTS)

    def _show(self, checks: list[Check], known: Sequence[str]) -> None:
        if self.is_mounted:
            self._write_title(next((part for part in PARTS if part not in known), ""))
            listing = self.query_one(CheckList)
            listing.checks = checks
            worst = [index for index, check in enumerate(checks) if check.state in (CheckState.BAD, CheckState.WARN)]
            listing.cursor = worst[0] if worst else 0
            listing.refresh()
            self._explain()

    @on(RowList.Moved)
    def _explain(self) -> None:
        check = self.query_one(CheckList).selected
        text = Content("")
        if check is not None:
            fix = (
                [Content.assemble((tr("mend it:"), "$text-muted"), " ", plain(check.fix, "bold"))] if check.fix else []
            )
            text = Content("\n").join([plain(check.found), *([plain(check.why)] if check.why else []), *fix])
        show_in(self.query_one("#doctor-why", Static), text)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only a finding with a command can be copied."""
        if action == "copy":
            check = self.query_one(CheckList).selected if self.is_mounted else None
            return check is not None and bool(check.fix)
        return True

    def action_again(self) -> None:
        """Check again."""
        listing = self.query_one(CheckList)
        listing.checks = []
        listing.refresh()
        self._write_title(PARTS[0])
        self._examine(hub(self).looks.drawing)

    def action_copy(self) -> None:
        """Copy the command."""
        check = self.query_one(CheckList).selected
        if check is not None:
            self.app.copy_to_clipboard(check.fix)

    def action_back(self) -> None:
        """Back home."""
        self.dismiss()
