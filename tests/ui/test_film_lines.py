"""The queue's list with films folded to a line, and searched."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from skyreels_tui.eta.film_ends import film_ends
from skyreels_tui.executors.fake import Script
from skyreels_tui.films.takes import Which, run_film
from skyreels_tui.queue.events import JobChanged
from skyreels_tui.queue.film import NewFilm, NewScene
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.rows import NewJob
from skyreels_tui.ui.panels.film_lines import FilmLine, queue_rows
from skyreels_tui.ui.panels.queue import QueuePanel
from skyreels_tui.ui.screens.dialogs.confirm import ConfirmScreen
from skyreels_tui.ui.screens.home.job import JobScreen
from tests.ui.conftest import Session, Start


def job(number: int, batch: str = "", state: JobState = JobState.QUEUED, **values: object) -> Job:
    made = Job(number, f"job {number}", "reference_to_video", "{}", state, float(number), "", batch=batch)
    return replace(made, **values)  # type: ignore[arg-type]


def shown(rows: list[Job | FilmLine]) -> list[object]:
    return [row.id if isinstance(row, Job) else row.name for row in rows]


def test_a_film_is_a_line_where_its_first_job_stands() -> None:
    jobs = [job(1), job(2, "ep"), job(3), job(4, "ep"), job(5, "alone"), job(6)]
    assert shown(queue_rows(jobs, {})) == [1, "ep", 2, 3, 4, 5, 6]
    assert shown(queue_rows(jobs, {"ep": True})) == [1, "ep", 3, 5, 6]
    many = [job(n, "ep") for n in range(59)]
    assert shown(queue_rows(many, {})) == ["ep"]
    assert len(queue_rows(many, {"ep": False})) == 60


def test_the_line_counts_scenes_and_not_takes() -> None:
    jobs = [
        job(1, "ep", JobState.DONE, scene=1),
        job(2, "ep", JobState.FAILED, scene=2),
        job(3, "ep", JobState.FAILED, scene=3),
        job(4, "ep", JobState.RUNNING, scene=2, retry_of=2),
        job(5, "ep", JobState.FAILED, scene=1),
        job(6, "ep", JobState.QUEUED, scene=1),
        job(7, "ep"),
    ]
    for listed in (jobs, jobs[::-1]):
        [line] = [row for row in queue_rows(listed, {}) if isinstance(row, FilmLine)]
        assert (line.done, line.count, line.failed, line.runs) == (1, 4, 1, True)


async def test_scenes_that_are_not_begun_count(start: Start) -> None:
    async with start(gated=True) as s:
        first = s.add("first")
        service = s.app.service
        assert service is not None
        scenes = tuple(NewScene(first.request, f"scene {number}") for number in range(6))
        service.actions.films.create(NewFilm("ep01", scenes=scenes))
        film = service.film("ep01")
        takes = [NewJob(first.request, one.name, "ep01", scene=one.id) for one in film.scenes[:2]]
        service.actions.add_many(takes)
        await s.shows("ep01  0/6")
        # One more, of which no job tells.
        service.actions.films.add("ep01", [NewScene(first.request, "late")], "")
        await s.shows("ep01  0/7")


async def test_another_take_and_a_retry_are_no_more_scenes(start: Start) -> None:
    async with start(gated=True) as s:
        add_film(s, "ep01", 9)
        await s.shows("ep01  0/9")
        service = s.app.service
        assert service is not None
        run_film(service, service.film("ep01"), Which.ANOTHER)
        await s.until(lambda: len(s.app.board.jobs) == 19, "the other takes")
        first = next(one for one in s.app.board.jobs if one.batch)
        service.actions.cancel(first.id)
        service.actions.again(first.id)
        await s.shows("ep01  0/9")
        assert "/18" not in s.text and "/19" not in s.text


@pytest.mark.parametrize(
    ("words", "found"),
    [("4", [4]), ("ep", [2, 4]), ("EP done", [4]), ("job", [1, 2, 3, 4]), ("nobody", []), (" ", None)],
)
def test_a_search_leaves_what_has_all_words(words: str, found: list[int] | None) -> None:
    jobs = [job(1), job(2, "ep"), job(3), job(4, "ep", JobState.DONE)]
    rows = shown(queue_rows(jobs, {}, words))
    assert rows == (found if found is not None else [1, "ep", 2, 3, 4])


@pytest.mark.parametrize("words", ["", "job 77"])
def test_10000_jobs_are_folded_and_searched_within_a_key(words: str) -> None:
    jobs = [job(n, f"ep{n % 20}" if n % 3 else "") for n in range(10_000)]
    seconds = []
    for _ in range(9):
        # Time of this thread alone: how busy the machine is says nothing about the list.
        began = time.thread_time()
        queue_rows(jobs, {}, words)
        seconds.append(time.thread_time() - began)
    assert min(seconds) < 0.05


def add_film(s: Session, name: str, count: int) -> None:
    assert s.app.service is not None
    first = s.add("first")
    for number in range(count):
        s.app.service.actions.add(first.request, label=f"{name}-{number}", batch=name)


async def test_a_film_opens_and_folds_by_keys(start: Start) -> None:
    async with start(gated=True) as s:
        add_film(s, "ep01", 12)
        await s.shows("ep01  0/12")
        assert "ep01-3" not in s.text
        queue = s.app.screen.query_one(QueuePanel)
        await s.press("down")
        assert queue.selected is None and "x Cancel" not in s.footer
        await s.press("enter")
        await s.shows("ep01-3")
        await s.press("down", "down", "z")
        await s.until(lambda: "ep01-3" not in s.text, "the fold")
        assert queue.selected is None and queue.film == "ep01"
        await s.press("x", "d", "space")
        assert [one.state for one in s.app.board.jobs if one.batch] == [JobState.QUEUED] * 12, "a line is no job"


async def test_words_are_searched_and_all_comes_back(start: Start) -> None:
    async with start(gated=True) as s:
        add_film(s, "ep01", 12)
        await s.shows("ep01  0/12")
        await s.press("slash")
        await s.type("ep01-7")
        queue = s.app.screen.query_one(QueuePanel)
        await s.until(lambda: queue.count() == 1 and queue.selected and queue.selected.label == "ep01-7", "the search")
        await s.press("enter", "enter")
        await s.until(lambda: isinstance(s.app.screen, JobScreen), "the job")
        await s.press("escape")
        await s.press("slash")
        await s.type("zzz")
        await s.shows("No job with these words")
        await s.press("escape")
        await s.shows("ep01  0/12")
        assert queue.count() == 2


async def test_a_name_is_only_text(start: Start) -> None:
    async with start(gated=True) as s:
        add_film(s, "ep [red]x[/] \x1b[31m", 3)
        await s.shows("ep [red]x[/]")
        assert "\x1b" not in s.text


# Several jobs at once


def states(s: Session) -> dict[str, JobState]:
    return {one.label: one.state for one in s.app.board.jobs}


async def test_a_marked_film_is_held_released_deleted_and_brought_back(start: Start) -> None:
    async with start(gated=True) as s:
        add_film(s, "ep01", 9)
        await s.until(lambda: states(s).get("first") is JobState.RUNNING, "the first")
        await s.shows("ep01  0/9")
        await s.press("down", "m")
        await s.shows("9 jobs marked")
        assert "*▸ ep01" in s.text
        await s.press("space")
        await s.until(lambda: [one.state for one in s.app.board.jobs if one.batch] == [JobState.HELD] * 9, "them held")
        await s.shows("9 jobs held")
        assert "*▸" not in s.text
        await s.press("g", "down", "m", "space")
        await s.until(lambda: states(s)["ep01-3"] is JobState.QUEUED, "them released")
        await s.press("g", "down", "m", "d")
        await s.until(lambda: not [one for one in s.app.board.jobs if one.batch], "them gone")
        await s.press("u")
        await s.until(lambda: len([one for one in s.app.board.jobs if one.batch]) == 9, "them back")


async def test_marked_jobs_are_cancelled_after_one_question_and_tried_again(start: Start) -> None:
    async with start(gated=True) as s:
        for label in "abcd":
            s.add(label)
        await s.until(lambda: states(s).get("a") is JobState.RUNNING, "the first")
        await s.shows("d  ")
        await s.press("m", "m", "down", "m")
        await s.shows("3 jobs marked")
        await s.press("x")
        await s.until(lambda: isinstance(s.app.screen, ConfirmScreen), "the question")
        await s.shows("Cancel 3 jobs?")
        assert set(states(s).values()) == {JobState.RUNNING, JobState.QUEUED}
        await s.press("y")
        await s.until(lambda: states(s)["b"] is JobState.CANCELLED and states(s)["d"] is JobState.CANCELLED, "the end")
        assert states(s)["c"] in (JobState.QUEUED, JobState.RUNNING), "it has no mark"
        s.executor.open_gate()
        await s.until(lambda: states(s)["c"] is JobState.DONE, "the rest")
        await s.press("g", "m", "m", "m", "m", "r")
        await s.until(lambda: len(s.app.board.jobs) == 7, "the three again")
        going = (JobState.QUEUED, JobState.RUNNING)
        await s.until(lambda: not any(one.state in going for one in s.app.board.jobs), "their end")
        labels = [one.label for one in s.app.board.jobs if one.state is JobState.DONE]
        assert sorted(labels) == ["a", "b", "c", "d"], "what is done is not made again"


async def test_marked_jobs_run_next_in_their_order(start: Start) -> None:
    async with start(gated=True) as s:
        for label in "abcdef":
            s.add(label)
        await s.until(lambda: states(s).get("a") is JobState.RUNNING, "the first")
        await s.press("G", "k", "m", "m", "t")
        await s.until(lambda: [one.label for one in s.app.board.jobs] == list("aefbcd"), "the order")


async def test_marks_end_with_esc_and_with_their_jobs(start: Start) -> None:
    async with start(gated=True) as s:
        for label in "abc":
            s.add(label)
        queue = s.app.screen.query_one(QueuePanel)
        await s.until(lambda: queue.count() == 3, "them")
        await s.press("down", "m", "m")
        assert [one.label for one in queue.marked] == ["b", "c"]
        assert s.app.service is not None
        s.app.service.actions.delete(queue.marked[1].id)
        await s.until(lambda: [one.label for one in queue.marked] == ["b"], "the rest")
        await s.press("escape")
        assert queue.marked == []


def test_a_film_ends_when_all_before_it_and_its_own_jobs_have_run() -> None:
    jobs = [
        job(1, "", JobState.RUNNING),
        job(2, "ep", JobState.QUEUED),
        job(3, "", JobState.HELD),
        job(4, "", JobState.QUEUED),
        job(5, "ep", JobState.BLOCKED, reason=because(Code.WAITS_FOR_JOB, id=2)),
        job(6, "other", JobState.BLOCKED, reason=because(Code.JOB_FAILED, id=9)),
        job(7, "last", JobState.QUEUED),
        job(8, "ep", JobState.DONE),
    ]
    times = {2: 100.0, 3: 1000.0, 4: 10.0, 5: 1.0, 6: 7.0, 7: 0.5}
    ends = film_ends(jobs, lambda one: times[one.id], lambda _: 5.0)
    assert ends == {"ep": 116.0, "last": 116.5}, "held jobs and those behind a failure do not run by themselves"
    known = film_ends(jobs, lambda one: None if one.id == 5 else times[one.id], lambda _: 5.0)
    assert known == {}, "nobody knows when a film ends of which a job is not known, nor one behind it"
    assert film_ends(jobs, lambda one: times[one.id], lambda _: None) == {}
    # Two workers: one is free at 5, the other takes what is before.
    jobs[3] = job(4, "", JobState.RUNNING)
    both = film_ends([jobs[0], jobs[3], *jobs[1:3], *jobs[4:]], lambda one: times[one.id], lambda one: 5.0 * one.id, 2)
    assert both == {"ep": 105.0, "last": 21.5}, "each takes the next job as soon as it is free"


async def test_a_film_with_one_take_left_needs_what_that_take_needs(start: Start) -> None:
    async with start((160, 45), gated=True) as s:
        add_film(s, "ep01", 2)
        service = s.app.service
        assert service is not None
        await s.until(lambda: len(s.app.board.jobs) == 3, "the jobs")
        first, running, other = sorted(one.id for one in s.app.board.jobs)
        service.actions.cancel(first)
        service.actions.cancel(other)
        await s.until(lambda: s.state(running) is JobState.RUNNING, "the take")
        times = s.app.times.running
        await s.until(lambda: times.left_words(running).endswith((" min", " h", " s")), "a forecast that is not sure")
        # A take whose time is told as a range makes no film whose time is told to the second.
        assert s.app.times.film_left([s.job(running)]) == times.left_words(running)
        await s.until(lambda: s.text.count(f"{times.left_words(running)} left") == 2, "the film and its take")


async def test_what_is_being_cancelled_has_no_time_left(start: Start) -> None:
    async with start((160, 45), gated=True, script=Script(num_steps=8)) as s:
        made = s.add("corridor")
        s.executor.advance(3)
        await s.until(lambda: s.app.times.running.left_s(made.id), "a time left")
        await s.shows(" left")
        # As the engine tells it while its step goes on.
        s.app.publish_event(JobChanged(replace(s.job(made.id), cancel_requested=True)))
        await s.shows("● stopping")
        row = next(line for line in s.text.splitlines() if "● stopping" in line)
        assert " left" not in row


def line_of(s: Session, words: str) -> str:
    return next((line for line in s.text.splitlines() if words in line), "")


async def test_no_end_is_told_of_what_will_not_start(start: Start) -> None:
    async with start((160, 45), gated=True, script=Script(num_steps=8)) as s:
        add_film(s, "ep01", 2)
        service = s.app.service
        assert service is not None
        s.executor.advance(3)
        await s.shows("queue ends")
        await s.until(lambda: "ends" in line_of(s, "▾ ep01"), "the film's end")
        service.actions.pause()
        await s.until(lambda: "queue ends" not in s.text and "ends" not in line_of(s, "▾ ep01"), "no end is told")
        service.actions.unpause()
        await s.shows("queue ends")
        await s.until(lambda: "ends" in line_of(s, "▾ ep01"), "the film's end")
