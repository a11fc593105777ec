"""Rows of the queue worth their width, what stands beside them, and what Enter does with a finished job."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import Script
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.requests.glance import Glance, glance_at
from skyreels_tui.ui.panels.queue import BROAD, QueuePanel, columns
from skyreels_tui.ui.screens.home.job import JobScreen
from skyreels_tui.ui.screens.home.selected import SelectedJob
from skyreels_tui.ui.widgets.video_view import VideoView
from tests.ui.conftest import SAMPLES, Session, Start

PROMPT = "a lighthouse blinks over a stormy sea"


def queue(session: Session) -> QueuePanel:
    return session.app.screen.query_one(QueuePanel)


def row_of(session: Session, words: str) -> str:
    return next((line for line in session.text.splitlines() if words in line), "")


@pytest.mark.parametrize("size", [(100, 24), (100, 30), (119, 40), (120, 36), (159, 45), (200, 50)])
async def test_from_100_columns_a_row_shows_its_request(start: Start, size: tuple[int, int]) -> None:
    async with start(size, gated=True) as s:
        s.add("light", prompt=PROMPT, seed=4711, duration=7)
        await s.shows("4711")
        row = row_of(s, "r2v    light")
        assert "a lighthouse" in row and "128P 7s" in row and "4711" in row


@pytest.mark.parametrize("size", [(80, 24), (99, 40)])
async def test_below_100_columns_a_row_keeps_to_label_and_time(start: Start, size: tuple[int, int]) -> None:
    async with start(size, gated=True) as s:
        s.add("light", prompt=PROMPT, seed=4711)
        await s.shows("light")
        assert "4711" not in s.text


async def test_a_row_names_its_film(start: Start) -> None:
    async with start((110, 30), gated=True) as s:
        assert s.app.service is not None
        s.app.service.actions.pause()
        request = s.add("alone").request
        s.app.service.actions.add_many([NewJob(request, label=f"s{n}", batch="pilot") for n in range(3)], checked=True)
        await s.shows("s2")
        assert "pilot" in row_of(s, "s2 ") and "pilot" not in row_of(s, "alone")
        assert "3 scenes" in row_of(s, "▾ pilot"), s.text


@pytest.mark.parametrize("width", [20, 38, 56, 76, 93, BROAD, 100, 120, 160, 240])
@pytest.mark.parametrize(("ids", "seeds", "films"), [(3, 4, 0), (5, 10, 14), (3, 4, 30)])
def test_columns_fill_their_width_and_no_more(width: int, ids: int, seeds: int, films: int) -> None:
    cols = columns(width, ids, seeds, films)
    used = 2 + cols.id + 1 + cols.state + 1 + 6 + 1 + cols.label + 1 + cols.time
    if cols.shows_request:
        used += cols.prompt + 1 + 8 + 1 + cols.seed + (1 + cols.film if cols.film else 0) + 1
    assert used == width or cols.label == 4, (cols, used)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ('{"prompt": "a  b\\nc", "resolution": "720P", "duration": 5, "seed": 42}', Glance("a b c", "720P 5s", "42")),
        ('{"prompt": "", "resolution": "480P", "seed": 0}', Glance("", "480P", "0")),
        ('{"prompt": 7, "resolution": null, "duration": true, "seed": -1}', Glance()),
        ('{"duration": 1e9, "seed": "42"}', Glance()),
        ("[1, 2]", Glance()),
        ("{", Glance()),
        ("", Glance()),
    ],
)
def test_a_glance_reads_damaged_requests_too(text: str, seen: Glance) -> None:
    assert glance_at(text) == seen


async def test_the_time_says_what_it_is(start: Start) -> None:
    async with start((80, 24), gated=True) as s:
        job = s.add("one")
        s.executor.advance(1)
        await s.until(lambda: s.state(job.id) is JobState.RUNNING)
        panel, base = queue(s), s.job(job.id)
        hour_ago = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - 3700))
        kinds = {
            "took 1:01": replace(base, state=JobState.DONE, run_seconds=61.0),
            "1 h ago": replace(base, state=JobState.FAILED, finished_at=hour_ago),
            "at 3/8": replace(base, state=JobState.INTERRUPTED, step=3, num_steps=8),
        }
        assert {panel._time(found) for found in kinds.values()} == set(kinds)
        assert panel._time(kinds["took 1:01"], bare=True) == "1:01"
        s.app.times._job_seconds = {99: 450.0}
        assert panel._time(replace(base, id=99, state=JobState.QUEUED)) == "~7:30"


async def test_beside_the_queue_stands_what_is_known_of_the_selected_job(start: Start) -> None:
    async with start((160, 45), gated=True) as s:
        assert s.app.service is not None
        s.app.service.actions.pause()
        s.add("first", prompt=PROMPT, num_inference_steps=12)
        s.add("second", prompt="a quiet harbour")
        pane = s.app.screen.query_one(SelectedJob)
        await s.until(lambda: str(pane.border_title) == "first")
        said = str(pane.query_one("#selected-words").content)
        assert PROMPT in said and "steps 12" in said and "astronaut.jpg" in said and "runs it next" in said
        assert "guidance" not in said
        await s.until(lambda: "▀" in pane.query_one("#selected-picture").content.plain, "the reference")
        await s.press("j")
        await s.until(lambda: "a quiet harbour" in str(pane.query_one("#selected-words").content))
    async with start((159, 45), gated=True) as s:
        await s.until(lambda: s.app.screen.query("#selected"), "the pane, out of sight")
        assert not s.app.screen.query_one(SelectedJob).display


async def test_the_pane_tells_of_an_error_and_of_the_key_that_helps(start: Start) -> None:
    script = Script(failures={(Stage.DENOISE, 2): MediaError("the disk is full")})
    async with start((160, 45), script=script) as s:
        s.add("breaks")
        await s.until(lambda: s.app.board.count(JobState.FAILED))
        pane = s.app.screen.query_one(SelectedJob)
        await s.until(lambda: "the disk is full" in str(pane.query_one("#selected-words").content))
        assert "r runs it again" in str(pane.query_one("#selected-words").content)


async def finished(session: Session) -> Job:
    """A job whose video is there."""
    job = session.add("made")
    await session.until(lambda: session.state(job.id) is JobState.DONE)
    shutil.copy(SAMPLES / "clip.mp4", session.job(job.id).output)
    await session.shows("took 0:0")
    return session.job(job.id)


async def test_enter_plays_a_finished_job_and_its_page_has_the_keys_of_results(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start((100, 30)) as s:
        made = Path((await finished(s)).output)
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, JobScreen))
        view = s.app.screen.query_one(VideoView)
        await s.until(lambda: view.playing and "▀" in s.text, "it plays")
        await s.until(lambda: not view.playing, "it ends by itself")
        await s.press("right")
        await s.shows("frame ")
        copied: list[str] = []
        monkeypatch.setattr(s.app, "copy_to_clipboard", copied.append)
        await s.press("y", "Y", "c")
        assert copied[0] == str(made)
        assert copied[1].startswith("scp ") and copied[2].startswith("skyreels-tui ")
        for key, screen in (("e", "The clip that goes on"), ("l", "References"), ("a", "a walk")):
            await s.press(key)
            await s.until(lambda: type(s.app.screen).__name__ == "FormScreen", key)
            await s.shows(screen)
            await s.press("escape")
            await s.until(lambda: isinstance(s.app.screen, JobScreen))


async def test_the_page_of_an_unfinished_job_says_why_it_plays_nothing(start: Start) -> None:
    async with start((80, 24), gated=True) as s:
        s.add("one")
        await s.shows("one")
        await s.press("enter")
        await s.until(lambda: isinstance(s.app.screen, JobScreen))
        for key in ("enter", "e", "l", "y", "Y", "o", "right"):
            await s.press(key)
            await s.until(lambda: "has made no video yet" in s.footer, key)
        assert "Play" not in s.footer


@pytest.mark.parametrize("key", ["enter", "x", "space", "J", "K", "e", "t", "r", "d", "a", "A"])
async def test_without_a_job_a_key_says_what_makes_one(start: Start, key: str) -> None:
    async with start((80, 24)) as s:
        await s.shows("Nothing here yet")
        await s.press(key)
        await s.until(lambda: "no job here: n makes one" in s.footer, key)


@pytest.mark.parametrize(("key", "why"), [("u", "nothing was deleted here"), ("z", "no film here")])
async def test_keys_that_undo_or_fold_nothing_say_so(start: Start, key: str, why: str) -> None:
    async with start((80, 24), gated=True) as s:
        s.add("one")
        await s.shows("one")
        await s.press(key)
        await s.until(lambda: why in s.footer, key)


async def test_on_the_line_of_a_film_a_job_key_says_what_acts_on_it(start: Start) -> None:
    async with start((80, 24), gated=True) as s:
        assert s.app.service is not None
        s.app.service.actions.pause()
        request = s.add("alone").request
        s.app.service.actions.add_many([NewJob(request, label=f"s{n}", batch="pilot") for n in range(9)], checked=True)
        await s.until(lambda: "▸ pilot" in s.text)
        await s.press("G", "x")
        await s.until(lambda: "this line is the film pilot: z opens it, F acts on all its jobs" in s.footer)


def test_a_row_that_is_drawn_again_is_not_read_again() -> None:
    request = {"prompt": PROMPT, "resolution": "720P", "duration": 5, "seed": 1}
    texts = [json.dumps({**request, "seed": n}) for n in range(40)]
    began = time.perf_counter()
    for _ in range(100):
        for text in texts:
            glance_at(text)
    assert time.perf_counter() - began < 0.1, "4 000 looks at 40 requests"
