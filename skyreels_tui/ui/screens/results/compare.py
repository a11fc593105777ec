"""Two finished videos side by side, played in step, with what differs between their requests above them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import zip_longest

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.errors import PipelineError
from pipelines.front.fields import FieldSpec
from pipelines.front.language import mark, reason_of, tr
from pipelines.front.request import field_specs
from pipelines.front.task_names import TITLES
from pipelines.tasks import TASKS
from skyreels_tui.requests.glance import glance
from skyreels_tui.results.choosing import differing_fields
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui.drawing.halfblocks import CellPicture, cell_picture, fit
from skyreels_tui.ui.drawing.safe import cut, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import COMPARE, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.video_view import PLAY_FPS
from skyreels_tui.ui.workers import hand_over

MOST_DIFFERENCES = 6
"""Lines of fields that differ."""


@dataclass(frozen=True, slots=True)
class Room:
    """Cells for each of the two pictures."""

    columns: int
    rows: int
    monochrome: bool


class CompareScreen(Screen[None]):
    """Plays both from the beginning; each shows the frame of the same moment, and its last one once it has ended."""

    DEFAULT_CSS = """
    CompareScreen {
        #compare-fields { height: auto; max-height: 9; padding: 0 1; background: $panel; }
        Horizontal { height: 1fr; }
        #compare-first, #compare-second { width: 1fr; height: 1fr; padding: 0 0 0 1; }
        #compare-moment { height: 1; padding: 0 1; }
    }
    """
    BINDINGS = bindings(COMPARE)

    def __init__(self, first: Video, second: Video) -> None:
        super().__init__()
        self._videos = (first, second)
        self._stop = threading.Event()
        self._at_s = 0.0
        self.playing = False

    def compose(self) -> ComposeResult:
        """What differs, then the two pictures."""
        yield Static(Content(""), id="compare-fields")
        with Horizontal():
            for side in ("first", "second"):
                yield Static(Content(""), id=f"compare-{side}")
        yield Static(Content(""), id="compare-moment")
        yield KeyBar()

    def on_mount(self) -> None:
        """Say what differs, and play once there is room."""
        show_in(self.query_one("#compare-fields", Static), self._fields())
        self.call_after_refresh(self.action_play)

    def on_unmount(self) -> None:
        """Nothing plays for nobody."""
        self._stop.set()

    def on_resize(self, _: events.Resize) -> None:
        """Pictures fill the room there is."""
        if not self.playing and self._at_s:
            self._show(self._at_s)

    def _fields(self) -> Content:
        first, second = self._videos
        dot = hub(self).glyphs.dot
        lines = [
            Content.assemble((cut(first.label, 60), "bold"), f"  {dot}  ", (cut(second.label, 60), "bold")),
        ]
        found = differing_fields(first, second)
        width = max(20, self.app.size.width - 24)
        words = {name: spec.label for video in self._videos for name, spec in _specs(video)}
        for name, one, other in found[:MOST_DIFFERENCES]:
            label = tr(words[name]).lower() if name in words else name.replace("_", " ")
            if name == "task":
                one, other = (tr(TITLES[task]) if task in TITLES else task for task in (one, other))
            values = f"{cut(one or '-', width // 2)} | {cut(other or '-', width // 2)}"
            lines.append(Content.assemble((f"{cut(label, 20)} ", "$text-muted"), plain(values)))
        if len(found) > MOST_DIFFERENCES:
            lines.append(plain(tr("and {count} more", count=len(found) - MOST_DIFFERENCES), "$text-muted"))
        if not found:
            known = all(video.request for video in self._videos)
            same = tr("their requests are the same") if known else tr("no request is known of one of them")
            lines.append(plain(same, "$text-muted"))
        elif prompt := glance(first.request).prompt if "prompt" not in {name for name, _, _ in found} else "":
            lines.append(Content.styled(cut(prompt, self.app.size.width - 2), "$text-muted"))
        return Content("\n").join(lines)

    # Keys

    def key_label(self, action: str) -> str:
        """While both play, the key that plays them and the way out stop them."""
        return mark("Stop") if action in ("play", "back") and self.playing else ""

    def action_play(self) -> None:
        """Play both in step from the beginning; again stops."""
        if self.playing:
            self._halt()
        else:
            self._begin()
            self._set_playing(True)
            self._play(self._room(), self._stop)

    def action_frame(self, step: int) -> None:
        """Stand still, and step both by the same time."""
        self._show(max(0.0, self._at_s + step / PLAY_FPS))

    def action_back(self) -> None:
        """Stop what plays, then back to the list."""
        if self.playing:
            self._halt()
        else:
            self.dismiss()

    def _halt(self) -> None:
        self._stop.set()
        self._set_playing(False)

    def _set_playing(self, playing: bool) -> None:
        self.playing = playing
        self.refresh_bindings()

    def _begin(self) -> None:
        self._stop.set()
        self._stop = threading.Event()

    def _show(self, at_s: float) -> None:
        self._halt()
        self._begin()
        self._at_s = at_s
        self._still(at_s, self._room(), self._stop)

    def _room(self) -> Room:
        box = self.query_one("#compare-first", Static).size
        height = self.query_one(Horizontal).size.height
        return Room(max(8, box.width - 1), max(2, height), hub(self).monochrome)

    # On a worker

    @work(thread=True, group="compare")
    def _play(self, room: Room, stop: threading.Event) -> None:
        from pipelines.media.read.probe import probe_video
        from pipelines.media.read.thumbnail import play

        began = time.monotonic()
        try:
            with ExitStack() as stack:
                streams: list[Iterator[CellPicture]] = []
                for video in self._videos:
                    info = probe_video(video.path)
                    width, height = fit(info.width, info.height, room.columns, room.rows)
                    frames = stack.enter_context(closing(play(video.path, width, height, PLAY_FPS)))  # type: ignore[type-var]  # a generator
                    streams.append(cell_picture(rgb, width, height, room.monochrome) for rgb in frames)
                for number, pair in enumerate(zip_longest(*streams)):
                    due_s = began + number / PLAY_FPS - time.monotonic()
                    if stop.is_set() or (due_s > 0 and stop.wait(due_s)):
                        return
                    if due_s < -1 / PLAY_FPS and number % 4:
                        # A slow line gets fewer pictures instead of a longer film.
                        continue
                    hand_over(self, self._take, stop, pair, number / PLAY_FPS)
        except (PipelineError, OSError) as error:
            hand_over(self, self._fail, stop, reason_of(error) if isinstance(error, OSError) else str(error))
        hand_over(self, self._ended, stop)

    @work(thread=True, group="compare")
    def _still(self, at_s: float, room: Room, stop: threading.Event) -> None:
        from pipelines.media.read.probe import probe_video
        from pipelines.media.read.thumbnail import frames_at

        drawn = []
        try:
            for video in self._videos:
                info = probe_video(video.path)
                width, height = fit(info.width, info.height, room.columns, room.rows)
                (rgb,) = frames_at(video.path, [at_s], width, height)
                drawn.append(cell_picture(rgb, width, height, room.monochrome))
        except (PipelineError, OSError) as error:
            hand_over(self, self._fail, stop, reason_of(error) if isinstance(error, OSError) else str(error))
            return
        hand_over(self, self._take, stop, tuple(drawn), at_s)

    def _take(self, stop: threading.Event, pair: tuple[CellPicture | None, ...], at_s: float) -> None:
        """The pictures of one moment; of a clip that has ended the last one stays."""
        if stop is not self._stop or stop.is_set() or not self.is_mounted:
            return
        self._at_s = at_s
        for side, drawn in zip(("first", "second"), pair, strict=True):
            if drawn is not None:
                show_in(self.query_one(f"#compare-{side}", Static), drawn)
        show_in(
            self.query_one("#compare-moment", Static), plain(tr("{seconds} s", seconds=f"{at_s:.2f}"), "$text-muted")
        )

    def _fail(self, stop: threading.Event, words: str) -> None:
        if stop is self._stop and self.is_mounted:
            show_in(self.query_one("#compare-moment", Static), plain(words, "$text-error"))

    def _ended(self, stop: threading.Event) -> None:
        if stop is self._stop:
            self._set_playing(False)


def _specs(video: Video) -> Iterator[tuple[str, FieldSpec]]:
    """The fields of the task that made the video, where this program has it."""
    for task in TASKS:
        if task.name == video.task:
            yield from field_specs(task.request_type)
