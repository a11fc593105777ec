"""One job: what was asked, what happened, what went wrong and what helps. Tracebacks are shown only here."""

from __future__ import annotations

from pathlib import Path

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.errors import InvalidRequest
from pipelines.front.language import mark, tr
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.heat_words import heat_words
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import reason_words
from skyreels_tui.queue.states import again
from skyreels_tui.requests import forms
from skyreels_tui.requests.planning import used_of
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.glyphs import state_mark
from skyreels_tui.ui.drawing.safe import plain, safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import JOB, bindings
from skyreels_tui.ui.panels.log import LogPanel
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.home.job_keys import ACTIONS, RETRIES, refusal_of
from skyreels_tui.ui.screens.home.job_words import fact, moment_words, place_words, request_lines
from skyreels_tui.ui.screens.refused import say_why
from skyreels_tui.ui.screens.results.going_on import GoingOn
from skyreels_tui.ui.widgets.job_video import video_of
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.video_view import VideoView
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.times import duration

OF_A_VIDEO = ("play", "frame", "extend", "last_frame", "copy_path", "copy_scp", "open_player")
"""Actions that need the finished file."""


class JobScreen(Screen[None]):
    """Follows its job while it is open."""

    DEFAULT_CSS = """
    JobScreen {
        #job-title { height: 1; padding: 0 1; background: $panel; text-wrap: nowrap; text-overflow: ellipsis; }
        #job-body { height: 1fr; layout: horizontal; }
        #job-facts { width: 1fr; height: 1fr; padding: 1 1 0 1; scrollbar-size-vertical: 1; }
        VideoView { display: none; width: 1fr; height: 1fr; padding: 1 1 0 0; }
        #job-log { height: 7; }
        &.-made {
            VideoView { display: block; }
            #job-log { height: 4; }
        }
    }
    """
    BINDINGS = bindings(JOB)

    def __init__(self, job_id: int, *, play: bool = False, served: bool = False) -> None:
        """`play`: its video plays at once. `served`: a browser shows the screen."""
        super().__init__()
        self._job_id, self._plays = job_id, play
        self._traceback = False
        self._used: tuple[str, ...] = ()
        """What its inputs are used of, in words."""
        self._used_of = ""
        """The request that this was read for."""
        self._going_on = GoingOn(self, Path(), served=served)

    def compose(self) -> ComposeResult:
        """Title, facts beside what was made, the job's log lines."""
        yield Static(Content(""), id="job-title")
        with Container(id="job-body"):
            with VerticalScroll(id="job-facts"):
                yield Static(Content(""), id="job-text")
            yield VideoView(words=False)
        yield LogPanel(id="job-log", job_id=self._job_id)
        yield KeyBar()

    def on_mount(self) -> None:
        """Draw, and again with each change."""
        app = hub(self)
        app.job_changed.subscribe(self, self._on_changed)
        app.queue_changed.subscribe(self, self._on_queue_changed)
        app.job_progress.subscribe(self, self._on_progress)
        self.query_one("#job-facts").focus()
        self._draw()
        if self._plays:
            # Once there is room for the picture.
            self.call_after_refresh(self.action_play)

    def _on_changed(self, event: JobChanged) -> None:
        if event.job.id == self._job_id:
            self._draw()

    def _on_queue_changed(self, _: object) -> None:
        self._draw()

    def _on_progress(self, event: JobProgress) -> None:
        if event.job_id == self._job_id:
            self._draw()

    @property
    def _job(self) -> Job | None:
        return hub(self).board.get(self._job_id)

    @property
    def _video(self) -> Video | None:
        return video_of(self._job)

    def _draw(self) -> None:
        job = self._job
        self.refresh_bindings()
        if job is None:
            keys = {"back": hub(self).key("job.back"), "undo": hub(self).key("home.undo")}
            gone = Content(tr("This job was deleted. {back} goes back; there {undo} brings it back.", **keys))
            show_in(self.query_one("#job-text", Static), gone)
            return
        mark = state_mark(job, hub(self).glyphs)
        head = " · ".join((tr("Job {id}", id=job.id), job.title, ""))
        title = Content.assemble((head, "bold"), (str(mark), mark.style), plain(f"  {job.label}"))
        show_in(self.query_one("#job-title", Static), title)
        parts = [*self._trouble(job), *self._course(job), *request_lines(job)]
        parts += [fact(tr("input") if not number else "", words) for number, words in enumerate(self._used)]
        if job.request_json != self._used_of:
            self._used, self._used_of = (), job.request_json
            self._read_used(job)
        if job.traceback and self._traceback:
            parts += [Content(""), Content(safe(job.traceback, newlines=True))]
        show_in(self.query_one("#job-text", Static), Content("\n").join(parts))
        video = self._video
        self.set_class(video is not None, "-made")
        self.query_one(VideoView).show(video)

    @work(thread=True, exclusive=True, group="used")
    def _read_used(self, job: Job) -> None:
        hand_over(self, self._take_used, job.request_json, used_of(job))

    def _take_used(self, request_json: str, used: tuple[str, ...]) -> None:
        if self.is_mounted and used and request_json == self._used_of:
            self._used = used
            self._draw()

    def _trouble(self, job: Job) -> list[Content]:
        """What happened, to what, and the key that helps."""
        if job.state is JobState.FAILED:
            cross = hub(self).glyphs.cross
            names = {name: hub(self).key(f"job.{name}") for name in ("retry", "again", "traceback")}
            keys = tr("{retry} runs it again, {again} opens the form with its request", **names)
            if job.traceback:
                keys = tr("{retry} runs it again, {again} opens the form with its request, {traceback} shows the "
                          "traceback", **names)  # fmt: skip
            error = job.error or tr("failed")
            return [
                Content.assemble(plain(f"{cross} {error}", "bold $text-error")),
                plain(f"  {place_words(job)}", "$text-muted"),
                plain(f"  {keys}", "$text-muted"),
                Content(""),
            ]
        if job.suspect:
            return [plain(tr("? looks wrong: {why}", why=job.suspect), "$text-warning"), Content("")]
        if job.reason:
            return [plain(reason_words(job.reason), "$text-warning"), Content("")]
        return []

    def _course(self, job: Job) -> list[Content]:
        lines = [fact(tr("added"), moment_words(job.created_at, "%Y-%m-%d %H:%M:%S"))]
        if job.started_at:
            began = moment_words(job.started_at, "%H:%M:%S")
            lines.append(fact(tr("started"), tr("{time}, attempt {number}", time=began, number=job.attempts)))
        if job.state is JobState.RUNNING:
            times = hub(self).times.running
            words = tr("{place}, {time} left", place=place_words(job), time=times.left_words(job.id))
            slower = times.slower_words(job.id)
            lines.append(fact(tr("stage"), f"{words}: {slower}" if slower else words))
        if job.finished_at:
            end = moment_words(job.finished_at, "%H:%M:%S")
            if job.run_seconds:
                end = tr("{time}, took {duration}", time=end, duration=duration(job.run_seconds))
            lines.append(fact(tr("ended"), end))
        lines += [fact(tr("heat"), words) for words in heat_words(job)]
        if job.output:
            lines.append(fact(tr("file"), job.output))
        if job.retry_of is not None:
            lines.append(fact(tr("again of"), tr("job {id}", id=job.retry_of)))
        return [*lines, Content("")]

    # Keys

    def why_not(self, action: str) -> str:
        """Why a key does nothing now, in a sentence; '' where it does something."""
        job = self._job if self.is_mounted else None
        if action == "back":
            return ""
        if job is None:
            return tr("the job is not on the list any more")
        if action in ACTIONS:
            return refusal_of(action, job)
        if action == "traceback":
            return "" if job.traceback else tr("job {id} has left no traceback", id=job.id)
        if action in OF_A_VIDEO and self._video is None:
            if job.state is JobState.DONE:
                return tr("the file of job {id} is not there any more", id=job.id)
            return tr("job {id} has made no video yet", id=job.id)
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the job's state allows."""
        return not self.why_not(action)

    def on_key(self, event: events.Key) -> None:
        """Say in a line why a key about the job does nothing."""
        say_why(self, JOB, event.key, self.why_not)

    def key_label(self, action: str) -> str:
        """While a video plays, the key that plays it and the way out stop it; 'retry' answers what a row asks."""
        if action == "retry" and self._job is not None:
            return RETRIES.get(again(self._job), "")
        return mark("Stop") if action in ("play", "back") and self.query_one(VideoView).playing else ""

    def action_back(self) -> None:
        """Stop what plays, then back to the list."""
        view = self.query_one(VideoView)
        if view.playing:
            view.stop()
        else:
            self.dismiss()

    def action_play(self) -> None:
        """Play what was made; again stops."""
        self.query_one(VideoView).play()

    def action_frame(self, step: int) -> None:
        """Stand still at one frame and step through."""
        self.query_one(VideoView).step(step)

    def action_extend(self) -> None:
        """Go on from this clip."""
        if (video := self._video) is not None:
            self._going_on.extend(video)

    def action_last_frame(self) -> None:
        """Use its last frame as a reference."""
        if (video := self._video) is not None:
            self._going_on.last_frames([video])

    def action_copy_scp(self) -> None:
        """Copy a line that fetches the file to another machine."""
        if (video := self._video) is not None:
            self._going_on.copy_scp([video])

    def action_open_player(self) -> None:
        """Open with the system's player, where there is one."""
        if (video := self._video) is not None:
            self._going_on.open_player([video])

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

    def action_again_new_seed(self) -> None:
        """The same with a fresh seed."""
        self.app.post_message(intents.AgainJob(self._job_id, new_seed=True))

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
