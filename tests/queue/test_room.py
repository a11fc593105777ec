"""What counts as a full disk: the code of an error, never the words or the names in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pipelines.front.errors import DiskFull, MediaError
from pipelines.media.write.video import no_room
from skyreels_tui.queue.engine.limits.space import Need, full_disk, shortage
from skyreels_tui.queue.errors import QueueTrouble, Trouble

NAME = "No space left on device.jpg"


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


FULL = {
    "a full disk": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "a quota": OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/a"),
    "with figures": DiskFull(Path("/"), 10, 5),
    "the queue's own": QueueTrouble(Trouble.FULL, Path("/q.db"), "full"),
    "behind another error": caused(MediaError("x"), OSError(errno.ENOSPC, "")),
}
NOT_FULL = {
    "a missing file of that name": FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), NAME),
    "a picture of that name": MediaError(f"{NAME}: no such file"),
    "a folder of that name": PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/Disk quota exceeded/a"),
    "a broken disk": OSError(errno.EIO, os.strerror(errno.EIO), NAME),
    "a busy queue": QueueTrouble(Trouble.BUSY, Path(NAME), "No space left on device"),
    "words alone": RuntimeError("No space left on device"),
}
MESSAGES = {
    "Error writing trailer of /r/a.mp4: No space left on device\n": True,
    "av_interleaved_write_frame(): No space left on device": True,
    "[out#0/mp4 @ 0x55] Error muxing a packet: Disk quota exceeded\nConversion failed!": True,
    f"{NAME}: No such file or directory": False,
    "Input #0, mov, from '/a: No space left on device':": False,
    "    title           : a walk: No space left on device": False,
    "/No space left on device/a.mp4: Permission denied": False,
    "Error opening output /Disk quota exceeded.mp4: Invalid argument": False,
    "": False,
}


@pytest.mark.parametrize("name", FULL)
def test_a_full_disk_is_known_by_its_code(name):
    assert full_disk(FULL[name])


@pytest.mark.parametrize("name", NOT_FULL)
def test_words_and_names_make_no_full_disk(name):
    assert not full_disk(NOT_FULL[name])


@pytest.mark.parametrize("messages", MESSAGES)
def test_ffmpeg_says_it_at_the_end_of_a_line(messages):
    assert no_room(messages) == MESSAGES[messages]


def test_room_for_bytes_but_for_no_more_files_has_its_own_words(tmp_path):
    short = shortage([Need(tmp_path, 10)], free=lambda _: 10**12, files=lambda _: 0)
    assert short is not None and short.no_inodes
    assert "no room for more files" in str(short) and "GiB" not in str(short)
    assert shortage([Need(tmp_path, 10)], free=lambda _: 10**12, files=lambda _: None) is None
    assert shortage([Need(tmp_path, 10)], free=lambda _: 10**12, files=lambda _: 10**6) is None
