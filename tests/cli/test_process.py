"""The command line as a process of its own: signals, a reader that leaves, and one real video."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import skyreels_tui
from pipelines.demo import checkpoints
from pipelines.media.read.probe import probe_video
from skyreels_tui.cli import main
from tests.cli.conftest import Call

Cli = Callable[..., Call]
ROOT = Path(skyreels_tui.__file__).parents[1]
SAMPLES = Path(checkpoints.__file__).parent / "samples"

SCRIPTED = """
import signal, sys
signal.signal(signal.SIGHUP, signal.{hang_up})
from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor, Script
sys.exit(main(sys.argv[1:], executor=lambda: FakeExecutor(Script(num_steps={num_steps}, step_s=0.05))))
"""


def start(*words: object, hang_up: str = "SIG_DFL", num_steps: int = 1000, **options: object) -> subprocess.Popen[str]:
    """Start the command line with a slow scripted executor; with SIG_IGN as `nohup` would."""
    script = SCRIPTED.format(hang_up=hang_up, num_steps=num_steps)
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )


def wait_for(child: subprocess.Popen[str], words: str) -> None:
    """Read stderr until a line holds `words`."""
    assert child.stderr is not None
    for line in child.stderr:
        if words in line:
            return
    raise AssertionError(f"stderr ended without {words!r}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_at_the_step_and_keeps_it(cli: Cli, picture: Path, number: signal.Signals) -> None:
    child = start("generate", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    wait_for(child, "denoise 3/1000")
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    assert (child.returncode, out) == (4, "")
    assert "stopping at the next step" in err
    assert "go on: skyreels-tui run --resume" in err
    [row] = cli("list", "--json").data
    assert row["status"] == "interrupted"
    assert row["step"] >= 3


def test_run_goes_on_after_an_interruption(cli: Cli, picture: Path) -> None:
    child = start("generate", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    wait_for(child, "denoise 2/1000")
    child.kill()
    child.communicate()
    assert cli("run").out == ""
    assert cli("list", "--json").data[0]["status"] == "interrupted"
    call = cli("run", "--resume")
    assert call.code == 0
    assert Path(call.out.strip()).is_file()


def test_run_that_stays_takes_over_when_the_other_one_ends(cli: Cli, picture: Path) -> None:
    cli("add", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    first = start("run")
    wait_for(first, "denoise 2/1000")
    refused = start("run")
    assert "another process runs the queue already" in refused.communicate(timeout=30)[1]
    assert refused.returncode == 5
    second = start("run", "--stay", "--resume", num_steps=30)
    wait_for(second, "takes over when that one ends")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=30)
    wait_for(second, "write")
    assert cli("wait", "1").code == 0
    second.send_signal(signal.SIGTERM)
    out, _ = second.communicate(timeout=30)
    assert Path(out.strip()).is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--between", "22"), "--between: write two times of the day, such as 22:00-07:00"),
        (("--between", "22:00-25:00"), "such as 22:00-07:00"),
        (("--at", "7"), "--at: write a time of the day, such as 22:00"),
    ],
)
def test_hours_that_are_none_are_refused(cli: Cli, words: tuple[str, ...], said: str) -> None:
    call = cli("run", *words)
    assert call.code == 2 and said in call.err and call.out == ""


def test_a_hang_up_does_what_the_setting_says(cli: Cli, picture: Path) -> None:
    cli("settings", "set", "hang_up", "stop")
    child = start("generate", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    wait_for(child, "denoise 2/1000")
    child.send_signal(signal.SIGHUP)
    child.communicate(timeout=30)
    assert child.returncode == 4
    [row] = cli("list", "--json").data
    assert (row["status"], row["step"] >= 2) == ("interrupted", True)


def test_under_nohup_a_hang_up_means_nothing(cli: Cli, picture: Path) -> None:
    cli("settings", "set", "hang_up", "stop")
    words = ("generate", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x", "--result-dir", picture.parent)
    child = start(*words, hang_up="SIG_IGN", num_steps=6)
    wait_for(child, "denoise 2/6")
    child.send_signal(signal.SIGHUP)
    child.communicate(timeout=30)
    assert child.returncode == 0
    assert [row["status"] for row in cli("list", "--json").data] == ["done"]


def test_the_app_speaks_to_a_browser_s_stand_in(home: Path) -> None:
    env = {**os.environ, "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver", "COLUMNS": "80", "ROWS": "24"}
    child = start(stdin=subprocess.PIPE, env=env)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "__GANGLION__\n"
    finally:
        child.kill()
        child.communicate()


def test_a_reader_that_leaves_early_is_no_error(home: Path, cli: Cli, picture: Path) -> None:
    for _ in range(3):
        cli("add", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x" * 40000)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "skyreels_tui", "list", "--json"], cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_name_that_is_not_text(cli: Cli, picture: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png"))
    odd.write_bytes(picture.read_bytes())
    call = cli("generate", "--profile", "demo", "--ref_imgs", odd, "--prompt", "x")
    assert call.code == 0, call.err
    assert cli("list", "--json").data[0]["request"]["ref_imgs"] == [str(odd)]


def test_a_real_demo_video_from_the_shell(
    cli: Cli, home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["generate", "--profile", "demo", "--task_type", "reference_to_video", "--duration", "1"]
    words += ["--ref_imgs", f"{SAMPLES / 'astronaut.jpg'},{SAMPLES / 'coffee.jpg'}", "--prompt", "An astronaut drinks"]
    code = main([*words, "--result-dir", str(tmp_path / "out")])
    out, err = capfd.readouterr()
    assert code == 0, err
    info = probe_video(out.removesuffix("\n"))
    assert (info.num_frames, info.fps, info.has_audio) == (25, 24.0, False)
    [result] = cli("results", "--json", "--result-dir", tmp_path / "out").data
    assert result["request"]["prompt"] == "An astronaut drinks"
