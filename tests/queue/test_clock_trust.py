"""A wall clock that jumped removes nothing: within a boot it is held against the time since the boot."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from dataclasses import replace

import pytest

from skyreels_tui.files.boot_clock import BootTime
from skyreels_tui.queue.engine import sweep
from skyreels_tui.queue.engine.clock_trust import Moment, may_be_trusted, read_clocks
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.store.opening import open_store
from tests.queue.conftest import entry

HOUR, DAY = 3600.0, 86400.0
START = Moment("boot-1", 1000.0, 1_800_000_000.0)


def after(real_s: float, *, wrong_s: float = 0.0, boot: str = "boot-1") -> Moment:
    """What the clocks say so long after START, with the wall clock so wrong; a new boot began an hour ago."""
    since = START.since_boot_s + real_s if boot == "boot-1" else HOUR
    return Moment(boot, since, START.wall_s + real_s + wrong_s)


@pytest.mark.parametrize(
    ("moments", "expected"),
    [
        ([after(HOUR), after(9 * DAY)], [True, True]),
        ([after(HOUR, wrong_s=401 * DAY), after(2 * HOUR, wrong_s=402 * DAY), after(3 * HOUR)], [False, False, True]),
        ([after(HOUR, wrong_s=-400 * DAY), after(2 * HOUR)], [False, True]),
        ([after(HOUR, wrong_s=2 * HOUR)], [False]),
        ([after(HOUR, wrong_s=60.0)], [True]),
        # Small steps do not add up.
        ([after(HOUR * n, wrong_s=2400.0 * n) for n in (1, 2, 3)], [True, False, False]),
        # Another boot: days later, months later (believed when the next one agrees), with its clock back at the start.
        ([after(5 * DAY, boot="boot-2")], [True]),
        ([after(90 * DAY, boot="boot-2"), after(91 * DAY, boot="boot-3")], [False, True]),
        ([after(DAY, wrong_s=401 * DAY, boot="boot-2"), after(2 * DAY, boot="boot-3"), after(3 * DAY, boot="boot-4")],
         [False, False, True]),
        ([after(DAY, wrong_s=-9000 * DAY, boot="boot-2")], [False]),
        ([after(DAY, wrong_s=401 * DAY, boot="boot-2")] * 2, [False, False]),
    ],
)  # fmt: skip
def test_a_clock_is_trusted_as_long_as_it_agrees_with_what_cannot_jump(tmp_path, moments, expected):
    note = tmp_path / "clock.json"
    assert may_be_trusted(note, lambda: START)
    assert [may_be_trusted(note, lambda moment=moment: moment) for moment in moments] == expected


@pytest.mark.parametrize("dated_s", [0.0, 365 * DAY, -365 * DAY])
def test_who_asks_for_previews_is_heard_for_seconds_whatever_the_wall_clock_says(tmp_path, dated_s):
    clock = [100.0]
    asks, owner = (LiveFiles(tmp_path, lambda: BootTime("boot-1", clock[0])) for _ in range(2))
    assert not owner.preview_wanted()
    asks.want_preview()
    os.utime(tmp_path / "preview.want", (time.time() + dated_s,) * 2)
    assert owner.preview_wanted()
    clock[0] += 6
    assert not owner.preview_wanted()
    asks.want_preview()
    assert owner.preview_wanted()
    assert not LiveFiles(tmp_path, lambda: BootTime("boot-2", clock[0] + 1)).preview_wanted(), "of another boot"
    for strange in ("", "[]", '{"boot": 1}', '{"boot": "boot-1", "seconds": "x"}'):
        (tmp_path / "preview.want").write_text(strange)
        assert not owner.preview_wanted()


def test_a_jump_is_told(tmp_path, caplog):
    note = tmp_path / "clock.json"
    may_be_trusted(note, lambda: START)
    may_be_trusted(note, lambda: after(HOUR, wrong_s=-3 * DAY))
    assert "ran backwards by 3.0 days" in caplog.text
    may_be_trusted(note, lambda: after(HOUR, wrong_s=3 * DAY))
    assert "3.0 days ahead" in caplog.text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"boot": 1}', '{"boot": "x", "since_boot_s": "y"}', "[" * 4000])
def test_a_note_that_cannot_be_read_is_written_anew(tmp_path, text):
    note = tmp_path / "clock.json"
    note.write_text(text)
    assert may_be_trusted(note, lambda: START)
    assert json.loads(note.read_text())["boot"] == "boot-1"


def test_this_machine_tells_its_boot_and_its_time_since():
    one, two = read_clocks(), read_clocks()
    assert one.boot == two.boot and 0 < one.since_boot_s <= two.since_boot_s


@pytest.mark.parametrize("jumped", [False, True])
def test_steps_of_a_failed_job_and_fetched_files_outlive_a_jump(folders, jumped):
    """Both look months old; whether that is so, only the note of an hour ago can tell."""
    note = folders.state / sweep.CLOCK_NOTE
    real = read_clocks()
    noted = replace(real, since_boot_s=real.since_boot_s - 10, wall_s=real.wall_s - 10 - (90 * DAY if jumped else 0))
    folders.create()
    assert may_be_trusted(note, lambda: noted)
    folders.downloads.mkdir()
    fetched = folders.downloads / "cup-0123456789.jpg"
    fetched.write_bytes(b"x")
    os.utime(fetched, (time.time() - 80 * DAY,) * 2)
    store = open_store(folders.database)
    store.add(entry("a"))
    store.close()
    with closing(sqlite3.connect(folders.database)) as connection:
        connection.execute("UPDATE jobs SET state = 'failed', finished_at = '2020-01-01T00:00:00+00:00'")
        connection.commit()
    store = open_store(folders.database)
    (folders.jobs / "1").mkdir()
    sweep.sweep_work_folders(store, folders.jobs)
    sweep.sweep_downloads(store, folders)
    assert (folders.jobs / "1").exists() is jumped and fetched.exists() is jumped
    store.close()
