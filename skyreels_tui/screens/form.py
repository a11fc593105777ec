"""The form of a new job, drawn from the task's field specs; checks while you type, queues on Ctrl+S."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from pipelines.errors import Problem
from pipelines.request import Text
from pipelines.tasks import TASKS, task_named
from skyreels_tui import forms, intents
from skyreels_tui.drafts import Draft
from skyreels_tui.form_host import FormHost, form_host
from skyreels_tui.jobs.model import Job
from skyreels_tui.keys import FORM, bindings
from skyreels_tui.widgets.fields import make_field
from skyreels_tui.widgets.fields.base import Field
from skyreels_tui.widgets.fields.files import FilesField
from skyreels_tui.widgets.keybar import KeyBar
from skyreels_tui.widgets.more import More
from skyreels_tui.widgets.safe import plain, safe

PAUSE_S = 0.15
"""Typing rests this long before the files are checked again."""
LABEL = Text(label="Label", help="A name for the list; empty: the beginning of the prompt")


class FormScreen(Screen[None]):
    """One task's form; what is typed is kept as a draft until it is queued."""

    BINDINGS = bindings(FORM)

    def __init__(
        self,
        task_name: str,
        values: dict[str, object] | None = None,
        label: str = "",
        *,
        edit_job_id: int | None = None,
    ) -> None:
        """With `edit_job_id` that job is changed in place, and no draft is kept."""
        super().__init__()
        self.form_task = task_named(task_name)
        self._edits = edit_job_id
        self._given, self._given_label = values, label
        self._checked: forms.Checked | None = None
        self._checked_values: dict[str, Any] = {}
        self._timer: Timer | None = None
        self._submitting = False
        self._asked = False
        """The queue key was pressed: from then on every problem is shown."""
        self._forgotten: Draft | None = None

    @property
    def host(self) -> FormHost:
        """What the app lends a form."""
        return form_host(self)

    # Drawing

    def compose(self) -> ComposeResult:
        """Title, fields, one line of help, the estimate, the keys."""
        host = self.host
        draft = host.drafts.forms.get(self.form_task.name, Draft())
        if self._given is not None:
            host.drafts.profile = "demo" if self._given.get("profile") == "demo" else "full"
            draft = Draft(dict(self._given), self._given_label)
        values = forms.initial_values(self.form_task, host.task_defaults(self.form_task.name), draft.values)
        if "resolution" not in (self._given or {}):
            values = forms.fit_to_profile(self.form_task, values, self._profile)
        yield Static(self._title(), id="form-title")
        with VerticalScroll(id="form-fields", can_focus=False):
            yield Static(Content(""), id="form-checkpoint")
            advanced = []
            for name, spec in forms.ordered_specs(self.form_task.request_type):
                field = make_field(name, spec, values[name], demo=self._profile == "demo")
                if spec.advanced:
                    advanced.append(field)
                else:
                    yield field
            yield make_field("label", LABEL, draft.label)
            yield More(advanced)
        yield Static(Content(""), id="form-help")
        yield Static(Content(""), id="form-estimate")
        yield KeyBar()

    def on_mount(self) -> None:
        """Start in the first field, with what is known about the draft."""
        self.host.drafts.task = self.form_task.name
        self.call_after_refresh(self._check)

    @property
    def _profile(self) -> Any:
        return self.host.drafts.profile

    def _title(self) -> Content:
        parts: list[tuple[str, str] | str] = [(self.form_task.title, "bold $primary")]
        if self._edits is not None:
            parts.insert(0, (f"Edit job {self._edits}   ", "bold $accent"))
        if self._profile == "demo":
            parts.append(("  demo models", "$text-warning"))
        others = [f"F{place + 2} {task.short}" for place, task in enumerate(TASKS) if task is not self.form_task]
        if self._edits is not None:
            return Content.assemble(*parts)
        return Content.assemble(*parts, ("   " + " · ".join(others), "$text-muted"))

    # Values

    @property
    def _fields(self) -> dict[str, Field]:
        return {field.field_name: field for field in self.query(Field)}

    def values(self) -> dict[str, Any]:
        """What stands in the fields, the label left out."""
        return {name: field.value for name, field in self._fields.items() if name != "label"}

    @property
    def _label(self) -> str:
        return str(self._fields["label"].value).strip()

    # Checking

    @on(Field.Changed)
    def _on_field_changed(self) -> None:
        self._checked = None
        self._check_soon(PAUSE_S)

    def _check_soon(self, pause_s: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(pause_s, self._check) if pause_s else None
        if not pause_s:
            self._check()

    def _check(self) -> None:
        if not self.is_mounted:
            return
        values = self.values()
        self.query_one(More).refresh_summary()
        self._keep_draft(values)
        self._check_on_worker(values, self._profile)

    @work(thread=True, exclusive=True, group="check")
    def _check_on_worker(self, values: dict[str, Any], profile: Any) -> None:
        request = forms.build_request(self.form_task, values, profile)
        checked = forms.check_form(self.form_task, request, self.host.cache_dir)
        self.app.call_from_thread(self._take_checked, values, checked)

    def _take_checked(self, values: dict[str, Any], checked: forms.Checked) -> None:
        if not self.is_mounted or not self.query("#form-checkpoint"):
            # The form was left while its files were looked at.
            return
        if values != self.values():
            # Something was typed meanwhile: another check is on its way.
            return
        self._checked, self._checked_values = checked, values
        self._show_problems(checked.problems)
        self._show_checkpoint(checked.checkpoint)
        self._show_estimate(checked)
        if self._submitting:
            self._submit_checked(checked)

    def _show_problems(self, problems: Sequence[Problem]) -> None:
        by_field: dict[str, str] = {}
        for problem in problems:
            by_field.setdefault(problem.field, problem.message)
        more = self.query_one(More)
        for name, field in self._fields.items():
            shown = by_field.get(name, "") if field.touched or self._asked else ""
            field.show_problem(shown)
            if shown and field.spec.advanced:
                more.open = True

    def _show_checkpoint(self, missing: str) -> None:
        banner = self.query_one("#form-checkpoint", Static)
        banner.display = bool(missing)
        if missing:
            banner.update(
                Content.assemble(
                    plain(missing, "$text-warning"),
                    "\n",
                    ("Ctrl+O", "bold $primary"), " tries it with the tiny built-in models (noise), no download.",
                )
            )  # fmt: skip

    def _show_estimate(self, checked: forms.Checked) -> None:
        box = self.query_one("#form-estimate", Static)
        plan = checked.plan
        if plan is None:
            missing = [self._fields[p.field].spec.label for p in checked.problems if p.field in self._fields]
            names = ", ".join(dict.fromkeys(missing))
            box.update(Content.styled(f"An estimate comes with: {names}" if names else "", "$text-muted"))
            return
        seconds, learned = self.host.estimate(self.form_task, plan)
        lines = forms.estimate_lines(plan, seconds, learned, self.host.machine(), datetime.now().astimezone())
        box.update(Content.assemble((lines[0], "bold"), "\n", lines[1]))

    @on(Field.Focused)
    def _on_field_focused(self, event: Field.Focused) -> None:
        self.query_one("#form-help", Static).update(plain(event.field.spec.help, "$text-muted"))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A job that is edited keeps its task, and is saved instead of queued."""
        if action in ("submit", "task", "next_task"):
            return self._edits is None
        return self._edits is not None if action == "save" else True

    def action_save(self) -> None:
        """Change the edited job, or show every problem."""
        self.action_submit()

    def action_submit(self) -> None:
        """Queue the job, or show every problem and go to the first."""
        if self._submitting:
            return
        self._submitting = self._asked = True
        for files in self.query(FilesField):
            files.whole = True
        if self._checked is not None and self._checked_values == self.values():
            self._submit_checked(self._checked)
        else:
            self._check_soon(0.0)

    def _submit_checked(self, checked: forms.Checked) -> None:
        for files in self.query(FilesField):
            files.whole = False
        if checked.problems:
            self._submitting = False
            self._show_problems(checked.problems)
            self._go_to(checked.problems[0].field)
            count = len(checked.problems)
            self.host.tell(f"Not queued: {count} field{'s' * (count > 1)} to mend, marked below", "error")
            return
        if checked.checkpoint:
            self._submitting = False
            self.host.tell(
                "Not queued: this model is not on the machine. Ctrl+O uses the demo models, M on the home screen "
                "shows the download",
                "error",
            )
            return
        if self._edits is None:
            self.app.post_message(intents.SubmitJob(checked.request, self._label, self._answered))
        else:
            self.app.post_message(intents.EditJob(self._edits, checked.request, self._label, self._answered))

    def _answered(self, job: Job | None, problems: Sequence[Problem]) -> None:
        self._submitting = False
        if job is None:
            self._show_problems(problems)
            return
        if self._edits is None:
            self.host.drafts.forms.pop(self.form_task.name, None)
            self.host.drafts.save()
            self.host.tell(f"Job {job.id} queued")
        else:
            self.host.tell(f"Job {job.id} changed")
        self.dismiss()
        self.host.show_job(job.id)

    def _go_to(self, name: str) -> None:
        field = self._fields.get(name)
        if field is None:
            return
        if field.spec.advanced:
            self.query_one(More).open = True
        for widget in field.query("*"):
            if widget.focusable:
                widget.focus()
                return

    def action_task(self, place: int) -> None:
        """Go to the form of another task; this one is kept as a draft."""
        if TASKS[place] is not self.form_task:
            self._keep_draft(self.values())
            self.app.switch_screen(FormScreen(TASKS[place].name))

    def action_next_task(self) -> None:
        """Go round the tasks."""
        self.action_task((TASKS.index(self.form_task) + 1) % len(TASKS))

    def action_profile(self) -> None:
        """Switch between the real models and the built-in tiny ones."""
        values, label = self.values(), self._label
        self.host.drafts.profile = "full" if self._profile == "demo" else "demo"
        values = forms.fit_to_profile(self.form_task, values, self._profile)
        self._keep_draft(values, label)
        self._start_over({**values, "profile": self._profile}, label)

    def action_copy_command(self) -> None:
        """Copy the job as a shell command."""
        request = forms.build_request(self.form_task, self.values(), self._profile)
        command = forms.shell_command(self.form_task, request, self._label)
        self.app.copy_to_clipboard(command)
        self.host.tell(f"Copied: {safe(command, 200)}")

    def action_reset(self) -> None:
        """Empty the form; the second time bring back what was there."""
        before = Draft(self.values(), self._label)
        back = self._forgotten or Draft()
        screen = self._start_over({**back.values, "profile": self._profile}, back.label)
        screen._forgotten = None if self._forgotten else before
        self.host.tell("Form emptied: Ctrl+R brings it back" if screen._forgotten else "The form is back")

    def _start_over(self, values: dict[str, Any], label: str) -> FormScreen:
        screen = FormScreen(self.form_task.name, values, label, edit_job_id=self._edits)
        self.app.switch_screen(screen)
        return screen

    def action_back(self) -> None:
        """Leave; the draft stays."""
        self._keep_draft(self.values())
        self.dismiss()

    def _keep_draft(self, values: dict[str, Any], label: str | None = None) -> None:
        if self._edits is not None:
            return
        drafts = self.host.drafts
        kept = Draft(values, self._label if label is None else label)
        if drafts.forms.get(self.form_task.name) != kept:
            drafts.forms[self.form_task.name] = kept
            drafts.save()
