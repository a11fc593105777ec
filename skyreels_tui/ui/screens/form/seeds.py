"""The question how many jobs with different seeds are queued at once."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from pipelines.front.language import tr
from pipelines.front.request import SEED
from skyreels_tui.ui.keys import SEEDS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar

FEWEST, MOST = 2, 99


class SeedsScreen(ModalScreen[int | None]):
    """Answers with the number of jobs, None when it is left."""

    BINDINGS = bindings(SEEDS)

    DEFAULT_CSS = """
    SeedsScreen { align: center middle; background: $background 60%; }
    SeedsScreen > Vertical {
        width: 64; max-width: 95%; height: auto; padding: 1 2; background: $surface; border: round $primary;
    }
    SeedsScreen .title { text-style: bold; margin: 0 0 1 0; }
    SeedsScreen LineInput { width: 12; background: $panel; }
    SeedsScreen #seeds-which { margin: 1 0 0 0; }
    """

    def __init__(self, seed: int) -> None:
        """`seed` is the first one."""
        super().__init__()
        self._seed = seed

    def compose(self) -> ComposeResult:
        """Question, number, which seeds that makes."""
        with Vertical():
            yield Static(Content(tr("Queue this job how many times, each with another seed?")), classes="title")
            yield LineInput("4", id="seeds-count")
            yield Static(Content(""), id="seeds-which")
        yield KeyBar()

    def on_mount(self) -> None:
        """The number is typed over."""
        line = self.query_one(LineInput)
        line.focus()
        line.action_select_all()

    @property
    def _count(self) -> int | None:
        text = self.query_one(LineInput).value.strip()
        count = int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0
        return count if FEWEST <= count <= MOST and self._seed + count - 1 <= SEED.maximum else None

    @on(Input.Changed)
    def _on_changed(self) -> None:
        count = self._count
        which = self.query_one("#seeds-which", Static)
        if count is None:
            words = tr("A number from {fewest} to {most}", fewest=FEWEST, most=MOST)
            show_in(which, Content.styled(words, "$text-error"))
        else:
            words = tr("Seeds {first} to {last}", first=self._seed, last=self._seed + count - 1)
            show_in(which, Content.styled(words, "$text-muted"))

    def action_take(self) -> None:
        """Answer, unless the number is none."""
        if self._count is not None:
            self.dismiss(self._count)

    def action_back(self) -> None:
        """Queue nothing."""
        self.dismiss(None)
