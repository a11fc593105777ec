"""Over 300 broken files through the form's check and through the shell: refused in words and in time, or accepted."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipelines.demo import checkpoints
from pipelines.front.errors import MediaError
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.images import load_image
from pipelines.media.read.video import read_tail
from pipelines.tasks import task_named
from skyreels_tui.requests.forms import build_request, check_form
from tests.cli.conftest import Call
from tests.media.broken import Broken, Kind, broken_files

LIMIT_S = 5.0
MEMORY_BYTES = 1200 << 20
PORTRAIT = str(Path(checkpoints.__file__).parent / "samples" / "astronaut.jpg")
TASKS: dict[Kind, tuple[str, str, dict[str, str]]] = {
    "image": ("reference_to_video", "ref_imgs", {}),
    "video": ("single_shot_extension", "input_video", {}),
    "audio": ("talking_avatar", "input_audio", {"input_image": PORTRAIT}),
}
"""What a file is offered to: task, field, and the other inputs that the task wants."""
READS: dict[Kind, Callable[[Path], object]] = {
    "image": load_image,
    "video": lambda path: read_tail(path, 9),
    "audio": decode_mono,
}


EACH = {"few": 14, "all": 1}
"""Name of a run -> every how manieth file it takes."""


@pytest.fixture
def files(tmp_path: Path) -> list[Broken]:
    folder = tmp_path / "broken"
    folder.mkdir()
    return broken_files(folder)


class Growth:
    """How far the largest memory of this process and of those it starts has grown since the beginning."""

    def __init__(self) -> None:
        self._before = self._peaks()

    def _peaks(self) -> list[int]:
        # Other tests in this process may have needed more: what counts is how far these files drive it up.
        return [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]

    def num_bytes(self) -> int:
        return max(high - low for low, high in zip(self._before, self._peaks(), strict=True))


def through_the_form(file: Broken) -> tuple[list[str], float]:
    """Check a file as the form does and read what was accepted as the job does; messages and seconds."""
    task_name, field, others = TASKS[file.kind]
    task = task_named(task_name)
    values = {field: (str(file.path),), "prompt": "x", "resolution": "128P"}
    values |= {name: (path,) for name, path in others.items()}
    begun = time.monotonic()
    checked = check_form(task, build_request(task, values, "demo"), file.path.parent)
    taken = time.monotonic() - begun
    assert {problem.field for problem in checked.problems} <= {field}
    assert (checked.plan is None) == bool(checked.problems), file.path.name
    if not checked.problems:
        try:
            READS[file.kind](file.path)
        except MediaError as error:
            assert str(error).isprintable()
    return [problem.message for problem in checked.problems], taken


def through_the_shell(file: Broken, cli: Callable[..., Call]) -> Call:
    """Offer a file to `add`."""
    task, field, others = TASKS[file.kind]
    words = ["--task_type", task, "--profile", "demo", "--prompt", "x", f"--{field}", str(file.path)]
    return cli("add", *words, *(word for name, path in others.items() for word in (f"--{name}", path)))


@pytest.mark.parametrize("each", EACH.values(), ids=EACH)
def test_broken_files_are_refused_quickly_cheaply_and_in_words(
    files: list[Broken], cli: Callable[..., Call], each: int
) -> None:
    """One test, because opening the files is what takes time, and a check of the same file is remembered."""
    files = files[::each]
    assert {file.kind for file in files} == set(TASKS)
    memory = Growth()
    with ThreadPoolExecutor(2) as pool:
        looks = list(zip(files, pool.map(through_the_form, files), strict=True))
    assert {file.path.name: taken for file, (_, taken) in looks if taken > LIMIT_S} == {}
    assert [file.path.name for file, (messages, _) in looks if file.refused and not messages] == []
    assert sum(bool(messages) for _, (messages, _) in looks) >= 200 // each

    accepted = []
    for file, (messages, _) in looks:
        call = through_the_shell(file, cli)
        if not messages:
            assert (call.code, call.err) == (0, ""), file.path.name
            accepted.append([str(file.path)])
            continue
        [message] = messages
        assert message.isprintable() and len(message) < 300, file.path.name
        assert "Traceback" not in message and " @ 0x" not in message, message
        assert (call.code, call.out) == (2, ""), file.path.name
        assert call.errors == [f"skyreels-tui: {TASKS[file.kind][1]}: {message}"]
    rows = cli("list", "--json").data
    fields = {task: field for task, field, _ in TASKS.values()}
    assert [row["request"][fields[row["task_type"]]] for row in rows] == accepted
    assert memory.num_bytes() < MEMORY_BYTES
