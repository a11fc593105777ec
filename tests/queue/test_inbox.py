"""The inbox with real files in a real folder: what is dropped becomes jobs once, or is rejected with its reasons."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from pipelines.front.errors import InvalidRequest
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import Folders, find_folders
from skyreels_tui.queue.batches import batch_file
from skyreels_tui.queue.batches.inbox import Inbox
from skyreels_tui.queue.errors import ReadOnlyQueue
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.service import QueueOptions, QueueService
from skyreels_tui.queue.store.rows import NewJob


def until(condition: Callable[[], object], timeout_s: float = 20) -> None:
    """Wait for a condition."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        threading.Event().wait(0.01)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "home")})


@pytest.fixture
def queue(folders: Folders, tmp_path: Path) -> Iterator[QueueService]:
    """A queue that runs nothing."""
    service = QueueService(folders, tmp_path / "result", lambda event: None)
    yield service
    service.close()


class Box(Inbox):
    """An inbox that remembers what it said and how often it looked."""

    def __init__(
        self, folder: Path, queue: object, quiet_s: float = 0.02, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.said: list[str] = []
        self.looks = 0
        super().__init__(
            folder, queue, lambda text, level: self.said.append(text), self._looked, quiet_s=quiet_s, poll_s=0.03,
            now=now,
        )  # fmt: skip

    def _looked(self) -> None:
        self.looks += 1


@pytest.fixture
def box(tmp_path: Path, queue: QueueService) -> Iterator[Box]:
    """A running inbox; its folder does not exist before."""
    inbox = Box(tmp_path / "in box", queue)
    inbox.start()
    until(lambda: inbox.looks)
    yield inbox
    inbox.stop()
    inbox.join()


def entries(folder: Path, *labels: str, **values: object) -> str:
    """A batch of good demo jobs, as JSON; their picture lies beside the batch under a relative name."""
    picture = folder / "face.png"
    if not picture.exists():
        Image.new("RGB", (64, 64), (9, 90, 200)).save(picture)
    job = {"task_type": "reference_to_video", "profile": "demo", "resolution": "128P", "ref_imgs": ["face.png"]}
    return json.dumps([{**job, "prompt": "a walk", "label": label, **values} for label in labels])


def drop(folder: Path, name: str, text: str) -> None:
    """Put a file there in one step, with an old date, as `mv` does."""
    hidden = folder / f".{name}"
    hidden.write_text(text)
    os.utime(hidden, (1, 1))
    hidden.rename(folder / name)


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_dropped_batch_is_queued_and_put_away_with_a_report(box: Box, queue: QueueService) -> None:
    (box.folder / "night.json").write_text(entries(box.folder, "one", "two"))
    until(lambda: (box.folder / "done" / "night.json").exists())
    assert [(job.label, job.batch) for job in queue.jobs()] == [("one", "night"), ("two", "night")]
    assert queue.jobs()[0].request.ref_imgs == (str(box.folder / "face.png"),)
    report = lines(box.folder / "done" / "night.json.txt")
    assert report[0].startswith("night.json: 2 jobs queued (2")
    assert report[1:] == ["job 1 one", "job 2 two"]
    assert names(box.folder) >= {"done", "face.png"}
    assert "night.json" not in names(box.folder)
    until(lambda: box.idle)


def test_markdown_is_taken_and_other_files_are_left_alone(box: Box, queue: QueueService) -> None:
    entries(box.folder)
    for name in ("notes.txt", ".hidden.json", "half.json.part", "b.json~"):
        (box.folder / name).write_text("[]")
    (box.folder / "folder.json").mkdir()
    os.mkfifo(box.folder / "pipe.json")
    (box.folder / "day.md").write_text(
        "# At the sea\n\n## first\n- task_type: reference_to_video\n- profile: demo\n- resolution: 128P\n"
        "- ref_imgs: face.png\n- prompt: waves\n  and wind\n"
    )
    until(lambda: (box.folder / "done" / "day.md").exists())
    [job] = queue.jobs()
    assert (job.label, job.batch, job.request.prompt) == ("first", "At the sea", "waves\nand wind")
    kept = {"notes.txt", ".hidden.json", "half.json.part", "b.json~", "folder.json", "pipe.json"}
    assert names(box.folder) >= kept


def entry(**values: object) -> str:
    return json.dumps([{"task_type": "reference_to_video", "profile": "demo", "prompt": "x", **values}])


BAD = {
    "field.json": (
        '[{"task_type": "reference_to_video", "label": "x", "prompt": "", "ref_imgs": ["no.png"]}]',
        "x).pr",
    ),
    "cut.json": ('[{"label": "on', "line 1, column"),
    "object.json": ('{"a": 1}', "must be a list of jobs"),
    "empty.json": ("", "line 1, column 1"),
    "none.json": ("[]", "there is no job in it"),
    "deep.json": ("[" * 100_000, "too deep"),
    "digits.json": ("[" + "1" * 9000 + "]", "too long"),
    "task.md": ("## a\n- prompt: x\n", "task_type"),
    "words.md": ("only words", "there is no job in it"),
    "bytes.json": (b"\xff\xfe\x00", "no UTF-8 text"),
    "steer.json": ('[{"task_type": "\\u001b]0;owned\\u0007\\u202e"}]', "task_type"),
    "halves.json": ('[{"task_type": "reference_to_video", "label": "\\ud800", "prompt": "\\udfff"}]', "no text"),
    "list.json": ('[{"task_type": "reference_to_video", "label": ["a"]}]', "entry 1 (['a']).label: must be one"),
    "nul.json": (entry(ref_imgs="a\0.png"), "not a usable path"),
    "long.json": (entry(ref_imgs="x" * 5000), "entry 1.ref_imgs"),
    "nobody.json": (entry(ref_imgs="~nobody-at-all/x.png"), "no such file"),
    "number.json": (entry(seed=10**400), "entry 1.seed"),
    "million.json": ("[" + "{}," * 1_000_000 + "{}]", "more than 10000 jobs"),
    "numbers.json": ("[" + "1," * 20_000 + "1]", "more than 10000 jobs"),
    "values.json": (entry(ref_imgs=["x"] * 1_000_000), "more than 10000 jobs"),
    "sections.md": ("## a\n" * 1_000_000, "more than 10000 jobs"),
    "endless.md": ("## a\n- prompt: x\n" + "  y\n" * 3_000_000, "more than 2000 lines"),
    "again.md": ("## a\n" + "- ref_imgs: x\n" * 1_000_000, "more than 2000 lines"),
    "lines.md": ("## a\n" + "what is this\n" * 200_000, "is no '- key: value'"),
    "big.json": (b" " * (batch_file.LIMIT_BYTES + 1), "larger than 16 MiB"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_batch_is_rejected_whole_with_its_reasons(tmp_path: Path, queue: QueueService, name: str) -> None:
    content, words = BAD[name]
    box = Box(tmp_path, queue, quiet_s=0)
    (tmp_path / ".taking").mkdir()
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    box.look()
    report = "\n".join(lines(tmp_path / "rejected" / f"{name}.txt"))
    assert report.startswith(f"{name} was not queued")
    assert words in report
    assert report.replace("\n", "").isprintable()
    assert (tmp_path / "rejected" / name).is_file()
    assert queue.jobs() == []
    assert box.said == [f"inbox: {name} was not queued: {box.said[0].split(': ')[2]}"]
    with pytest.raises(InvalidRequest):
        batch_file.read_batch(tmp_path / "rejected" / name)


def test_one_bad_entry_keeps_all_others_out(box: Box, queue: QueueService) -> None:
    good = json.loads(entries(box.folder, "a", "b"))
    (box.folder / "mixed.json").write_text(json.dumps([*good, {**good[0], "label": "c", "duration": 99}]))
    until(lambda: (box.folder / "rejected" / "mixed.json").exists())
    assert lines(box.folder / "rejected" / "mixed.json.txt")[1:] == ["entry 3 (c).duration: 99 s is outside 1 to 60 s"]
    assert queue.jobs() == []


def test_a_file_that_is_still_being_copied_is_waited_for(box: Box, queue: QueueService) -> None:
    text = entries(box.folder, "late")
    with (box.folder / "slow.json").open("w") as file:
        file.write(text[:40])
        file.flush()
        looks = box.looks
        until(lambda: box.looks > looks + 10)
        assert not box.idle
        assert "slow.json" in names(box.folder)
        file.write(text[40:])
    until(lambda: (box.folder / "done" / "slow.json").exists())
    assert [job.label for job in queue.jobs()] == ["late"]


@pytest.mark.parametrize("dated_s", [0.0, 365 * 86400.0, -365 * 86400.0])
def test_a_file_that_just_changed_is_waited_for_whatever_its_date(
    tmp_path: Path, queue: QueueService, dated_s: float
) -> None:
    """The date is that of a clock which may have been set meanwhile, or of another machine."""
    clock = [50.0]
    box = Box(tmp_path, queue, quiet_s=3600, now=lambda: clock[0])
    (tmp_path / ".taking").mkdir()
    path = tmp_path / "fresh.json"
    path.write_text(entries(tmp_path, "x"))
    os.utime(path, (time.time() + dated_s,) * 2)
    box.look()
    clock[0] += 3599
    box.look()
    assert path.exists()
    # Five times as long where nobody can say whether it is still being written.
    clock[0] += 5 * 3600
    box.look()
    assert (tmp_path / "done" / "fresh.json").exists()


def test_the_same_name_again_overwrites_nothing(box: Box, queue: QueueService) -> None:
    done = box.folder / "done"
    for number, name in ((1, "a.json"), (2, "a-2.json"), (3, "a-3.json")):
        (box.folder / "a.json").write_text(entries(box.folder, f"take {number}"))
        until((done / name).exists)
    assert [lines(done / f"{name}.txt")[1] for name in ("a.json", "a-2.json", "a-3.json")] == [
        "job 1 take 1",
        "job 2 take 2",
        "job 3 take 3",
    ]
    assert json.loads((done / "a-2.json").read_text())[0]["label"] == "take 2"


def test_names_that_are_long_or_no_text_or_hostile(box: Box, queue: QueueService) -> None:
    odd = [f"{'n' * 250}.json", os.fsdecode(b"\xff\xfe.json"), "[red]\x1b[31m.json"]
    for name in odd:
        (box.folder / name).write_text(entries(box.folder, "x"))
        until(lambda name=name: name not in names(box.folder) and box.idle)
    assert len(queue.jobs()) == len(odd)
    assert len(list((box.folder / "done").glob("*.txt"))) == len(odd)
    for report in (box.folder / "done").glob("*.txt"):
        assert report.read_text("utf-8").replace("\n", "").isprintable()


@pytest.mark.parametrize("added", [True, False])
def test_a_crash_half_way_queues_a_file_once(tmp_path: Path, queue: QueueService, added: bool) -> None:
    """The process died after it had claimed a file: with its jobs in the queue, or without."""
    folder = tmp_path / "box"
    (folder / ".taking").mkdir(parents=True)
    (folder / "n.json").write_text(entries(folder, "a", "b"))
    (folder / "n.json").rename(folder / ".taking" / "n.json")
    if added:
        queue.actions.add_many(batch_file.parse_batch((folder / ".taking" / "n.json").read_text(), folder / "n.json"))
    Box(folder, queue).look()
    assert [job.label for job in queue.jobs()] == ["a", "b"]
    assert lines(folder / "done" / "n.json.txt")[1:] == ["job 1 a", "job 2 b"]


@pytest.mark.parametrize("off_s", [0.0, 400 * 86400.0, -400 * 86400.0], ids=["right", "ahead", "behind"])
@pytest.mark.parametrize("added", [True, False])
def test_a_crash_queues_once_whatever_the_clock_says(
    tmp_path: Path, folders: Folders, monkeypatch: pytest.MonkeyPatch, added: bool, off_s: float
) -> None:
    """The same file was dropped before; the clock is set between the claim and the crash."""

    class Died(BaseException):
        """The process ends here."""

    def die(entries: Sequence[NewJob], *, checked: bool = False) -> list[Job]:
        if added:
            add_many(entries, checked=checked)
        raise Died

    now = datetime.now()
    queue = QueueService(folders, tmp_path / "result", lambda event: None, clock=lambda: now)
    folder = tmp_path / "box"
    (folder / ".taking").mkdir(parents=True)
    add_many = queue.actions.add_many
    drop(folder, "n.json", entries(folder, "a", "b"))
    Box(folder, queue, quiet_s=0).look()
    drop(folder, "n.json", entries(folder, "a", "b"))
    now += timedelta(seconds=off_s)
    with monkeypatch.context() as crash:
        crash.setattr(queue.actions, "add_many", die)
        with pytest.raises(Died):
            Box(folder, queue, quiet_s=0).look()
    Box(folder, queue, quiet_s=0).look()
    assert sorted(job.id for job in queue.jobs()) == [1, 2, 3, 4]
    assert lines(folder / "done" / "n-2.json.txt")[1:] == ["job 3 a", "job 4 b"]
    assert list((folder / ".taking").iterdir()) == []
    queue.close()


def test_a_queue_that_cannot_be_written_keeps_the_file(tmp_path: Path, queue: QueueService) -> None:
    class Shut:
        """A queue of a newer version."""

        @property
        def actions(self) -> Shut:
            return self

        def add_many(self, entries: object, *, checked: bool = False) -> list[object]:
            raise ReadOnlyQueue("this queue was written by a newer version")

        def batch(self, name: str) -> list[object]:
            return []

    (tmp_path / ".taking").mkdir()
    (tmp_path / "n.json").write_text(entries(tmp_path, "a"))
    shut = Box(tmp_path, Shut(), quiet_s=0)
    shut.look()
    shut.look()
    assert (tmp_path / ".taking" / "n.json").exists()
    assert shut.said == ["inbox: n.json waits: this queue was written by a newer version"]
    assert not shut.idle
    Box(tmp_path, queue).look()
    assert [job.label for job in queue.jobs()] == ["a"]


def test_a_removed_folder_is_made_anew(box: Box, queue: QueueService) -> None:
    (box.folder / ".lock").unlink()
    (box.folder / ".taking").rmdir()
    box.folder.rmdir()
    until((box.folder / ".taking").exists)
    (box.folder / "n.json").write_text(entries(box.folder, "a"))
    until(lambda: queue.jobs())


def test_only_one_of_two_queues_watches_a_folder(box: Box, queue: QueueService) -> None:
    other = Box(box.folder, queue)
    other.start()
    until(lambda: other.looks > 2)
    assert other.said == ["inbox: another queue watches this folder"]
    assert other.idle
    other.stop()
    other.join()


def test_the_process_that_runs_jobs_has_the_inbox_and_a_viewer_has_none(folders: Folders, tmp_path: Path) -> None:
    """Whoever takes the queue over takes the inbox over."""
    folder = tmp_path / "box"
    folder.mkdir()
    options = QueueOptions(inbox=folder)
    result = tmp_path / "result"

    def open_queue() -> QueueService:
        service = QueueService(folders, result, lambda event: None, executor=FakeExecutor, options=options)
        service.start()
        return service

    owner = open_queue()
    viewer = open_queue()
    threads = [thread.name for thread in threading.enumerate()]
    assert (threads.count("inbox"), viewer.is_owner) == (1, False)
    drop(folder, "a.json", entries(folder, "first"))
    until(lambda: [job.state for job in viewer.jobs()] == ["done"])
    owner.close()
    until(lambda: viewer.is_owner)
    drop(folder, "b.json", entries(folder, "second"))
    until(lambda: [job.label for job in viewer.jobs() if job.state == "done"] == ["second", "first"])
    viewer.close()
    assert "inbox" not in [thread.name for thread in threading.enumerate()]
