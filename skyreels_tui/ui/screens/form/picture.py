"""The selected file of a form, shown large beside its fields."""

from __future__ import annotations

from textual import events, work
from textual.content import Content
from textual.widgets import Static

from pipelines.front.fields import InputKind
from skyreels_tui.ui.drawing.halfblocks import Captioned, cell_picture
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.media_facts import PictureView, small_view
from skyreels_tui.ui.workers import hand_over


class FilePicture(Static):
    """A picture, or the last frame of a clip, as large as there is room; nothing for a sound."""

    DEFAULT_CSS = """
    FilePicture { width: 40%; height: 1fr; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(Content(""), id="form-picture")
        self._shown: tuple[str, InputKind] | None = None

    def show(self, path: str, media: InputKind) -> None:
        """Show another picture or clip; '' for none."""
        self._shown = (path, media)
        self._draw()

    def on_resize(self, _: events.Resize) -> None:
        """Fill the room."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.content_size
        if self._shown is None or not self._shown[0]:
            show_in(self, Content(""))
        elif width and height:
            self._read(*self._shown, width, height - 1)

    @work(thread=True, exclusive=True, group="form-picture")
    def _read(self, path: str, media: InputKind, columns: int, rows: int) -> None:
        view = small_view(path, media, columns, max(2, rows))
        hand_over(self, self._take, (path, media), view if isinstance(view, PictureView) else None)

    def _take(self, of: tuple[str, InputKind], view: PictureView | None) -> None:
        if of != self._shown or not self.is_mounted:
            return
        if view is None:
            show_in(self, Content(""))
            return
        drawn = cell_picture(view.rgb, view.width, view.height, hub(self).monochrome)
        show_in(self, Captioned(drawn, Content.styled(view.caption, "$text-muted")) if view.caption else drawn)
