"""The form of a new job, drawn from the task's field specs; checks while you type, queues on Ctrl+S."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Static

from pipelines.front.errors import Problem
from pipelines.front.fields import Choice, Text, untouched
from pipelines.front.language import mark, tr, trn
from pipelines.front.regions import RegionsRefused, parse_boxes
from pipelines.front.request import SEED, about_no_file
from pipelines.front.trim import LONGEST_S
from pipelines.tasks import TASKS, task_named
from skyreels_tui.downloads.transfers import Transfer
from skyreels_tui.eta.model import Estimate
from skyreels_tui.eta.outlook import look_ahead, made_facts, takes_facts, turn_of
from skyreels_tui.queue.model import Job
from skyreels_tui.requests import forms, typed_paths
from skyreels_tui.requests.drafts import Draft
from skyreels_tui.requests.history import HISTORY_FILE, History
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keyboard import form_scope
from skyreels_tui.ui.keys import bindings, printed
from skyreels_tui.ui.screens.form.history import HistoryScreen
from skyreels_tui.ui.screens.form.missing_model import MissingModel
from skyreels_tui.ui.screens.form.picture import FilePicture
from skyreels_tui.ui.screens.form.presets import PresetsScreen
from skyreels_tui.ui.screens.form.regions import RegionsScreen
from skyreels_tui.ui.screens.form.seeds import SeedsScreen
from skyreels_tui.ui.screens.form.services import FormServices
from skyreels_tui.ui.screens.form.trim import Stretch, TrimScreen
from skyreels_tui.ui.widgets.fact_lines import FactLines
from skyreels_tui.ui.widgets.fields import make_field
from skyreels_tui.ui.widgets.fields.base import Field
from skyreels_tui.ui.widgets.fields.files import FilesField
from skyreels_tui.ui.widgets.fields.regions import RegionsField
from skyreels_tui.ui.widgets.fields.text import PromptField
from skyreels_tui.ui.widgets.form_looks import FORM_LOOKS
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.more import More
from skyreels_tui.ui.widgets.queue_line import QueueLine
from skyreels_tui.ui.workers import hand_over

WIDE, TALL = 110, 36
"""Columns from which the selected file is shown beside the fields, and lines from which the prompt is higher."""
PAUSE_S = 0.15
"""Typing rests this long before the files are checked again."""
LABEL = Text(label=mark("Label"), help=mark("A name for the list; empty: task and number"))


class FormScreen(Screen[None]):
    """One task's form; what is typed is kept as a draft until it is queued."""

    DEFAULT_CSS = f"""{FORM_LOOKS}
    FormScreen {{
        #form-body {{ height: 1fr; }}
        #form-picture {{ display: none; }}
        &.-wide #form-picture {{ display: block; }}
        &.-wide FilesField .view.-picture {{ display: none; }}
        &.-tall PromptArea {{ min-height: 6; max-height: 18; }}
        #form-estimate {{ height: auto; min-height: 2; max-height: 5; padding: 0 1; background: $surface; }}
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
        self._edits, self._scene = edit_job_id, scene
        self._given, self._given_label = values, label
        self._checked: forms.Checked | None = None
        self._checked_values: dict[str, Any] = {}
        self._takes: Estimate | None = None
        self._warning = ""
        """What to know before this request is queued."""
        self._fields: dict[str, Field] = {}
        self._timer: Timer | None = None
        self._submitting = False
        self._asked = False
        """The queue key was pressed: from then on every problem is shown."""
        self._waits_for = ""
        """The model that what was queued last waits for."""
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
        with Horizontal(id="form-body"), VerticalScroll(id="form-fields", can_focus=False):
            yield MissingModel()
            advanced = []
            for name, spec in forms.ordered_specs(self.form_task.request_type):
                demo, downloads = self._profile == "demo", self._services.folders.downloads
                field = make_field(name, spec, values[name], demo=demo, downloads=downloads)
                if isinstance(field, FilesField):
                    field.trimmable = bool(forms.fields_about(self.form_task.request_type, name))
                if spec.advanced:
                    advanced.append(field)
                else:
                    yield field
            yield make_field("label", LABEL, draft.label)
            yield More(advanced)
        yield QueueLine()
        yield Static(Content(""), id="form-help")
        yield FactLines(id="form-estimate")
        yield KeyBar()

    def on_mount(self) -> None:
        """Start in the first field, with what is known about the draft."""
        self._fields = {field.field_name: field for field in self.query(Field)}
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

    @on(FilesField.Replaced)
    def _on_replaced(self, event: FilesField.Replaced) -> None:
        """What was said of one file is not meant for another."""
        about = forms.fields_about(self.form_task.request_type, event.field.field_name)
        fields = [self._fields[name] for name in about]
        trimmed = [field for field in fields if not untouched(field.spec, field.value)]
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
        about = forms.fields_about(self.form_task.request_type, event.field.field_name)
        start, end, *channel = (self._fields[name] for name in about)
        choices = channel[0].spec if channel and isinstance(channel[0].spec, Choice) else None
        given = Stretch(_seconds(start.value), _seconds(end.value), str(channel[0].value) if channel else "")

        def take(stretch: Stretch | None) -> None:
            if stretch is None:
                return
            start.set_value(stretch.start_s)
            end.set_value(stretch.end_s)
            for field in channel:
                field.set_value(stretch.channel)
            self._on_field_changed()

        sound = event.field.files_spec.media == "audio"
        self.app.push_screen(TrimScreen(event.path, sound=sound, given=given, channels=choices), take)

    @property
    def _profile(self) -> Any:
        return self._services.drafts.profile

    def _title(self) -> Content:
        parts: list[tuple[str, str] | str] = [(tr(self.form_task.title), "bold $primary")]
        if self._scene is not None:
            film = safe(self._scene.film, 30)
            is_new = self._scene.scene_id is None
            words = tr("New scene of {film}", film=film) if is_new else tr("Scene of {film}", film=film)
            parts.insert(0, (words + "   ", "bold $accent"))
        elif self._edits is not None:
            parts.insert(0, (tr("Edit job {id}", id=self._edits) + "   ", "bold $accent"))
        if self._profile == "demo":
            parts.append(("  " + tr("demo models"), "$text-warning"))
        others = [" ".join((printed(task.key), task.short)).strip() for task in TASKS if task is not self.form_task]
        if self._keeps_task:
            return Content.assemble(*parts)
        return Content.assemble(*parts, ("   " + " · ".join(others), "$text-muted"))

    # Values

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
        forecast = hub(self).last_forecast
        self._check_on_worker(values, self._profile, "" if forecast is None else forecast.next_kind)

    @work(thread=True, exclusive=True, group="check")
    def _check_on_worker(self, values: dict[str, Any], profile: Any, kind: str) -> None:
        request = forms.build_request(self.form_task, values, profile)
        settings, cache = self._services.settings.now, self._services.folders.cache
        own_model = settings.models.get(self.form_task.family, "")
        checked = forms.check_form(self.form_task, request, cache, own_model, runs_here=not settings.runs_elsewhere)
        takes = None
        # Here first, because it may wait for a driver.
        self._services.machine()
        if checked.plan is not None:
            takes = self._services.rates.estimate(self.form_task.name, checked.plan, kind)
        warning = self._services.warning(self.form_task.name, request)
        hand_over(self, self._take_checked, values, checked, takes, warning)

    def _take_checked(
        self, values: dict[str, Any], checked: forms.Checked, takes: Estimate | None, warning: str
    ) -> None:
        if values != self.values():
            # Something was typed meanwhile: another check is on its way.
            return
        self._checked, self._checked_values = checked, values
        for field in self.query(PromptField):
            field.take_reading(checked.reading.text, checked.reading.tokens)
        self._show_problems(checked.problems)
        missing = self.query_one(MissingModel)
        missing.show(checked.checkpoint, checked.absent, self.form_task.name, may_wait=not self._writes)
        self.refresh_bindings()
        self._takes, self._warning = takes, warning
        self._show_estimate()
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

    def _show_estimate(self) -> None:
        """Say what the job takes and when it is done, as of now; while something new is checked that stays."""
        checked, takes, box = self._checked, self._takes, self.query_one(FactLines)
        if checked is None:
            return
        plan = checked.plan
        if plan is None or takes is None:
            wanted = [tr(self._fields[p.field].spec.label) for p in checked.problems if p.field in self._fields]
            names = ", ".join(dict.fromkeys(wanted))
            box.show(([tr("An estimate comes with: {fields}", fields=names)] if names else [], "$text-muted"))
            return
        app, machine = hub(self), self._services.machine()
        now = app.wall_clock().astimezone()
        turn = turn_of(app.last_forecast, self._edits, gpus=plan.gpus, starts=app.queue_starts)
        hours = self._services.settings.now.running_hours
        seen = look_ahead(checked.request, plan, takes, turn, machine, now, hours)
        facts = [safe(fact, 300) for fact in takes_facts(seen, machine, now)]
        box.show(
            ([safe(fact, 80) for fact in made_facts(plan)], "bold"),
            (facts, "$text-error" if seen.trouble else ""),
            ([safe(words, 200) for words in (seen.notice, self._warning) if words], "$text-warning"),
        )

    @on(Field.Focused)
    def _on_field_focused(self, event: Field.Focused) -> None:
        self.query_one("#form-help", Static).update(plain(tr(event.field.spec.help), "$text-muted"))

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
        crop = self.form_task.crop
        cuts = (
            None if crop is None else partial(crop, forms.build_request(self.form_task, self.values(), self._profile))
        )
        screen = RegionsScreen(picture, boxes[: field.spec.maximum], field.spec.maximum, cuts)
        self.app.push_screen(screen, lambda text: field.set_value(text) if text is not None else None)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A job that is edited keeps its task, and is saved instead of queued."""
        if action in ("task", "next_task"):
            return not self._keeps_task
        if action in ("submit", "seeds"):
            return not self._writes
        if action == "fetch":
            return self._checked is not None and self._checked.absent is not None
        return self._writes if action == "save" else True

    @property
    def _writes(self) -> bool:
        """The request goes into a job or a scene, and no new job comes of it."""
        return self._edits is not None or self._scene is not None

    @property
    def _keeps_task(self) -> bool:
        return self._edits is not None or (self._scene is not None and self._scene.scene_id is not None)

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
        for files in self.query(FilesField):
            files.whole = True
        if self._checked is not None and self._checked_values == self.values():
            self._submit_checked(self._checked)
        else:
            self._check_soon(0.0)

    def _submit_checked(self, checked: forms.Checked) -> None:
        self._send_or_refuse(checked)
        for files in self.query(FilesField):
            files.whole = False

    def _send_or_refuse(self, checked: forms.Checked) -> None:
        if checked.problems:
            self._submitting = False
            self._show_problems(checked.problems)
            wrong = {problem.field for problem in checked.problems}
            self._go_to(next((name for name in self._fields if name in wrong), ""))
            words = trn(
                "Not queued: {count} field to mend, marked below",
                "Not queued: {count} fields to mend, marked below",
                len({problem.field for problem in checked.problems}),
            )
            hub(self).tell(words, "error")
            return
        if self._scene is not None:
            # It needs no model before it is run.
            self.app.post_message(intents.WriteScene(self._scene, checked.request, self._label, self._scene_written))
            return
        if checked.checkpoint and (checked.absent is None or self._edits is not None):
            self._submitting = False
            app = hub(self)
            words = tr("Not queued: its model cannot be used. {demo} uses the demo models, {models} on the home screen "
                       "shows all models", demo=app.key("form.profile"), models=app.key("home.models"))  # fmt: skip
            app.tell(words, "error")
            return
        if self._edits is None:
            model = checked.absent.title if checked.absent is not None else ""
            self._waits_for = model
            self.app.post_message(
                intents.SubmitJob(checked.request, self._label, self._answered, copies=self._copies, model=model)
            )
        else:
            self.app.post_message(intents.EditJob(self._edits, checked.request, self._label, self._answered))

    def _scene_written(self, problems: Sequence[Problem]) -> None:
        if problems:
            self.call_later(self._show_refusal, problems)
        elif self.is_current:
            self.dismiss()

    def _answered(self, job: Job | None, problems: Sequence[Problem]) -> None:
        """What is queued is told and remembered also where the form was left meanwhile."""
        if job is None:
            self.call_later(self._show_refusal, problems)
            return
        # Closed first: what is told of the job belongs to the screen below.
        if self.is_current:
            self.dismiss()
        self._remember(job)
        self._services.show_job(job.id)

    def _show_refusal(self, problems: Sequence[Problem]) -> None:
        self._submitting = False
        # One of several is named by its number, 'entry 2.prompt'.
        self._show_problems([Problem(found.field.rpartition(".")[2], found.message) for found in problems])

    def _remember(self, job: Job) -> None:
        self._history.add(job.request)
        if self._edits is not None:
            hub(self).tell(tr("Job {id} changed", id=job.id))
        else:
            self._services.drafts.forms.pop(self.form_task.name, None)
            self._services.drafts.save()
            one = tr("Job {id} queued", id=job.id)
            if self._waits_for:
                one = tr("Job {id} waits for its model and starts by itself", id=job.id)
            many = tr("{count} jobs queued", count=self._copies)
            hub(self).tell(one if self._copies == 1 else many)

    def _go_to(self, name: str) -> None:
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

    def action_task(self, name: str) -> None:
        """Go to the form of another task; this one is kept as a draft."""
        if name != self.form_task.name:
            self._keep_draft(self.values())
            self.app.switch_screen(FormScreen(self._services, name, scene=self._scene))

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
        values, label = self.values(), self._label
        self._services.drafts.profile = "full" if self._profile == "demo" else "demo"
        values = forms.fit_to_profile(self.form_task, values, self._profile)
        self._keep_draft(values, label)
        self._start_over({**values, "profile": self._profile}, label)

    def action_fetch(self) -> None:
        """Ask whether the model that is missing is fetched."""
        if self._checked is not None and self._checked.absent is not None:
            self.app.post_message(intents.FetchModel(self._checked.absent.family))

    def action_copy_command(self) -> None:
        """Copy the job as a shell command."""
        request = forms.build_request(self.form_task, self.values(), self._profile)
        command = forms.shell_command(self.form_task, request, self._label)
        self.app.copy_to_clipboard(command)

    def action_reset(self) -> None:
        """Empty the form; the second time bring back what was there."""
        before = Draft(self.values(), self._label)
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
            self._fields["prompt"].set_value(prompt)
            self._go_to("prompt")

    def action_prompt_help(self) -> None:
        """Other words for the prompt, from the endpoint of the settings."""
        # Loaded by those who ask.
        from skyreels_tui.films.prompting import AGREED_FILE, Agreed
        from skyreels_tui.ui.screens.form.prompt_help import AskedPrompt, ask_for_help

        prompt = str(self._fields["prompt"].value)
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
        self._forgotten = Draft(self.values(), self._label)
        self.refresh_bindings()
        for name, value in forms.fit_to_profile(self.form_task, preset, self._profile).items():
            self._fields[name].set_value(tuple(value) if isinstance(value, list) else value)
        self._on_field_changed()
        hub(self).tell(tr("Loaded: {key} brings back what was there", key=hub(self).key("form.reset")))

    def _start_over(self, values: dict[str, Any], label: str) -> FormScreen:
        screen = FormScreen(
            self._services, self.form_task.name, values, label, edit_job_id=self._edits, scene=self._scene
        )
        self.app.switch_screen(screen)
        return screen

    def action_back(self) -> None:
        """Leave; the draft stays."""
        self._keep_draft(self.values())
        self.dismiss()

    def _keep_draft(self, values: dict[str, Any], label: str | None = None) -> None:
        if self._writes:
            return
        drafts = self._services.drafts
        kept = Draft(values, self._label if label is None else label)
        if drafts.forms.get(self.form_task.name) != kept:
            drafts.forms[self.form_task.name] = kept
            drafts.save()


def _room(size: Size) -> dict[str, bool]:
    """The classes that say what there is room for."""
    return {"-wide": size.width >= WIDE, "-tall": size.height >= TALL}


def _seconds(value: object) -> float:
    """What stands in a field of seconds; what is no time there counts as nothing."""
    return float(value) if isinstance(value, int | float) and 0 <= value < LONGEST_S else 0.0
