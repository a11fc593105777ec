"""The signals that every panel listens to, and the one message that brings engine facts into the UI thread."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.filter import Monochrome, NoColor
from textual.message import Message
from textual.notifications import Notification, Notify, SeverityLevel
from textual.screen import Screen
from textual.signal import Signal
from textual.timer import Timer

from pipelines.front import language
from pipelines.front.language import tr
from skyreels_tui.queue.board import JobBoard
from skyreels_tui.queue.condition import Condition, condition_now
from skyreels_tui.queue.events import Event, JobChanged, JobProgress, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.model import Job
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.settings import ASKED_AT_START, Settings, waiting
from skyreels_tui.settings.themes import DEFAULT
from skyreels_tui.ui.drawing.ascii import AsciiFilter
from skyreels_tui.ui.drawing.colourless import Colourless
from skyreels_tui.ui.drawing.glyphs import ASCII, UNICODE, Glyphs
from skyreels_tui.ui.drawing.safe import ControlFilter, safe
from skyreels_tui.ui.input_thread import sleeping
from skyreels_tui.ui.intents import ShowText
from skyreels_tui.ui.internals import is_held_back, keep_clipboard, swap_filters, take_back, write_sequence
from skyreels_tui.ui.keys import key_of
from skyreels_tui.ui.lasting import hang_up_when_gone, outlast
from skyreels_tui.ui.palette import SIXTEEN, load_theme
from skyreels_tui.ui.pastes import bound_pastes
from skyreels_tui.ui.turns import OPENING, Turns
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.times import UNKNOWN, ends_at, rough_duration

if TYPE_CHECKING:
    from skyreels_tui.downloads.transfers import Transfer
    from skyreels_tui.eta.forecast import QueueForecast
    from skyreels_tui.eta.running import RunningTimes
    from skyreels_tui.monitors.sample import Sample
    from skyreels_tui.notify.clipboard import Reached
    from skyreels_tui.queue.film import Film
    from skyreels_tui.ui.drawing.pictures import Drawing


WHEEL_ON, WHEEL_OFF = "\x1b[?1007s\x1b[?1007h", "\x1b[?1007r"
"""Has the terminal send arrows for the wheel, and be as it was before."""
SETTINGS_S = 1.0
"""Between two looks at the settings file, which a shell or an editor may write."""


@runtime_checkable
class Retitled(Protocol):
    """A widget whose border speaks."""

    def retitle(self) -> None:
        """Write the border again."""


@runtime_checkable
class Overwritten(Protocol):
    """A screen that writes to the terminal itself."""

    def drawn(self) -> None:
        """Textual has written what it had to."""


class EngineEvent(Message):
    """A fact from the runner; posting it is all that the inference thread ever does to the UI."""

    def __init__(self, event: Event) -> None:
        self.event = event
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Progress gives way to newer progress of the same job, except where that would lose a preview."""
        if not isinstance(message, EngineEvent):
            return False
        this, newer = self.event, message.event
        return (
            isinstance(this, JobProgress)
            and isinstance(newer, JobProgress)
            and this.job_id == newer.job_id
            and (this.progress.preview is None or newer.progress.preview is not None)
        )


class Sampled(Message):
    """One reading of the sensors, from the monitor thread."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """A reading gives way to a newer one."""
        return isinstance(message, Sampled)


class Forecasted(Message):
    """What the queue will take, from the forecaster's thread."""

    def __init__(self, queue: QueueForecast) -> None:
        self.queue = queue
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """A forecast gives way to a newer one."""
        return isinstance(message, Forecasted)


class TransfersChanged(Message):
    """Where every download and check of models stands, from their thread."""

    def __init__(self, transfers: tuple[Transfer, ...]) -> None:
        self.transfers = transfers
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Old news gives way."""
        return isinstance(message, TransfersChanged)


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
        self.turns = Turns(self, super().on_event)
        # An empty NO_COLOR asks for nothing; Textual would turn the screen grey, which is colour to a terminal.
        self.no_color = bool(os.environ.get("NO_COLOR"))
        swap_filters(self, (Monochrome, NoColor), last=[ControlFilter()])
        self.use_theme("")
        # Nothing slides: a slow line would pay for every frame, and a key must be answered at once.
        self.animation_level = "none"
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
        self.moving: tuple[Transfer, ...] = ()
        """As last published."""
        self.settings_changed: Signal[Settings] = Signal(self, "settings_changed")
        """What a person has chosen is something else now, here, in another window or in the file."""
        self.chosen_keys: Mapping[str, str] = {}
        """Id of a binding -> the keys that a person has chosen for it."""
        self._settings: LiveSettings | None = None
        self._ascii_only = False
        self._warned: tuple[str, ...] = ()
        self.board = JobBoard(jobs, scene_counts)
        """The queue as it is shown, kept current before the signals are published."""
        self._notes: list[tuple[Screen[Any], Notification]] = []
        """Messages with the screen that each was said on."""
        self._said_about: dict[str, Notification] = {}
        """The newest message about something of which the next one says how it is now."""
        self._after_paint: list[Callable[[], object]] = [collect_again]
        self._copied = ""
        """What was copied last; '' once it has been shown."""
        self.glyphs = UNICODE
        self.drawing: Drawing = "cells"
        """How previews are drawn; who runs the app asks the terminal first."""
        self.last_progress: JobProgress | None = None
        """The newest progress event, so that a panel mounted later starts with what is known."""
        self.last_sample: Sample | None = None
        self.last_forecast: QueueForecast | None = None
        self._ticking: Timer | None = None
        """Runs while the words of the condition change with the clock."""
        self._job_seconds: dict[int, float] = {}
        self._unreadable: frozenset[int] = frozenset()

    async def on_event(self, event: events.Event) -> None:
        """Give keys and pastes their turn: what a key opens gets all that is typed after it."""
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            await self.turns.take(event)
        else:
            await super().on_event(event)

    # Settings

    def look_like(self, settings: LiveSettings, *, theme: str = "", ascii_only: bool = False) -> None:
        """Look as the settings say, now and after every change; `theme` and `ascii_only` count for this time."""
        self._settings, self._ascii_only = settings, ascii_only
        self.glyphs = ASCII if ascii_only or settings.now.ascii else UNICODE
        self.use_theme(theme or settings.now.theme)
        settings.follow(self._use_settings)

    @property
    def settings(self) -> Settings:
        """As they are now; the defaults where nobody has given any."""
        return self._settings.now if self._settings is not None else Settings()

    def on_mount(self) -> None:
        """Follow the settings file, and leave when the terminal has gone."""
        self.screen_change_signal.subscribe(self, self._leave_notes)
        if not (self.is_headless or self.is_web):
            hang_up_when_gone()
        if self._settings is not None:
            if self._settings.now.mouse == "wheel":
                write_sequence(self, WHEEL_ON)
            self._warn(self._settings)
            self.set_interval(SETTINGS_S, self._look_at_settings)

    def _look_at_settings(self) -> None:
        settings = self._settings
        if settings is None:
            return
        before = settings.now
        settings.look()
        self._warn(settings)
        if settings.now is before:
            return
        names = waiting(before, settings.now)
        if names:
            self.tell(tr("Changed in the settings, takes effect at the next start: {names}", names=", ".join(names)))

    def _warn(self, settings: LiveSettings) -> None:
        """Say what in the file cannot be used, once."""
        for warning in settings.warnings:
            if warning not in self._warned:
                self.tell(warning, "warning")
        self._warned = settings.warnings

    def _use_settings(self, before: Settings, now: Settings) -> None:
        if now.theme != before.theme:
            self.use_theme(now.theme)
        if now.preview != before.preview and now.preview not in ASKED_AT_START:
            self.drawing = "off" if now.preview == "off" else "cells"
        self.glyphs = ASCII if self._ascii_only or now.ascii else UNICODE
        if now.language != before.language:
            language.choose(now.language)
        if (now.language, now.ascii) != (before.language, before.ascii):
            self._draw_again()
        self.settings_changed.publish(now)

    def _draw_again(self) -> None:
        """Screens opened from here on speak the language and draw the symbols; those below are drawn again."""
        for screen in self.screen_stack:
            for widget in screen.query("*"):
                if isinstance(widget, Retitled):
                    widget.retitle()
                widget.refresh(layout=True)

    @cached_property
    def running_times(self) -> RunningTimes:
        """Of the job that runs, as of now."""
        # Imported with the first report: the first screen of a queue in which nothing runs needs none.
        from skyreels_tui.eta.running import RunningTimes

        return RunningTimes(self.clock)

    @property
    def glyphs(self) -> Glyphs:
        """The symbols drawn; with ASCII ones nothing else leaves for the terminal either."""
        return self._glyphs

    @glyphs.setter
    def glyphs(self, glyphs: Glyphs) -> None:
        self._glyphs = glyphs
        swap_filters(self, AsciiFilter, last=[AsciiFilter()] if glyphs is ASCII else ())

    @property
    def top(self) -> Screen[Any] | None:
        """The screen on top; None before the first, and while the app closes, when what was called later still runs."""
        return self.screen_stack[-1] if self.screen_stack else None

    def keys_changed(self) -> None:
        """Say in the line of keys anew what each does now."""
        if (top := self.top) is not None:
            top.refresh_bindings()

    def tell(self, text: str, severity: str = "information", *, about: str = "") -> None:
        """Show a short message; never parsed as markup.

        It takes the place of one `about` the same, such as 'undo': what that says is no longer so.
        """
        # What a screen says while it closes belongs to the one below: by then that one is on top.
        self.call_later(self._tell, safe(text, 500), severity, about)

    def _tell(self, text: str, severity: str, about: str) -> None:
        level: SeverityLevel = severity  # type: ignore[assignment]  # one of three words
        note = Notification(text, severity=level, timeout=self.NOTIFICATION_TIMEOUT, markup=False)
        if about:
            if (before := self._said_about.get(about)) is not None:
                self._notes = [(screen, one) for screen, one in self._notes if one is not before]
                take_back(self, [before])
            self._said_about[about] = note
        if (top := self.top) is None:
            return
        self._notes = [*self._fresh_notes(), (top, note)]
        self.post_message(Notify(note))
        self._show_notes()
        self.set_timer(self.NOTIFICATION_TIMEOUT + 0.1, self._show_notes)

    def _show_notes(self) -> None:
        """In the line of the keys, where the screen has one: a message covers nothing."""
        if (top := self.top) is None:
            return
        fresh = [(note.message, note.severity) for screen, note in self._fresh_notes() if screen is top]
        for bar in top.query("KeyBar"):
            bar.show_notes(fresh)  # type: ignore[attr-defined]  # found by the name of its class

    def _fresh_notes(self) -> list[tuple[Screen[Any], Notification]]:
        return [(screen, note) for screen, note in self._notes if not note.has_expired]

    def _leave_notes(self, screen: Screen[Any]) -> None:
        """A message is seen on the screen that it was said on, and on no other."""
        self._notes = self._fresh_notes()
        take_back(self, [note for place, note in self._notes if place is not screen])
        for place, note in self._notes:
            if place is screen:
                self.post_message(Notify(note))
        self._show_notes()

    def remark(self, text: str) -> None:
        """Say in one dim line why a key has just done nothing, where the screen has a line for it."""
        for bar in self.top.query("KeyBar") if self.top is not None else ():
            bar.say(text)  # type: ignore[attr-defined]  # found by the name of its class

    def post_display_hook(self) -> None:
        """Let a screen that writes to the terminal itself have the last word; then goes on what waited for a frame."""
        if isinstance(top := self.top, Overwritten):
            top.drawn()
        if self._after_paint and not is_held_back(self):
            waiting, self._after_paint = self._after_paint, []
            for call in waiting:
                self.call_later(call)

    def refresh_css(self, animate: bool = True) -> None:
        """Before the first screen nothing is drawn: the variables are enough, and no rule is read a second time."""
        if self.top is not None and self.top.is_mounted:
            super().refresh_css(animate=animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    def after_paint(self, call: Callable[[], object]) -> None:
        """Call back once the next frame has been written: what it does not show must not delay it."""
        self._after_paint.append(call)

    # What is copied

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by the way that reaches a person here, and say which it was; again: show it, to be selected."""
        again, self._copied = text == self._copied, text
        keep_clipboard(self, text)
        if again or self.is_web:
            self._copied = ""
            self.post_message(ShowText(text))
        else:
            self.run_worker(lambda: self._copy(text), thread=True, group=OPENING)

    def _copy(self, text: str) -> None:
        # Imported with the first copy: a start needs none.
        from skyreels_tui.notify.clipboard import copy

        reached = copy(text, os.environ, partial(write_sequence, self))
        hand_over(self, self._tell_copied, text, reached)

    def _tell_copied(self, text: str, reached: Reached) -> None:
        shown = safe(text, 200)
        if reached.tmux and reached.terminal:
            self.tell(tr("Copied into tmux and sent to the terminal: {text}", text=shown))
        elif reached.tmux:
            self.tell(tr("Copied into tmux, not outside it: {text}", text=shown))
        elif reached.terminal:
            self.tell(tr("Sent to the terminal's clipboard (again: to select it): {text}", text=shown))
        else:
            self._copied = ""
            self.post_message(ShowText(text))

    @property
    def trouble(self) -> str:
        """What is wrong with the program itself, in a few words for the first line; '' when nothing is."""
        return ""

    @property
    def condition(self) -> Condition:
        """What the engine and its job do, as of now."""
        report = self.board.progress
        return condition_now(
            self.board.status, self.board.running, report, self.running_times.since_s(report.job_id) if report else 0.0
        )

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

    def estimate_s(self, job: Job) -> float | None:
        """Predicted seconds of a job that has not begun; None while nothing is known."""
        return self._job_seconds.get(job.id)

    def films(self) -> list[Film]:
        """Every film of the queue, newest first; reads a file, so it belongs on a worker."""
        return []

    def is_unreadable(self, job: Job) -> bool:
        """Whether nothing is known of a job because its inputs could not be read."""
        return job.id in self._unreadable

    def use_theme(self, name: str) -> None:
        """Read one palette and show it; '' and unknown names give the default."""
        few = self.console.color_system == "standard"
        theme = load_theme(name or (SIXTEEN if few else DEFAULT))
        if self.no_color:
            # All palettes look alike then, and this one tells its backgrounds apart, as a terminal's own need not.
            theme = replace(load_theme(DEFAULT), name=theme.name)
        self.register_theme(theme)
        self.theme = theme.name
        if self.no_color:
            # First of all: others turn dim text into a colour.
            swap_filters(self, Colourless, first=[Colourless(theme.panel or "")])

    def key(self, name: str) -> str:
        """The key of an action, 'home.pause' as the settings name it: the default, or what a person has chosen."""
        return key_of(name, self.chosen_keys)

    @property
    def monochrome(self) -> bool:
        """True where pictures are drawn in letters: colours are not to be used."""
        return bool(self.no_color) or self.glyphs.sparks.isascii()

    @property
    def gpu_name(self) -> str:
        """Name of the GPU, '' when there is none or nothing has been read yet."""
        gpu = self.last_sample.gpu if self.last_sample is not None else None
        return gpu.name if gpu is not None else ""

    @property
    def can_undo(self) -> bool:
        """Whether something was deleted that can be brought back."""
        return False

    @property
    def queue_starts(self) -> bool:
        """Whether a job runs, or would start as soon as it may: nobody can say when another queue ends."""
        return self.board.running is not None or self.board.status.pause in ("", "hours")

    def queue_left_s(self) -> float | None:
        """Predicted seconds until the queue is empty, hours of rest included.

        None while a part of it is unknown, or while nothing can start.
        """
        forecast = self.last_forecast
        if forecast is None or forecast.unknown or not self.queue_starts:
            return None
        return self.with_rest(forecast.total_seconds)

    def with_rest(self, seconds: float) -> float:
        """Seconds until so much work is done that begins now, hours of rest included."""
        # Loaded with the first forecast.
        from skyreels_tui.settings.hours import work_ends

        hours = self._settings.now.running_hours if self._settings is not None else None
        now = self.wall_clock()
        return seconds if hours is None else (work_ends(now, seconds, hours) - now).total_seconds()

    def film_ends(self) -> dict[str, str]:
        """Film -> 'ends Wed 03:10', for those of which it is known."""
        # Loaded with the first film: the first paint of a queue without one needs none.
        from skyreels_tui.eta.film_ends import film_ends

        times, now = self.running_times, self.wall_clock()
        ends = film_ends(self.board.jobs, self.estimate_s, times.job_left_s, self._worker_count)
        return {name: tr("ends {time}", time=ends_at(self.with_rest(one), now)) for name, one in ends.items()}

    def film_left(self, takes: Sequence[Job]) -> str:
        """What a film's takes still need, as the time left of a job is shown; '' while it is not known, or nothing."""
        if self.last_forecast is None:
            return ""
        from skyreels_tui.eta.film_ends import film_left_s

        times = self.running_times
        seconds = film_left_s(takes, self.estimate_s, times.job_left_s, self._worker_count)
        left = rough_duration(seconds, max((times.spread(take.id) for take in takes), default=1.0))
        return "" if left == UNKNOWN else left

    @property
    def _worker_count(self) -> int:
        return 1 if self.last_forecast is None else self.last_forecast.workers

    def publish_event(self, event: Event) -> None:
        """Hand over an event from any thread; never blocks, and drops it once the app has gone."""
        try:
            self.post_message(EngineEvent(event))
        except RuntimeError:
            # The event loop closed between two events: the row is already written, nobody is left to tell.
            return

    def publish_sample(self, sample: Sample) -> None:
        """Hand over a sensor reading from any thread."""
        try:
            self.post_message(Sampled(sample))
        except RuntimeError:
            return

    def publish_forecast(self, queue: QueueForecast) -> None:
        """Hand over a forecast from any thread."""
        try:
            self.post_message(Forecasted(queue))
        except RuntimeError:
            return

    def publish_transfers(self, transfers: tuple[Transfer, ...]) -> None:
        """Hand over where the transfers stand, from any thread."""
        try:
            self.post_message(TransfersChanged(transfers))
        except RuntimeError:
            return

    def on_transfers_changed(self, message: TransfersChanged) -> None:
        """Fan it out."""
        self.moving = message.transfers
        self.transfers_changed.publish(message.transfers)

    def on_engine_event(self, message: EngineEvent) -> None:
        """Bring the board up to date, then fan the fact out to its signal."""
        self.board.apply(message.event)
        self.running_times.hear(self.board.all_progress)
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
        queue = self.last_forecast = message.queue
        self._job_seconds = dict(queue.job_seconds + queue.held_seconds)
        self._unreadable = queue.unreadable
        self.forecast.publish(queue)


def hub(node: DOMNode) -> HubApp:
    """Return the app of a mounted node, typed, so that panels can subscribe to its signals."""
    app = node.app
    if not isinstance(app, HubApp):
        raise TypeError(f"{type(app).__name__} publishes nothing that {type(node).__name__} could follow")
    return app


def collect_again() -> None:
    """Look for garbage again, but not in what a start without it has loaded."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def run_on_terminal(app: HubApp) -> None:
    """Run an app until it is left, with the mouse that the settings want."""
    mouse = app.settings.mouse
    app.run(mouse=mouse == "yes")
    if mouse == "wheel" and sys.__stderr__ is not None:
        sys.__stderr__.write(WHEEL_OFF)
        sys.__stderr__.flush()
