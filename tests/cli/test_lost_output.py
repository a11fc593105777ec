"""Output that cannot be written: the exit code says how the work went, and what was not written is said elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

PROGRAM = (
    sys.executable,
    "-c",
    "import sys; from skyreels_tui.cli import main; from skyreels_tui.executors.fake import FakeExecutor;"
    "sys.exit(main(executor=FakeExecutor))",
)
STREAMS = ("closed", "full", "broken")
"""What happens to a stream: there is none, its disk is full, its reader has gone."""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    Image.new("RGB", (64, 48), (200, 30, 60)).save(tmp_path / "a.png")
    yield tmp_path


def run(home: Path, *words: object, stdout: str = "", stderr: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program as a shell would, with streams that take nothing."""
    redirect = {"": "", "closed": "{}>&-", "full": "{}>/dev/full", "broken": "{}>&9"}
    command = "exec " + '"$@" ' + redirect[stdout].format(1) + " " + redirect[stderr].format(2)
    reader, writer = os.pipe()
    os.close(reader)
    env = {**os.environ, "SKYREELS_TUI_HOME": str(home / "home"), "LANGUAGE": "en", "PYTHONDEVMODE": ""}
    try:
        return subprocess.run(
            ["bash", "-c", f"exec 9>&{writer}; {command}", "bash", *PROGRAM, *map(str, words)],
            env=env, cwd=home, capture_output=True, text=True, timeout=120, pass_fds=[writer], check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    finally:
        os.close(writer)


def add(home: Path, **streams: str) -> subprocess.CompletedProcess[str]:
    words = ("add", "--profile", "demo", "--task", "reference_to_video", "--ref_imgs", "a.png", "--prompt", "x")
    return run(home, *words, "--held", **streams)


def jobs(home: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(run(home, "list", "--json").stdout)
    return sorted(found, key=lambda job: int(str(job["id"])))


@pytest.mark.parametrize("how", STREAMS)
def test_what_was_done_is_done_and_said(home: Path, how: str) -> None:
    """A script that tries again after an error must not add, change or make things twice."""
    added = add(home, stdout=how)
    assert added.returncode == 0
    assert added.stderr.splitlines()[-1].endswith(": 1"), "the id"
    assert "stdout cannot be written" in added.stderr and "Traceback" not in added.stderr
    assert [job["id"] for job in jobs(home)] == [1]
    for words in (("release", 1), ("hold", 1), ("duplicate", 1), ("settings", "set", "bell", "false")):
        call = run(home, *words, stdout=how)
        assert (call.returncode, "Traceback" in call.stderr) == (0, False), call.stderr
    assert [job["status"] for job in jobs(home)] == ["held", "queued"]
    refused = run(home, "hold", 99, stdout=how)
    assert refused.returncode == 3 and "99" in refused.stderr


@pytest.mark.parametrize("how", STREAMS)
def test_where_the_text_is_the_result_only_a_reader_that_left_is_no_failure(home: Path, how: str) -> None:
    add(home)
    for words in (("list",), ("list", "--json"), ("show", 1), ("export",), ("completion", "bash"), ("models",)):
        call = run(home, *words, stdout=how)
        assert call.returncode == (0 if how == "broken" else 1), words
        assert "Traceback" not in call.stderr and "Exception ignored" not in call.stderr
        assert ("stdout cannot be written" in call.stderr) == (how != "broken")
    assert run(home, "--version", stdout=how).returncode in (0, 1)


@pytest.mark.parametrize("how", STREAMS)
def test_a_stderr_that_takes_nothing_changes_nothing(home: Path, how: str) -> None:
    assert (add(home, stderr=how).returncode, add(home, stderr=how).stdout) == (0, "2\n")
    assert run(home, "show", 77, stderr=how).returncode == 3
    assert run(home, "add", "--nonsense", stderr=how).returncode == 2
    listed = run(home, "list", "--json", stderr=how)
    assert (listed.returncode, len(json.loads(listed.stdout))) == (0, 2)


@pytest.mark.parametrize("how", STREAMS)
def test_nothing_takes_anything(home: Path, how: str) -> None:
    assert add(home, stdout=how, stderr=how).returncode == 0
    assert [job["id"] for job in jobs(home)] == [1]
    assert run(home, "show", 77, stdout=how, stderr=how).returncode == 3


@pytest.mark.parametrize(
    ("stdout", "stderr"), [("full", ""), ("closed", ""), ("broken", ""), ("", "closed"), ("", "full")]
)
def test_a_video_that_was_made_is_made(home: Path, stdout: str, stderr: str) -> None:
    words = ("generate", "--profile", "demo", "--task", "reference_to_video", "--ref_imgs", "a.png", "--prompt", "x")
    call = run(home, *words, stdout=stdout, stderr=stderr)
    assert call.returncode == 0, call.stderr
    [job] = jobs(home)
    assert job["status"] == "done"
    assert str(job["output"]) in (call.stderr if stdout else call.stdout), "the path is said where it can be"


@pytest.mark.parametrize("how", ["closed", "full"])
def test_a_queue_is_no_stand_in_for_a_closed_stream(home: Path, how: str) -> None:
    """A file that is opened while stderr is closed takes its number, and what a library says there goes into it."""
    program = (
        "import os, sys\n"
        "from skyreels_tui.cli import main\n"
        "main(['list'])\n"
        "print(os.readlink('/proc/self/fd/2'), file=open(sys.argv[1], 'w'))\n"
    )
    redirect = "2>&-" if how == "closed" else "2>/dev/full"
    env = {**os.environ, "SKYREELS_TUI_HOME": str(home / "home")}
    words = [sys.executable, "-c", program, str(home / "said")]
    subprocess.run(["bash", "-c", f'exec "$@" {redirect}', "bash", *words], env=env, cwd=home, check=True)
    assert (home / "said").read_text().strip() == {"closed": "/dev/null", "full": "/dev/full"}[how]
