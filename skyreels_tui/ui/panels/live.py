"""What the live panels share: they draw again only when what they show has changed."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.content import Content
from textual.geometry import Size

from pipelines.front.language import tr
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.monitors.sample import Sample
from skyreels_tui.ui.drawing.glyphs import UNICODE, Glyphs
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.widgets.panel import Panel
from skyreels_tui.words.safe_text import safe

TALL = 60
"""Lines of a terminal from which every panel has a graph."""


class LivePanel(Panel):
    """A panel fed by signals; `ROWS` is the height it asks for, and it uses more where it is given more."""

    ROWS: ClassVar[int] = 2
    ROOMY_ROWS: ClassVar[int] = 0
    """The height it asks for on a tall terminal; 0 means the same."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._drawn: tuple[object, ...] = ()
        self._titled: str | None = None

    def on_mount(self) -> None:
        """Subscribe to sensors and forecast, and start with the newest of both."""
        super().on_mount()
        app = hub(self)
        app.sample.subscribe(self, self.take_sample)
        app.forecast.subscribe(self, self.take_forecast)
        if app.last_sample is not None:
            self.take_sample(app.last_sample)
        if app.last_forecast is not None:
            self.take_forecast(app.last_forecast)

    @property
    def glyphs(self) -> Glyphs:
        """The app's symbols."""
        glyphs = getattr(self.app, "glyphs", UNICODE)
        return glyphs if isinstance(glyphs, Glyphs) else UNICODE

    @property
    def rows(self) -> int:
        """The height that the body may take beside other panels."""
        return self.ROOMY_ROWS if self.ROOMY_ROWS and self.app.size.height >= TALL else self.ROWS

    def set_title(self, detail: str) -> None:
        """Write the title if it differs: setting one draws the border again."""
        if detail != self._titled:
            self._titled = detail
            super().set_title(detail)

    def take_sample(self, sample: Sample) -> None:
        """Keep what this panel shows of a reading, then `redraw`."""

    def take_forecast(self, queue: QueueForecast) -> None:
        """Keep what this panel shows of the queue's times, then `redraw`."""

    def redraw(self) -> None:
        """Refresh if the content differs from what was drawn last, and lay out if its height does."""
        if not self.is_on_screen:
            self._drawn = ()
            return
        height = self.styles.height
        natural = not self.folded and (height is None or height.is_auto)
        content = self.body(max(1, self.content_size.width), self.rows) if natural else self.in_words()
        drawn = (content.plain, tuple(content.spans))
        if drawn == self._drawn:
            return
        before = str(self._drawn[0]) if self._drawn else ""
        self._drawn = drawn
        # A folded line is as wide as its words; a natural body as high as its rows.
        moved = before.count("\n") != content.plain.count("\n") if natural else len(before) != len(content.plain)
        self.refresh(layout=moved and (natural or self.folded))

    def on_show(self) -> None:
        """Catch up with what was not drawn while nobody could see it."""
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The lines that the content fills out of the rows it would like."""
        return 1 if self.folded else self.body(max(width, 1), self.rows).plain.count("\n") + 1

    def no_reading(self, sensor: str) -> Content:
        """Say why there is no reading: none has come yet, or the sensor failed."""
        sample = hub(self).last_sample
        said = sample.errors.get(sensor, "") if sample is not None else ""
        if not said:
            return self.words(tr("reading …"))
        return self.words(tr("not readable: {error}", error=safe(said, 120)))

    def words(self, text: str, style: str = "$text-muted") -> Content:
        """A part of a line in one style."""
        return Content.styled(text, style)
