"""The home screen: queue, live panels and log; folds to one line a panel on small terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.language import tr
from skyreels_tui.queue.model import Job
from skyreels_tui.ui import intents
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keyboard import home_scope, with_keys
from skyreels_tui.ui.keys import HOME, bindings
from skyreels_tui.ui.panels import PANELS
from skyreels_tui.ui.panels.log import LogPanel
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.screens.home.job_keys import ACTIONS, applies, refusal_of
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.panel import Panel
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.widgets.status_bar import StatusBar

if TYPE_CHECKING:
    from textual.widgets import Input

WIDE = 120
"""Columns from which the panels stand beside the queue."""
SMALL = (70, 20)
"""A terminal narrower or lower than this is told what it misses."""
_OF_ANY_JOB = ("open", "again", "again_new_seed")
"""Actions for a job in any state."""


class HomeScreen(Screen[None]):
    """Shows the board and turns keys into intents about the selected job."""

    BINDINGS = bindings(home_scope())
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]]] = [  # type: ignore[misc]  # set per object in Textual
        (0, "-narrow"),
        (WIDE, "-wide"),
    ]

    def __init__(self, *, queue_only: bool = False) -> None:
        """`queue_only`: the live panels stand elsewhere, each in a pane of its own."""
        super().__init__()
        self._queue_only = queue_only
        self._opened: Panel | None = None

    def compose(self) -> ComposeResult:
        """One grid for both layouts; the style sheet arranges it."""
        yield StatusBar()
        yield Static(Content(""), id="small")
        with Container(id="main"):
            yield QueuePanel(id="queue")
            if not self._queue_only:
                with Container(id="side"):
                    yield Container(id="figures")
        if not self._queue_only:
            yield LogPanel(id="log")
        yield KeyBar()

    def on_mount(self) -> None:
        """The queue has the keys first, and is painted first."""
        self.query_one(QueuePanel).focus()
        if not self._queue_only:
            self.call_after_refresh(self._mount_side)

    async def _mount_side(self) -> None:
        # Panels and sensors' types take a tenth of a second to load: the queue is on the screen by then.
        figures = self.query_one("#figures")
        beside = {place: [panel.load()() for panel in PANELS if panel.place == place] for place in ("job", "figures")}
        await self.query_one("#side").mount(*beside["job"], before=figures)
        await figures.mount(*beside["figures"])
        self._fold(self.size.width)

    # Folding

    def on_resize(self, event: events.Resize) -> None:
        """Fold what does not fit, and say so where the screen is too small for comfort."""
        width, height = event.size
        notice = self.query_one("#small", Static)
        notice.display = width < SMALL[0] or height < SMALL[1]
        notice.update(Content(tr("{size} is small: from 80x24 up nothing is cut", size=f"{width}x{height}")))
        self._fold(width)

    def _fold(self, width: int) -> None:
        narrow = width < WIDE
        for panel in self._foldable():
            panel.folded = narrow and panel is not self._opened
            panel.set_class(panel is self._opened and narrow, "-opened")
        for container in self.query("#side, #figures"):
            holds = narrow and self._opened is not None and container in self._opened.ancestors
            container.set_class(holds, "-holds-opened")

    def _foldable(self) -> list[Panel]:
        return [panel for panel in self.query(Panel) if not isinstance(panel, QueuePanel)]

    def _open(self, panel: Panel | None) -> None:
        self._opened = panel
        self._fold(self.size.width)
        (panel or self.query_one(QueuePanel)).focus()

    def action_panel(self, name: str) -> None:
        """Focus a panel by its name; on a narrow terminal it takes the lower half."""
        for panel in self.query(Panel):
            if panel.SPEC is not None and panel.SPEC.name == name:
                self._open(None if isinstance(panel, QueuePanel) else panel)

    def action_fold(self) -> None:
        """Close the search, fold the open panel and go back to the queue."""
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

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the keys that do nothing for the selected job."""
        if action in ACTIONS or action in _OF_ANY_JOB:
            job = self._job
            on_film = action == "open" and self.is_mounted and bool(self.query_one(QueuePanel).film)
            return on_film if job is None else (action in _OF_ANY_JOB or applies(action, job))
        if action == "fold_film":
            return self.is_mounted and bool(self.query_one(QueuePanel).film)
        if action == "fold":
            searching = self.is_mounted and bool(self.query_one(QueuePanel).words)
            return searching or self._opened is not None or not isinstance(self.focused, QueuePanel)
        if action == "panel":
            return not self._queue_only or parameters == ("queue",)
        if action == "undo":
            return hub(self).can_undo
        return True

    def on_key(self, event: events.Key) -> None:
        """Say in a line why a key about the selected job does nothing."""
        job = self._job
        if job is not None and (why := refusal_of(with_keys(HOME, hub(self).chosen_keys), event.key, job)):
            self.query_one(KeyBar).say(why)

    def _post(self, intent_type: type[intents.JobIntent]) -> None:
        if self._job is not None:
            self.app.post_message(intent_type(self._job.id))

    def action_new_job(self) -> None:
        """Open the form."""
        self.app.post_message(intents.OpenForm())

    def action_open(self) -> None:
        """Show the selected job, or open the film whose line it is."""
        if self._job is None:
            self.query_one(QueuePanel).fold_film()
        else:
            self.app.post_message(intents.OpenJob(self._job.id))

    def action_cancel(self) -> None:
        """Cancel the selected job."""
        self._post(intents.CancelJob)

    def action_hold(self) -> None:
        """Hold or release it."""
        self._post(intents.ToggleHold)

    def action_resume(self) -> None:
        """Go on at its stored step."""
        self._post(intents.RetryJob)

    def action_retry(self) -> None:
        """Run it again."""
        self._post(intents.RetryJob)

    def action_delete(self) -> None:
        """Take it off the list."""
        self._post(intents.DeleteJob)

    def action_undo(self) -> None:
        """Bring back the last deleted one."""
        self.app.post_message(intents.UndoDelete())

    def action_move(self, offset: int) -> None:
        """Move it in the queue."""
        if self._job is not None:
            self.app.post_message(intents.MoveJob(self._job.id, offset))

    def action_run_next(self) -> None:
        """Put it before all others that wait."""
        self._post(intents.RunNext)

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
