"""The settings, drawn from their field specs; written to the TOML file, comments kept."""

from __future__ import annotations

import dataclasses
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.fields import Number
from pipelines.front.language import tr
from skyreels_tui.settings.checks import setting_problem
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.served import why_locked
from skyreels_tui.settings.settings import Settings, SettingsError, setting_specs, waiting
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import SETTINGS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen
from skyreels_tui.ui.widgets.fields import make_field
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.form_looks import FORM_LOOKS
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.workers import hand_over


class SettingsScreen(Screen[None]):
    """One field a setting."""

    DEFAULT_CSS = FORM_LOOKS
    BINDINGS = bindings(SETTINGS)

    def __init__(self, settings: LiveSettings) -> None:
        super().__init__()
        self._settings = settings
        self._before = settings.now
        """What the fields were filled with, or took over since."""

    def compose(self) -> ComposeResult:
        """Title, fields, one line of help."""
        yield Static(
            Content.assemble((tr("Settings"), "bold $primary"), "  ", plain(str(self._settings.path), "$text-muted")),
            id="form-title",
        )
        with VerticalScroll(id="form-fields", can_focus=False):
            for name, spec in setting_specs():
                yield make_field(name, spec, getattr(self._before, name))
        yield Static(Content(""), id="form-help")
        yield KeyBar()

    def on_mount(self) -> None:
        """A browser shows some settings only; what another window changes meanwhile is shown too."""
        hub(self).settings_changed.subscribe(self, self._take_over)
        if self._settings.served:
            for field in self.query(Field):
                if reason := why_locked(field.field_name):
                    field.show_only(reason)

    def _values(self) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field in self.query(Field):
            value = field.value
            whole_as_float = isinstance(field.spec, Number) and field.spec.decimals and isinstance(value, int)
            values[field.field_name] = float(value) if whole_as_float else value  # type: ignore[arg-type]  # int
        return values

    @on(Field.Changed)
    def _on_changed(self) -> None:
        self._check()

    @on(Field.Focused)
    def _on_focused(self, event: Field.Focused) -> None:
        show_in(self.query_one("#form-help", Static), plain(tr(event.field.spec.help), "$text-muted"))

    def _check(self) -> bool:
        values = self._values()
        fine = True
        for field in self.query(Field):
            problem = setting_problem(field.field_name, values[field.field_name])
            if not field.disabled:
                field.show_problem(problem)
            fine = fine and not problem
        return fine

    def _take_over(self, now: Settings) -> None:
        """Fields in which a person has typed something here stay."""
        values = self._values()
        for field in self.query(Field):
            name = field.field_name
            if values[name] == getattr(self._before, name) != getattr(now, name):
                field.set_value(getattr(now, name))
        self._before = now

    @property
    def _changed(self) -> dict[str, Any]:
        """What a person has changed here."""
        return {name: value for name, value in self._values().items() if value != getattr(self._before, name)}

    def action_save(self) -> None:
        """Write the file."""
        if not self._check():
            hub(self).tell(tr("Not saved: mend the marked fields"), "error")
            return
        before = self._settings.now
        try:
            self._settings.change(dataclasses.replace(before, **self._changed))
        except SettingsError as error:
            hub(self).tell(tr("Not saved: {error}", error=error), "error")
            return
        specs = dict(setting_specs())
        names = ", ".join(tr(specs[name].label) for name in waiting(before, self._settings.now))
        hub(self).tell(tr("Saved. Takes effect at the next start: {names}", names=names) if names else tr("Saved"))
        self.dismiss()

    def action_test(self) -> None:
        """Tell hook and webhook something, as they are typed now, and say what came of it."""
        values = self._values()
        if self._settings.served:
            hub(self).tell(why_locked("hook"), "warning")
        elif not values["hook"] and not values["webhook"]:
            hub(self).tell(tr("There is no hook and no webhook to test"), "warning")
        elif self._check():
            self._test(str(values["hook"]), str(values["webhook"]))

    @work(thread=True, exclusive=True, group="test")
    def _test(self, hook: str, webhook: str) -> None:
        # Imported with the first test: most people never make one.
        from skyreels_tui.notify.messenger import post, run_hook
        from skyreels_tui.notify.notice import Notice

        notice = Notice("done", tr("A test of skyreels-tui"), tr("Jobs that end are told like this"))
        problems = [run_hook(hook, notice)] if hook else []
        problems += [post(webhook, notice)] if webhook else []
        hand_over(self, self._tested, [problem for problem in problems if problem])

    def _tested(self, problems: list[str]) -> None:
        if problems:
            hub(self).tell(tr("The test failed: {problems}", problems="; ".join(problems)), "error")
        else:
            hub(self).tell(tr("The test arrived"))

    def action_back(self) -> None:
        """Leave; ask when something would be lost."""
        if not self._changed:
            self.dismiss()
            return
        question = ConfirmScreen(tr("Leave without saving?"), tr("What you changed here is lost."), yes=tr("Leave"))
        self.app.push_screen(question, self._leave)

    def _leave(self, sure: bool | None) -> None:
        if sure:
            self.dismiss()
