"""One film: its scenes with takes, and the chosen take of the one under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import mark, tr, trn
from skyreels_tui.films.prompting import AGREED_FILE, Agreed
from skyreels_tui.films.written import SCENE_FIELDS, scene_values
from skyreels_tui.queue.film import Film, Scene, can_resume, can_run
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui import intents
from skyreels_tui.ui.drawing.safe import cut, safe
from skyreels_tui.ui.hub import HubApp, hub
from skyreels_tui.ui.keys import FILM, bindings
from skyreels_tui.ui.redraw import show_in
from skyreels_tui.ui.screens.films.lengths import measured
from skyreels_tui.ui.screens.films.lists import SceneList
from skyreels_tui.ui.screens.films.standing import film_words, is_overlong, narration_words, scene_waits
from skyreels_tui.ui.screens.films.written import WrittenScreen
from skyreels_tui.ui.screens.form.prompt_help import AskedPrompt, ask_for_help
from skyreels_tui.ui.widgets.job_video import video_of
from skyreels_tui.ui.widgets.key_bar import KeyBar
from skyreels_tui.ui.widgets.row_list import RowList
from skyreels_tui.ui.widgets.video_view import VideoView
from skyreels_tui.ui.workers import hand_over


class FilmScreen(Screen[None]):
    """Keys act on the marked scenes, or on the one under the cursor."""

    DEFAULT_CSS = """
    FilmScreen {
        #scene-list { width: 3fr; }
        VideoView { width: 2fr; }
        #film-words { height: 1; padding: 0 1; color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    }
    """
    BINDINGS = bindings(FILM)

    def __init__(self, film: Film, state: Path) -> None:
        """`state` is the folder in which a yes is remembered."""
        super().__init__()
        self._film, self._state = film, state
        self._removed: list[tuple[int, ...]] = []
        self._go_to: int | None = None

    def compose(self) -> ComposeResult:
        """Scenes left, the selected one right."""
        yield Static(Content(""), id="film-title", classes="bar")
        with Horizontal():
            yield SceneList()
            yield VideoView()
        yield Static(Content(""), id="film-words")
        yield KeyBar()

    def on_mount(self) -> None:
        """Show what was handed over, then follow the queue."""
        self.query_one(SceneList).focus()
        app = hub(self)
        app.job_changed.subscribe(self, self.reload)
        app.queue_changed.subscribe(self, self.reload)
        self.call_later(self._take, [self._film])

    def reload(self, _event: object = None) -> None:
        """Read the film again, on a worker."""
        if self.is_mounted:
            self._read(hub(self))

    @work(thread=True, exclusive=True, group="film")
    def _read(self, app: HubApp) -> None:
        hand_over(self, self._take, app.films())

    def _take(self, films: list[Film]) -> None:
        found = next((film for film in films if film.name == self._film.name), None)
        if not self.is_mounted or found is None:
            return
        self._film = found
        self.query_one(SceneList).show(found.scenes, self._go_to)
        self._go_to = None
        self._write_title()
        self._measure(found.scenes)

    @work(thread=True, exclusive=True, group="lengths")
    def _measure(self, scenes: tuple[Scene, ...]) -> None:
        hand_over(self, self._take_lengths, measured(scenes))

    def _take_lengths(self, seconds: dict[str, float]) -> None:
        scenes = self.query_one(SceneList)
        if scenes.seconds != seconds:
            scenes.seconds = seconds
            scenes.refresh()
            self._on_moved()

    def _write_title(self) -> None:
        marked = len(self.query_one(SceneList).marked)
        parts = [film_words(self._film), trn("{count} marked", "{count} marked", marked) if marked else ""]
        detail = safe(f" {hub(self).glyphs.dot} ".join(part for part in parts if part), 300)
        title = Content.assemble((cut(self._film.name, 40), "bold $primary"), "  ", (detail, "$text-muted"))
        show_in(self.query_one("#film-title", Static), title)

    @property
    def _scene(self) -> Scene | None:
        return self.query_one(SceneList).selected if self.is_mounted else None

    @property
    def _chosen(self) -> list[Scene]:
        return self.query_one(SceneList).chosen

    @on(RowList.Moved)
    def _on_moved(self) -> None:
        scene = self._scene
        self.query_one(VideoView).show(video_of(scene.chosen, scene.name) if scene is not None else None)
        parts: tuple[str, ...] = ()
        if scene is not None:
            seconds = self.query_one(SceneList).seconds
            longer = tr("longer than the clip") if is_overlong(scene, seconds) else ""
            words = scene.facts.words or scene.facts.notes
            parts = (scene_waits(scene), narration_words(scene, seconds), longer, words)
        words = f" {hub(self).glyphs.dot} ".join(" ".join(part.split()) for part in parts if part)
        show_in(self.query_one("#film-words", Static), Content(cut(words, max(10, self.size.width - 2))))
        self.refresh_bindings()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What would change something here; another scene may allow more."""
        if action in ("back", "new"):
            return True
        if action == "undo":
            return bool(self._removed)
        scene = self._scene
        if scene is None:
            return False
        listed, scenes = self.query_one(SceneList), self._film.scenes
        match action:
            case "play_all":
                return any(one.chosen is not None for one in scenes)
            case "run":
                return any(can_run(one) for one in scenes if not listed.marked or one.id in listed.marked)
            case "run_from":
                return any(map(can_run, scenes[listed.cursor :]))
            case "resume":
                return any(map(can_resume, scenes))
            case "play":
                return scene.chosen is not None
            case "choose":
                return sum(take.state is JobState.DONE for take in scene.takes) > 1
            case "open":
                return scene.shown is not None
            case "voice":
                return any(one.facts.words for one in listed.chosen)
            case "picture":
                return any(one.facts.picture_prompt for one in listed.chosen)
            case "move":
                return len(scenes) > 1
        return True

    def action_play(self) -> None:
        """Play the chosen take here; again stops."""
        self.query_one(VideoView).play()

    def action_play_all(self) -> None:
        """Play the chosen takes from this scene on; again stops."""
        scenes = self._film.scenes
        first = self.query_one(SceneList).cursor
        videos = [video_of(scene.chosen, scene.name) for scene in (*scenes[first:], *scenes[:first])]
        found = [video for video in videos if video is not None]
        later = sum(video is not None for video in videos[: len(scenes) - first])
        self.query_one(VideoView).play_all(found[:later] or found)

    def action_new(self) -> None:
        """Add a scene below this one, in the form."""
        place = self.query_one(SceneList).cursor + 1 if self._film.scenes else 0
        self.app.post_message(intents.OpenForm(scene=intents.SceneSlot(self._film.name, place)))

    def action_edit(self) -> None:
        """Change the scene's request in the form."""
        scene = self._scene
        if scene is None:
            return
        try:
            values = asdict(scene.request)
        except InvalidRequest as error:
            hub(self).tell(str(error), "error")
            return
        where = intents.SceneSlot(self._film.name, scene_id=scene.id)
        self.app.post_message(intents.OpenForm(scene.task, values, scene.name, scene=where))

    def action_sound(self) -> None:
        """Change what is heard with the scene, and what else is known of it."""
        scene = self._scene
        if scene is None:
            return

        def keep(written: dict[str, object]) -> None:
            name = self._film.name
            self.app.post_message(intents.WriteFilm(name, written, scene_id=scene.id, answer=self.reload))

        title = f"{self.query_one(SceneList).cursor + 1} {scene.name}"
        self.app.push_screen(WrittenScreen(title, SCENE_FIELDS, scene_values(scene), keep))

    def action_voice(self) -> None:
        """A narration, or the voice of an avatar, from the words of each."""
        self._ask(intents.FilmAct.VOICE, tuple(scene.id for scene in self._chosen))

    def action_picture(self) -> None:
        """A reference from the picture prompt of each."""
        self._ask(intents.FilmAct.PICTURE, tuple(scene.id for scene in self._chosen))

    def action_prompt_help(self) -> None:
        """Other words for the prompts of the marked scenes, looked at one by one."""
        scenes = self._chosen
        prompts = [AskedPrompt(scene.task, scene.request.prompt, scene.name) for scene in scenes]
        screen = ask_for_help(self, Agreed(self._state / AGREED_FILE), prompts)

        def take(words: list[str | None] | None) -> None:
            for scene, prompt in zip(scenes, words or (), strict=False):
                if prompt is not None:
                    request = replace(scene.request, prompt=prompt)
                    where = intents.SceneSlot(self._film.name, scene_id=scene.id)
                    self.app.post_message(intents.WriteScene(where, request, scene.label, self._written))

        if screen is not None:
            self.app.push_screen(screen, take)

    def _written(self, problems: Sequence[Problem]) -> None:
        if problems:
            hub(self).tell("; ".join(problem.message for problem in problems), "error")
        self.reload()

    def action_duplicate(self) -> None:
        """Copy the marked scenes."""
        self._ask(intents.FilmAct.DUPLICATE, tuple(scene.id for scene in self._chosen))

    def on_screen_resume(self) -> None:
        """What a form has changed."""
        self.reload()

    def action_mark(self) -> None:
        """Mark or unmark."""
        self.query_one(SceneList).toggle_mark()
        self._write_title()
        self.refresh_bindings()

    def action_run(self) -> None:
        """Queue the marked scenes that are not done, or all."""
        marked = self.query_one(SceneList).marked
        self._ask(intents.FilmAct.RUN, tuple(marked))

    def action_run_from(self) -> None:
        """Queue what is not done from this scene on."""
        scenes = self._film.scenes[self.query_one(SceneList).cursor :]
        self._ask(intents.FilmAct.RUN, tuple(scene.id for scene in scenes))

    def action_resume(self) -> None:
        """Failed scenes again."""
        self._ask(intents.FilmAct.RESUME)

    def action_another(self) -> None:
        """One more take of each, with a new seed."""
        self._ask(intents.FilmAct.ANOTHER, tuple(scene.id for scene in self._chosen))

    def action_choose(self) -> None:
        """The finished take before the chosen one stands for the scene; after the oldest the newest again."""
        scene = self._scene
        done = [take.id for take in scene.takes if take.state is JobState.DONE] if scene is not None else []
        if scene is not None and scene.chosen is not None and len(done) > 1:
            place = done.index(scene.chosen.id)
            self._ask(intents.FilmAct.CHOOSE, (done[place - 1],))

    def action_move(self, offset: int) -> None:
        """Move the scene in the film."""
        scene = self._scene
        place = self.query_one(SceneList).cursor + offset
        if scene is None:
            return
        if 0 <= place < len(self._film.scenes):
            self._go_to = scene.id
            self._ask(intents.FilmAct.MOVE, (scene.id,), place)
        else:
            self.query_one(KeyBar).say_end(offset)

    def action_remove(self) -> None:
        """Take scenes out of the film."""
        ids = tuple(scene.id for scene in self._chosen)
        self._removed.append(ids)
        self._ask(intents.FilmAct.REMOVE, ids)

    def action_undo(self) -> None:
        """Bring back what was taken out last."""
        if self._removed:
            self._ask(intents.FilmAct.RESTORE, self._removed.pop())

    def action_open(self) -> None:
        """The newest take as a job."""
        scene = self._scene
        if scene is not None and scene.shown is not None:
            self.app.post_message(intents.OpenJob(scene.shown.id))

    def action_join(self) -> None:
        """One video of the film."""
        self._ask(intents.FilmAct.JOIN)

    def key_label(self, action: str) -> str:
        """While a video plays, the key that plays it and the way out stop it."""
        return mark("Stop") if action in ("play", "play_all", "back") and self.query_one(VideoView).playing else ""

    def action_back(self) -> None:
        """Stop what plays, then back to the films."""
        view = self.query_one(VideoView)
        if view.playing:
            view.stop()
        else:
            self.dismiss()

    def _ask(self, act: intents.FilmAct, ids: tuple[int, ...] = (), place: int = 0) -> None:
        self.app.post_message(intents.ChangeFilm(self._film.name, act, ids, place, answer=self.reload))
