"""The preview panel: frames of the picture that the running job is heading for, then of what it has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.segment import Segment
from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.visual import Visual

from pipelines.front.language import mark, tr
from pipelines.front.progress import PreviewStrip, Stage
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.queue.condition import condition_words
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.ui.drawing.halfblocks import BESIDE, CellPicture, cell_line
from skyreels_tui.ui.drawing.pictures import Drawing, as_picture, picture_widget, shown_pictures
from skyreels_tui.ui.drawing.safe import cut
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import Key, Scope, bindings
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.live import LivePanel
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.safe_text import safe
from skyreels_tui.words.times import UNKNOWN

if TYPE_CHECKING:
    from skyreels_tui.ui.drawing.pictures import Pixels

FINISHED = (384, 192)
"""Columns and rows of cells that the frame of a finished video would fill."""
LOOKING_EVERY_S = 2.0
MODES = (4, 2, 1, 0)
"""Numbers of pictures that the key cycles through."""
OFF = len(MODES) - 1


class PreviewPanel(LivePanel):
    """Draws the newest strip in half-block cells; says `Looking` while it can be seen, so that it is made."""

    SPEC = panel_named("preview")
    ROWS: ClassVar[int] = 8
    KEYS = Scope("preview", mark("Preview panel"), (
        Key("v", "v", "cycle_preview", mark("Size"), mark("Four pictures, two, one, none"), 2),
    ))  # fmt: skip
    BINDINGS = bindings(KEYS)

    class Looking(Message):
        """Somebody sees the preview: posted again every few seconds while that is so."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._strip: PreviewStrip | None = None
        self._job_id: int | None = None
        self._step = 0
        self._job_runs = False
        self._steps_are_over = False
        self._finished: Job | None = None
        """The job whose video is shown."""
        self._mode = 0
        self._drawing: Drawing = "cells"
        self._image: Any = None
        """The widget of a terminal that shows real pictures."""
        self._said_at: float | None = None
        self._shown: PreviewStrip | None = None
        """The strip that was drawn last."""
        self._picture_of: tuple[object, ...] = ()
        self._picture = CellPicture([])

    def compose(self) -> ComposeResult:
        """A picture over the cells, where the terminal has been found able to show one."""
        self._drawing = drawing = hub(self).looks.drawing
        if drawing == "off":
            self._mode = OFF
        elif drawing in ("kitty", "sixel"):
            self._image = picture_widget(drawing)
            yield self._image

    def on_mount(self) -> None:
        """Subscribe to progress, and start with the newest picture there is."""
        super().on_mount()
        app = hub(self)
        app.job_progress.subscribe(self, self.take_progress)
        app.job_changed.subscribe(self, self.take_job)
        app.queue_changed.subscribe(self, self._look_again)
        app.queue_status.subscribe(self, self._look_again)
        app.settings_changed.subscribe(self, self._take_settings)
        if app.last_progress is not None:
            self.take_progress(app.last_progress)

    def _take_settings(self, _: object) -> None:
        """Off and cells need no answer of the terminal: a person who chooses them sees them at once."""
        drawing = hub(self).looks.drawing
        if drawing == self._drawing:
            return
        self._drawing, self._said_at = drawing, None
        self._mode = OFF if drawing == "off" else 0
        if self._image is not None:
            self._image.remove()
            self._image = None
        self.refresh(layout=True)

    @property
    def is_watched(self) -> bool:
        """True while a preview would be seen."""
        if MODES[self._mode] == 0 or self.folded or not self.is_on_screen:
            return False
        return self.screen is self.app.screen and self.content_size.area > 0

    def take_forecast(self, queue: QueueForecast) -> None:
        """Say again that somebody looks, while something runs."""
        if self._job_runs != (queue.running is not None):
            self._job_runs = queue.running is not None
            self.redraw()
        if self._job_runs and self.is_watched:
            now = hub(self).clock()
            if self._said_at is None or now - self._said_at >= LOOKING_EVERY_S:
                self._said_at = now
                self.post_message(self.Looking())

    def _look_again(self, _: object) -> None:
        """Several rows, or what the engine does, have changed: a job may have ended in another process."""
        board = hub(self).board
        running = board.running
        if running is None:
            self._job_runs = False
            self._show_finished(board.get(self._job_id) if self._job_id is not None else None)
        elif running.id != self._job_id:
            self.take_job(JobChanged(running))
        self.redraw()

    def take_job(self, event: JobChanged) -> None:
        """A new job begins with no picture; one that is done leaves a frame of its video."""
        if event.job.id == self._job_id:
            self._show_finished(event.job)
        if event.job.state is JobState.RUNNING and event.job.id != self._job_id and not self._others_run(event.job.id):
            self._job_id, self._strip, self._job_runs, self._finished = event.job.id, None, True, None
            self.set_title("")
            self._show_picture()
            self.redraw()

    def _others_run(self, job_id: int) -> bool:
        """Whether the job whose picture is shown still runs beside this one."""
        return any(job.id == self._job_id != job_id for job in hub(self).board.all_running)

    def _show_finished(self, job: Job | None) -> None:
        if job is None or job.state is not JobState.DONE or not job.output or job == self._finished:
            return
        self._finished = job
        if self.is_watched:
            self._read(job)

    @work(thread=True, exclusive=True, group="picture")
    def _read(self, job: Job) -> None:
        # Reading media is for those who see it.
        from skyreels_tui.ui.widgets import thumbnails

        try:
            modified_s = Path(job.output).stat().st_mtime
        except (OSError, ValueError):
            return
        found = thumbnails.make(job.output, modified_s, *FINISHED)
        if found.rgb:
            hand_over(self, self._take_finished, job, PreviewStrip(found.width, found.height, (0,), found.rgb))

    def _take_finished(self, job: Job, strip: PreviewStrip) -> None:
        if job.id == self._job_id:
            self._strip = strip
            self.set_title(tr("finished · {name}", name=cut(job.label or job.title, 40)))
            self._show_picture()
            self.redraw()

    def take_progress(self, event: JobProgress) -> None:
        """Keep the picture of a report that has one; of several jobs the first one's."""
        if event.job_id != self._job_id and self._others_run(event.job_id):
            return
        if event.job_id != self._job_id:
            self._job_id, self._strip = event.job_id, None
        if self._finished is not None and self._finished.id == event.job_id:
            # A report that was on its way when the job ended.
            return
        self._job_runs = True
        progress = event.progress
        last = progress.segment + 1 >= progress.num_segments
        self._steps_are_over = last and progress.stage in (Stage.DECODE, Stage.WRITE)
        strip = event.progress.preview
        if strip is not None:
            self._strip, self._step = strip, strip.step or progress.step
            frames = " ".join(str(frame + 1) for frame in strip.frames)
            self.set_title(tr("step {step} · frames {frames}", step=self._step, frames=frames))
        self._show_picture()
        self.redraw()

    def _show_picture(self) -> None:
        if self._strip is not self._shown:
            self._shown = self._strip
            self.refresh()
        count = MODES[self._mode]
        if self._image is not None:
            self._image.display = count > 0 and self._strip is not None
            if self._image.display and self._strip is not None:
                self._image.image = as_picture(self._strip, count)

    def action_cycle_preview(self) -> None:
        """Four pictures, two, one, off."""
        self._mode = (self._mode + 1) % len(MODES)
        self._said_at = None
        self._show_picture()
        self.refresh(layout=True)

    def line(self, width: int) -> Content:
        """What the folded panel can say without pictures."""
        shown = tr("step {step}", step=self._step) if self._strip else UNKNOWN
        if MODES[self._mode] == 0:
            shown = tr("off")
        return Content.assemble((tr("preview"), "$text-muted"), " ", shown)

    def body(self, width: int, height: int) -> Content:
        """The strip, scaled to the room; the words that explain why there is none."""
        count = MODES[self._mode]
        if count == 0:
            return self.words(tr("preview is off: v shows it"))
        if self._strip is None:
            if self._job_runs and self._steps_are_over:
                return self.words(tr("the steps are over: a picture comes with the finished video"))
            if self._job_runs:
                return self.words(tr("a picture comes after the next step"))
            return self.words(safe(condition_words(hub(self).condition), 200))
        return Content("\n" * ((height if self._image is not None else self._picture_rows(width, height)) - 1))

    def _picture_rows(self, width: int, height: int) -> int:
        """Lines that the pictures fill."""
        assert self._strip is not None
        count = min(MODES[self._mode], len(self._strip.frames))
        across, rows_px, _ = arrange(count, self._strip, width, height)
        return -(-count // across) * rows_px // 2

    def render(self) -> Visual:
        """Draw the pictures in their room, once; else words."""
        strip, count, image = self._strip, MODES[self._mode], self._image
        if self.folded or strip is None or not count or image is not None:
            return super().render()
        width, height = max(1, self.content_size.width), max(1, self.content_size.height)
        of = (strip, count, width, height, self.monochrome)
        if of != self._picture_of:
            self._picture, self._picture_of = draw_strip(strip, count, width, height, self.monochrome), of
        return self._picture

    @property
    def monochrome(self) -> bool:
        """True where colours are not to be used."""
        return hub(self).monochrome


def fit_strip(height: int, width: int, rows: int, columns: int) -> tuple[int, int]:
    """Return (height, width) in pixels of a picture scaled into `rows` x `columns` cells of 1x2 pixels."""
    scale = min(columns / width, 2 * rows / height)
    return max(2, int(height * scale) // 2 * 2), max(1, min(columns, round(width * scale)))


def resize(picture: Pixels, height: int, width: int) -> Pixels:
    """Scale by averaging or repeating whole pixels."""
    import numpy as np

    ys = np.linspace(0, picture.shape[0], height + 1)
    xs = np.linspace(0, picture.shape[1], width + 1)
    sums = np.zeros((picture.shape[0] + 1, picture.shape[1] + 1, 3))
    sums[1:, 1:] = picture.cumsum(0, dtype=np.float64).cumsum(1)
    y0, x0 = np.floor(ys[:-1]).astype(int), np.floor(xs[:-1]).astype(int)
    y1 = np.maximum(y0 + 1, np.floor(ys[1:]).astype(int))
    x1 = np.maximum(x0 + 1, np.floor(xs[1:]).astype(int))
    boxes = sums[y1][:, x1] - sums[y0][:, x1] - sums[y1][:, x0] + sums[y0][:, x0]
    areas = ((y1 - y0)[:, None] * (x1 - x0)[None, :])[..., None]
    scaled: Pixels = (boxes / areas).round().astype(np.uint8)
    return scaled


def arrange(count: int, strip: PreviewStrip, width: int, height: int) -> tuple[int, int, int]:
    """Return (pictures in a row, height, width in pixels) that shows `count` pictures largest."""

    def size(across: int) -> tuple[int, int, int]:
        down = -(-count // across)
        columns = max(1, (width - BESIDE.cell_length * (across - 1)) // across)
        return (across, *fit_strip(strip.height, strip.width, max(1, height // down), columns))

    full_rows = (across for across in range(count, 0, -1) if count % across == 0)
    return max(map(size, full_rows), key=lambda found: found[2])


def draw_strip(strip: PreviewStrip, count: int, width: int, height: int, monochrome: bool = False) -> CellPicture:
    """Draw `count` pictures in at most `width` x `height` cells: side by side, or in rows where that is larger."""
    shown = shown_pictures(strip, count)
    across, rows_px, columns_px = arrange(len(shown), strip, width, height)
    scaled = [resize(picture, rows_px, columns_px) for picture in shown]
    lines = []
    for first in range(0, len(scaled), across):
        for row in range(0, rows_px, 2):
            line: list[Segment] = []
            for picture in scaled[first : first + across]:
                line += [BESIDE] if line else []
                line += cell_line(picture[row].tobytes(), picture[row + 1].tobytes(), monochrome)
            lines.append(line)
    return CellPicture(lines)
