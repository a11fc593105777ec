"""The scripts for a job runner: an exit code, the path alone on stdout, JSON lines alone on stderr."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import skyreels_tui
from pipelines.demo import checkpoints
from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.service import QueueService
from tests.cli.conftest import Call

Cli = Callable[..., Call]
SCRIPTS = Path(skyreels_tui.__file__).parents[1] / "scripts"
SAMPLES = Path(checkpoints.__file__).parent / "samples"
DEMO = ("--profile", "demo", "--prompt", "a [b] \x1b[31m \x7f" + "long " * 900)
TASKS = {
    "r2v": ("reference_to_video", "--ref_imgs", SAMPLES / "astronaut.jpg"),
    "v2v": ("single_shot_extension", "--input_video", SAMPLES / "clip.mp4"),
    "avatar": ("talking_avatar", "--input_image", SAMPLES / "astronaut.jpg", "--input_audio", SAMPLES / "voice.mp3"),
}


@pytest.fixture
def wrapper(home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Call]:
    """Run one of the scripts as `python scripts/...` does."""

    def call(name: str, *words: object) -> Call:
        capfd.readouterr()
        script = SCRIPTS / f"gerar_video_skyreels_{name}.py"
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, words)])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(script), run_name="__main__")
        out, err = capfd.readouterr()
        assert isinstance(left.value.code, int)
        return Call(left.value.code, out, err)

    return call


@pytest.fixture
def owner(home: Path, tmp_path: Path) -> Iterator[QueueService]:
    """The app, as it were: another owner of the queue, which runs the jobs."""
    service = QueueService(find_folders(), tmp_path / "theirs", lambda event: None, executor=FakeExecutor)
    service.start()
    yield service
    service.close()


@pytest.mark.parametrize("name", TASKS)
def test_a_video_is_a_path_and_json_lines(wrapper: Callable[..., Call], owner: QueueService, name: str) -> None:
    task, *inputs = TASKS[name]
    call = wrapper(name, *DEMO, *inputs)
    assert call.code == 0, call.err
    assert call.out.count("\n") == 1
    assert Path(call.out.strip()).is_file()
    events = [json.loads(line) for line in call.errors]
    assert [event["status"] for event in events if event["event"] == "job"][-1] == "done"
    assert owner.jobs()[0].task_type == task


def test_the_other_extension(wrapper: Callable[..., Call], owner: QueueService) -> None:
    call = wrapper("v2v", *DEMO, *TASKS["v2v"][1:], "--task_type", "shot_switching_extension")
    assert (call.code, owner.jobs()[0].task_type) == (0, "shot_switching_extension")


@pytest.mark.parametrize(
    "words", [("--ref_imgs", "no.png"), ("--sead", "1"), ("--ref_imgs", "\x1b]0;x\x07\n.png"), ("--duration", "0")]
)
def test_a_refusal_is_json_and_exit_code_2(wrapper: Callable[..., Call], cli: Cli, words: tuple[str, ...]) -> None:
    call = wrapper("r2v", "--prompt", "x", *words)
    assert (call.code, call.out) == (2, "")
    assert {json.loads(line)["event"] for line in call.errors} == {"problem"}
    assert cli("list", "--json").data == []


def test_a_failed_job_is_json_to_the_end(cli: Cli, picture: Path) -> None:
    script = Script(failures={(Stage.DENOISE, 1): MediaError("ffmpeg said \x1b[2J")})
    words = ("--profile", "demo", "--prompt", "x", "--ref_imgs", picture)
    call = cli("generate", "--progress", "json", *words, script=script)
    assert (call.code, call.out) == (1, "")
    last = [json.loads(line) for line in call.errors][-1]
    assert (last["event"], last["text"]) == ("note", "job 1 failed: ffmpeg said \x1b[2J")
    assert "\x1b" not in call.err


def test_words_again_after_a_call_in_json(cli: Cli) -> None:
    assert cli("wait", 9, "--progress=json").errors == [
        '{"event": "problem", "text": "skyreels-tui: there is no job 9"}'
    ]
    assert cli("wait", 9).errors == ["skyreels-tui: there is no job 9"]
