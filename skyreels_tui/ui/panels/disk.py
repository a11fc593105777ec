"""The disk panel: what results, models and unfinished jobs take, what is free, and whether the queue fits."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.content import Content

from pipelines.front.language import mark, tr
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.monitors.sample import DiskReading, Sample
from skyreels_tui.ui.drawing.bars import bar, flow, stack
from skyreels_tui.ui.drawing.safe import column, cut_path
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.live import LivePanel
from skyreels_tui.words.safe_text import safe
from skyreels_tui.words.sizes import size
from skyreels_tui.words.times import UNKNOWN

ROLES = (mark("results"), mark("cache"), mark("state"))
"""What the folders on a disk are for, as the sensor names them."""
SPARE_BYTES = 2 * 2**30
"""Margin beside what the queue needs below which a person is warned; it stops nothing."""


class DiskPanel(LivePanel):
    """One line of sums, a forecast for the queue, then file systems and models where there is room."""

    SPEC = panel_named("disk")
    ROWS: ClassVar[int] = 2
    ROOMY_ROWS: ClassVar[int] = 5

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._disk: DiskReading | None = None
        self._queue = QueueForecast()

    def take_sample(self, sample: Sample) -> None:
        """Keep the reading."""
        self._disk = sample.disk
        self.redraw()

    def take_forecast(self, queue: QueueForecast) -> None:
        """Keep what the queue will need."""
        self._queue = queue
        self.redraw()

    def line(self, width: int) -> Content:
        """`disk 1.7 TiB free`."""
        room = self._disk.holding("results") if self._disk else None
        if room is None:
            return self.words(tr("disk {free}", free=UNKNOWN))
        free = size(room.free_bytes)
        margin = self._margin(room.free_bytes)
        if margin < 0:
            return Content.styled(tr("disk {free} free: too little", free=free), "$text-error")
        if margin < SPARE_BYTES:
            return Content.styled(tr("disk {free} free: little margin", free=free), "$text-warning")
        return Content(tr("disk {free} free", free=free))

    def body(self, width: int, height: int) -> Content:
        """Sums and verdict first, details below."""
        disk = self._disk
        if disk is None:
            return self.no_reading("disk")
        gap = f" {self.glyphs.dot} "
        lines = flow(self._sums(disk, width, gap), width, gap) + self._forecast(disk, width)
        if height - len(lines) >= 2:
            lines += self._details(disk, width)
        return stack(lines, width, height)

    def _margin(self, free_bytes: int) -> int:
        """Bytes that stay free once the queue is done; below 0 a job will not start."""
        return free_bytes - self._queue.needs_bytes

    def _sums(self, disk: DiskReading, width: int, gap: str) -> list[Content]:
        parts, extra = [], []
        if disk.result_bytes is not None:
            parts.append(Content(tr("result {size}", size=size(disk.result_bytes))))
        if disk.models:
            models = size(sum(num_bytes for _, num_bytes in disk.models))
            parts.append(Content(tr("models {size}", size=models)))
        if disk.cache_bytes:
            extra.append(Content(tr("cache {size}", size=size(disk.cache_bytes))))
        if disk.checkpoint_bytes:
            extra.append(Content(tr("jobs {size}", size=size(disk.checkpoint_bytes))))
        first = len(parts)
        room = disk.holding("results")
        if room is not None:
            parts.append(Content(tr("free {size}", size=size(room.free_bytes))))
            margin = self._margin(room.free_bytes)
            if margin < 0:
                verdict = Content.styled(tr("too little"), "$text-error")
            elif margin < SPARE_BYTES:
                verdict = Content.styled(tr("little margin"), "$text-warning")
            else:
                verdict = Content.styled(tr("ok"), "$text-success")
            parts.append(verdict)
        # The verdict and the forecast matter more than what the smaller folders take.
        full = [*parts[:first], *extra, *parts[first:]]
        return full if len(flow(full, width, gap)) == len(flow(parts, width, gap)) else parts

    def _forecast(self, disk: DiskReading, width: int) -> list[Content]:
        room, needs = disk.holding("results"), self._queue.needs_bytes
        if room is None or not needs:
            return []
        need, free = size(needs), size(room.free_bytes)
        margin = self._margin(room.free_bytes)
        if margin < 0:
            words = tr("the queue needs {need}, {free} free on {path}", need=need, free=free, path=safe(room.path))
            return [Content.styled(f"{self.glyphs.failed} {words}", "$text-error")]
        if margin < SPARE_BYTES:
            words = tr("the queue needs {need}, margin {margin}", need=need, margin=size(margin))
            return [Content.styled(words, "$text-warning")]
        full = self.words(tr("the queue needs {need}, margin {margin}", need=need, margin=size(margin)))
        return [full if full.cell_length <= width else self.words(tr("the queue needs {need}", need=need))]

    def _details(self, disk: DiskReading, width: int) -> list[Content]:
        lines = []
        if disk.result_dir:
            lines.append(self.words(tr("results in {folder}", folder=cut_path(safe(disk.result_dir), width - 16))))
        for entry in disk.file_systems:
            roles = ", ".join(tr(role) for role in entry.roles)
            used = 1 - entry.free_bytes / entry.total_bytes if entry.total_bytes else 1.0
            lines.append(
                Content.assemble(
                    (f"{column(roles, 21)} ", "$text-muted"),
                    bar(used, max(4, min(20, width - 36)), self.glyphs),
                    " ",
                    tr("{size} free", size=size(entry.free_bytes)),
                )
            )
        for name, num_bytes in disk.models:
            lines.append(Content.assemble((f"{size(num_bytes):>9} ", "$text-muted"), safe(name)))
        return lines
