"""One job: what was asked, what happened, what went wrong and what helps. Tracebacks are shown only here."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.errors import InvalidRequest
from pipelines.front.language import tr
from pipelines.front.request import Choice, FieldSpec, Files, field_specs
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import reason_words
from skyreels_tui.requests import forms
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.glyphs import state_mark
from skyreels_tui.ui.drawing.safe import column, plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import JOB, bindings
from skyreels_tui.ui.panels.log import LogPanel
from skyreels_tui.ui.screens.home.job_keys import ACTIONS, applies, refusal_of
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.words.times import duration, local, weekday

NAME_WIDTH = 18


class JobScreen(Screen[None]):
    """Follows its job while it is open."""

    BINDINGS = bindings(JOB)

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self._job_id = job_id
        self._traceback = False

    def compose(self) -> ComposeResult:
        """Title, facts, the job's log lines."""
        yield Static(Content(""), id="job-title")
        with VerticalScroll(id="job-facts"):
            yield Static(Content(""), id="job-text")
        yield LogPanel(id="job-log", job_id=self._job_id)
        yield KeyBar()

    def on_mount(self) -> None:
        """Draw, and again with each change."""
        app = hub(self)
        app.job_changed.subscribe(self, self._on_changed)
        app.job_progress.subscribe(self, self._on_progress)
        self.query_one("#job-facts").focus()
        self._draw()

    def _on_changed(self, event: JobChanged) -> None:
        if event.job.id == self._job_id:
            self._draw()

    def _on_progress(self, event: JobProgress) -> None:
        if event.job_id == self._job_id:
            self._draw()

    @property
    def _job(self) -> Job | None:
        return hub(self).board.get(self._job_id)

    def _draw(self) -> None:
        job = self._job
        self.refresh_bindings()
        if job is None:
            gone = Content(tr("This job was deleted. Esc goes back; there u brings it back."))
            self.query_one("#job-text", Static).update(gone)
            return
        mark = state_mark(job, hub(self).glyphs)
        head = " · ".join((tr("Job {id}", id=job.id), job.title, ""))
        title = Content.assemble((head, "bold"), (str(mark), mark.style), plain(f"  {job.label}"))
        self.query_one("#job-title", Static).update(title)
        parts = [*self._trouble(job), *self._course(job), *_request_lines(job)]
        if job.traceback and self._traceback:
            parts += [Content(""), Content(safe(job.traceback, newlines=True))]
        self.query_one("#job-text", Static).update(Content("\n").join(parts))

    def _trouble(self, job: Job) -> list[Content]:
        """What happened, to what, and the key that helps."""
        if job.state is JobState.FAILED:
            cross = hub(self).glyphs.cross
            keys = tr("r runs it again, a opens the form with its request")
            if job.traceback:
                keys = tr("r runs it again, a opens the form with its request, t shows the traceback")
            error = job.error or tr("failed")
            return [
                Content.assemble(plain(f"{cross} {error}", "bold $text-error")),
                plain(f"  {_place(job)}", "$text-muted"),
                plain(f"  {keys}", "$text-muted"),
                Content(""),
            ]
        if job.suspect:
            return [plain(tr("? looks wrong: {why}", why=job.suspect), "$text-warning"), Content("")]
        if job.reason:
            return [plain(reason_words(job.reason), "$text-warning"), Content("")]
        return []

    def _course(self, job: Job) -> list[Content]:
        lines = [_fact(tr("added"), _moment(job.created_at, "%Y-%m-%d %H:%M:%S"))]
        if job.started_at:
            began = _moment(job.started_at, "%H:%M:%S")
            lines.append(_fact(tr("started"), tr("{time}, attempt {number}", time=began, number=job.attempts)))
        if job.state is JobState.RUNNING:
            times = hub(self).running_times
            words = tr("{place}, {time} left", place=_place(job), time=times.left_words(job.id))
            slower = times.slower_words(job.id)
            lines.append(_fact(tr("stage"), f"{words}: {slower}" if slower else words))
        if job.finished_at:
            end, spent = _moment(job.finished_at, "%H:%M:%S"), duration(job.run_seconds)
            lines.append(_fact(tr("ended"), tr("{time} after {duration}", time=end, duration=spent)))
        if job.output:
            lines.append(_fact(tr("file"), job.output))
        if job.retry_of is not None:
            lines.append(_fact(tr("again of"), tr("job {id}", id=job.retry_of)))
        return [*lines, Content("")]

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the job's state allows."""
        job = self._job if self.is_mounted else None
        if job is None:
            return action == "back"
        if action in ACTIONS:
            return applies(action, job)
        return {"traceback": bool(job.traceback), "copy_path": bool(job.output)}.get(action, True)

    def on_key(self, event: events.Key) -> None:
        """Say in a line why a key about the job does nothing."""
        job = self._job
        if job is not None and (why := refusal_of(JOB, event.key, job)):
            self.query_one(KeyBar).say(why)

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss()

    def action_cancel(self) -> None:
        """Cancel the job."""
        self.app.post_message(intents.CancelJob(self._job_id))

    def action_resume(self) -> None:
        """Go on at its stored step."""
        self.app.post_message(intents.RetryJob(self._job_id))

    def action_retry(self) -> None:
        """Run it again."""
        self.app.post_message(intents.RetryJob(self._job_id))

    def action_again(self) -> None:
        """Open the form with its request."""
        self.app.post_message(intents.AgainJob(self._job_id))

    def action_traceback(self) -> None:
        """Show or hide the traceback."""
        self._traceback = not self._traceback
        self._draw()

    def action_copy_path(self) -> None:
        """Copy the file's path."""
        if self._job is not None:
            self.app.copy_to_clipboard(self._job.output)

    def action_copy_command(self) -> None:
        """Copy the job as a shell command."""
        if self._job is None:
            return
        try:
            self.app.copy_to_clipboard(forms.shell_command(self._job.task, self._job.request, self._job.label))
        except InvalidRequest as error:
            hub(self).tell(str(error), "error")


def _fact(name: str, value: str) -> Content:
    return Content.assemble((f"{column(name, NAME_WIDTH - 1)} ", "$text-muted"), plain(value))


def _moment(iso: str, form: str) -> str:
    moment = local(iso)
    return f"{weekday(moment)} {moment:{form}}"


def _place(job: Job) -> str:
    if not job.stage:
        return tr("before it began")
    parts = [tr(job.stage)]
    if job.num_segments > 1:
        parts.append(tr("piece {number} of {total}", number=job.segment + 1, total=job.num_segments))
    if job.num_steps:
        parts.append(tr("step {number} of {total}", number=job.step, total=job.num_steps))
    return ", ".join(parts)


def _request_lines(job: Job) -> list[Content]:
    """Every field of the request; files one a line."""
    lines = []
    try:
        request = job.request
    except InvalidRequest as error:
        return [_fact(tr("request"), str(error)), _fact("", safe(job.request_json, 500))]
    for name, spec in field_specs(type(request)):
        value, label = getattr(request, name), tr(spec.label).lower()
        if isinstance(spec, Files):
            for index, path in enumerate(value):
                lines.append(_fact(label if not index else "", path))
        elif isinstance(value, bool):
            lines += [_fact(label, tr("yes"))] if value else []
        elif value != "":
            first, *rest = _value_words(spec, value).split("\n")
            lines.append(_fact(label, first))
            lines += [_fact("", line) for line in rest]
    if request.profile == "demo":
        lines.append(_fact(tr("models"), tr("demo: tiny, random weights, the result is noise")))
    return lines


def _value_words(spec: FieldSpec, value: object) -> str:
    words = dict(spec.options) if isinstance(spec, Choice) else {}
    return tr(words[str(value)]) if str(value) in words else str(value)
