"""The home screen: keys become changes of the queue, and the queue's changes reach the screen."""

from __future__ import annotations

import pytest
from textual import events

from skyreels_tui.executors.fake import Script
from skyreels_tui.queue.model import JobState
from skyreels_tui.ui.panels.preview import PreviewPanel
from skyreels_tui.ui.panels.queue import QueuePanel
from tests.ui.shown import shown


async def test_an_empty_queue_teaches_the_first_keys(start):
    async with start() as s:
        await s.shows("Nothing here yet")
        assert "Ctrl+O" in s.text and "demo" not in s.footer
        assert s.footer.startswith(" n New") and s.footer.rstrip().endswith("? Help")
        assert "x Cancel" not in s.footer, "a key that does nothing is not offered"


async def test_a_job_runs_before_the_eyes_and_ends(start):
    async with start(gated=True) as s:
        job = s.add("corridor")
        s.executor.advance(3)
        await s.shows("● 3/8")
        await s.shows("corridor")
        s.executor.open_gate()
        await s.shows("✓ done")
        assert s.state(job.id) is JobState.DONE


async def test_cancel_of_a_running_job_asks_first(start):
    async with start(gated=True) as s:
        job = s.add("corridor")
        s.executor.advance(2)
        await s.shows("● 2/8")
        await s.press("x")
        await s.shows("Cancel job 1?")
        await s.press("enter")
        assert s.state(job.id) is JobState.RUNNING, "Enter alone answers nothing"
        await s.press("y")
        s.executor.advance(1)
        await s.until(lambda: s.state(job.id) is JobState.CANCELLED)
        await s.shows("⊘ cancelled")


async def test_a_job_that_never_began_took_no_time(start):
    async with start(gated=True) as s:
        s.add("first")
        await s.until(lambda: s.app.board.running is not None)
        second = s.add("second")
        await s.shows("second")
        await s.press("G", "x")
        await s.until(lambda: s.state(second.id) is JobState.CANCELLED)
        await s.press("enter")
        await s.shows("ended")
        assert "took" not in s.text


async def test_hold_move_delete_and_undo(start):
    async with start(gated=True) as s:
        s.add("first")
        await s.until(lambda: s.app.board.running is not None)
        second, third = s.add("second"), s.add("third")
        await s.shows("third")
        await s.press("G", "K")
        await s.until(lambda: [j.label for j in s.app.board.jobs] == ["first", "third", "second"])
        assert s.app.screen.query_one(QueuePanel).selected.id == third.id, "the cursor follows its job"
        await s.press("space")
        await s.shows("‖ held")
        await s.press("space")
        await s.until(lambda: s.state(third.id) is JobState.QUEUED)
        assert "u Undo" not in s.footer
        await s.press("d")
        await s.until(lambda: "third" not in s.app.screen.query_one(QueuePanel).render().plain)
        assert s.app.screen.query_one(QueuePanel).selected.id == second.id
        await s.press("u")
        await s.until(lambda: [j.label for j in s.app.board.jobs] == ["first", "third", "second"])
        await s.until(lambda: s.app.screen.query_one(QueuePanel).selected.id == third.id, "the job that is back")
        assert s.state(second.id) is JobState.QUEUED


async def test_a_job_that_waits_alone_is_not_moved(start):
    async with start(size=(160, 45), gated=True) as s:
        s.add("first")
        await s.until(lambda: s.app.board.running is not None)
        s.add("second")
        await s.shows("second")
        await s.press("G")
        third = s.add("third")
        await s.until(lambda: "J/K Move" in s.footer)
        s.app.service.actions.delete(third.id)
        await s.until(lambda: "J/K" not in s.footer)
        assert s.app.screen.query_one(QueuePanel).selected.label == "second"
        await s.press("J")
        await s.shows("no other job waits")


@pytest.mark.parametrize(("key", "place", "why"), [("K", "first", "the first"), ("J", "last", "the last")])
async def test_a_job_at_the_end_of_those_that_wait_says_why_it_does_not_move(start, key, place, why):
    async with start(size=(160, 45), gated=True) as s:
        s.add("running")
        await s.until(lambda: s.app.board.running is not None)
        for label in ("first", "middle", "last"):
            s.add(label)
        await s.shows("last")
        await s.press("g", "j", *(["j", "j"] if place == "last" else []))
        await s.until(lambda: s.app.screen.query_one(QueuePanel).selected.label == place)
        await s.press(key)
        await s.shows(f"it is {why} already")
        assert [job.label for job in s.app.board.jobs] == ["running", "first", "middle", "last"]
        await s.press("J" if key == "K" else "K")
        await s.until(lambda: [job.label for job in s.app.board.jobs].index(place) == 2, "the move that there is")


async def test_two_moves_in_one_burst_are_both_made(start):
    async with start(size=(160, 45), gated=True) as s:
        s.add("running")
        await s.until(lambda: s.app.board.running is not None)
        for label in ("first", "second", "third"):
            s.add(label)
        await s.shows("third")
        await s.press("g", "j")
        await s.until(lambda: s.app.screen.query_one(QueuePanel).selected.label == "first")
        for key in "JKJ":
            s.app.post_message(events.Key(key, key))
        await s.until(lambda: [job.label for job in s.app.board.jobs] == ["running", "second", "first", "third"])
        assert s.app.screen.query_one(QueuePanel).selected.label == "first"


async def test_pause_keeps_the_next_job_waiting(start):
    async with start(gated=True) as s:
        s.add("first")
        await s.until(lambda: s.app.board.running is not None)
        await s.press("p")
        await s.shows("paused")
        second = s.add("second")
        s.executor.open_gate()
        await s.shows("✓ done")
        assert s.state(second.id) is JobState.QUEUED
        await s.press("p")
        await s.until(lambda: s.state(second.id) is JobState.DONE)


async def test_retry_is_a_new_row(start):
    async with start() as s:
        job = s.add("once")
        await s.until(lambda: s.state(job.id) is JobState.DONE)
        await s.shows("✓ done")
        await s.press("r")
        await s.until(lambda: len(s.app.board.jobs) == 2)
        await s.until(lambda: all(j.state is JobState.DONE for j in s.app.board.jobs))


async def test_panels_fold_on_a_small_terminal_and_open_below_the_queue(start):
    async with start((80, 24)) as s:
        preview = s.app.screen.query_one(PreviewPanel)
        assert preview.folded
        await s.press("3")
        await s.until(lambda: preview.size.height > 4)
        assert preview.has_focus and "Nothing here yet" in s.text
        await s.press("escape")
        await s.until(lambda: preview.folded)
        assert s.app.screen.query_one(QueuePanel).has_focus


async def test_every_panel_stands_beside_the_queue_on_a_wide_terminal(start):
    async with start((120, 36)) as s:
        for title in ("1 Queue", "2 Progress", "3 Preview", "4 Memory", "5 GPU", "6 Disk", "7 Log"):
            await s.shows(title)


async def test_ten_thousand_jobs_scroll_by_drawing_only_what_is_seen(start):
    async with start() as s:
        s.app.service.actions.pause()
        request = s.add("seed").request
        entry_type = __import__("skyreels_tui.queue.store.store", fromlist=["NewJob"]).NewJob
        s.app.service.actions.add_many([entry_type(request, label=f"j{n}") for n in range(10_000)], checked=True)
        await s.until(lambda: len(s.app.board.jobs) == 10_001)
        panel = s.app.screen.query_one(QueuePanel)
        await s.press("G")
        await s.shows("j9999")
        drawn = []
        original = panel.row
        panel.row = lambda *args: drawn.append(args[0]) or original(*args)
        panel.body(78, 17)
        assert len(drawn) <= 17
        await s.press("g")
        await s.shows("seed")


async def test_a_failed_job_says_why_in_its_row_and_keeps_the_traceback_for_the_detail(start):
    from pipelines.front.errors import MediaError
    from pipelines.front.progress import Stage

    script = Script(failures={(Stage.DENOISE, 3): MediaError("disk full while writing")})
    async with start(script=script) as s:
        s.add("line-02")
        await s.shows("✗ failed")
        await s.shows("disk full while writing")
        await s.press("enter")
        await s.shows("r runs it again")
        assert "Traceback" not in s.text


async def test_a_small_terminal_says_so_and_still_works(start):
    async with start((60, 18)) as s:
        await s.shows("60x18 is small")
        s.add("corridor")
        await s.shows("✓ done")
        await s.pilot.resize_terminal(100, 30)
        await s.until(lambda: "is small" not in s.text)


async def test_a_waiting_job_is_changed_in_place_through_the_form(start):
    async with start(gated=True) as s:
        s.add("first")
        await s.until(lambda: s.app.board.running is not None)
        job = s.add("close-up", prompt="a walk", seed=7)
        s.add("third")
        s.app.service.actions.hold(job.id)
        await s.shows("‖ held")
        await s.press("j")
        await s.until(lambda: s.app.screen.query_one(QueuePanel).selected.id == job.id)
        await s.press("e")
        await s.shows(f"Edit job {job.id}")
        assert "Ctrl+S Save" in s.footer and "Queue" not in s.footer and "F6" not in s.footer
        prompt = s.app.screen.query_one("PromptArea")
        assert prompt.text == "a walk"
        prompt.focus()
        await s.press("end")
        await s.type(" uphill")
        await s.press("ctrl+s")
        await s.shows(f"Job {job.id} changed")
        changed = s.job(job.id)
        assert (changed.request.prompt, changed.request.seed, changed.label) == ("a walk uphill", 7, "close-up")
        assert [j.label for j in s.app.board.jobs] == ["first", "close-up", "third"], "same row, same place"
        assert changed.state is JobState.HELD
        assert not s.app.services.drafts.forms, "the job that was edited is no draft of a new one"


async def test_editing_survives_the_switch_of_models_and_an_emptied_form(start):
    async with start(gated=True) as s:
        s.add("first")
        await s.until(lambda: s.app.board.running is not None)
        job = s.add("second", prompt="keep me")
        await s.shows("second")
        await s.press("j", "e")
        await s.shows(f"Edit job {job.id}")
        await s.press("ctrl+r")
        await s.until(lambda: s.app.screen.query_one("PromptArea").text == "")
        await s.shows(f"Edit job {job.id}")
        await s.press("ctrl+r")
        await s.until(lambda: s.app.screen.query_one("PromptArea").text == "keep me")
        await s.press("ctrl+o")
        await s.until(lambda: s.app.services.drafts.profile == "full")
        await s.shows(f"Edit job {job.id}")
        await s.press("escape")
        await s.shows("1 Queue")
        assert s.job(job.id).request.prompt == "keep me" and not s.app.services.drafts.forms


async def test_a_job_that_has_begun_meanwhile_is_not_changed(start):
    async with start(gated=True) as s:
        s.app.service.actions.pause()
        job = s.add("soon", prompt="before")
        await s.shows("○ queued")
        await s.press("e")
        await s.shows(f"Edit job {job.id}")
        s.app.service.actions.unpause()
        await s.until(lambda: s.state(job.id) is JobState.RUNNING)
        await s.press("ctrl+s")
        await s.shows(f"job {job.id} is running")
        assert s.job(job.id).request.prompt == "before"
        await s.shows(f"Edit job {job.id}")


async def test_one_key_puts_a_job_before_all_that_wait(start):
    async with start(gated=True) as s:
        s.add("first")
        await s.until(lambda: s.app.board.running is not None)
        for label in ("second", "third"):
            s.add(label)
        last = s.add("fourth")
        s.app.service.actions.hold(last.id)
        await s.shows("‖ held")
        assert "t Run next" not in s.footer and "e Edit" not in s.footer, "the running job waits for nothing"
        await s.press("G")
        await s.until(lambda: s.app.screen.query_one(QueuePanel).selected.id == last.id)
        await s.press("t")
        await s.until(lambda: [j.label for j in s.app.board.jobs] == ["first", "fourth", "second", "third"])
        assert s.state(last.id) is JobState.QUEUED


async def test_plain_letters_alone_leave_for_the_terminal(start):
    async with start((120, 36), gated=True, ascii=True) as s:
        s.add("corridor")
        s.executor.advance(3)
        await s.shows("3/8")
        for key in ("", "n", "S", "question_mark", "x"):
            if key:
                await s.press(key)
            filters = s.app._filters
            strips = shown(s.app)
            for strip in strips:
                for line_filter in filters:
                    strip = strip.apply_filter(line_filter, s.app.screen.background_colors[1])
                odd = [char for char in strip.text if not char.isascii() and not char.isalpha()]
                assert not odd, f"{key}: {strip.text}"
            if key:
                await s.press("escape")


async def test_a_held_job_has_its_time_and_an_unreadable_one_its_reason(start, tmp_path):
    import shutil

    from tests.ui.conftest import ASTRONAUT

    picture = shutil.copy(ASTRONAUT, tmp_path / "mine.jpg")
    async with start((120, 36), gated=True) as s:
        s.app.service.actions.pause()
        held, gone = s.add("held"), s.add("gone", ref_imgs=(str(picture),))
        for job in (held, gone):
            s.app.service.actions.hold(job.id)
        picture.unlink()
        await s.shows("length unknown")

        row = next(line for line in s.text.splitlines() if "r2v    held" in line)
        assert ":" in row.partition("││")[0].rpartition("held")[2], row


async def test_a_key_that_does_not_apply_says_why_in_dim_words_that_go_away(start, monkeypatch):
    monkeypatch.setattr("skyreels_tui.ui.widgets.key_bar.SAID_S", 1e3)
    async with start(gated=True) as s:
        job = s.add("corridor")
        s.executor.advance(1)
        await s.shows("● 1/8")
        words = {"r": "retried", "d": "deleted", "e": "edited", "t": "run next", "K": "moved"}
        for key, done in words.items():
            await s.press(key)
            await s.until(lambda said=f"it cannot be {done}": said in s.text, done)
        assert not s.app._notifications, "no storm of notices"
        assert s.state(job.id) is JobState.RUNNING
        monkeypatch.setattr("skyreels_tui.ui.widgets.key_bar.SAID_S", 0.05)
        await s.press("r")
        await s.until(lambda: "? Help" in s.footer, "the keys again")
        monkeypatch.setattr("skyreels_tui.ui.widgets.key_bar.SAID_S", 1e3)
        await s.press("enter")
        await s.shows("Back")
        await s.press("r")
        await s.shows("job 1 is running: it cannot be retried (cancel it, or wait until it has ended)")
