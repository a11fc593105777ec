"""The disk panel: what results, models and unfinished jobs take, what is free, and whether the queue fits."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content

from skyreels_tui.monitors.sample import DiskReading, QueueForecast, Sample
from skyreels_tui.panels.draw import bar, flow, stack
from skyreels_tui.panels.live import LivePanel
from skyreels_tui.safetext import safe
from skyreels_tui.widgets.times import size

SPARE_BYTES = 2 * 2**30
"""Room that must stay free beside what the queue needs."""


class DiskPanel(LivePanel):
    """One line of sums, a forecast for the queue, then file systems and models where there is room."""

    NUMBER = 6
    LABEL = "Disk"
    ROWS: ClassVar[int] = 2
    ROOMY_ROWS: ClassVar[int] = 5

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._disk: DiskReading | None = None
        self._queue = QueueForecast()

    def take_sample(self, sample: Sample) -> None:
        """Keep the reading and the forecast."""
        self._disk, self._queue = sample.disk, sample.queue or QueueForecast()
        self.redraw()

    def line(self, width: int) -> Content:
        """`disk 1.7 TiB free`."""
        room = self._disk.holding("results") if self._disk else None
        if room is None:
            return self.words("disk -")
        enough = self._enough(room.free_bytes)
        style = "" if enough else "$text-error"
        short = "" if enough else ": too little"
        return Content.assemble(("disk ", "$text-muted"), (f"{size(room.free_bytes)} free{short}", style))

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

    def _enough(self, free_bytes: int) -> bool:
        return free_bytes >= self._queue.needs_bytes + SPARE_BYTES

    def _sums(self, disk: DiskReading, width: int, gap: str) -> list[Content]:
        parts, extra = [], []
        if disk.result_bytes is not None:
            parts.append(Content(f"result {size(disk.result_bytes)}"))
        if disk.models:
            parts.append(Content(f"models {size(sum(num_bytes for _, num_bytes in disk.models))}"))
        if disk.cache_bytes:
            extra.append(Content(f"cache {size(disk.cache_bytes)}"))
        if disk.checkpoint_bytes:
            extra.append(Content(f"jobs {size(disk.checkpoint_bytes)}"))
        first = len(parts)
        room = disk.holding("results")
        if room is not None:
            parts.append(Content(f"free {size(room.free_bytes)}"))
            ok = self._enough(room.free_bytes)
            parts.append(Content.styled("ok" if ok else "too little", "$text-success" if ok else "$text-error"))
        # The verdict and the forecast matter more than what the smaller folders take.
        full = [*parts[:first], *extra, *parts[first:]]
        return full if len(flow(full, width, gap)) == len(flow(parts, width, gap)) else parts

    def _forecast(self, disk: DiskReading, width: int) -> list[Content]:
        room, needs = disk.holding("results"), self._queue.needs_bytes
        if room is None or not needs:
            return []
        words = f"the queue needs {size(needs)}, {size(room.free_bytes)} free"
        if self._enough(room.free_bytes):
            return [self.words(words if len(words) <= width else words.partition(",")[0])]
        return [Content.styled(f"{self.glyphs.failed} {words} on {safe(room.path)}", "$text-error")]

    def _details(self, disk: DiskReading, width: int) -> list[Content]:
        lines = []
        for entry in disk.file_systems:
            used = 1 - entry.free_bytes / entry.total_bytes if entry.total_bytes else 1.0
            lines.append(
                Content.assemble(
                    (f"{', '.join(entry.roles)[:21]:<21} ", "$text-muted"),
                    bar(used, max(4, min(20, width - 36)), self.glyphs),
                    f" {size(entry.free_bytes)} free",
                )
            )
        for name, num_bytes in disk.models:
            lines.append(Content.assemble((f"{size(num_bytes):>9} ", "$text-muted"), safe(name)))
        return lines
