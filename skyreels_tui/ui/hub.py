"""The signals that every panel listens to, on the app that all of ours are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.signal import Signal
from textual.timer import Timer

from skyreels_tui.queue.board import JobBoard
from skyreels_tui.queue.condition import Condition, condition_now
from skyreels_tui.queue.events import Event, JobChanged, JobProgress, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.model import Job
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui.after_paint import AfterPaint
from skyreels_tui.ui.copied_text import CopiedText
from skyreels_tui.ui.drawing.glyphs import Glyphs
from skyreels_tui.ui.internals import draws_what_is_seen
from skyreels_tui.ui.keys import key_of
from skyreels_tui.ui.looks import Looks
from skyreels_tui.ui.news import EngineEvent, Forecasted, Sampled, TransfersChanged
from skyreels_tui.ui.notes import Notes
from skyreels_tui.ui.settings_watch import SettingsWatch
from skyreels_tui.ui.terminal.input_thread import sleeping
from skyreels_tui.ui.terminal.lasting import hang_up_when_gone, outlast
from skyreels_tui.ui.terminal.pastes import bound_pastes
from skyreels_tui.ui.terminal.run import use_wheel
from skyreels_tui.ui.times import QueueTimes
from skyreels_tui.ui.turns import Turns

if TYPE_CHECKING:
    from skyreels_tui.downloads.transfers import Transfer
    from skyreels_tui.eta.forecast import QueueForecast
    from skyreels_tui.monitors.sample import Sample
    from skyreels_tui.queue.film import Film


@runtime_checkable
class Overwritten(Protocol):
    """A screen that writes to the terminal itself."""

    def drawn(self) -> None:
        """Textual has written what it had to."""


@draws_what_is_seen
class HubApp(App[None]):
    """An app with the signals that panels subscribe to in `on_mount`; base of the whole app and of a lone panel."""

    def __init__(
        self,
        jobs: Callable[[], Iterable[Job]] = tuple,
        scene_counts: Callable[[], Mapping[str, int]] = dict,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = datetime.now,
        **kwargs: Any,
    ) -> None:
        """`jobs` lists the queue, `scene_counts` tells how many scenes each film has; the board calls both.

        `clock` tells seconds since some moment, `wall_clock` the local time of day without its zone.
        """
        super().__init__(**kwargs)
        self.clock, self.wall_clock = clock, wall_clock
        bound_pastes(self.driver_class)
        outlast(self.driver_class)
        self.driver_class = sleeping(self.driver_class)
        # Nothing slides: a slow line would pay for every frame, and a key must be answered at once.
        self.animation_level = "none"
        self.turns = Turns(self, super().on_event)
        self.looks = Looks(self)
        self.notes = Notes(self, lambda: self.top)
        self._copied = CopiedText(self, self.tell)
        self.painted = AfterPaint(self)
        self._settings: LiveSettings | None = None
        self.chosen_keys: Mapping[str, str] = {}
        """Id of a binding -> the keys that a person has chosen for it."""
        self.board = JobBoard(jobs, scene_counts)
        """The queue as it is shown, kept current before the signals are published."""
        self.times = QueueTimes(
            self.board,
            clock=lambda: self.clock(),
            wall_clock=lambda: self.wall_clock(),
            hours=lambda: self.settings.running_hours,
        )
        self.job_changed: Signal[JobChanged] = Signal(self, "job_changed")
        self.queue_changed: Signal[QueueChanged] = Signal(self, "queue_changed")
        self.job_progress: Signal[JobProgress] = Signal(self, "job_progress")
        self.log_line: Signal[LogLine] = Signal(self, "log_line")
        self.sample: Signal[Sample] = Signal(self, "sample")
        """Readings of the monitor thread, a second apart."""
        self.forecast: Signal[QueueForecast] = Signal(self, "forecast")
        """What the queue will take, a second apart while a job runs."""
        self.queue_status: Signal[QueueStatus] = Signal(self, "queue_status")
        self.transfers_changed: Signal[tuple[Transfer, ...]] = Signal(self, "transfers_changed")
        """Downloads and checks of models."""
        self.settings_changed: Signal[Settings] = Signal(self, "settings_changed")
        """What a person has chosen is something else now, here, in another window or in the file."""
        self.last_progress: JobProgress | None = None
        """The newest progress event, so that a panel mounted later starts with what is known."""
        self.last_sample: Sample | None = None
        self.moving: tuple[Transfer, ...] = ()
        """Transfers as last published."""
        self._ticking: Timer | None = None
        """Runs while the words of the condition change with the clock."""

    # Life

    async def on_event(self, event: events.Event) -> None:
        """Give keys and pastes their turn: what a key opens gets all that is typed after it."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self.turns.take(event)
        else:
            await super().on_event(event)

    def hear(self) -> None:
        """A key or a paste is on its way; from the thread that reads the terminal."""
        self.turns.typed()

    def on_mount(self) -> None:
        """Follow the settings file, and leave when the terminal has gone."""
        self.screen_change_signal.subscribe(self, self.notes.change_screen)
        if not (self.is_headless or self.is_web):
            hang_up_when_gone()
        use_wheel(self, self.settings.mouse)
        if self._settings is not None:
            SettingsWatch(self, self._settings, self.tell).begin()

    def post_display_hook(self) -> None:
        """Let a screen that writes to the terminal itself have the last word; then goes on what waited for a frame."""
        if isinstance(top := self.top, Overwritten):
            top.drawn()
        self.painted.written()

    def after_paint(self, call: Callable[[], object]) -> None:
        """Call back once the next frame has been written: what it does not show must not delay it."""
        self.painted.add(call)

    def refresh_css(self, animate: bool = True) -> None:
        """Before the first screen nothing is drawn: the variables are enough, and no rule is read a second time."""
        if self.top is not None and self.top.is_mounted:
            super().refresh_css(animate=animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    @property
    def top(self) -> Screen[Any] | None:
        """The screen on top; None before the first, and while the app closes, when what was called later still runs."""
        return self.screen_stack[-1] if self.screen_stack else None

    # What a person has chosen

    def follow_settings(self, settings: LiveSettings, *, theme: str = "", ascii_only: bool = False) -> None:
        """Look as the settings say, now and after every change; `theme` and `ascii_only` count for this time."""
        self._settings = settings
        self.looks.follow(settings, theme=theme, ascii_only=ascii_only)
        settings.follow(lambda _, now: self.settings_changed.publish(now))

    @property
    def settings(self) -> Settings:
        """As they are now; the defaults where nobody has given any."""
        return self._settings.now if self._settings is not None else Settings()

    @property
    def glyphs(self) -> Glyphs:
        """The symbols drawn."""
        return self.looks.glyphs

    @property
    def monochrome(self) -> bool:
        """True where pictures are drawn in letters: colours are not to be used."""
        return self.looks.monochrome

    def key(self, name: str) -> str:
        """The key of an action, 'home.pause' as the settings name it: the default, or what a person has chosen."""
        return key_of(name, self.chosen_keys)

    def keys_changed(self) -> None:
        """Say in the line of keys anew what each does now."""
        if (top := self.top) is not None:
            top.refresh_bindings()

    # What a person is told and given

    def tell(self, text: str, severity: str = "information", *, about: str = "") -> None:
        """Show a short message; `about` names what it takes the place of, as `Notes.tell` says."""
        self.notes.tell(text, severity, about)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by the way that reaches a person here, and say which it was; again: show it, to be selected."""
        self._copied.copy(text)

    # What is known

    @property
    def trouble(self) -> str:
        """What is wrong with the program itself, in a few words for the first line; '' when nothing is."""
        return ""

    @property
    def can_undo(self) -> bool:
        """Whether something was deleted that can be brought back."""
        return False

    def show_job(self, job_id: int) -> None:
        """Put the cursor of the queue on a job, where a queue is shown."""

    def films(self) -> list[Film]:
        """Every film of the queue, newest first; reads a file, so it belongs on a worker."""
        return []

    @property
    def last_forecast(self) -> QueueForecast | None:
        """The newest, for a panel that is mounted later."""
        return self.times.forecast

    @property
    def gpu_name(self) -> str:
        """Name of the GPU, '' when there is none or nothing has been read yet."""
        gpu = self.last_sample.gpu if self.last_sample is not None else None
        return gpu.name if gpu is not None else ""

    @property
    def condition(self) -> Condition:
        """What the engine and its job do, as of now."""
        report = self.board.progress
        since_s = self.times.running.since_s(report.job_id) if report else 0.0
        return condition_now(self.board.status, self.board.running, report, since_s)

    def condition_changed(self) -> None:
        """Draw what depends on the queue's condition again."""
        self.queue_status.publish(self.board.status)

    def _tick(self) -> None:
        """Draw once a second what changes with the clock alone, as long as it does."""
        moves = self.condition.moves
        if moves and self._ticking is None:
            self._ticking = self.set_interval(1.0, self.condition_changed)
        elif not moves and self._ticking is not None:
            self._ticking.stop()
            self._ticking = None

    # News of other threads, and its fan-out

    def publish_event(self, event: Event) -> None:
        """Hand over an event from any thread; never blocks, and drops it once the app has gone."""
        self._publish(EngineEvent(event))

    def publish_sample(self, sample: Sample) -> None:
        """Hand over a sensor reading from any thread."""
        self._publish(Sampled(sample))

    def publish_forecast(self, queue: QueueForecast) -> None:
        """Hand over a forecast from any thread."""
        self._publish(Forecasted(queue))

    def publish_transfers(self, transfers: tuple[Transfer, ...]) -> None:
        """Hand over where the transfers stand, from any thread."""
        self._publish(TransfersChanged(transfers))

    def _publish(self, news: Message) -> None:
        # The event loop may close between two: what was done is written already, nobody is left to tell.
        with suppress(RuntimeError):
            self.post_message(news)

    def on_engine_event(self, message: EngineEvent) -> None:
        """Bring the board up to date, then fan the fact out to its signal."""
        self.board.apply(message.event)
        self.times.hear()
        self._tick()
        match message.event:
            case JobChanged() as event:
                self.job_changed.publish(event)
            case QueueChanged() as event:
                self.queue_changed.publish(event)
            case JobProgress() as event:
                self.last_progress = event
                self.job_progress.publish(event)
            case QueueStatus() as event:
                self.queue_status.publish(event)
            case LogLine() as event:
                self.log_line.publish(event)

    def on_sampled(self, message: Sampled) -> None:
        """Fan a sensor reading out."""
        self.last_sample = message.sample
        self.sample.publish(message.sample)

    def on_forecasted(self, message: Forecasted) -> None:
        """Keep what it says of each job, then fan it out."""
        self.times.take(message.queue)
        self.forecast.publish(message.queue)

    def on_transfers_changed(self, message: TransfersChanged) -> None:
        """Fan it out."""
        self.moving = message.transfers
        self.transfers_changed.publish(message.transfers)


def hub(node: DOMNode) -> HubApp:
    """Return the app of a mounted node, typed, so that panels can subscribe to its signals."""
    app = node.app
    if not isinstance(app, HubApp):
        raise TypeError(f"{type(app).__name__} publishes nothing that {type(node).__name__} could follow")
    return app
