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

from pipelines.checkpoints.registry import CHECKPOINTS
from tests.models_hub.conftest import FakeHub, Repo, hub, r2v_files  # noqa: F401 - a fixture

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


# The commands that work for long, and those that must not work twice

Pair = tuple[str, str]
PAIRS: tuple[Pair, ...] = (
    *((how, "") for how in STREAMS),
    *(("", how) for how in STREAMS),
    *((how, how) for how in STREAMS),
)
"""(stdout, stderr) of which one takes nothing, or neither does."""
EVERY_PAIR = bool(os.environ.get("SKYREELS_TORTURE"))


def some(*pairs: Pair) -> tuple[Pair, ...]:
    """One of each place with each way to take nothing; the three tests together have every pair, torture has all."""
    return PAIRS if EVERY_PAIR else pairs


def is_calm(call: subprocess.CompletedProcess[str]) -> bool:
    return "Traceback" not in call.stderr + call.stdout and "Exception ignored" not in call.stderr


@pytest.mark.parametrize(("stdout", "stderr"), some(("closed", ""), ("", "full"), ("broken", "broken")))
def test_a_file_becomes_jobs_and_they_run_once_whoever_listens(home: Path, stdout: str, stderr: str) -> None:
    entry = {"task_type": "reference_to_video", "profile": "demo", "prompt": "x", "ref_imgs": ["a.png"]}
    (home / "night.json").write_text(json.dumps([entry, {**entry, "seed": 3}]))
    call = run(home, "import", "night.json", stdout=stdout, stderr=stderr)
    assert (call.returncode, is_calm(call)) == (0, True), call.stderr
    assert len(jobs(home)) == 2
    if stdout and not stderr:
        assert [line.rsplit(" ", 1)[-1] for line in call.stderr.splitlines()[-2:]] == ["1", "2"], "the ids are said"
    written = run(home, "export", "-o", "again.json", stdout=stdout, stderr=stderr)
    assert written.returncode == 0 and len(json.loads((home / "again.json").read_text())) == 2
    ran = run(home, "run", stdout=stdout, stderr=stderr)
    assert (ran.returncode, is_calm(ran)) == (0, True), ran.stderr
    found = jobs(home)
    assert [job["status"] for job in found] == ["done", "done"]
    for call in (ran, run(home, "wait", 1, 2, stdout=stdout, stderr=stderr)):
        assert (call.returncode, is_calm(call)) == (0, True), call.stderr
        if not (stdout and stderr):
            said = call.stderr if stdout else call.stdout
            assert all(str(job["output"]) in said for job in found), "the paths are said where they can be"


@pytest.mark.parametrize("how", STREAMS)
def test_a_refusal_keeps_its_exit_code_when_nobody_listens(home: Path, how: str) -> None:
    add(home)
    (home / "bad.json").write_text("[{}]")
    refused = {("wait", 1): 5, ("wait", 1, "--json"): 5, ("wait", 77): 3, ("import", "bad.json"): 2, ("demo", "x"): 2,
               ("bench", "--layers", 0): 2, ("models", "download", "x"): 3, ("generate", "--nonsense"): 2}  # fmt: skip
    for words, code in refused.items():
        both = words[0] in ("wait", "import")
        call = run(home, *words, stdout=how, stderr=how if both else "")
        assert (call.returncode, is_calm(call)) == (code, True), (words, call.stderr)
    assert len(jobs(home)) == 1


@pytest.mark.parametrize("how", STREAMS)
def test_a_help_page_that_cannot_be_written_is_a_failure_unless_its_reader_left(home: Path, how: str) -> None:
    for words in (("--help",), ("bench", "--help"), ("--version",)):
        call = run(home, *words, stdout=how)
        assert (call.returncode, is_calm(call)) == (0 if how == "broken" else 1, True), (words, call.stderr)


@pytest.mark.parametrize(("stdout", "stderr"), some(("full", ""), ("", "broken"), ("closed", "closed")))
def test_the_demo_makes_each_video_once_whoever_listens(home: Path, stdout: str, stderr: str) -> None:
    call = run(home, "demo", "reference_to_video", "talking_avatar", stdout=stdout, stderr=stderr)
    assert (call.returncode, is_calm(call)) == (0, True), call.stderr
    found = jobs(home)
    assert [job["status"] for job in found] == ["done", "done"]
    if not (stdout and stderr):
        assert all(str(job["output"]) in (call.stderr if stdout else call.stdout) for job in found)


@pytest.mark.parametrize(("stdout", "stderr"), some(("broken", ""), ("", "closed"), ("full", "full")))
def test_a_model_is_fetched_once_whoever_listens(
    home: Path,
    hub: FakeHub,  # noqa: F811 - the fixture
    stdout: str,
    stderr: str,
) -> None:
    hub.repos[CHECKPOINTS["r2v"].repo_ids[0]] = Repo(r2v_files())
    call = run(home, "models", "download", "r2v", stdout=stdout, stderr=stderr)
    assert (call.returncode, is_calm(call)) == (0, True), call.stderr
    fetched = len(hub.requests)
    folder = run(home, "models", "path", "r2v").stdout.strip()
    if not (stdout and stderr):
        assert folder in (call.stderr if stdout else call.stdout)
    again = run(home, "models", "download", "r2v", stdout=stdout, stderr=stderr)
    assert (again.returncode, len(hub.requests)) == (0, fetched)
