"""The memory panel: who holds the pool the model lives in, now and over the last ten minutes."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from textual.content import Content

from pipelines.front.admission import floor_bytes
from pipelines.front.language import mark, tr
from pipelines.front.plan import Plan
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.monitors.sample import GpuReading, MemoryReading, Pool, Sample
from skyreels_tui.ui.drawing.bars import flow, plot, stack, stacked
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.live import LivePanel
from skyreels_tui.words.sizes import GIB, gib

HISTORY_S = 600
SPANS_S = (60, 120, 300, HISTORY_S)
"""Stretches of time that the graph shows, the first that holds all that is known."""
LOW_BYTES = 8 * GIB
HIGH_PRESSURE_PERCENT = 10.0
WEIGHTS, WORK, CACHE = mark("model"), mark("work"), mark("cache")
OURS, OTHERS, USED = mark("ours"), mark("others"), mark("used")
POOLS = {
    Pool.UNIFIED: mark("unified {size} GiB"),
    Pool.GPU: mark("GPU {size} GiB"),
    Pool.SYSTEM: mark("system {size} GiB"),
}


class MemoryPanel(LivePanel):
    """Bar of weights, work, cache and other programs; what is available; a graph where there is room.

    On the bar stand the floor, and how far running and next job are predicted to go.
    """

    SPEC = panel_named("memory")
    ROWS: ClassVar[int] = 4
    ROOMY_ROWS: ClassVar[int] = 8

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._reading: MemoryReading | None = None
        self._gpu: GpuReading | None = None
        self._history: deque[tuple[float, float]] = deque()
        self._plans: tuple[Plan | None, Plan | None] = (None, None)
        """Of the running and of the next job."""

    def take_sample(self, sample: Sample) -> None:
        """Keep the reading and ten minutes of the share that is used."""
        self._reading, self._gpu = sample.memory, sample.gpu
        reading = sample.memory
        if reading is not None and reading.used_bytes is not None and reading.total_bytes:
            if self._history and sample.at < self._history[-1][0]:
                # The clock was set back.
                self._history.clear()
            self._history.append((sample.at, reading.used_bytes / reading.total_bytes))
            while self._history[0][0] < sample.at - HISTORY_S:
                self._history.popleft()
            self.set_title(tr(POOLS[reading.pool], size=gib(reading.total_bytes)))
        self.redraw()

    def take_forecast(self, queue: QueueForecast) -> None:
        """Keep what running and next job will take."""
        plans = queue.running.plan if queue.running is not None else None, queue.next_plan
        if plans != self._plans:
            self._plans = plans
            self.redraw()

    def line(self, width: int) -> Content:
        """`mem 61.5/119.7 GiB ▓▓▓▓▓░░░`."""
        reading = self._reading
        if reading is None or not reading.total_bytes:
            return Content.assemble((tr("mem"), "$text-muted"), " -")
        return Content.assemble(
            (tr("mem"), "$text-muted"),
            f" {gib(reading.used_bytes)}/{gib(reading.total_bytes)} GiB ",
            self._bar(reading, 8),
        )

    def body(self, width: int, height: int) -> Content:
        """Bar and legend, availability, then the graph."""
        reading = self._reading
        if reading is None:
            return self.no_reading("memory")
        if not reading.total_bytes:
            return self.words(tr("this system does not say how much memory it has"))
        figures = f" {gib(reading.used_bytes)}/{gib(reading.total_bytes)}"
        top = Content.assemble(self._marked_bar(reading, max(4, width - len(figures))), figures)
        legend = flow(self._legend(reading), width)
        rest = flow(self._rest(reading), width)
        lines = [top, *legend, *rest, *flow(self._marks_legend(reading), width)]
        if height - len(lines) >= 2:
            lines += self._graph(width, height - len(lines))
        return stack(lines, width, height)

    def _bar(self, reading: MemoryReading, width: int) -> Content:
        parts = [(float(amount), glyph, style) for _, amount, glyph, style in self._parts(reading)]
        return stacked(parts, reading.total_bytes or 1, width, self.glyphs.bar_empty)

    def _marks(self, reading: MemoryReading) -> list[tuple[str, str, int, int, str]]:
        """(words, glyph, bytes, where on the bar, style): what jobs reach beside other programs, and the floor."""
        total, others = reading.total_bytes or 1, reading.others_bytes or 0
        running, coming = self._plans
        marks = []
        if coming is not None:
            peak = coming.peak_bytes
            marks.append((tr("next reaches"), self.glyphs.next_peak, peak, others + peak, "bold $text-warning"))
        if running is not None:
            peak = running.peak_bytes
            marks.append((tr("job reaches"), self.glyphs.peak, peak, others + peak, "bold $text-success"))
        floor = floor_bytes(int(hub(self).settings.memory_floor_gib * GIB), total)
        marks.append((tr("stays free"), self.glyphs.floor, floor, total - floor, "bold $text-error"))
        return marks

    def _marked_bar(self, reading: MemoryReading, width: int) -> Content:
        """The bar with its marks, the floor over all others: cells beyond the bar end at its last one."""
        bar, total = self._bar(reading, width), reading.total_bytes or 1
        for _, glyph, _, at, style in self._marks(reading):
            cell = max(0, min(width - 1, int(at / total * width)))
            bar = Content.assemble(bar[:cell], (glyph, style), bar[cell + 1 :])
        return bar

    def _marks_legend(self, reading: MemoryReading) -> list[Content]:
        return [
            Content.assemble((glyph, style), f" {words} {gib(amount)}")
            for words, glyph, amount, _, style in reversed(self._marks(reading))
        ]

    def _legend(self, reading: MemoryReading) -> list[Content]:
        return [
            Content.assemble(tr(name), f" {gib(amount)} ", (glyph * 2, style))
            for name, amount, glyph, style in self._parts(reading)
        ]

    def _parts(self, reading: MemoryReading) -> list[tuple[str, int, str, str]]:
        """(name, bytes, glyph, style) of everything known that is used, in the order of the bar."""
        shades = self.glyphs.shades
        known = reading.weights_bytes is not None
        parts = [
            (WEIGHTS, reading.weights_bytes, shades[0], "$primary"),
            (WORK if known else OURS, reading.work_bytes, shades[1], "$accent"),
            (CACHE, reading.spare_bytes, shades[2], "$secondary"),
            (OTHERS if reading.ours_bytes is not None else USED, reading.others_bytes, shades[3], "$text-muted"),
        ]
        return [(name, amount, glyph, style) for name, amount, glyph, style in parts if amount is not None]

    def _rest(self, reading: MemoryReading) -> list[Content]:
        low = reading.available_bytes is not None and reading.available_bytes < LOW_BYTES
        available = tr("available {size}", size=gib(reading.available_bytes))
        parts = [Content.styled(available, "bold $text-error" if low else "")]
        if reading.peak_bytes is not None:
            parts.append(self.words(tr("peak {size}", size=gib(reading.peak_bytes)), ""))
        if reading.page_cache_bytes is not None:
            parts.append(self.words(tr("page cache {size}", size=gib(reading.page_cache_bytes)), ""))
        if reading.swap_total_bytes:
            parts.append(self.words(tr("swap {size}", size=gib(reading.swap_used_bytes)), ""))
        elif reading.swap_total_bytes == 0:
            parts.append(self.words(tr("no swap")))
        if reading.pool is Pool.GPU:
            parts.append(self.words(tr("system {size} free", size=gib(reading.system_available_bytes)), ""))
        pressure = reading.pressure_percent
        if pressure is not None and pressure >= 0.1:
            style = "$text-error" if pressure >= HIGH_PRESSURE_PERCENT else "$text-warning"
            share = f"{pressure:.0f} %" if pressure >= 1 else "<1 %"
            parts.append(Content.styled(tr("waiting {share}", share=share), style))
        return parts

    def _graph(self, width: int, height: int) -> list[Content]:
        """Share used over the last ten minutes, newest right; the last row says what it is."""
        # What is known fills the width; a cell is a fixed stretch of time, so that the graph moves once a cell.
        known_s = self._history[-1][0] - self._history[0][0] if self._history else 0.0
        cell_s = next(span for span in SPANS_S if span >= min(known_s, HISTORY_S)) / width
        columns: dict[int, float] = {}
        last = None
        for at, share in self._history:
            place = int(at / cell_s)
            if last is not None:
                # Cells between two readings hold the earlier one.
                columns.update({between: columns[last] for between in range(last + 1, place)})
            columns[place] = max(share, columns.get(place, 0.0))
            last = place
        rows = plot(list(columns.values()), width, height - 1, 1.0, self.glyphs)
        minutes = round((self._history[-1][0] - self._history[0][0]) / 60) if self._history else 0
        caption = tr("last {minutes} min", minutes=minutes) if minutes else tr("last minute")
        return [*(Content.styled(row, "$primary") for row in rows), self.words(caption)]
