"""Forms kept under a name: load, save, delete, and what a new form of the task starts with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from pipelines.front.errors import PipelineError
from pipelines.front.language import mark, tr
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.requests import forms
from skyreels_tui.requests.presets import Presets, preset_name_problem
from skyreels_tui.settings.settings import SettingsError
from skyreels_tui.ui.drawing.safe import cut, plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import PRESETS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.form.services import FormServices
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList

NAME_WIDTH = 24


class PresetList(RowList):
    """One row a preset."""

    def __init__(self) -> None:
        super().__init__(id="preset-list")
        self.presets: dict[str, dict[str, Any]] = {}
        self._summaries: dict[str, str] = {}

    def show(self, task: TaskSpec, presets: dict[str, dict[str, Any]], name: str = "") -> None:
        """Replace the rows and put the cursor on `name`."""
        self.presets = presets
        self._summaries = {key: forms.summary(task, _unusual(task, values)) for key, values in presets.items()}
        names = list(presets)
        self.cursor = names.index(name) if name in names else min(self.cursor, max(0, len(names) - 1))
        self.refresh()
        self.post_message(self.Moved(self))

    @property
    def selected(self) -> str:
        """Name under the cursor, '' when there is none."""
        return list(self.presets)[self.cursor] if self.presets else ""

    def count(self) -> int:
        """Presets of the task."""
        return len(self.presets)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Name and what it holds."""
        name = list(self.presets)[index]
        mark = hub(self).glyphs.cursor if selected else " "
        shown = cut(name, NAME_WIDTH)
        gap = " " * (NAME_WIDTH + 1 - Content(shown).cell_length)
        held = cut(self._summaries[name], max(4, width - NAME_WIDTH - 4))
        return Content.assemble((f"{mark} ", "bold $accent"), (shown, "bold"), gap, (held, "$text-muted"))

    def empty(self, width: int) -> Content:
        """How to make the first one."""
        return Content.styled(
            tr("No presets yet: {key} keeps the form under a name.", key=hub(self).key("presets.save")), "$text-muted"
        )


class PresetsScreen(Screen[dict[str, Any] | None]):
    """Answers with the values of the chosen preset, None when it is left."""

    BINDINGS = bindings(PRESETS)

    def __init__(self, services: FormServices, task: TaskSpec, values: Mapping[str, Any]) -> None:
        """`values` is what stands in the form."""
        super().__init__()
        self._services, self._form_task, self._values = services, task, dict(values)
        self._undo: list[Callable[[], object]] = []

    def compose(self) -> ComposeResult:
        """Title, list, the line for a name, keys."""
        title = (tr("Presets"), "bold $primary"), f"  {tr(self._form_task.title)}"
        yield Static(Content.assemble(*title), classes="bar")
        yield PresetList()
        yield Static(Content(""), id="preset-whole", classes="explain")
        leaves = tr("name of the preset; {back} leaves it", back=hub(self).key("presets.back"))
        yield LineInput(placeholder=leaves, id="preset-name")
        yield Static(Content(""), id="preset-problem", classes="bar")
        yield KeyBar()

    def on_mount(self) -> None:
        """List what is there."""
        self._line.display = self.query_one("#preset-problem").display = False
        self._list.focus()
        self._show()

    @property
    def _presets(self) -> Presets:
        return Presets(self._services.folders.presets)

    @property
    def _list(self) -> PresetList:
        return self.query_one(PresetList)

    @property
    def _line(self) -> LineInput:
        return self.query_one("#preset-name", LineInput)

    def _show(self, name: str = "") -> None:
        self._do(lambda: self._list.show(self._form_task, self._presets.of_task(self._form_task.name), name))
        self.refresh_bindings()

    @on(RowList.Moved)
    def _show_whole(self) -> None:
        values = self._list.presets.get(self._list.selected, {})
        show_in(self.query_one("#preset-whole", Static), plain(forms.summary(self._form_task, values), "$text-muted"))

    def _do(self, change: Callable[[], object]) -> bool:
        """Read or write a file; say in words what went wrong."""
        try:
            change()
        except (PipelineError, SettingsError, OSError) as error:
            hub(self).tell(str(error), "error")
            return False
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A preset that is not there can be neither loaded nor deleted."""
        if not self.is_mounted or not self.query(PresetList):
            return True
        if action in ("load", "delete"):
            return bool(self._list.presets)
        return bool(self._undo) if action == "undo" else True

    def action_load(self) -> None:
        """Answer with the preset under the cursor."""
        if self._list.selected:
            self.dismiss(self._list.presets[self._list.selected])

    def action_save(self) -> None:
        """Ask for a name."""
        self._line.display = True
        self._line.value = self._list.selected
        self._line.focus()
        self.refresh_bindings()

    @on(Input.Changed)
    def _on_name_changed(self, event: Input.Changed) -> None:
        """Say at once when the name is taken or cannot be."""
        name = event.value.strip()
        words = preset_name_problem(name) if name else ""
        if name in self._list.presets:
            key = hub(self).key("presets.undo")
            words = tr("There is one of this name: it is replaced, {key} brings it back", key=key)
        problem = self.query_one("#preset-problem", Static)
        problem.display = bool(words) and self._line.display
        show_in(problem, plain(words, "$text-warning"))

    @on(Input.Submitted)
    def _on_name(self, event: Input.Submitted) -> None:
        name, task = event.value.strip(), self._form_task.name
        if preset_name_problem(name):
            return
        before = self._list.presets.get(name)
        if self._do(lambda: self._presets.save(task, name, self._values)):
            self._remember(name, before)
            self._close_line()
            self._show(name)
            hub(self).tell(tr("Saved as {name}", name=safe(name)))

    def action_delete(self) -> None:
        """Forget the preset under the cursor; undo brings it back."""
        name, task = self._list.selected, self._form_task.name
        before = self._list.presets.get(name)
        if before is not None and self._do(lambda: self._presets.delete(task, name)):
            self._remember(name, before)
            self._show()
            app = hub(self)
            words = tr("{name} deleted: {key} brings it back", name=safe(name), key=app.key("presets.undo"))
            app.tell(words, about="undo")

    def _remember(self, name: str, before: dict[str, Any] | None) -> None:
        """Undo puts back what stood under a name, or takes away what did not."""
        task = self._form_task.name
        if before is None:
            self._undo.append(lambda: self._presets.delete(task, name))
        else:
            self._undo.append(lambda: self._presets.save(task, name, before))

    def action_undo(self) -> None:
        """Take back the last change."""
        if self._undo and self._do(self._undo.pop()):
            hub(self).tell(tr("Taken back"), about="undo")
        self._show()

    def action_defaults(self) -> None:
        """Make the form's options those of new forms; prompt and files are no options."""
        live, task = self._services.settings, self._form_task
        fields = forms.default_fields(task, self._values)
        before = live.now.defaults.get(task.name, {})

        def start_with(fields: Mapping[str, Any]) -> None:
            live.change(dataclasses.replace(live.now, defaults={**live.now.defaults, task.name: fields}))

        if self._do(lambda: start_with(fields)):
            self._undo.append(lambda: start_with(before))
            words = forms.summary(task, fields) or tr("the program's own")
            hub(self).tell(tr("New forms of this task start with: {values}", values=safe(words, 200)))
            self.refresh_bindings()

    def _close_line(self) -> None:
        self._line.display = self.query_one("#preset-problem").display = False
        self._line.value = ""
        self._list.focus()
        self.refresh_bindings()

    def key_label(self, action: str) -> str:
        """The way out closes the line for a name first."""
        return mark("Close line") if action == "back" and self._line.display else ""

    def action_back(self) -> None:
        """Close the line for a name first, then leave."""
        if self._line.display:
            self._close_line()
        else:
            self.dismiss(None)


def _unusual(task: TaskSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    usual = forms.initial_values(task)
    return {name: value for name, value in values.items() if value != usual[name]}
