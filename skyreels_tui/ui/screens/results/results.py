"""Finished videos: look, play in the terminal, go on from them, copy, name, join, tidy up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from textual import events, on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from pipelines.front.durable import make_folder
from pipelines.front.errors import PipelineError
from pipelines.front.language import mark, reason_of, tr, trn
from pipelines.front.task_names import TITLES
from skyreels_tui.results import choosing, gallery
from skyreels_tui.results.choosing import Order
from skyreels_tui.results.gallery import Video
from skyreels_tui.ui.drawing.safe import safe
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.keys import RESULTS, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.refused import say_why
from skyreels_tui.ui.screens.results.compare import CompareScreen
from skyreels_tui.ui.screens.results.going_on import GoingOn
from skyreels_tui.ui.screens.results.joining import Joining
from skyreels_tui.ui.screens.results.note import NoteScreen
from skyreels_tui.ui.screens.results.rename import RenameScreen
from skyreels_tui.ui.widgets.fields.text import LineInput
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.widgets.video_list import VideoList
from skyreels_tui.ui.widgets.video_view import VideoView
from skyreels_tui.ui.workers import hand_over
from skyreels_tui.words.sizes import size

POLL_S = 2.0
"""Between two looks at the folder where the system does not tell of changes."""
LEARN_S = 0.3
"""Recipes read from mp4 files reach the list so often at most."""


class ResultsScreen(Screen[None]):
    """The list follows the folders of new jobs and of those queued, also for files that others drop in or delete."""

    DEFAULT_CSS = """
    ResultsScreen {
        #result-list { width: 1fr; }
        #result-detail { width: 1fr; padding: 0 1; }
        #result-view { height: auto; }
    }
    """
    BINDINGS = bindings(RESULTS)

    def __init__(self, folder: Path, clips: Path, *, served: bool = False) -> None:
        """`clips` is where held pictures are kept. `served`: a browser shows the screen, so it starts no program."""
        super().__init__()
        self._folder = folder
        self._named: frozenset[str] = frozenset()
        """Results folders of the jobs; read by the thread that follows them."""
        self._videos: list[Video] = []
        self._words = ""
        self._only = ""
        self._order = Order.NEWEST
        self._trash: list[list[tuple[Path, Path]]] = []
        self._gone = threading.Event()
        self._going_on = GoingOn(self, clips, served=served)
        self._joining = Joining(self, self._show_joining, self._joined)
        self._go_to: Path | None = None
        """A file that this screen has just made: the cursor goes there."""

    def compose(self) -> ComposeResult:
        """List, and beside it the selected video."""
        yield Static(Content(""), id="result-title", classes="bar")
        yield LineInput(placeholder=tr("words in name, label, task, prompt, seed or note"), id="result-search")
        with Horizontal():
            yield VideoList()
            yield VideoView()
        yield KeyBar()

    def on_mount(self) -> None:
        """List now, and whenever the folder changes."""
        self.query_one("#result-search").display = False
        self._listing.focus()
        self._write_title()
        self._on_jobs()
        hub(self).job_changed.subscribe(self, self._on_jobs)
        hub(self).queue_changed.subscribe(self, self._on_jobs)
        self._follow()

    def on_unmount(self) -> None:
        """The watcher and a joining end with the screen."""
        self._gone.set()
        self._joining.leave()

    @property
    def _listing(self) -> VideoList:
        return self.query_one(VideoList)

    @property
    def _view(self) -> VideoView:
        return self.query_one(VideoView)

    @property
    def _video(self) -> Video | None:
        return self._listing.selected if self.is_mounted else None

    @property
    def _marked(self) -> list[Video]:
        """The marked videos in the order of marking, also those that a search hides now."""
        by_path = {video.path: video for video in self._videos}
        return [by_path[path] for path in self._listing.marked if path in by_path]

    @property
    def _chosen(self) -> list[Video]:
        """The marked ones, else the one under the cursor."""
        return self._marked or ([self._video] if self._video is not None else [])

    def _tell(self, text: str, severity: str = "information") -> None:
        hub(self).tell(text, severity)

    # The folder

    @property
    def _folders(self) -> list[Path]:
        """Where videos are looked for: new jobs write to the first, and each job to the one that it was added with."""
        return gallery.folders_of(self._folder, self._named)

    def _on_jobs(self, _event: object = None) -> None:
        self._named = self._named.union(job.result_dir for job in hub(self).board.jobs)

    @work(thread=True, group="follow")
    def _follow(self) -> None:
        try:
            make_folder(self._folder, private=False)
            while not self._gone.is_set():
                self._watch(self._folders)
        except (OSError, RuntimeError):
            # No watches left, a file system without them, or a name that is not UTF-8: then by looking.
            self._read()
            while not self._gone.wait(POLL_S):
                self._read()

    def _watch(self, folders: Sequence[Path]) -> None:
        """List now and after each change, until the jobs name other folders."""
        from watchfiles import watch

        def matters(_change: object, path: str) -> bool:
            inside = [path[len(str(folder)) :] for folder in folders if path.startswith(str(folder))]
            return ".part" not in path and any("/." not in rest for rest in inside)

        self._read()
        for changes in watch(
            *folders,
            watch_filter=matters,
            stop_event=self._gone,
            step=200,
            rust_timeout=int(POLL_S * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
        ):
            if self._gone.is_set() or self._folders != folders:
                return
            if changes:
                self._read()

    def _read(self) -> None:
        hand_over(self, self._take, gallery.videos(*self._folders))

    def _take(self, found: list[Video]) -> None:
        if self.is_mounted:
            known = {video.path: video for video in self._videos if video.recipe and not video.has_sidecar}
            same = [(known.get(video.path), video) for video in found]
            self._videos = [
                old if old is not None and not new.recipe and old.modified_s == new.modified_s else new
                for old, new in same
            ]
            self._list()
            self._read_inside([video for video in self._videos if not video.recipe])

    @work(thread=True, exclusive=True, group="recipes")
    def _read_inside(self, unknown: Sequence[Video]) -> None:
        """Look into the files that have no recipe beside them."""
        learned: list[Video] = []
        told_s, worker = time.monotonic(), get_current_worker()
        for index, video in enumerate(unknown):
            # A newer listing has begun a round of its own: two at once would read every file twice.
            if self._gone.is_set() or worker.is_cancelled:
                return
            found = gallery.with_recipe_inside(video)
            learned += [found] if found.recipe else []
            if learned and (index == len(unknown) - 1 or time.monotonic() - told_s > LEARN_S):
                hand_over(self, self._learn, learned)
                learned, told_s = [], time.monotonic()
        if learned and not self._gone.is_set():
            hand_over(self, self._learn, learned)

    def _learn(self, learned: Sequence[Video]) -> None:
        known = {(video.path, video.modified_s): video for video in learned}
        self._videos = [known.get((video.path, video.modified_s), video) for video in self._videos]
        if self.is_mounted:
            self._list()

    def _list(self) -> None:
        """Show what the search and the filter leave."""
        shown = choosing.chosen(self._videos, self._words, self._only, self._order)
        made = self._go_to if any(video.path == self._go_to for video in shown) else None
        if made is not None:
            self._go_to = None
        self._listing.show(shown, made, by_day=self._order in (Order.NEWEST, Order.OLDEST))
        self._write_title()
        self.refresh_bindings()

    def _write_title(self) -> None:
        shown = self._listing.videos
        parts = [trn("{count} video", "{count} videos", len(shown)), size(sum(video.num_bytes for video in shown))]
        if self._only:
            parts.append(tr("only {task}", task=tr(TITLES.get(self._only, self._only))))
        if self._order is not Order.NEWEST:
            parts.append(tr(self._order))
        if self._words:
            parts.append(tr("with {words}", words=self._words))
        if self._marked:
            parts.append(trn("{count} marked", "{count} marked", len(self._marked)))
        parts += [self._joining.words] if self._joining.words else []
        detail = safe(f" {hub(self).glyphs.dot} ".join(parts), 300)
        title = Content.assemble((tr("Results"), "bold $primary"), "  ", (detail, "$text-muted"))
        show_in(self.query_one("#result-title", Static), title)

    @on(RowList.Moved)
    def _on_moved(self) -> None:
        self._view.show(self._video)
        self.refresh_bindings()

    # Keys

    def why_not(self, action: str) -> str:
        """Why a key does nothing now, in a sentence; '' where it does something."""
        if action in ("search", "back", "sort"):
            return ""
        if action == "undo":
            return "" if self._trash else tr("nothing went to the trash from here")
        marked, key = len(self._marked) if self.is_mounted else 0, hub(self).key("results.mark")
        if not self._videos or (action != "filter" and not self._chosen):
            return tr("no video here")
        match action:
            case "join" if self._joining.running:
                return tr("videos are being joined")
            case "join" if marked < 2:
                return tr("{key} marks the videos to join: two or more", key=key)
            case "compare" if marked != 2:
                return tr("{key} marks the two videos to compare: {count} are marked", key=key, count=marked)
            case "extend" | "rename" if marked > 1:
                return tr("this is done to one video: {count} are marked", count=marked)
            case "again" | "again_new_seed" if not all(video.request for video in self._chosen):
                return tr("no request is known: neither in the file nor beside it")
        return ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what the selected video, or the marked ones, allow."""
        return not self.why_not(action)

    def on_key(self, event: events.Key) -> None:
        """Say in a line why a key does nothing."""
        say_why(self, RESULTS, event.key, self.why_not)

    def action_play(self) -> None:
        """Play here at a few frames a second; the key again stops."""
        self._view.play()

    def action_frame(self, step: int) -> None:
        """Stand still at one frame and step through."""
        self._view.step(step)

    def action_mark(self) -> None:
        """Mark or unmark."""
        self._listing.toggle_mark()
        self._write_title()
        self.refresh_bindings()

    def action_filter(self) -> None:
        """Only those with a star, with a note, or of the next task; after the last one all again."""
        found = choosing.filters(self._videos)
        place = found.index(self._only) if self._only in found else -1
        self._only = found[(place + 1) % len(found)]
        self._list()

    def action_sort(self) -> None:
        """The next order."""
        orders = list(Order)
        self._order = orders[(orders.index(self._order) + 1) % len(orders)]
        self._list()

    def action_star(self) -> None:
        """A star for the chosen videos; away where all have one."""
        self._remark(star=not all(video.star for video in self._chosen))

    def action_note(self) -> None:
        """Ask for a note on the chosen videos."""
        chosen = self._chosen

        def answered(note: str | None) -> None:
            if note is not None:
                self._remark(chosen, note=note)

        self.app.push_screen(NoteScreen(chosen[0].note, len(chosen)), answered)

    def _remark(self, videos: Sequence[Video] = (), **marks: object) -> None:
        try:
            for video in videos or self._chosen:
                gallery.remark(video, **marks)
        except OSError as error:
            self._tell(tr("Not written: {reason}", reason=reason_of(error)), "error")
        self._refresh()

    def action_compare(self) -> None:
        """The two marked ones side by side."""
        first, second = self._marked
        self.app.push_screen(CompareScreen(first, second))

    def action_search(self) -> None:
        """Type words; Enter goes back to the list."""
        line = self.query_one("#result-search", LineInput)
        line.display = True
        line.focus()
        self.refresh_bindings()

    @on(Input.Changed)
    def _on_search(self, event: Input.Changed) -> None:
        self._words = event.value
        self._list()

    @on(Input.Submitted)
    def _on_search_done(self) -> None:
        self._listing.focus()

    def key_label(self, action: str) -> str:
        """What plays is stopped by the key that plays, and the way out first ends what goes on."""
        if action == "play" and self._view.playing:
            return mark("Stop")
        return self._way_back[0] if action == "back" else ""

    def action_back(self) -> None:
        """Stop playing or joining, close the search and the filter, unmark all, then leave."""
        self._way_back[1]()

    @property
    def _way_back(self) -> tuple[str, Callable[[], object]]:
        """What the way out does next, in a word or two and as a call."""
        if self._view.playing:
            return mark("Stop"), self._view.stop
        if self._joining.running:
            return mark("Stop joining"), self._joining.stop
        if self.query_one("#result-search").display or self._only:
            return mark("Show all"), self._show_all
        if self._listing.marked:
            return mark("Unmark all"), self._unmark_all
        return "", self.dismiss

    def _show_all(self) -> None:
        line = self.query_one("#result-search", LineInput)
        line.display = False
        line.value = self._only = ""
        self._listing.focus()
        self._list()

    def _unmark_all(self) -> None:
        self._listing.marked = []
        self._list()

    # Going on from a video, and elsewhere

    def action_extend(self) -> None:
        """Go on from this clip."""
        for video in self._chosen:
            self._going_on.extend(video)

    def action_last_frame(self) -> None:
        """Use the last frames as references."""
        self._going_on.last_frames(self._chosen)

    def action_still(self) -> None:
        """Start again from the frame shown, or from the last where none stands still."""
        video = self._video
        if video is not None:
            if self._view.playing:
                self._view.stop()
            self._going_on.still(video, self._view.frame_number)

    def action_again(self) -> None:
        """Open the form with this video's request, or queue those of several."""
        self._going_on.again(self._chosen)

    def action_again_new_seed(self) -> None:
        """The same with a fresh seed."""
        self._going_on.again(self._chosen, new_seed=True)

    def action_copy_path(self) -> None:
        """Copy the path; those of several as words of a shell."""
        self._going_on.copy_paths(self._chosen)

    def action_copy_scp(self) -> None:
        """Copy a line that fetches the files to another machine."""
        self._going_on.copy_scp(self._chosen)

    def action_open_player(self) -> None:
        """Open with the system's player, where there is one."""
        self._going_on.open_player(self._chosen)

    # Files

    def action_rename(self) -> None:
        """Ask for another name."""
        (video,) = self._chosen

        def answered(name: str | None) -> None:
            if not name:
                return
            try:
                self._go_to = gallery.rename(video, name)
            except (PipelineError, OSError) as error:
                self._tell(tr("Not renamed: {reason}", reason=error), "error")
            self._refresh()

        self.app.push_screen(RenameScreen(video.path), answered)

    def action_trash(self) -> None:
        """Move the chosen videos and their sidecars to the trash folder."""
        moved: list[tuple[Path, Path]] = []
        chosen = self._chosen
        try:
            for video in chosen:
                moved += gallery.move_to_trash(video.path, gallery.home_of(video.path, self._folders))
        except OSError as error:
            self._tell(tr("Not moved: {reason}", reason=error), "error")
        if moved:
            self._trash.append(moved)
            words = trn("{count} video is in the trash: {key} brings it back",
                        "{count} videos are in the trash: {key} brings them back", len(chosen),
                        key=hub(self).key("results.undo"))  # fmt: skip
            hub(self).tell(words, about="undo")
        self._refresh()

    def action_undo(self) -> None:
        """Bring back what went to the trash last."""
        if not self._trash:
            return
        moved = self._trash.pop()
        try:
            left = gallery.undo(moved)
        except OSError as error:
            self._tell(tr("Not moved back: {reason}", reason=error), "error")
        else:
            self._go_to = moved[0][0]
            if left:
                words = tr("Its name is taken by now: {path} stays in the trash", path=left[0])
                hub(self).tell(words, "warning", about="undo")
            else:
                hub(self).tell(tr("Back from the trash"), about="undo")
        self._refresh()

    def _refresh(self) -> None:
        """List at once what a key of this screen has changed."""
        self._take(gallery.videos(*self._folders))
        self.refresh_bindings()

    # Joining

    def action_join(self) -> None:
        """Join the marked videos in the order of marking."""
        chosen = self._marked
        if len(chosen) > 1 and not self._joining.running:
            self._joining.start(chosen, self._folder)

    def _show_joining(self) -> None:
        if self.is_mounted:
            self._write_title()
            self.refresh_bindings()

    def _joined(self, made: Path | None, words: str, severity: str) -> None:
        self._tell(words, severity)
        if self.is_mounted:
            if made is not None:
                self._go_to = made
                self._listing.marked = []
            self._refresh()
