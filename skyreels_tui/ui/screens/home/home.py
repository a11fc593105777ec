"""The home screen: queue, live panels and log; folds to one line a panel on small terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.language import mark, tr, trn
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.states import Action, again, hold_or_release
from skyreels_tui.ui import intents
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.internals import keys_first
from skyreels_tui.ui.keyboard import home_scope
from skyreels_tui.ui.keys import HOME, bindings
from skyreels_tui.ui.panels import PANELS
from skyreels_tui.ui.panels.log import LogPanel
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.home.job_keys import ACTIONS, RETRIES, SEVERAL, refusal_of
from skyreels_tui.ui.screens.refused import say_why
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.panel import Panel
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from textual.widgets import Input

ROOMY, OPEN, BROAD = (100, 30), (100, 36), (160, 40)
"""Columns and rows from which panels about the job stand open below the queue, from which those of figures stand open
below them, and from which these stand beside them."""
DETAIL = 160
"""Columns from which what is known of the selected job stands beside the queue."""
SMALL = (70, 20)
"""A terminal narrower or lower than this is told what it misses."""
_OF_ANY_JOB = ("open", "again", "again_new_seed")
"""Actions for a job in any state."""


class HomeScreen(Screen[None]):
    """Shows the board and turns keys into intents about the selected job."""

    BINDINGS = bindings(home_scope())

    def __init__(self, *, queue_only: bool = False) -> None:
        """`queue_only`: the live panels stand elsewhere, each in a pane of its own."""
        super().__init__()
        self._queue_only = queue_only
        keys_first(self, lambda: hub(self).turns.one_comes)
        self._opened: Panel | None = None

    def compose(self) -> ComposeResult:
        """Queue above, panels below it; the style sheet arranges them for the room there is."""
        # Known before anything is styled, so that nothing is styled twice.
        self.update_classes(_room(self.app.size))
        yield StatusBar()
        yield Static(Content(""), id="small")
        with Container(id="main"):
            yield QueuePanel(id="queue")
        if not self._queue_only:
            with Container(id="side"):
                yield Container(id="job")
                yield Container(id="figures")
            yield LogPanel(id="log")
        yield KeyBar()

    def on_mount(self) -> None:
        """The queue has the keys first, and is painted first."""
        self.query_one(QueuePanel).focus()
        hub(self).queue_status.subscribe(self, self._on_status)
        hub(self).after_paint(self._mount_side)

    def _on_status(self, _: object) -> None:
        self.refresh_bindings()

    async def _mount_side(self) -> None:
        # Panels, requests and sensors' types take a tenth of a second to load: the queue is on the screen by then.
        from skyreels_tui.ui.screens.home.selected import SelectedJob

        if not self._queue_only:
            for place in ("job", "figures"):
                panels = [panel.load()() for panel in PANELS if panel.place == place]
                await self.query_one(f"#{place}").mount(*panels)
            self._fold()
        await self.query_one("#main").mount(SelectedJob())
        self._show_selected()

    # Folding

    def on_resize(self, event: events.Resize) -> None:
        """Fold what does not fit, and say so where the screen is too small for comfort."""
        width, height = event.size
        notice = self.query_one("#small", Static)
        notice.display = width < SMALL[0] or height < SMALL[1]
        show_in(notice, Content(tr("{size} is small: from 80x24 up nothing is cut", size=f"{width}x{height}")))
        self.update_classes(_room(event.size))
        self._fold()
        self._show_selected()

    def _fold(self) -> None:
        job, figures = _fits(self.size, ROOMY), _fits(self.size, OPEN)
        for panel in self._foldable():
            place = panel.SPEC.place if panel.SPEC is not None else "log"
            folded = not (figures if place == "figures" else job)
            panel.folded = folded and panel is not self._opened
            panel.set_class(folded and panel is self._opened, "-opened")
        for container in self.query("#side, #job, #figures"):
            holds = self._opened is not None and container in self._opened.ancestors
            container.set_class(holds and self._opened is not None and self._opened.has_class("-opened"),
                                "-holds-opened")  # fmt: skip

    def _foldable(self) -> list[Panel]:
        return [panel for panel in self.query(Panel) if not isinstance(panel, QueuePanel)]

    def _open(self, panel: Panel | None) -> None:
        self._opened = panel
        self._fold()
        (panel or self.query_one(QueuePanel)).focus()

    def action_panel(self, name: str) -> None:
        """Focus a panel by its name; on a narrow terminal it takes the lower half."""
        for panel in self.query(Panel):
            if panel.SPEC is not None and panel.SPEC.name == name:
                self._open(None if isinstance(panel, QueuePanel) else panel)

    def action_fold(self) -> None:
        """Close the search, take the marks off, fold the open panel and go back to the queue."""
        self.query_one(QueuePanel).unmark()
        self.query("#search").remove()
        self.query_one(QueuePanel).search("")
        self._open(None)

    async def action_search(self) -> None:
        """Type words; Enter goes back to the queue, which shows what they leave."""
        if not self.query("#search"):
            # The fields load the tasks, which the first paint of home needs not.
            from skyreels_tui.ui.widgets.fields.text import LineInput

            words = tr("words in number, label, film, task or state")
            await self.mount(LineInput(placeholder=words, id="search"), after="#small")
        self.query_one("#search").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """The queue shows what the words leave."""
        self.query_one(QueuePanel).search(event.value)

    def on_input_submitted(self) -> None:
        """Back to the queue, which keeps the words."""
        self.query_one(QueuePanel).focus()

    def action_mark(self) -> None:
        """Mark the job, or the jobs of the film, under the cursor."""
        panel = self.query_one(QueuePanel)
        panel.mark()
        words = trn("{count} job marked", "{count} jobs marked", len(panel.marked))
        self.query_one(KeyBar).say(words if panel.marked else "")

    def action_fold_film(self) -> None:
        """Fold or open the film under the cursor."""
        self.query_one(QueuePanel).fold_film()

    # The selected job

    @property
    def _job(self) -> Job | None:
        return self.query_one(QueuePanel).selected if self.is_mounted else None

    @on(RowList.Moved)
    def _on_selection(self) -> None:
        self.refresh_bindings()
        self._show_selected()

    def _show_selected(self) -> None:
        if self.has_class("-detail"):
            for pane in self.query("#selected"):
                pane.show(self._job)  # type: ignore[attr-defined]  # loaded after the first paint, so found by its name

    def why_not(self, action: str) -> str:
        """Why a key does nothing now, in a sentence; '' where it does something."""
        if not self.is_mounted:
            return tr("this screen is just being drawn")
        job, film = self._job, self.query_one(QueuePanel).film
        if action == "undo":
            return "" if hub(self).can_undo else tr("nothing was deleted here that could come back")
        if action == "fold_film":
            return "" if film else tr("no film here: only jobs of a film fold to one line")
        if action == "mark":
            return (
                ""
                if self.query_one(QueuePanel).count()
                else tr("no job here: {key} makes one", key=hub(self).key("home.new_job"))
            )
        if action not in ACTIONS and action not in _OF_ANY_JOB:
            return ""
        if action in SEVERAL and (marked := self.query_one(QueuePanel).marked):
            refused = [refusal_of(action, one) for one in marked]
            return "" if not all(refused) else refused[-1]
        if job is not None:
            why = refusal_of(action, job) if action in ACTIONS else ""
            if action == "move" and not why and hub(self).board.waits_alone(job):
                return tr("no other job waits: this one has but one place")
            return why
        if not film:
            return tr("no job here: {key} makes one", key=hub(self).key("home.new_job"))
        if action == "open":
            return ""
        keys = {"opens": hub(self).key("home.fold_film"), "films": hub(self).key("home.films")}
        return tr("this line is the film {name}: {opens} opens it, {films} acts on all its jobs", name=film, **keys)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys that do nothing for the selected job."""
        if action == "fold":
            panel = self.query_one(QueuePanel) if self.is_mounted else None
            changed = panel is not None and bool(panel.words or panel.marked)
            return changed or self._opened is not None or not isinstance(self.focused, QueuePanel)
        if action == "panel":
            return not self._queue_only or parameters == ("queue",)
        return not self.why_not(action)

    def key_label(self, action: str) -> str:
        """What is paused or held goes on by the key that did it; a finished job plays."""
        job = self._job
        match action:
            case "pause" if hub(self).board.status.pause in ("after_job", "now"):
                return mark("Go on")
            case "hold" if self._releases:
                return mark("Release")
            case "open" if job is not None and job.state is JobState.DONE:
                return mark("Play")
            case "retry" if job is not None:
                return RETRIES.get(again(job), "")
            case "fold":
                return self._way_back
        return ""

    @property
    def _way_back(self) -> str:
        """What the way back to the plain queue ends, in a word or two."""
        panel = self.query_one(QueuePanel)
        if panel.words or self.query("#search"):
            return mark("Close search")
        if panel.marked:
            return mark("Unmark all")
        return "" if self._opened is not None else mark("Back")

    def on_key(self, event: events.Key) -> None:
        """Say in a line why a key about the selected job does nothing."""
        say_why(self, HOME, event.key, self.why_not)

    def _post(self, intent_type: type[intents.JobIntent], act: intents.JobAct | None = None) -> None:
        several = self.query_one(QueuePanel).marked if act is not None else []
        if act is not None and several:
            if act is intents.JobAct.AGAIN:
                # Of a whole film what is done stays so.
                several = [job for job in several if job.state is not JobState.DONE]
            self.app.post_message(intents.ChangeJobs(act, [job.id for job in several]))
            self.query_one(QueuePanel).unmark()
        elif self._job is not None:
            self.app.post_message(intent_type(self._job.id))

    def action_new_job(self) -> None:
        """Open the form."""
        self.app.post_message(intents.OpenForm())

    def action_open(self) -> None:
        """Show the selected job, play a finished one, or open the film whose line it is."""
        if self._job is None:
            self.query_one(QueuePanel).fold_film()
        else:
            plays = self._job.state is JobState.DONE
            self.app.post_message(intents.OpenJob(self._job.id, play=plays))

    def action_cancel(self) -> None:
        """Cancel the selected job."""
        self._post(intents.CancelJob, intents.JobAct.CANCEL)

    def action_hold(self) -> None:
        """Hold or release it."""
        self._post(intents.ToggleHold, intents.JobAct.RELEASE if self._releases else intents.JobAct.HOLD)

    @property
    def _releases(self) -> bool:
        """Whether what is marked, or the job under the cursor, is released and not held by the key for both."""
        several = self.query_one(QueuePanel).marked
        if several:
            return all(job.state is JobState.HELD or job.state in FINISHED for job in several)
        return self._job is not None and hold_or_release(self._job) is Action.RELEASE

    def action_resume(self) -> None:
        """Go on at its stored step."""
        self._post(intents.RetryJob, intents.JobAct.AGAIN)

    def action_retry(self) -> None:
        """Run it again."""
        self._post(intents.RetryJob, intents.JobAct.AGAIN)

    def action_delete(self) -> None:
        """Take it off the list."""
        self._post(intents.DeleteJob, intents.JobAct.DELETE)

    def action_undo(self) -> None:
        """Bring back the last deleted one."""
        self.app.post_message(intents.UndoDelete())

    def action_move(self, offset: int) -> None:
        """Move it in the queue."""
        if self._job is None:
            return
        if hub(self).board.stays(self._job, offset):
            self.query_one(KeyBar).say_end(offset)
        # Asked for all the same: a move right before it may not have reached the board yet.
        self.app.post_message(intents.MoveJob(self._job.id, offset))

    def action_run_next(self) -> None:
        """Put it before all others that wait."""
        self._post(intents.RunNext, intents.JobAct.RUN_NEXT)

    def action_edit(self) -> None:
        """Change it in the form."""
        self._post(intents.ChangeJob)

    def action_again(self) -> None:
        """Open the form with its request."""
        self._post(intents.AgainJob)

    def action_again_new_seed(self) -> None:
        """The same with a fresh seed."""
        if self._job is not None:
            self.app.post_message(intents.AgainJob(self._job.id, new_seed=True))

    def action_pause(self) -> None:
        """Pause the queue, or go on."""
        self.app.post_message(intents.TogglePause())

    def action_results(self) -> None:
        """Go to the results."""
        self._go("results")

    def action_films(self) -> None:
        """Go to the films."""
        self._go("films")

    def action_models(self) -> None:
        """Go to the models."""
        self._go("models")

    def action_doctor(self) -> None:
        """Go to the doctor."""
        self._go("doctor")

    def action_settings(self) -> None:
        """Go to the settings."""
        self._go("settings")

    def _go(self, screen: str) -> None:
        self.app.post_message(intents.OpenScreen(screen))


def _room(size: Size) -> dict[str, bool]:
    """The classes by which the style sheet arranges the panels."""
    room = {"-roomy": ROOMY, "-open": OPEN, "-broad": BROAD}
    return {**{name: _fits(size, least) for name, least in room.items()}, "-detail": size.width >= DETAIL}


def _fits(size: Size, least: tuple[int, int]) -> bool:
    return size.width >= least[0] and size.height >= least[1]
