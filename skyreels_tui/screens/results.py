"""Finished videos: look, play in the terminal, go on from them, copy, tidy up."""

from __future__ import annotations

import getpass
import platform
import random
import shlex
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from pipelines.errors import PipelineError
from pipelines.tasks import TASKS
from skyreels_tui import gallery, intents
from skyreels_tui.hub import hub
from skyreels_tui.keys import RESULTS, bindings
from skyreels_tui.settings_host import settings_host
from skyreels_tui.widgets.fields.text import LineInput
from skyreels_tui.widgets.halfblocks import fit, picture
from skyreels_tui.widgets.keybar import KeyBar
from skyreels_tui.widgets.rowlist import RowList
from skyreels_tui.widgets.safe import cut, plain, safe
from skyreels_tui.widgets.times import ago, size

PLAY_FPS = 6.0
STRIP = (0.05, 0.35, 0.65, 0.95)
"""Places of the strip's pictures, as shares of the length."""


class VideoList(RowList):
    """One row a video, newest first."""

    def __init__(self) -> None:
        super().__init__(id="result-list")
        self.videos: list[gallery.Video] = []

    @property
    def selected(self) -> gallery.Video | None:
        """The video under the cursor."""
        return self.videos[self.cursor] if self.videos else None

    def count(self) -> int:
        """Videos shown."""
        return len(self.videos)

    def row(self, index: int, width: int, selected: bool) -> Content:
        """Label, task, size and age."""
        video, glyphs = self.videos[index], hub(self).glyphs
        short = next((task.short for task in TASKS if task.name == video.task), video.task[:6])
        moment = datetime.fromtimestamp(video.modified_s, UTC).isoformat()
        tail = f" {cut(short, 6):<6} {size(video.num_bytes):>9} {ago(moment, datetime.now().astimezone()):>7}"
        room = max(4, width - len(tail) - 2)
        label = cut(video.label, room)
        return Content.assemble(
            (f"{glyphs.cursor if selected else ' '} ", "bold $accent"),
            label,
            " " * max(0, room - Content(label).cell_length),
            (tail, "$text-muted"),
        )

    def empty(self, width: int) -> Content:
        """Where videos come from."""
        return Content.styled("No finished video here yet. n on the home screen makes one.", "$text-muted")


class ResultsScreen(Screen[None]):
    """The list follows the folder, also for files that others drop in or delete."""

    BINDINGS = bindings(RESULTS)

    def __init__(self) -> None:
        super().__init__()
        self._words = ""
        self._trash: list[list[tuple[Path, Path]]] = []
        self._stop = threading.Event()
        self._gone = threading.Event()
        self._playing = False
        self._frame: int | None = None

    def compose(self) -> ComposeResult:
        """List, and beside or below it the selected video."""
        yield Static(Content.styled("Results", "bold $primary"), classes="bar")
        yield LineInput(placeholder="words in name, label or prompt", id="result-search")
        with Horizontal():
            yield VideoList()
            with Vertical(id="result-detail"):
                yield Static(Content(""), id="result-view")
                yield Static(Content(""), id="result-facts")
        yield KeyBar()

    def on_mount(self) -> None:
        """List now, and whenever the folder changes."""
        self.query_one("#result-search").display = False
        self.query_one(VideoList).focus()
        self._list()
        self._watch(settings_host(self).result_dir)

    def on_unmount(self) -> None:
        """Players and the watcher end with the screen."""
        self._stop.set()
        self._gone.set()

    @work(thread=True, group="watch")
    def _watch(self, folder: Path) -> None:
        from watchfiles import watch

        folder.mkdir(parents=True, exist_ok=True)
        for _ in watch(folder, stop_event=self._gone, step=200, raise_interrupt=False):
            if self._gone.is_set():
                return
            self.app.call_from_thread(self._list_again)

    def _list_again(self) -> None:
        if self.is_mounted:
            self._list()

    def _list(self) -> None:
        listing = self.query_one(VideoList)
        before = listing.selected
        found = [v for v in gallery.videos(settings_host(self).result_dir) if gallery.matches(v, self._words)]
        listing.videos = found
        places = {video.path: index for index, video in enumerate(found)}
        listing.cursor = places.get(before.path, listing.cursor) if before is not None else 0
        listing.refresh()
        if before is None or before not in found:
            self._show_selected()

    @property
    def _video(self) -> gallery.Video | None:
        return self.query_one(VideoList).selected if self.is_mounted else None

    @on(RowList.Moved)
    def _show_selected(self) -> None:
        self._stop.set()
        self._frame = None
        self.refresh_bindings()
        video = self._video
        self.query_one("#result-view", Static).update(Content(""))
        self.query_one("#result-facts", Static).update(Content("") if video is None else _facts(video))
        if video is not None:
            self._strip(video.path)

    # Pictures

    def _box(self) -> tuple[int, int]:
        area = self.query_one("#result-detail").content_size
        return max(16, area.width), max(4, area.height - 8)

    @work(thread=True, exclusive=True, group="strip")
    def _strip(self, path: Path) -> None:
        from pipelines.media.probe import probe_video
        from pipelines.media.thumbnail import frames_at

        columns, rows = self._box()
        try:
            info = probe_video(path)
            width, height = fit(info.width, info.height, columns // 2 - 1, rows // 2)
            frames = frames_at(path, [share * info.duration_s for share in STRIP], width, height)
        except PipelineError as error:
            self.app.call_from_thread(self._view, path, plain(str(error), "$text-error"), "")
            return
        drawn = [picture(rgb, width, height).split("\n") for rgb in frames]
        pairs = [zip(drawn[0], drawn[1], strict=True), zip(drawn[2], drawn[3], strict=True)]
        lines = [Content.assemble(left, " ", right) for pair in pairs for left, right in pair]
        words = f"{info.width}x{info.height}  {info.num_frames} frames  {info.duration_s:.1f} s  {info.fps:.4g} fps"
        self.app.call_from_thread(self._view, path, Content("\n").join(lines), words)

    def _view(self, path: Path, drawn: Content, words: str) -> None:
        video = self._video
        if video is not None and video.path == path:
            text = Content.assemble(drawn, "\n", (words, "$text-muted")) if words else drawn
            self.query_one("#result-view", Static).update(text)

    def action_play(self) -> None:
        """Play here at a few frames a second; the key again stops."""
        video = self._video
        if video is None:
            return
        if self._playing:
            self._stop.set()
            return
        self._stop.clear()
        self._playing = True
        self._play(video.path)

    @work(thread=True, exclusive=True, group="play")
    def _play(self, path: Path) -> None:
        from pipelines.media.probe import probe_video
        from pipelines.media.thumbnail import play

        columns, rows = self._box()
        try:
            info = probe_video(path)
            width, height = fit(info.width, info.height, columns, rows)
            for number, rgb in enumerate(play(path, width, height, PLAY_FPS)):
                words = f"{number / PLAY_FPS:.1f} of {info.duration_s:.1f} s   Enter stops"
                self.app.call_from_thread(self._view, path, picture(rgb, width, height), words)
                if self._stop.wait(1 / PLAY_FPS):
                    break
        except PipelineError as error:
            self.app.call_from_thread(self._view, path, plain(str(error), "$text-error"), "")
        finally:
            self._playing = False

    def action_frame(self, step: int) -> None:
        """Stand still at one frame and step through."""
        video = self._video
        if video is not None:
            self._stop.set()
            self._frame = max(0, (self._frame if self._frame is not None else -1) + step)
            self._still(video.path, self._frame)

    @work(thread=True, exclusive=True, group="strip")
    def _still(self, path: Path, number: int) -> None:
        from pipelines.media.probe import probe_video
        from pipelines.media.thumbnail import frames_at

        columns, rows = self._box()
        try:
            info = probe_video(path)
            width, height = fit(info.width, info.height, columns, rows)
            rgb = frames_at(path, [number / info.fps], width, height)[0]
        except PipelineError as error:
            self.app.call_from_thread(self._view, path, plain(str(error), "$text-error"), "")
            return
        words = f"frame {min(number + 1, info.num_frames)} of {info.num_frames}"
        self.app.call_from_thread(self._view, path, picture(rgb, width, height), words)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the selected video allows."""
        if action in ("search", "back"):
            return True
        if action == "undo":
            return bool(self._trash)
        video = self._video
        if action in ("again", "again_new_seed"):
            return video is not None and bool(video.request)
        return video is not None

    def _open(self, task: str, values: dict[str, Any], label: str = "") -> None:
        self.app.post_message(intents.OpenForm(task, values, label))

    def action_extend(self) -> None:
        """Go on from this clip."""
        if self._video is not None:
            self._open("single_shot_extension", {"input_video": (str(self._video.path),), **self._profile()})

    def _profile(self) -> dict[str, Any]:
        video = self._video
        return {"profile": video.request.get("profile", "full") if video is not None else "full"}

    def action_last_frame(self) -> None:
        """Use its last frame as a reference."""
        if self._video is not None:
            self._save_last_frame(self._video.path, self._profile())

    @work(thread=True, group="frame")
    def _save_last_frame(self, path: Path, profile: dict[str, Any]) -> None:
        from pipelines.media.video import last_frame

        target = path.with_name(f"{path.stem}-last.png")
        try:
            last_frame(path).save(target)
        except (PipelineError, OSError) as error:
            self.app.call_from_thread(settings_host(self).tell, str(error), "error")
            return
        self.app.call_from_thread(self._open, "reference_to_video", {"ref_imgs": (str(target),), **profile})

    def action_again(self) -> None:
        """Open the form with this video's request."""
        if self._video is not None:
            self._open(self._video.task, dict(self._video.request), self._video.label)

    def action_again_new_seed(self) -> None:
        """The same with a fresh seed."""
        if self._video is not None:
            request = {**self._video.request, "seed": random.randrange(2**31)}
            self._open(self._video.task, request, self._video.label)

    def action_copy_path(self) -> None:
        """Copy the path."""
        if self._video is not None:
            self._copy(str(self._video.path))

    def action_copy_scp(self) -> None:
        """Copy a line that fetches the file to another machine."""
        if self._video is not None:
            remote = f"{getpass.getuser()}@{platform.node()}:{self._video.path}"
            self._copy(f"scp {shlex.quote(remote)} .")

    def _copy(self, text: str) -> None:
        self.app.copy_to_clipboard(text)
        settings_host(self).tell(f"Copied: {safe(text, 200)}")

    def action_open_player(self) -> None:
        """Open with the system's player, where there is one."""
        opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
        video = self._video
        if opener is None or video is None:
            settings_host(self).tell("This machine has no player to open it with; Enter plays it here", "warning")
            return
        null = subprocess.DEVNULL
        subprocess.Popen([opener, str(video.path)], stdin=null, stdout=null, stderr=null, start_new_session=True)

    def action_trash(self) -> None:
        """Move the video and its sidecar to the trash folder."""
        video = self._video
        if video is None:
            return
        try:
            self._trash.append(gallery.move_to_trash(video.path))
        except OSError as error:
            settings_host(self).tell(f"Not moved: {error}", "error")
            return
        settings_host(self).tell(f"{video.path.name} is in the trash: u brings it back")
        self._list()
        self.refresh_bindings()

    def action_undo(self) -> None:
        """Bring back what went to the trash last."""
        if self._trash:
            try:
                gallery.undo(self._trash.pop())
            except OSError as error:
                settings_host(self).tell(f"Not moved back: {error}", "error")
            self._list()
            self.refresh_bindings()

    def action_search(self) -> None:
        """Type words; Enter goes back to the list."""
        line = self.query_one("#result-search", LineInput)
        line.display = True
        line.focus()

    @on(Input.Changed)
    def _on_search(self, event: Input.Changed) -> None:
        self._words = event.value
        self._list()

    @on(Input.Submitted)
    def _on_search_done(self) -> None:
        self.query_one(VideoList).focus()

    def action_back(self) -> None:
        """Stop playing, close the search, then leave."""
        line = self.query_one("#result-search", LineInput)
        if self._playing:
            self._stop.set()
        elif line.display:
            line.display = False
            line.value = ""
            self.query_one(VideoList).focus()
        else:
            self.dismiss()


def _facts(video: gallery.Video) -> Content:
    lines = [plain(str(video.path), "bold")]
    prompt = str(video.request.get("prompt", ""))
    if prompt:
        lines.append(plain(prompt, limit=400))
    names = ("resolution", "duration", "seed", "num_inference_steps", "profile")
    known = [f"{name.removeprefix('num_')} {video.request[name]}" for name in names if name in video.request]
    lines.append(plain(" · ".join(known) or "no recipe lies beside this file", "$text-muted"))
    if video.recipe.get("suspect"):
        lines.append(plain(f"? looks wrong: {video.recipe['suspect']}", "$text-warning"))
    return Content("\n").join(lines)
