"""Where an input starts and ends to be used: marks on a recording's wave, or on a video whose frame is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textual import events, work
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.errors import MediaError
from pipelines.front.fields import Choice
from pipelines.front.language import tr
from pipelines.front.trim import Trim, channel_index
from skyreels_tui.requests.trimming import Marks, Stretchable
from skyreels_tui.ui.drawing.glyphs import Glyphs
from skyreels_tui.ui.drawing.halfblocks import CellPicture, cell_picture, fit
from skyreels_tui.ui.drawing.safe import cut_path, plain
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import TRIM, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.workers import hand_over

STEP_PLACES = 10
"""Places of a recording that an arrow goes: a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the screen begins with, and what it answers."""

    start_s: float
    end_s: float
    channel: str = ""


class TrimScreen(Screen[Stretch | None]):
    """Answers with the stretch, None when it is left."""

    BINDINGS = bindings(TRIM)

    DEFAULT_CSS = """
    TrimScreen #trim-view { height: 1fr; padding: 0 1; }
    TrimScreen #trim-line { height: 1; padding: 0 1; }
    TrimScreen #trim-words { height: 4; padding: 0 1; background: $surface; }
    """

    def __init__(self, path: str, *, sound: bool, given: Stretch, channels: Choice | None) -> None:
        """`channels` are the choices for a voice."""
        super().__init__()
        self._path, self._sound, self._given, self._choices = path, sound, given, channels
        self._marks: Marks | None = None
        self._problem = ""
        self._peaks: list[float] = []
        self._loudness: float | None = None
        self._picture: tuple[bytes, int, int] | None = None

    def compose(self) -> ComposeResult:
        """The file, its picture or wave, the stretch on a line, words, keys."""
        name = cut_path(self._path, 60)
        yield Static(Content.assemble((tr("Part of"), "bold $primary"), " ", plain(name)), id="form-title")
        yield Static(Content(""), id="trim-view")
        yield Static(Content(""), id="trim-line")
        yield Static(Content(""), id="trim-words")
        yield KeyBar()

    def on_mount(self) -> None:
        """Measure the file."""
        self._measure()

    def on_resize(self, _: events.Resize) -> None:
        """Fill the room."""
        if self._marks is not None:
            self._look()

    @work(thread=True, exclusive=True, group="measure")
    def _measure(self) -> None:
        # Media loads numpy and runs ffmpeg: paid on a worker.
        from pipelines.media.read.probe import picture_times, probe_audio, probe_video

        try:
            if self._sound:
                sound = probe_audio(self._path)
                found = Stretchable(sound.duration_s, channels=sound.channels)
            else:
                video, times = probe_video(self._path), picture_times(self._path)
                found = Stretchable(video.duration_s, tuple(time - times[0] for time in times))
        except MediaError as error:
            hand_over(self, self._take_problem, str(error))
        else:
            hand_over(self, self._begin, found)

    def _take_problem(self, words: str) -> None:
        self._problem = words
        show_in(self.query_one("#trim-words", Static), plain(words, "$text-error"))

    def _begin(self, of: Stretchable) -> None:
        given = self._given
        self._marks = Marks(of, given.start_s, given.end_s, given.channel)
        self._marks.at = of.place(given.start_s)
        self._draw()
        self._look()
        self._measure_loudness()

    # Drawing

    def _draw(self) -> None:
        marks = self._marks
        if marks is None or not self.is_mounted:
            return
        glyphs, width = hub(self).glyphs, self.size.width - 2
        show_in(self.query_one("#trim-line", Static), scale(marks, width, glyphs))
        show_in(self.query_one("#trim-view", Static), self._view(marks, width, glyphs))
        show_in(self.query_one("#trim-words", Static), Content("\n").join(self._words(marks)))
        self.refresh_bindings()

    def _view(self, marks: Marks, width: int, glyphs: Glyphs) -> Content | CellPicture:
        if self._sound:
            rows = max(1, self.query_one("#trim-view").content_size.height)
            return high_wave(self._peaks, marks, width, rows, glyphs) if self._peaks else Content("")
        if self._picture is None:
            return Content("")
        rgb, across, down = self._picture
        return cell_picture(rgb, across, down, hub(self).monochrome)

    def _words(self, marks: Marks) -> list[Content]:
        of, total = marks.of, marks.of.length_s
        if of.pictures_s:
            now = tr("frame {number} of {total}, {seconds:.3f} s",
                     number=marks.at + 1, total=len(of.pictures_s), seconds=marks.now_s)  # fmt: skip
        else:
            now = tr("at {seconds:.3f} s of {length:.3f} s", seconds=marks.now_s, length=total)
        end_s = marks.end_s or total
        used = tr("used {start:.3f} to {end:.3f} s, {seconds:.3f} s",
                  start=marks.start_s, end=end_s, seconds=max(0.0, end_s - marks.start_s))  # fmt: skip
        cuts = [tr("cuts the first {seconds:.3f} s", seconds=marks.start_s)] if marks.start_s else []
        if marks.end_s and total - marks.end_s > 0:
            cuts.append(tr("cuts the last {seconds:.3f} s", seconds=total - marks.end_s))
        lines = [Content.styled(now, "bold"), Content(used)]
        lines.append(Content.styled(" · ".join(cuts) or tr("cuts nothing"), "$text-warning" if cuts else "$text-muted"))
        heard = []
        if self._choices is not None and of.channels > 1:
            word = dict(self._choices.options).get(marks.channel, marks.channel)
            heard.append(tr("channel {name}", name=tr(word)))
        if self._sound and self._loudness is not None:
            silent = math.isinf(self._loudness)
            heard.append(tr("silent") if silent else tr("loudness {level:.1f} LUFS", level=self._loudness))
        lines.append(Content.styled(" · ".join(heard), "$text-muted"))
        return lines

    def _look(self) -> None:
        """Draw the wave, or the frame under the cursor, on a worker."""
        marks = self._marks
        box = self.query_one("#trim-view").content_size
        if marks is None or not box.width or not box.height:
            return
        if self._sound:
            self._read_wave(marks.channel, box.width, marks.of.length_s)
        else:
            self._read_frame(marks.at, box.width, box.height)

    @work(thread=True, exclusive=True, group="look")
    def _read_frame(self, number: int, columns: int, rows: int) -> None:
        from pipelines.media.read.probe import probe_video
        from pipelines.media.read.thumbnail import picture_of

        try:
            info = probe_video(self._path)
            across, down = fit(info.width, info.height, columns, rows)
            shown = picture_of(self._path, number, across, down), across, down
        except MediaError as error:
            hand_over(self, self._take_problem, str(error))
        else:
            hand_over(self, self._take_frame, number, shown)

    def _take_frame(self, number: int, shown: tuple[bytes, int, int]) -> None:
        # Of another frame another look is on its way.
        if self._marks is not None and number == self._marks.at:
            self._picture = shown
            self._draw()

    @work(thread=True, exclusive=True, group="look")
    def _read_wave(self, channel: str, columns: int, length_s: float) -> None:
        from pipelines.media.read.audio import WAVEFORM_SECONDS, waveform

        # Of a very long recording the wave shows the beginning, in its place.
        read = max(1, round(columns * min(1.0, WAVEFORM_SECONDS / length_s)))
        try:
            peaks = waveform(self._path, read, channel_index(channel))
        except MediaError:
            peaks = []
        hand_over(self, self._take_wave, channel, peaks + [0.0] * (columns - len(peaks)))

    def _take_wave(self, channel: str, peaks: list[float]) -> None:
        if self._marks is not None and channel == self._marks.channel:
            self._peaks = peaks
            self._draw()

    def _measure_loudness(self) -> None:
        if self._sound and self._marks is not None:
            self._read_loudness(self._marks.trim, self._marks.channel)

    @work(thread=True, exclusive=True, group="loudness")
    def _read_loudness(self, trim: Trim, channel: str) -> None:
        from pipelines.media.read.audio import decode_mono, loudness

        try:
            level = loudness(decode_mono(self._path, 16000, trim, channel_index(channel)), 16000)
        except MediaError:
            return
        hand_over(self, self._take_loudness, trim, channel, level)

    def _take_loudness(self, trim: Trim, channel: str, level: float) -> None:
        marks = self._marks
        if marks is not None and (trim, channel) == (marks.trim, marks.channel):
            self._loudness = level
            self._draw()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A channel is chosen where there is more than one; only a recording has steps finer than the arrows'."""
        if action == "channel":
            return self._marks is not None and self._choices is not None and self._marks.of.channels > 1
        return self._sound if action == "fine" else True

    def _moved(self) -> None:
        self._draw()
        if not self._sound:
            self._look()

    def _cut(self) -> None:
        self._loudness = None
        self._moved()
        self._measure_loudness()

    def action_step(self, step: int) -> None:
        """One frame, or a tenth of a second."""
        if self._marks is not None:
            self._marks.step(step * (STEP_PLACES if self._sound else 1))
            self._moved()

    def action_fine(self, step: int) -> None:
        """A hundredth of a second."""
        if self._marks is not None:
            self._marks.step(step)
            self._moved()

    def action_leap(self, seconds: int) -> None:
        """A second."""
        if self._marks is not None:
            self._marks.leap(seconds)
            self._moved()

    def action_first(self) -> None:
        """To the beginning of the file."""
        if self._marks is not None:
            self._marks.at = 0
            self._moved()

    def action_last(self) -> None:
        """To its end."""
        if self._marks is not None:
            self._marks.at = self._marks.of.last
            self._moved()

    def action_start(self) -> None:
        """What is used begins here."""
        if self._marks is not None:
            self._marks.start_here()
            self._cut()

    def action_end(self) -> None:
        """What is used ends here."""
        if self._marks is not None:
            self._marks.end_here()
            self._cut()

    def action_whole(self) -> None:
        """Use all of it."""
        if self._marks is not None:
            self._marks.whole()
            self._cut()
            self._look()

    def action_channel(self) -> None:
        """Hear the next channel."""
        if self._marks is None or self._choices is None:
            return
        words = [value for value, _ in self._choices.options]
        self._marks.channel = words[(words.index(self._marks.channel) + 1) % len(words)]
        self._cut()
        self._look()

    def action_take(self) -> None:
        """Answer with the stretch."""
        if self._marks is not None:
            self.dismiss(Stretch(self._marks.start_s, self._marks.end_s, self._marks.channel))

    def action_back(self) -> None:
        """Change nothing."""
        self.dismiss(None)


def scale(marks: Marks, width: int, glyphs: Glyphs) -> Content:
    """The file as a line: what is used is thick, the cursor stands out."""
    parts = []
    for used, here in _columns(marks, width):
        thick = (glyphs.bar_full, "$primary") if used else (glyphs.bar_empty, "$text-muted")
        parts.append(("|", "bold $accent") if here else thick)
    return Content.assemble(*parts)


def high_wave(peaks: list[float], marks: Marks, width: int, rows: int, glyphs: Glyphs) -> Content:
    """A recording's wave of several lines: what is cut is dim, the cursor's column stands out."""
    top = len(glyphs.sparks)
    loudest = max(peaks, default=0.0) or 1.0
    heights = [round(peak / loudest * rows * top) for peak in peaks[:width]]
    lines = []
    for row in range(rows - 1, -1, -1):
        parts: list[tuple[str, str]] = []
        for height, (used, here) in zip(heights, _columns(marks, width), strict=False):
            level = min(top, height - row * top)
            sign = glyphs.sparks[level - 1] if level > 0 else " "
            if row == 0 and level <= 0:
                sign = glyphs.sparks[0]
            style = "bold $accent" if here else "$primary" if used else "$text-disabled"
            parts.append(("|" if here and sign == " " else sign, style))
        lines.append(Content.assemble(*parts))
    return Content("\n").join(lines)


def _columns(marks: Marks, width: int) -> list[tuple[bool, bool]]:
    """Of each column of a line: whether it is used, and whether the cursor stands there."""
    total = marks.of.length_s or 1.0
    cursor = min(width - 1, int(marks.now_s / total * width))
    end_s = marks.end_s or total
    middles = [(column + 0.5) / width * total for column in range(width)]
    return [(marks.start_s <= middle < end_s, column == cursor) for column, middle in enumerate(middles)]
