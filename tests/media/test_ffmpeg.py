"""Which ffmpeg is used: the same one on every machine, another only if it can work with our files."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import imageio_ffmpeg
import pytest

from pipelines.front.errors import MediaError
from pipelines.media import ffmpeg
from pipelines.media.ffmpeg import PATIENCE, Process, ffmpeg_path, traits, trouble_in
from pipelines.media.read import probe
from pipelines.media.read.check import audio_problem, video_problem
from pipelines.media.starving import thread_shares
from tests.media.films import h264, moving, tone

HIDDEN = 'for a in "$@"; do case "$a" in *"/."*) echo "$a: Permission denied" >&2; exit 1;; esac; done; exec "$FF" "$@"'
EVERY = 'for a in "$@"; do case "$a" in file:*) echo "$a: {words}" >&2; exit 1;; esac; done; exec "$FF" "$@"'
PRIVATE = 'case "$*" in *-version*) exec "$FF" "$@";; esac; exit 0'
TOOLS = {
    "may not read hidden folders": (HIDDEN, "Permission denied"),
    "may not read anything": (EVERY.format(words="Operation not permitted"), "Operation not permitted"),
    "sees another file system": (EVERY.format(words="No such file or directory"), "No such file"),
    "writes where nobody looks": (PRIVATE, "no file that others can see"),
    "has no x264": ("echo 'ffmpeg version 9.9'; echo 'libavutil 58. 2.100'", "libx264"),
    "is something else": ("echo hello", "no version"),
    "does not start": ("exit 127", "no version"),
}


@pytest.fixture
def shim(tmp_path, monkeypatch):
    """Put a stand-in for the system's ffmpeg first in PATH."""
    real = ffmpeg_path()

    def make(body: str):
        tool = tmp_path / "bin" / "ffmpeg"
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!/bin/bash\nFF='{real}'\n{body}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")
        traits.cache_clear()
        return tool

    yield make
    monkeypatch.undo()
    traits.cache_clear()


def no_binary() -> str:
    raise RuntimeError("no binary for this machine")


@pytest.mark.parametrize("name", TOOLS)
def test_a_confined_ffmpeg_does_not_matter_beside_ours(shim, tmp_path, name):
    real = ffmpeg_path()
    tool = shim(TOOLS[name][0])
    assert ffmpeg_path() == real != tool
    (tmp_path / ".hidden").mkdir()
    assert video_problem(h264(tmp_path / ".hidden" / "a.mp4", moving(30)), 25) == ""


@pytest.mark.parametrize("name", TOOLS)
def test_a_system_ffmpeg_that_cannot_work_is_named_with_the_reason(shim, tmp_path, monkeypatch, name):
    body, reason = TOOLS[name]
    tool = shim(body)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", no_binary)
    with pytest.raises(MediaError) as caught:
        ffmpeg_path()
    assert reason in str(caught.value) and str(tool) in str(caught.value) and "imageio-ffmpeg" in str(caught.value)


def test_a_system_ffmpeg_that_works_is_taken_where_there_is_no_other(shim, monkeypatch):
    tool = shim('exec "$FF" "$@"')
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", no_binary)
    assert ffmpeg_path() == tool
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "ffmpeg")
    traits.cache_clear()
    assert ffmpeg_path().name == "ffmpeg"


@pytest.mark.parametrize("words", ["Permission denied", "Operation not permitted", "No such file or directory"])
def test_a_file_that_ffmpeg_may_not_read_is_said_to_be_that(shim, tmp_path, monkeypatch, words):
    (tmp_path / "secret").mkdir()
    film, sound = h264(tmp_path / "secret" / "a.mp4", moving(3)), tone(tmp_path / "secret" / "a.wav", 1)
    real = traits()
    place = '*"/secret/"*'
    tool = shim(EVERY.format(words=words).replace("file:*", place))
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", no_binary)
    assert (ffmpeg_path(), traits().version) == (tool, real.version)
    for message in (video_problem(film, 3), audio_problem(sound, 0.4, 200)):
        assert f"{tool} may not read it here ({words})" in message
    assert words in trouble_in(tmp_path / "secret")
    assert trouble_in(tmp_path) == ""
    assert probe.ffmpeg_path() == tool


ENDLESS = ("-f", "lavfi", "-i", "testsrc", "-f", "null", "-")


def test_what_never_ends_is_ended_at_its_limit():
    began = time.monotonic()
    with Process(ENDLESS, time_limit_s=0.5) as process:
        assert process.wait() != 0
    assert process.timed_out
    assert 0.5 <= time.monotonic() - began < 0.5 * PATIENCE + 5.0, "also where nobody gives it a processor"


def test_what_ended_in_time_was_not_ended():
    with Process((*ENDLESS[:4], "-frames:v", "1", *ENDLESS[4:]), time_limit_s=20.0) as process:
        assert process.wait() == 0
    assert not process.timed_out


@pytest.fixture
def crowd() -> Iterator[None]:
    """One processor for this thread, for what it starts, and for others that never rest."""
    if thread_shares(threading.get_native_id()).ran_s == 0.0:
        pytest.skip("this system does not count how long a thread waits for a processor")
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        for other in others:
            other.kill()
            other.wait()


def test_a_good_sound_is_read_however_busy_the_machine_is(tmp_path, monkeypatch, request):
    # It needs a quarter of a second for itself; four others that never rest make several of it.
    monkeypatch.setattr(probe, "SOUND_LIMIT_S", 1.8)
    monkeypatch.setattr(ffmpeg, "PATIENCE", 100.0)
    sound = tone(tmp_path / "a.flac", 201, rate=8000)
    request.getfixturevalue("crowd")
    began = time.monotonic()
    assert probe.probe_audio(sound).duration_s == 201
    assert time.monotonic() - began > 1.8, "the machine was not busy: this showed nothing"


UNWRITTEN = "its end was never written: a copy or a transfer that never finished"


def test_a_file_whose_end_was_never_written_is_refused_at_once_and_in_words(tmp_path):
    for whole, problem in (
        (h264(tmp_path / "a.mp4", moving(30)), lambda path: video_problem(path, 25)),
        (tone(tmp_path / "a.wav", 3), lambda path: audio_problem(path, 0.4, 200)),
    ):
        assert problem(whole) == ""
        os.truncate(whole, 3 << 30)
        assert problem(whole) == f"{whole.name}: {UNWRITTEN}"
        # Room that was left out within a file says nothing.
        with whole.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"x")
        assert UNWRITTEN not in problem(whole)
