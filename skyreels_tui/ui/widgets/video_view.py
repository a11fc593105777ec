"""One video in character cells: a strip of its frames, played, or still frame by frame; and what is known of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from pipelines.front.errors import PipelineError
from pipelines.front.language import mark, reason_of, tr
from pipelines.tasks import TASKS
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui.drawing.halfblocks import BESIDE, Captioned, CellPicture, cell_lines, cell_picture, fit
from skyreels_tui.ui.drawing.safe import cut_path, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.sizes import size

if TYPE_CHECKING:
    from pipelines.media.read.probe import VideoInfo

PLAY_FPS = 6.0
STRIP = (0.05, 0.35, 0.65, 0.95)
"""Places of the strip's pictures, as shares of the length."""
FACTS_ROWS = 8
"""Rows below the picture."""
REST_S = 0.12
"""A video is opened once the cursor has rested on it for so long."""
SETTINGS = {
    "resolution": mark("resolution"),
    "duration": mark("duration"),
    "seed": mark("seed"),
    "num_inference_steps": mark("steps"),
    "profile": mark("profile"),
}
"""Fields of a request that are shown beside the video."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One thing to show: a picture, words below it, and the frame it is when it is one."""

    drawn: Content | CellPicture
    words: str
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class Canvas:
    """Room for a picture; monochrome draws with letters."""

    columns: int
    rows: int
    monochrome: bool
    key: str = ""
    """Stops what plays."""


Shots = Generator[Shot, None, None]
Draw = Callable[["VideoInfo", Canvas, threading.Event], Shots]
"""Makes shots on a worker thread until the event is set."""


class VideoView(Vertical):
    """Shows one video at a time; whatever is under way for the one before stops."""

    DEFAULT_CSS = """
    VideoView { width: 1fr; padding: 0 1; }
    VideoView > Static { height: auto; }
    """

    def __init__(self, *, words: bool = True) -> None:
        """Without `words` all the room is the picture's: what is known stands elsewhere."""
        super().__init__(id="result-detail")
        self._words = words
        self._video: Video | None = None
        self._stop = threading.Event()
        self._frame: int | None = None
        """The frame shown or asked for; below 0 counts from the end, None is the strip."""
        self._playing = False

    def compose(self) -> ComposeResult:
        """Picture above, words below."""
        yield Static(Content(""), id="result-view")
        yield Static(Content(""), id="result-facts")

    def on_unmount(self) -> None:
        """Nothing plays for nobody."""
        self._stop.set()

    def on_resize(self, _: events.Resize) -> None:
        """A picture fills the room there is."""
        if self._video is not None and not self.playing:
            self._start(self._strip if self._frame is None else _still(self._frame))

    # What a screen asks for

    @property
    def playing(self) -> bool:
        """Whether a video plays: the key that plays stops it then, and so does the way out."""
        return self._playing

    def _set_playing(self, playing: bool) -> None:
        if playing is not self._playing:
            self._playing = playing
            self.screen.refresh_bindings()

    @property
    def frame_number(self) -> int:
        """The frame that stands there, counted from 1; -1, the last one, where none does."""
        return -1 if self._frame is None else self._frame + 1 if self._frame >= 0 else self._frame

    def show(self, video: Video | None) -> None:
        """Show the strip of another video, or nothing; the same video only gets its words anew."""
        before, self._video = self._video, video
        if self._words:
            width, dot = self.content_size.width, hub(self).glyphs.dot
            known = Content("") if video is None else video_facts(video, width, dot)
            show_in(self.query_one("#result-facts", Static), known)
        if _file(video) == _file(before):
            return
        self._frame = None
        self._picture(Content(""))
        if video is None:
            self.stop()
        else:
            self._start(self._strip)

    def play(self) -> None:
        """Play from the beginning, or stop."""
        if self.playing:
            self.stop()
        elif self._video is not None:
            self._start(_play, playing=True)

    def play_all(self, videos: Sequence[Video]) -> None:
        """Play several one after the other, or stop."""
        if self.playing:
            self.stop()
        elif videos:
            self._video = videos[0]
            self._start(partial(_play_each, tuple(video.path for video in videos)), playing=True)

    def stop(self) -> None:
        """Stop playing; the last picture stays."""
        self._stop.set()
        was_playing = self.playing
        self._set_playing(False)
        if was_playing and self._frame is not None:
            self._start(_still(self._frame))

    def step(self, offset: int) -> None:
        """Stand still at one frame, `offset` after the last one shown; backwards from the end at first."""
        if self._video is None:
            return
        if self._frame is None:
            self._frame = 0 if offset > 0 else -1
        elif self._frame < 0:
            self._frame = min(-1, self._frame + offset)
        else:
            self._frame = max(0, self._frame + offset)
        self._start(_still(self._frame))

    # Drawing

    def _start(self, draw: Draw, *, playing: bool = False) -> None:
        self._stop.set()
        self._stop = threading.Event()
        self._set_playing(playing)
        canvas = Canvas(
            max(16, self.content_size.width),
            max(4, self.content_size.height - (FACTS_ROWS if self._words else 1)),
            hub(self).monochrome,
            hub(self).key("results.play"),
        )
        if self._video is not None:
            self._draw(self._video, draw, canvas, self._stop)

    @work(thread=True, group="picture")
    def _draw(self, video: Video, draw: Draw, canvas: Canvas, stop: threading.Event) -> None:
        # Opening a video loads Pillow and runs ffmpeg: never on the screen's thread.
        from pipelines.media.read.probe import probe_video

        if stop.wait(REST_S):
            return
        try:
            with closing(draw(probe_video(video.path), canvas, stop)) as shots:
                for shot in shots:
                    if stop.is_set():
                        return
                    hand_over(self, self._take, stop, shot)
        except (PipelineError, OSError) as error:
            # A film may go away at any moment: to the trash, with its folder, with its disk.
            words = reason_of(error) if isinstance(error, OSError) else str(error)
            if not stop.is_set():
                hand_over(self, self._take, stop, Shot(plain(words, "$text-error"), ""))
        if not stop.is_set():
            hand_over(self, self._ended, stop)

    def _take(self, stop: threading.Event, shot: Shot) -> None:
        """Only what was asked for last is shown, and not what was on its way when it was stopped."""
        if stop is self._stop and not stop.is_set() and self.is_mounted:
            self._frame = shot.frame
            words = Content.styled(shot.words, "$text-muted")
            self._picture(Captioned(shot.drawn, words) if isinstance(shot.drawn, CellPicture) else shot.drawn)

    def _ended(self, stop: threading.Event) -> None:
        if stop is self._stop and self.is_mounted:
            self.stop()

    def _picture(self, drawn: Content | Captioned) -> None:
        show_in(self.query_one("#result-view", Static), drawn)

    @staticmethod
    def _strip(info: VideoInfo, canvas: Canvas, stop: threading.Event) -> Shots:
        """Four pictures of the whole length, two by two."""
        from pipelines.media.read.thumbnail import frames_at

        width, height = fit(info.width, info.height, canvas.columns // 2 - 1, canvas.rows // 2)
        drawn = []
        for share in STRIP:
            if stop.is_set():
                return
            (rgb,) = frames_at(info.path, [share * info.duration_s], width, height)
            drawn.append(cell_lines(rgb, width, height, canvas.monochrome))
        pairs = [zip(drawn[0], drawn[1], strict=True), zip(drawn[2], drawn[3], strict=True)]
        lines = [[*left, BESIDE, *right] for pair in pairs for left, right in pair]
        yield Shot(CellPicture(lines), _measures(info))


def _play(info: VideoInfo, canvas: Canvas, stop: threading.Event) -> Shots:
    """A few frames a second, at their right times."""
    from pipelines.media.read.thumbnail import play

    width, height = fit(info.width, info.height, canvas.columns, canvas.rows)
    began = time.monotonic()
    for number, rgb in enumerate(play(info.path, width, height, PLAY_FPS)):
        due_s = began + number / PLAY_FPS - time.monotonic()
        if due_s > 0 and stop.wait(due_s):
            return
        if due_s < -1 / PLAY_FPS and number % 2:
            # A slow line gets fewer pictures instead of a longer film.
            continue
        at_s = number / PLAY_FPS
        words = tr(
            "{at} of {length} s   {key} stops", at=f"{at_s:.1f}", length=f"{info.duration_s:.1f}", key=canvas.key
        )
        frame = min(info.num_frames - 1, round(at_s * info.fps))
        yield Shot(cell_picture(rgb, width, height, canvas.monochrome), words, frame)


def _play_each(paths: Sequence[Path], first: VideoInfo, canvas: Canvas, stop: threading.Event) -> Shots:
    """Play several; one that cannot be opened any more is passed over."""
    from pipelines.media.read.probe import probe_video

    for number, path in enumerate(paths, 1):
        try:
            info = probe_video(path) if number > 1 else first
            for shot in _play(info, canvas, stop):
                words = tr("{number} of {count}   {words}", number=number, count=len(paths), words=shot.words)
                yield Shot(shot.drawn, words, shot.frame)
        except PipelineError:
            continue


def _still(number: int) -> Draw:
    """Draw one frame; a negative number counts from the end."""

    def draw(info: VideoInfo, canvas: Canvas, _stop: threading.Event) -> Shots:
        from pipelines.media.read.thumbnail import frames_at

        width, height = fit(info.width, info.height, canvas.columns, canvas.rows)
        frame = number + info.num_frames if number < 0 else number
        frame = max(0, min(frame, info.num_frames - 1))
        (rgb,) = frames_at(info.path, [frame / info.fps], width, height)
        words = tr("frame {number} of {count}", number=frame + 1, count=info.num_frames)
        yield Shot(cell_picture(rgb, width, height, canvas.monochrome), words, frame)

    return draw


def _file(video: Video | None) -> tuple[object, ...] | None:
    """What tells one file from another, and from itself after a change."""
    return None if video is None else (video.path, video.num_bytes, video.modified_s)


def _measures(info: VideoInfo) -> str:
    return tr(
        "{width}x{height}  {frames} frames  {seconds} s  {fps} fps",
        width=info.width,
        height=info.height,
        frames=info.num_frames,
        seconds=f"{info.duration_s:.1f}",
        fps=f"{info.fps:.4g}",
    )


def video_facts(video: Video, width: int, dot: str = "·") -> Content:
    """Name, date, settings and prompt, the longest last: what does not fit is cut off below."""
    lines = [plain(cut_path(str(video.path), max(20, width)), "bold")]
    moment = datetime.fromtimestamp(video.modified_s).astimezone()
    title = next((tr(task.title) for task in TASKS if task.name == video.task), video.task)
    parts = [f"{moment:%Y-%m-%d %H:%M}", size(video.num_bytes), title]
    lines.append(plain(f" {dot} ".join(parts), "$text-muted"))
    request = video.request
    known = f" {dot} ".join(f"{tr(word)} {request[name]}" for name, word in SETTINGS.items() if name in request)
    if not known:
        known = tr("No settings are known: neither in the file nor beside it")
    elif not video.has_sidecar:
        known += f" {dot} " + tr("read from the file itself")
    lines.append(plain(known, "$text-muted"))
    if video.suspect:
        lines.append(plain(tr("? looks wrong: {reason}", reason=video.suspect), "$text-warning"))
    prompt = str(request.get("prompt") or "")
    if prompt:
        lines.append(plain(prompt, limit=400))
    return Content("\n").join(lines)
