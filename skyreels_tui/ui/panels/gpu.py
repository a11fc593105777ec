"""The GPU panel: load, clock, heat and power with their last minutes, and health in words."""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

from textual.content import Content

from pipelines.front.language import mark, tr
from skyreels_tui.monitors.sample import GpuReading, HealthReading, Sample
from skyreels_tui.ui.drawing.bars import flow, sparkline, stack
from skyreels_tui.ui.drawing.safe import cells, column
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.live import LivePanel
from skyreels_tui.words.sizes import count

HISTORY = 300
HOT_C = 85
LOAD, CLOCK, HEAT, POWER = mark("load"), mark("clock"), mark("heat"), mark("power")
Figure = tuple[str, str, int, float | None, float | None]
"""(name, value with unit, index in the history, bottom and top of its scale)."""


class GpuPanel(LivePanel):
    """One line where there is little room; a line with a sparkline for each figure where there is more."""

    SPEC = panel_named("gpu")
    ROWS: ClassVar[int] = 2
    ROOMY_ROWS: ClassVar[int] = 5

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._gpu: GpuReading | None = None
        self._health = HealthReading()
        self._history: deque[tuple[float | None, ...]] = deque(maxlen=HISTORY)

    def take_sample(self, sample: Sample) -> None:
        """Keep the reading and its history."""
        self._gpu, self._health = sample.gpu, sample.health or HealthReading()
        gpu = sample.gpu
        if gpu is not None and not gpu.problem:
            self._history.append((gpu.util_percent, gpu.sm_clock_mhz, gpu.temperature_c, gpu.power_w))
        self.set_title(gpu.name.removeprefix("NVIDIA ") if gpu is not None else "")
        self.redraw()

    def line(self, width: int) -> Content:
        """`gpu 98 % 71 °C`, with the most serious word when there is one."""
        gpu = self._gpu
        if gpu is None or gpu.problem:
            return self.words(
                tr("no gpu figures") if gpu is None else tr("gpu: {problem}", problem=_short(gpu.problem))
            )
        figures = [value for name, value, *_ in self._figures(gpu) if name in (LOAD, HEAT)]
        word = self._health.words[:1] if self._health.serious else ()
        style = "$text-error" if word else ""
        return Content.assemble((tr("gpu"), "$text-muted"), " ", " ".join(figures), (" ".join(("", *word)), style))

    def body(self, width: int, height: int) -> Content:
        """All figures, the problem in words, or that nothing has been read so far."""
        gpu = self._gpu
        if gpu is None:
            return self.no_reading("gpu")
        if gpu.problem:
            hint = tr("demo jobs work without one")
            return stack([Content.styled(gpu.problem, "$text-warning"), self.words(hint)], width, height)
        figures = self._figures(gpu)
        if not figures:
            return self.words(tr("the driver answers, but gives no figures for this GPU"))
        if height > len(figures):
            return stack([*self._rows(figures, width), *self._words(width)], width, height)
        return stack(self._flat(figures, width), width, height)

    def _flat(self, figures: list[Figure], width: int) -> list[Content]:
        name, value, index, low, high = figures[0]
        spark = sparkline((entry[index] for entry in self._history), 8, low, high, self.glyphs)
        first = Content.assemble(f"{value:>5}  ", (spark, "$primary")) if name == LOAD else Content(value)
        others = [Content(entry[1]) for entry in figures[1:]]
        return flow([first, *others, *self._words(width)], width, "  ")

    def _rows(self, figures: list[Figure], width: int) -> list[Content]:
        rows = []
        name_width = cells(*(tr(entry[0]) for entry in figures))
        for name, value, index, low, high in figures:
            head = f"{column(tr(name), name_width)} "
            room = width - name_width - 1 - 9 - 2
            spark = sparkline((e[index] for e in self._history), room, low, high, self.glyphs)
            rows.append(Content.assemble((head, "$text-muted"), f"{value:>9}  ", (spark, "$primary")))
        return rows

    def _words(self, width: int) -> list[Content]:
        words = self._health.words
        if not words:
            return [Content.styled(tr("ok"), "$text-success")]
        style = "$text-error" if self._health.serious else "$text-warning"
        return flow([Content.styled(word, style) for word in words], width, f" {self.glyphs.dot} ")

    def _figures(self, gpu: GpuReading) -> list[Figure]:
        figures: list[Figure] = []
        if gpu.util_percent is not None:
            figures.append((LOAD, f"{gpu.util_percent} %", 0, 0, 100))
        if gpu.sm_clock_mhz is not None:
            top = gpu.max_sm_clock_mhz or None
            figures.append((CLOCK, f"{count(gpu.sm_clock_mhz)} MHz", 1, 0, top))
        if gpu.temperature_c is not None:
            figures.append((HEAT, f"{gpu.temperature_c} °C", 2, 30, HOT_C))
        if gpu.power_w is not None:
            figures.append((POWER, f"{gpu.power_w:.0f} W", 3, 0, gpu.power_limit_w))
        return figures


def _short(problem: str) -> str:
    """The first words of a problem, for the folded line."""
    return problem.split(":")[0].removesuffix(" on this machine")
