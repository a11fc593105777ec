"""The form of a new job, drawn from the task's field specs; checks while you type, queues on Ctrl+S."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from pipelines.front.errors import Problem
from pipelines.front.language import mark, tr, trn
from pipelines.front.request import SEED, about_no_file
from pipelines.tasks import TASKS, task_named
from skyreels_tui.downloads.transfers import Transfer
from skyreels_tui.queue.model import Job
from skyreels_tui.requests import forms
from skyreels_tui.requests.drafts import Draft
from skyreels_tui.requests.history import HISTORY_FILE, History
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keyboard import form_scope
from skyreels_tui.ui.keys import bindings, printed
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.form.check import FormCheck, check_values
from skyreels_tui.ui.screens.form.estimate import FormEstimate
from skyreels_tui.ui.screens.form.fields import FormFields
from skyreels_tui.ui.screens.form.history import HistoryScreen
from skyreels_tui.ui.screens.form.missing_model import MissingModel
from skyreels_tui.ui.screens.form.picture import FilePicture
from skyreels_tui.ui.screens.form.presets import PresetsScreen
from skyreels_tui.ui.screens.form.seeds import SeedsScreen
from skyreels_tui.ui.screens.form.services import FormServices
from skyreels_tui.ui.screens.form.target import Target, waits_for
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.files import FilesField
from skyreels_tui.ui.widgets.form_looks import FORM_LOOKS
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.more import More
from skyreels_tui.ui.widgets.queue_line import QueueLine
from skyreels_tui.ui.workers import hand_over

WIDE, TALL = 110, 36
"""Columns from which the selected file is shown beside the fields, and lines from which the prompt is higher."""
PAUSE_S = 0.15
"""Typing rests this long before the files are checked again."""


class FormScreen(Screen[None]):
    """One task's form; what is typed is kept as a draft until it is queued."""

    DEFAULT_CSS = f"""{FORM_LOOKS}
    FormScreen {{
        #form-body {{ height: 1fr; }}
        #form-picture {{ display: none; }}
        &.-wide #form-picture {{ display: block; }}
        &.-wide FilesField .view.-picture {{ display: none; }}
        &.-tall PromptArea {{ min-height: 6; max-height: 18; }}
    }}
    """
    BINDINGS = bindings(form_scope())

    def __init__(
        self,
        services: FormServices,
        task_name: str,
        values: dict[str, object] | None = None,
        label: str = "",
        *,
        edit_job_id: int | None = None,
        scene: intents.SceneSlot | None = None,
    ) -> None:
        """With `edit_job_id` that job is changed in place, with `scene` a scene is written; then no draft is kept."""
        super().__init__()
        self._services = services
        self.form_task = task_named(task_name)
        self._target = Target(edit_job_id, scene)
        self._given, self._given_label = values, label
        self._checked: FormCheck | None = None
        """None from a change until what stands there has been checked."""
        self._timer: Timer | None = None
        self._submitting = False
        """From the queue key to the answer: nothing else is sent meanwhile."""
        self._sends_checked = False
        """What is checked next is sent, once: several checks of the same values may be on their way."""
        self._asked = False
        """The queue key was pressed: from then on every problem is shown."""
        self._copies = 1
        """Jobs that the queue key adds, with rising seeds."""
        self._ready: tuple[str, ...] = ()
        """Models whose transfer has ended."""
        self._forgotten: Draft | None = None
        """What the key that empties the form brings back."""

    # Drawing

    def compose(self) -> ComposeResult:
        """Title, fields, one line of help, the estimate, the keys."""
        drafts, settings = self._services.drafts, self._services.settings.now
        draft = drafts.forms.get(self.form_task.name, Draft())
        if self._given is not None:
            drafts.profile = "demo" if self._given.get("profile") == "demo" else "full"
            draft = Draft(dict(self._given), self._given_label)
        defaults = about_no_file(self.form_task.request_type, settings.defaults.get(self.form_task.name, {}))
        values = forms.initial_values(self.form_task, defaults, draft.values)
        if "resolution" not in (self._given or {}):
            values = forms.fit_to_profile(self.form_task, values, self._profile)
        # Before the fields are there, so that they take their styles once.
        self.update_classes(_room(self.app.size), update=False)
        yield Static(self._title(), id="form-title")
        downloads = self._services.folders.downloads
        fields = FormFields(self.form_task, values, draft.label, profile=self._profile, downloads=downloads)
        with Horizontal(id="form-body"), fields:
            yield MissingModel()
        yield QueueLine()
        yield Static(Content(""), id="form-help")
        yield FormEstimate(self._services, self._target.job_id)
        yield KeyBar()

    def on_mount(self) -> None:
        """Start in the first field, with what is known about the draft."""
        self._services.drafts.task = self.form_task.name
        self.query_one("#form-body").mount(FilePicture())
        hub(self).transfers_changed.subscribe(self, self._on_transfers)
        self.call_after_refresh(self._check)
        # The end moves with the clock, the queue and the memory, also while nothing is typed.
        self.set_interval(1.0, self._show_estimate)

    def on_resize(self, event: events.Resize) -> None:
        """Where there is room the prompt is higher, and the selected file is shown large beside the fields."""
        self.update_classes(_room(event.size))

    def _on_transfers(self, transfers: tuple[Transfer, ...]) -> None:
        """A model that has come is looked for again."""
        ready = tuple(one.family for one in transfers if not one.is_busy)
        if ready != self._ready:
            self._ready = ready
            self._checked = None
            self._check_soon(PAUSE_S)

    @on(FilesField.Showing)
    def _on_showing(self, event: FilesField.Showing) -> None:
        for view in self.query(FilePicture):
            view.show(event.path, event.media)

    @property
    def _profile(self) -> Any:
        return self._services.drafts.profile

    def _title(self) -> Content:
        parts: list[tuple[str, str] | str] = [(tr(self.form_task.title), "bold $primary")]
        if where := self._target.title():
            parts.insert(0, (where + "   ", "bold $accent"))
        if self._profile == "demo":
            parts.append(("  " + tr("demo models"), "$text-warning"))
        others = [" ".join((printed(task.key), task.short)).strip() for task in TASKS if task is not self.form_task]
        if self._target.keeps_task:
            return Content.assemble(*parts)
        return Content.assemble(*parts, ("   " + " · ".join(others), "$text-muted"))

    # Values

    def values(self) -> dict[str, Any]:
        """What stands in the fields, the label left out."""
        return self._fields.values()

    @property
    def _fields(self) -> FormFields:
        return self.query_one(FormFields)

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
        forecast = hub(self).last_forecast
        self._check_on_worker(values, self._profile, "" if forecast is None else forecast.next_kind)

    @work(thread=True, exclusive=True, group="check")
    def _check_on_worker(self, values: dict[str, Any], profile: Any, kind: str) -> None:
        check = check_values(self._services, self.form_task, values, profile, kind)
        hand_over(self, self._take_check, check)

    def _take_check(self, check: FormCheck) -> None:
        if check.values != self.values():
            # Something was typed meanwhile: another check is on its way.
            return
        self._checked, found = check, check.found
        self._fields.show_reading(found.reading)
        self._show_problems(found.problems)
        missing = self.query_one(MissingModel)
        missing.show(found.checkpoint, found.absent, self.form_task.name, may_wait=self._target.is_new_job)
        self.refresh_bindings()
        self._show_estimate()
        if self._sends_checked:
            self._submit_checked(found)

    def _show_problems(self, problems: Sequence[Problem]) -> None:
        self._fields.show_problems(problems, everywhere=self._asked)

    def _show_estimate(self) -> None:
        """Say it as of now; while something new is checked that stays."""
        if self._checked is not None:
            wanted = self._fields.wanted(self._checked.found.problems)
            self.query_one(FormEstimate).show_check(self._checked, wanted)

    def on_descendant_focus(self, _: events.DescendantFocus) -> None:
        """Say the help of the field that has the keys; the line of More has none."""
        within = self.focused.ancestors_with_self if self.focused is not None else ()
        field = next((one for one in within if isinstance(one, Field)), None)
        words = tr(field.spec.help) if field is not None and field.spec.help else ""
        show_in(self.query_one("#form-help", Static), plain(words, "$text-muted"))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A job that is edited keeps its task, and is saved instead of queued."""
        if action in ("task", "next_task"):
            return not self._target.keeps_task
        if action in ("submit", "seeds"):
            return self._target.is_new_job
        if action == "fetch":
            return self._checked is not None and self._checked.found.absent is not None
        return not self._target.is_new_job if action == "save" else True

    def action_save(self) -> None:
        """Change the edited job, or show every problem."""
        self.action_submit()

    def action_submit(self) -> None:
        """Queue the job, or show every problem and go to the first."""
        self._submit(1)

    def action_seeds(self) -> None:
        """Queue the job several times with rising seeds; a wrong seed is refused as usual."""
        seed = self.values()["seed"]
        if isinstance(seed, int) and SEED.minimum <= seed <= SEED.maximum:
            self.app.push_screen(SeedsScreen(seed), lambda count: self._submit(count) if count else None)
        else:
            self._submit(1)

    def _submit(self, copies: int) -> None:
        if self._submitting:
            return
        self._submitting = self._asked = True
        self._copies = copies
        self._fields.read_whole(True)
        if self._checked is not None and self._checked.values == self.values():
            self._submit_checked(self._checked.found)
        else:
            self._sends_checked = True
            self._check_soon(0.0)

    def _submit_checked(self, found: forms.Checked) -> None:
        self._sends_checked = False
        self._send_or_refuse(found)
        self._fields.read_whole(False)

    def _send_or_refuse(self, found: forms.Checked) -> None:
        if found.problems:
            self._submitting = False
            self._show_problems(found.problems)
            self._fields.go_to_first(found.problems)
            words = trn(
                "Not queued: {count} field to mend: the cursor is in it",
                "Not queued: {count} fields to mend: the cursor is in the first",
                len({problem.field for problem in found.problems}),
            )
            hub(self).tell(words, "error")
        elif not self._target.accepts(found):
            self._submitting = False
            app = hub(self)
            words = tr("Not queued: its model cannot be used. {demo} uses the demo models, {models} on the home screen "
                       "shows all models", demo=app.key("form.profile"), models=app.key("home.models"))  # fmt: skip
            app.tell(words, "error")
        else:
            answered = partial(self._answered, waits_for(found))
            self.app.post_message(
                self._target.intent(found, self._fields.label, self._copies, answered, self._scene_written)
            )

    def _scene_written(self, problems: Sequence[Problem]) -> None:
        if problems:
            self.call_later(self._show_refusal, problems)
        elif self.is_current:
            self.dismiss()

    def _answered(self, model: str, job: Job | None, problems: Sequence[Problem]) -> None:
        """What is queued is told and remembered also where the form was left meanwhile."""
        if job is None:
            self.call_later(self._show_refusal, problems)
            return
        # Closed first: what is told of the job belongs to the screen below.
        if self.is_current:
            self.dismiss()
        self._remember(job, model)
        self._services.show_job(job.id)

    def _show_refusal(self, problems: Sequence[Problem]) -> None:
        self._submitting = False
        # One of several is named by its number, 'entry 2.prompt'.
        self._show_problems([Problem(found.field.rpartition(".")[2], found.message) for found in problems])

    def _remember(self, job: Job, model: str) -> None:
        self._history.add(job.request)
        if self._target.is_new_job:
            self._services.drafts.drop(self.form_task.name)
        hub(self).tell(self._target.told(job, self._copies, model))

    def action_task(self, name: str) -> None:
        """Go to the form of another task; this one is kept as a draft."""
        if name != self.form_task.name:
            self._keep_draft(self.values())
            self.app.switch_screen(FormScreen(self._services, name, scene=self._target.scene))

    def action_next_task(self) -> None:
        """Go round the tasks."""
        self.action_task(TASKS[(TASKS.index(self.form_task) + 1) % len(TASKS)].name)

    def key_label(self, action: str) -> str:
        """Two keys go there and back again."""
        if action == "profile" and self._profile == "demo":
            return mark("Real models")
        return mark("Bring back") if action == "reset" and self._forgotten else ""

    def action_profile(self) -> None:
        """Switch between the real models and the built-in tiny ones."""
        values, label = self.values(), self._fields.label
        self._services.drafts.profile = "full" if self._profile == "demo" else "demo"
        values = forms.fit_to_profile(self.form_task, values, self._profile)
        self._keep_draft(values, label)
        self._start_over({**values, "profile": self._profile}, label)

    def action_fetch(self) -> None:
        """Ask whether the model that is missing is fetched."""
        if self._checked is not None and self._checked.found.absent is not None:
            self.app.post_message(intents.FetchModel(self._checked.found.absent.family))

    def action_copy_command(self) -> None:
        """Copy the job as a shell command."""
        request = forms.build_request(self.form_task, self.values(), self._profile)
        command = forms.shell_command(self.form_task, request, self._fields.label)
        self.app.copy_to_clipboard(command)

    def action_reset(self) -> None:
        """Empty the form; the second time bring back what was there."""
        before = Draft(self.values(), self._fields.label)
        back = self._forgotten or Draft()
        screen = self._start_over({**back.values, "profile": self._profile}, back.label)
        screen._forgotten = None if self._forgotten else before
        emptied = tr("Form emptied: {key} brings it back", key=hub(self).key("form.reset"))
        hub(self).tell(emptied if screen._forgotten else tr("The form is back"))

    @property
    def _history(self) -> History:
        return History(self._services.folders.state / HISTORY_FILE)

    def action_history(self) -> None:
        """Pick an earlier file in a file field, else an earlier prompt."""
        focused = self.focused
        ancestors = focused.ancestors_with_self if focused is not None else []
        files = next((field for field in ancestors if isinstance(field, FilesField)), None)
        if files is not None:
            title, entries = tr("Earlier files"), self._history.entries(files.files_spec.media)
            take: Callable[[str | None], None] = partial(self._take_file, files)
        else:
            title, entries = tr("Earlier prompts"), self._history.entries("prompt")
            take = self._take_prompt
        self.app.push_screen(HistoryScreen(title, entries, paths=files is not None), take)

    def _take_file(self, field: FilesField, path: str | None) -> None:
        if path is not None:
            field.add([path])

    def _take_prompt(self, prompt: str | None) -> None:
        if prompt is not None:
            self._fields.set_value("prompt", prompt)
            self._fields.go_to("prompt")

    def action_prompt_help(self) -> None:
        """Other words for the prompt, from the endpoint of the settings."""
        # Loaded by those who ask.
        from skyreels_tui.films.prompting import AGREED_FILE, Agreed
        from skyreels_tui.ui.screens.form.prompt_help import AskedPrompt, ask_for_help

        prompt = str(self.values()["prompt"])
        agreed = Agreed(self._services.folders.state / AGREED_FILE)
        screen = ask_for_help(self, agreed, [AskedPrompt(self.form_task.name, prompt)])
        if screen is not None:
            self.app.push_screen(screen, self._take_help)

    def _take_help(self, words: list[str | None] | None) -> None:
        self._take_prompt(words[0] if words else None)

    def action_presets(self) -> None:
        """Forms kept under a name."""
        self.app.push_screen(PresetsScreen(self._services, self.form_task, self.values()), self._load_preset)

    def _load_preset(self, preset: dict[str, Any] | None) -> None:
        if preset is None:
            return
        self._forgotten = Draft(self.values(), self._fields.label)
        self.refresh_bindings()
        for name, value in forms.fit_to_profile(self.form_task, preset, self._profile).items():
            self._fields.set_value(name, tuple(value) if isinstance(value, list) else value)
        self._on_field_changed()
        hub(self).tell(tr("Loaded: {key} brings back what was there", key=hub(self).key("form.reset")))

    def _start_over(self, values: dict[str, Any], label: str) -> FormScreen:
        screen = FormScreen(
            self._services,
            self.form_task.name,
            values,
            label,
            edit_job_id=self._target.job_id,
            scene=self._target.scene,
        )
        self.app.switch_screen(screen)
        return screen

    def action_back(self) -> None:
        """Leave; the draft stays."""
        self._keep_draft(self.values())
        self.dismiss()

    def _keep_draft(self, values: dict[str, Any], label: str | None = None) -> None:
        if self._target.is_new_job:
            kept = Draft(values, self._fields.label if label is None else label)
            self._services.drafts.keep(self.form_task.name, kept)


def _room(size: Size) -> dict[str, bool]:
    """The classes that say what there is room for."""
    return {"-wide": size.width >= WIDE, "-tall": size.height >= TALL}
