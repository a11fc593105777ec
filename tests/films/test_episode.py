"""A film of twelve scenes of all four tasks, made from a file to one video: by keys alone, and in the shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pipelines.front.errors import PipelineError
from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import Script
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.screens.films.film import FilmScreen
from skyreels_tui.ui.screens.films.films import FilmsScreen
from skyreels_tui.ui.screens.films.importing import ImportScreen
from skyreels_tui.ui.screens.films.lists import FilmList, SceneList
from skyreels_tui.ui.screens.form.browse import BrowseScreen, FileList
from skyreels_tui.ui.widgets.video_view import VideoView
from tests.cli.conftest import Call
from tests.films.episode import FAILS, LABELS, measure, write_episode
from tests.films.test_join import clip
from tests.ui.conftest import Start, start

__all__ = ["start"]


class Clips:
    """A clip a job, each of other frames; the scene `FAILS` fails when it is first made."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._failed = folder, False

    def __call__(self, context: JobContext) -> Script:
        if context.job.label not in LABELS:
            # The film itself, which is joined for real.
            return Script()
        place = LABELS.index(context.job.label)
        path = self._folder / f"clip-{context.job.id}.mp4"
        clip(path, 24 + 3 * (place % 4), step=context.job.id)
        if context.job.label == FAILS and not self._failed:
            self._failed = True
            return Script(failures={(Stage.DENOISE, 3): PipelineError("no such colour")}, video=path)
        return Script(video=path)


async def test_an_episode_is_made_by_keys_alone(start: Start, tmp_path: Path) -> None:
    write_episode(tmp_path)
    (tmp_path / "clips").mkdir()
    async with start((80, 24), script=Clips(tmp_path / "clips")) as s:

        def film():
            return s.app.service.film("ep01")

        await s.press("F")
        await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
        await s.press("i")
        await s.until(lambda: isinstance(s.app.screen, BrowseScreen) and "episode.json" in s.text, "the file")
        while "episode.json" not in str(s.app.screen.query_one(FileList).selected):
            await s.press("down")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, ImportScreen), "the preview")
        await s.shows("12 scenes, 0 warnings, 0 problems")
        await s.press("y")
        await s.until(lambda: isinstance(s.app.screen, FilmsScreen), "the films")
        await s.until(lambda: s.app.screen.query_one(FilmList).films, "the film")
        assert [scene.name for scene in film().scenes] == list(LABELS) and film().not_begun == 12
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, FilmScreen), "its scenes")
        await s.until(lambda: s.app.screen.query_one(SceneList).scenes, "them")
        await s.press("r")
        await s.until(lambda: film().counts[JobState.FAILED] == 1 and not film().goes_on, "the failure", timeout_s=90)
        # What goes on from the scene that failed waits; all others are done.
        assert film().counts == {JobState.DONE: 8, JobState.FAILED: 1, JobState.BLOCKED: 3}
        await s.shows("8/12, 1 failed")
        await s.press("R")
        await s.until(lambda: film().counts[JobState.DONE] == 12, "the rest", timeout_s=90)
        await s.press("g", "t")
        await s.until(lambda: len(film().scenes[0].takes) == 2 and film().is_done, "another take", timeout_s=60)
        await s.until(lambda: film().scenes[0].takes[1].state is JobState.DONE, "its end", timeout_s=60)
        await s.press("p")
        await s.shows("1 of 12")
        await s.press("p")
        await s.until(lambda: not s.app.screen.query_one(VideoView).playing, "the stop")
        await s.press("m")
        joined = max(take.id for scene in film().scenes for take in scene.takes) + 1
        await s.until(lambda: s.app.board.get(joined) is not None, "the join")
        await s.until(lambda: s.state(joined) in (JobState.DONE, JobState.FAILED), "the film", timeout_s=120)
        assert s.state(joined) is JobState.DONE, s.job(joined).error
        clips = [Path(scene.chosen.output) for scene in film().scenes]
        assert clips[0].name != clips[1].name and film().scenes[0].chosen.id == film().scenes[0].takes[1].id
        output = Path(s.job(joined).output)
    assert output.parent.parts[-2:] == ("show", "films")
    measure(output, clips)


def test_an_episode_is_made_in_the_shell(cli: Callable[..., Call], tmp_path: Path) -> None:
    file = write_episode(tmp_path / "episode")
    (tmp_path / "clips").mkdir()
    clips = Clips(tmp_path / "clips")
    plan = cli("film", "import", file, "--dry-run", "--json").data["films"][0]
    assert len(plan["scenes"]) == 12 and not plan["warnings"] and not plan["problems"] and not plan["waits"]
    assert cli("film", "list", "--json").data == []
    assert cli("film", "import", file).out == "ep01\n"
    assert len(cli("film", "run", "ep01", "--json").data["jobs"]) == 12
    assert cli("run", script=clips).code == 1
    states = cli("film", "status", "ep01", "--json").data["states"]
    assert states == {"done": 8, "failed": 1, "blocked": 3}
    assert len(cli("film", "resume", "ep01", "--json").data) == 1
    assert cli("run", script=clips).code == 0
    cli("film", "run", "ep01", "--another", "--scenes", "s12")
    assert cli("run", script=clips).code == 0
    join = cli("film", "join", "ep01", "--json").data
    assert join["remarks"] == []
    assert cli("run", script=clips).code == 0
    output = Path(cli("show", join["job"], "--json").data["output"])
    scenes = cli("film", "show", "ep01", "--json").data["scenes"]
    assert len(scenes[-1]["takes"]) == 2 and scenes[-1]["chosen"] == scenes[-1]["takes"][-1]["id"]
    assert output.parent.parts[-2:] == ("show", "films")
    paths = [Path(next(take["output"] for take in one["takes"] if take["id"] == one["chosen"])) for one in scenes]
    measure(output, paths)
