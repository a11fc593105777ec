"""What a person writes about a film or a scene, one field each; the sounds are opened before it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.errors import Problem
from pipelines.front.fields import FieldSpec
from pipelines.front.language import tr
from skyreels_tui.films.written import problems_of
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import WRITTEN, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.fields import make_field
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.files import FilesField
from skyreels_tui.ui.widgets.form_looks import FORM_LOOKS
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.workers import hand_over


class WrittenScreen(Screen[None]):
    """Hands over the values of its fields once they can be kept."""

    DEFAULT_CSS = f"{FORM_LOOKS} .count {{ display: none; }}"
    BINDINGS = bindings(WRITTEN)

    def __init__(
        self,
        title: str,
        fields: Mapping[str, FieldSpec],
        values: Mapping[str, Any],
        keep: Callable[[dict[str, object]], object],
    ) -> None:
        super().__init__()
        self._title, self._specs, self._given, self._keep = title, fields, values, keep

    def compose(self) -> ComposeResult:
        """Title, fields, one line of help."""
        yield Static(plain(self._title, "bold $primary"), id="form-title")
        with VerticalScroll(id="form-fields", can_focus=False):
            for name, spec in self._specs.items():
                yield make_field(name, spec, self._given[name])
        yield Static(Content(""), id="form-help")
        yield KeyBar()

    @on(Field.Focused)
    def _on_focused(self, event: Field.Focused) -> None:
        show_in(self.query_one("#form-help", Static), plain(tr(event.field.spec.help), "$text-muted"))

    def action_save(self) -> None:
        """Keep it, or show what cannot be kept."""
        for field in self.query(FilesField):
            field.whole = True
        self._check({field.field_name: field.value for field in self.query(Field)})

    @work(thread=True, exclusive=True, group="check")
    def _check(self, values: dict[str, object]) -> None:
        hand_over(self, self._take, values, problems_of(values))

    def _take(self, values: dict[str, object], problems: list[Problem]) -> None:
        found = {problem.field: problem.message for problem in problems}
        for field in self.query(Field):
            field.show_problem(found.get(field.field_name, ""))
            if isinstance(field, FilesField):
                field.whole = False
        if found:
            hub(self).tell(tr("Not saved: mend the marked fields"), "error")
        elif self.is_current:
            self._keep(values)
            self.dismiss()

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss()
