"""The fields of a form: what stands in them, what is wrong with it, and what is said of the files that are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from pipelines.front.errors import Problem
from pipelines.front.fields import Choice, Profile, Text, untouched
from pipelines.front.language import mark, tr
from pipelines.front.regions import RegionsRefused, parse_boxes
from pipelines.front.trim import LONGEST_S
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.requests import forms, typed_paths
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.screens.form.regions import RegionsScreen
from skyreels_tui.ui.screens.form.trim import Stretch, TrimScreen
from skyreels_tui.ui.widgets.fields import make_field
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.files import FilesField
from skyreels_tui.ui.widgets.fields.regions import RegionsField
from skyreels_tui.ui.widgets.fields.text import PromptField
from skyreels_tui.ui.widgets.more import More

LABEL = Text(label=mark("Label"), help=mark("A name for the list; empty: task and number"))


class FormFields(VerticalScroll, can_focus=False):
    """One task's fields and the label, in the order in which a person fills them; asked only while it is mounted."""

    def __init__(
        self, task: TaskSpec, values: Mapping[str, Any], label: str, *, profile: Profile, downloads: Path
    ) -> None:
        """`downloads` is where files from the web are kept."""
        super().__init__(id="form-fields")
        self._form_task, self._profile, self._downloads = task, profile, downloads
        self._first_values, self._first_label = values, label
        self._fields: dict[str, Field] = {}

    def compose(self) -> ComposeResult:
        """The fields of the task, the label, and behind one line those that most people never touch."""
        advanced = []
        for name, spec in forms.ordered_specs(self._form_task.request_type):
            value, demo = self._first_values[name], self._profile == "demo"
            field = make_field(name, spec, value, demo=demo, downloads=self._downloads)
            if isinstance(field, FilesField):
                field.trimmable = bool(forms.fields_about(self._form_task.request_type, name))
            if spec.advanced:
                advanced.append(field)
            else:
                yield field
        yield make_field("label", LABEL, self._first_label)
        yield More(advanced)

    def on_mount(self) -> None:
        """Know each by its name."""
        self._fields = {field.field_name: field for field in self.query(Field)}

    # Values

    def values(self) -> dict[str, Any]:
        """What stands in the fields, the label left out."""
        return {name: field.value for name, field in self._fields.items() if name != "label"}

    @property
    def label(self) -> str:
        """The name for the list, or ''."""
        return str(self._fields["label"].value).strip()

    def set_value(self, name: str, value: object) -> None:
        """Replace what stands in a field."""
        self._fields[name].set_value(value)

    def read_whole(self, whole: bool) -> None:
        """Whether a path that is half typed counts as it stands."""
        for files in self.query(FilesField):
            files.whole = whole

    def show_reading(self, reading: forms.Reading) -> None:
        """Show beside the prompt how the text encoder reads it."""
        for field in self.query(PromptField):
            field.take_reading(reading.text, reading.tokens)

    # Problems

    def show_problems(self, problems: Sequence[Problem], *, everywhere: bool) -> None:
        """Show each under its field: only where a person has been, or `everywhere`."""
        by_field: dict[str, str] = {}
        for problem in problems:
            by_field.setdefault(problem.field, problem.message)
        more = self.query_one(More)
        for name, field in self._fields.items():
            shown = by_field.get(name, "") if field.touched or everywhere else ""
            field.show_problem(shown)
            if shown and field.spec.advanced:
                more.open = True

    def wanted(self, problems: Sequence[Problem]) -> list[str]:
        """Labels of the fields that have a problem, in the problems' order."""
        return [tr(self._fields[problem.field].spec.label) for problem in problems if problem.field in self._fields]

    def go_to_first(self, problems: Sequence[Problem]) -> None:
        """Give the keys to the topmost field that has a problem."""
        wrong = {problem.field for problem in problems}
        self.go_to(next((name for name in self._fields if name in wrong), ""))

    def go_to(self, name: str) -> None:
        """Give the keys to a field and bring it into sight; nothing where there is none of that name."""
        field = self._fields.get(name)
        if field is None:
            return
        if field.spec.advanced:
            self.query_one(More).open = True
        target = next((widget for widget in field.query("*") if widget.focusable), None)
        if target is not None:
            target.focus(scroll_visible=False)
            # With its message: that stands in the last line of the field.
            self.call_after_refresh(lambda: field.scroll_visible(animate=False, force=True))

    # What is said of a chosen file

    @on(FilesField.Replaced)
    def _on_replaced(self, event: FilesField.Replaced) -> None:
        """What was said of one file is not meant for another."""
        trimmed = [field for field in self._about(event.field) if not untouched(field.spec, field.value)]
        for field in trimmed:
            field.set_value(getattr(field.spec, "unsaid", ""))
        if trimmed:
            hub(self).tell(tr("Another file is used whole"))
        for drawn in self._fields.values():
            if isinstance(drawn, RegionsField) and drawn.spec.of == event.field.field_name and drawn.value:
                drawn.set_value("")
                hub(self).tell(tr("The regions were drawn over another picture: draw them anew"), "warning")

    @on(FilesField.Trimming)
    def _on_trimming(self, event: FilesField.Trimming) -> None:
        start, end, *channel = self._about(event.field)
        choices = channel[0].spec if channel and isinstance(channel[0].spec, Choice) else None
        given = Stretch(_seconds(start.value), _seconds(end.value), str(channel[0].value) if channel else "")

        def take(stretch: Stretch | None) -> None:
            if stretch is None:
                return
            start.set_value(stretch.start_s)
            end.set_value(stretch.end_s)
            for field in channel:
                field.set_value(stretch.channel)
            self.post_message(Field.Changed(start))

        sound = event.field.files_spec.media == "audio"
        self.app.push_screen(TrimScreen(event.path, sound=sound, given=given, channels=choices), take)

    @on(RegionsField.Draw)
    def _on_draw(self, event: RegionsField.Draw) -> None:
        field = event.field
        given = self.values()[field.spec.of]
        picture = given[0] if isinstance(given, tuple) and given else ""
        if not typed_paths.names_file(picture):
            hub(self).tell(tr("Choose the portrait first: regions are drawn over it"), "warning")
            return
        try:
            boxes = parse_boxes(str(field.value))
        except RegionsRefused:
            # What cannot be read is drawn anew.
            boxes = ()
        request = forms.build_request(self._form_task, self.values(), self._profile)
        cuts = None if self._form_task.crop is None else partial(self._form_task.crop, request)
        screen = RegionsScreen(picture, boxes[: field.spec.maximum], field.spec.maximum, cuts)
        self.app.push_screen(screen, lambda text: field.set_value(text) if text is not None else None)

    def _about(self, files: FilesField) -> list[Field]:
        """The fields that say which part of a file is used."""
        return [self._fields[name] for name in forms.fields_about(self._form_task.request_type, files.field_name)]


def _seconds(value: object) -> float:
    """What stands in a field of seconds; what is no time there counts as nothing."""
    return float(value) if isinstance(value, int | float) and 0 <= value < LONGEST_S else 0.0
