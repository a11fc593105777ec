"""Rows, transitions, order and references, on a real database."""

from __future__ import annotations

import random

import pytest

from pipelines.front.errors import InvalidRequest
from skyreels_tui.queue.errors import NoSuchJob, NotAllowed
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.queue.store.rows import NewJob
from tests.queue.conftest import entry, make_request


def labels(store) -> list[str]:
    return [job.label for job in store.list()]


def finish(store, job_id: int, output: str = "out.mp4") -> None:
    claimed = store.attempts.claim([job_id])
    assert claimed is not None and claimed.id == job_id
    store.attempts.finish(job_id, output=output, suspect="", run_seconds=1.0)


def fail(store, job_id: int) -> None:
    assert store.attempts.claim([job_id]) is not None
    store.attempts.fail(job_id, error="broken", run_seconds=1.0)


def test_jobs_are_claimed_in_the_order_they_were_added(store):
    store.add_many([entry("a"), entry("b"), entry("c", held=True), entry("d")])
    order = []
    while (job := store.attempts.claim()) is not None:
        order.append(job.label)
        store.attempts.finish(job.id, output="x.mp4", suspect="", run_seconds=0.5)
    assert order == ["a", "b", "d"]


def test_a_second_job_is_never_claimed_while_one_runs(store):
    store.add_many([entry("a"), entry("b")])
    assert store.attempts.claim().label == "a"
    assert store.attempts.claim() is None


def test_what_was_added_is_there_after_reopening(store, tmp_path):
    job = store.add(entry("kept", prompt='quotes " and \n lines [b]x[/b]'))
    other = open_store(tmp_path / "queue.db")
    assert other.get(job.id) == job
    assert other.get(job.id).request.prompt == 'quotes " and \n lines [b]x[/b]'
    other.close()


def test_adding_many_is_all_or_nothing(store):
    with pytest.raises(InvalidRequest) as caught:
        store.add_many([entry("a"), entry("b", ref_imgs=("{{job:nobody}}",))])
    assert [problem.field for problem in caught.value.problems] == ["entry 2.ref_imgs"]
    assert "nobody" in caught.value.problems[0].message
    assert store.list() == []


def test_cancelling_a_running_job_leaves_a_wish(store):
    job = store.add(entry())
    store.attempts.claim()
    assert store.cancel(job.id).state == JobState.RUNNING
    seen = store.attempts.update_step(
        job.id, stage="denoise", step=1, num_steps=8, segment=0, num_segments=1, run_seconds=2.0
    )
    assert seen.cancel_requested


def test_an_unknown_job_is_named(store):
    with pytest.raises(NoSuchJob, match="77"):
        store.hold(77)


# Order


def test_moving_gives_the_same_order_as_a_list(store):
    ids = [job.id for job in store.add_many([entry(str(n)) for n in range(12)])]
    model = list(ids)
    draw = random.Random(5)
    for _ in range(400):
        job = draw.choice(ids)
        if draw.random() < 0.5:
            offset = draw.randint(-14, 14)
            place = min(max(model.index(job) + offset, 0), len(model) - 1)
            store.move(job, offset)
        else:
            place = draw.randint(0, len(model) - 1)
            store.move_to(job, place)
        model.remove(job)
        model.insert(place, job)
        assert [one.id for one in store.list()] == model


def test_moving_into_the_same_gap_for_ever_keeps_the_order(store):
    """Halving one gap runs out of numbers after some fifty moves: then the neighbours are spread anew."""
    ids = [job.id for job in store.add_many([entry(str(n)) for n in range(6)])]
    for turn in range(300):
        job = ids[1 + turn % 2]
        others = [one.id for one in store.list() if one.id != job]
        store.move_to(job, 1)
        assert [one.id for one in store.list()] == [others[0], job, *others[1:]]


def test_run_next_goes_before_all_and_is_released(store):
    store.add_many([entry("a"), entry("b"), entry("c", held=True)])
    store.run_next(store.list()[2].id)
    assert store.attempts.claim().label == "c"


def test_a_paused_job_is_first_again(store):
    store.add_many([entry("a"), entry("b")])
    job = store.attempts.claim()
    store.attempts.requeue(job.id, reason=because(Code.PAUSED), run_seconds=3.0)
    assert labels(store) == ["a", "b"]


def test_a_paused_job_is_first_again_whatever_was_moved_behind_it_meanwhile(store):
    store.add_many([entry("a"), entry("b"), entry("c")])
    job = store.attempts.claim()
    for label in "bcbc":
        store.run_next(next(row.id for row in store.list() if row.label == label))
    store.attempts.requeue(job.id, reason=because(Code.PAUSED), run_seconds=3.0)
    assert labels(store) == ["a", "c", "b"]


# References


def test_a_reference_takes_the_other_jobs_output(store):
    first, second = store.add_many([entry("one"), entry("two", ref_imgs=("{{prev}}",))])
    assert second.state == JobState.BLOCKED and str(first.id) in str(second.reason)
    finish(store, first.id, "/r/one.mp4")
    ready = store.get(second.id)
    assert ready.state == JobState.QUEUED and not ready.reason
    assert store.resolved(ready).request.ref_imgs == ("/r/one.mp4",)
    assert ready.request.ref_imgs == ("{{prev}}",)


def test_names_are_looked_up_in_the_same_batch_first(store):
    old = store.add(entry("shot"))
    jobs = store.add_many([entry("use", ref_imgs=("{{job:shot}}",)), entry("shot")])
    finish(store, old.id)
    assert store.get(jobs[0].id).state == JobState.BLOCKED
    finish(store, jobs[1].id)
    assert store.get(jobs[0].id).state == JobState.QUEUED


def test_a_failed_target_blocks_only_those_that_need_it(store):
    bad, needs, free = store.add_many([entry("bad"), entry("needs", ref_imgs=("{{job:bad}}",)), entry("free")])
    fail(store, bad.id)
    assert store.get(needs.id).state == JobState.BLOCKED
    assert store.get(needs.id).reason == because(Code.JOB_FAILED, id=bad.id)
    assert store.attempts.claim().id == free.id


def test_a_retry_takes_over_what_waited_for_the_failed_job(store):
    bad, needs = store.add_many([entry("bad"), entry("needs", ref_imgs=("{{job:bad}}",))])
    fail(store, bad.id)
    again = store.retry(bad.id)
    assert again.retry_of == bad.id and again.id != bad.id
    assert store.get(bad.id).state == JobState.FAILED
    assert str(again.id) in str(store.get(needs.id).reason)
    finish(store, again.id, "/r/again.mp4")
    assert store.resolved(store.get(needs.id)).request.ref_imgs == ("/r/again.mp4",)


@pytest.mark.parametrize("text", ["{{job:nobody}}", "{{job:99}}", "{{prev}}"])
def test_a_missing_name_is_refused(store, text):
    with pytest.raises(InvalidRequest) as caught:
        store.add(entry(ref_imgs=(text,)))
    assert caught.value.problems[0].field == "ref_imgs"
    assert store.list() == []


def test_cycles_are_refused_when_adding_and_when_editing(store):
    with pytest.raises(InvalidRequest, match="wait for itself"):
        store.add_many([entry("a", ref_imgs=("{{job:b}}",)), entry("b", ref_imgs=("{{job:a}}",))])
    with pytest.raises(InvalidRequest, match="wait for itself"):
        store.add(entry("me", ref_imgs=("{{job:me}}",)))
    first, second = store.add_many([entry("a"), entry("b", ref_imgs=("{{job:a}}",))])
    with pytest.raises(InvalidRequest, match="wait for itself"):
        store.edit(first.id, make_request(ref_imgs=("{{job:b}}",)))
    assert store.get(first.id) == first and store.get(second.id) == second


def test_holding_and_releasing_a_blocked_job_blocks_it_again(store):
    first, second = store.add_many([entry("a"), entry("b", ref_imgs=("{{prev}}",))])
    store.hold(second.id)
    assert store.release(second.id).state == JobState.BLOCKED
    store.hold(second.id)
    finish(store, first.id)
    assert store.get(second.id).state == JobState.HELD
    assert store.release(second.id).state == JobState.QUEUED


def test_a_deleted_target_is_named_and_comes_back(store):
    first, second = store.add_many([entry("a"), entry("b", ref_imgs=("{{prev}}",))])
    store.delete(first.id)
    assert "deleted" in str(store.get(second.id).reason)
    store.undelete(first.id)
    assert store.get(second.id).reason == because(Code.WAITS_FOR_JOB, id=first.id)


# Copies, edits, deletion


def test_editing_forgets_the_steps_of_the_old_request(store):
    job = store.add(entry())
    store.attempts.claim()
    store.attempts.update_step(job.id, stage="denoise", step=3, num_steps=8, segment=0, num_segments=1, run_seconds=2.0)
    store.attempts.requeue(job.id, reason=because(Code.PAUSED), run_seconds=2.0)
    assert store.edit(job.id, store.get(job.id).request, "only the label").step == 3
    edited = store.edit(job.id, make_request(seed=7))
    assert (edited.step, edited.request.seed, edited.label) == (0, 7, "only the label")


def test_duplicating_with_seeds(store):
    job = store.add(entry("base", batch="film"))
    copies = store.duplicate(job.id, [1, 2, 3])
    assert [copy.request.seed for copy in copies] == [1, 2, 3]
    assert {copy.batch for copy in copies} == {"film"} and len({copy.label for copy in copies}) == 3
    assert store.duplicate(job.id)[0].request == job.request


def test_delete_hides_and_undelete_brings_back_state_and_place(store):
    jobs = store.add_many([entry("a"), entry("b", held=True), entry("c")])
    store.delete(jobs[1].id)
    assert labels(store) == ["a", "c"]
    assert store.undelete(jobs[1].id).state == JobState.HELD
    assert labels(store) == ["a", "b", "c"]
    store.attempts.claim()
    with pytest.raises(NotAllowed):
        store.delete(jobs[0].id)


def test_every_change_is_told_with_the_rows_it_touched(tmp_path):
    told = []
    store = open_store(tmp_path / "queue.db", changed=told.extend)
    first, second = store.add_many([entry("a"), entry("b", ref_imgs=("{{prev}}",))])
    told.clear()
    finish(store, first.id)
    assert [(job.id, job.state) for job in told][-2:] == [
        (first.id, JobState.DONE),
        (second.id, JobState.QUEUED),
    ]
    store.close()


# What a dead owner left


def die_at(store, job_id: int, step: int) -> None:
    """Run to a step and leave the row as a killed process does."""
    assert store.attempts.claim([job_id]) is not None
    store.attempts.update_step(
        job_id, stage="denoise", step=step, num_steps=8, segment=0, num_segments=1, run_seconds=1.0
    )


def test_a_running_job_of_a_dead_owner_is_interrupted_at_its_step(store):
    job = store.add(entry())
    die_at(store, job.id, 5)
    store.attempts.recover(auto_resume=False)
    left = store.get(job.id)
    assert left.state == JobState.INTERRUPTED and "step 5 of 8" in str(left.reason)
    assert store.attempts.claim() is None
    store.resume(job.id)
    assert store.attempts.claim().id == job.id


def test_auto_resume_queues_it_at_its_place(store):
    job, _ = store.add_many([entry("a"), entry("b")])
    die_at(store, job.id, 5)
    store.attempts.recover(auto_resume=True)
    assert store.attempts.claim().id == job.id


def test_dying_twice_at_the_same_step_is_held_with_an_explanation(store):
    job = store.add(entry())
    for _ in range(2):
        die_at(store, job.id, 3)
        store.attempts.recover(auto_resume=True)
    held = store.get(job.id)
    assert held.state == JobState.HELD and "died twice" in str(held.reason) and "step 3 of 8" in str(held.reason)
    store.release(job.id)
    die_at(store, job.id, 3)
    store.attempts.recover(auto_resume=True)
    assert store.get(job.id).state == JobState.QUEUED


def test_dying_at_different_steps_goes_on(store):
    job = store.add(entry())
    for step in (3, 4, 5, 4):
        die_at(store, job.id, step)
        store.attempts.recover(auto_resume=True)
        assert store.get(job.id).state == JobState.QUEUED


def test_a_warm_model_is_used_first_but_no_batch_is_reordered(store):
    from pipelines.tasks.shot_switching_extension import ShotSwitchingExtension

    shot = ShotSwitchingExtension(prompt="cut", input_video=("in.mp4",))
    store.add_many(
        [
            entry("a"),
            NewJob(shot, "in batch, first", "film"),
            entry("in batch, second", batch="film"),
            entry("c"),
        ]
    )
    finish(store, store.next_queued().id)
    order = []
    while (job := store.next_queued(warm_task="reference_to_video")) is not None:
        order.append(job.label)
        finish(store, job.id)
    assert order == ["c", "in batch, first", "in batch, second"]
    assert store.next_queued() is None
