"""Batch files: read whole or not at all; batches: where they stand, and their clips as one film."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.errors import InvalidRequest
from pipelines.front.regions import Box, parse_boxes
from pipelines.media.write.video import VideoWriter
from skyreels_tui.queue.batches.batch import finalize
from skyreels_tui.queue.batches.batch_file import read_batch, to_json, to_markdown
from skyreels_tui.queue.errors import QueueError
from tests.queue.conftest import PICTURE, SAMPLES, entry

VOICE = str(next(SAMPLES.glob("voice.*")))


def one(**changes):
    return {
        "label": "walk",
        "task_type": "reference_to_video",
        "prompt": "a walk",
        "resolution": "480P",
        "duration": 3,
        "seed": 7,
        "offload": True,
        "low_vram": False,
        "ref_imgs": [PICTURE],
    } | changes


def write(path: Path, content) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def problems(path: Path) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        read_batch(path)
    return {problem.field: problem.message for problem in caught.value.problems}


def test_json_is_read(tmp_path):
    read = read_batch(write(tmp_path / "film.json", [one(), one(label="b", ref_imgs=f"{PICTURE},{PICTURE}")]))
    assert [(new.label, new.batch) for new in read] == [("walk", "film"), ("b", "film")]
    request = read[0].request
    assert (request.duration, request.seed, request.offload, request.resolution) == (3, 7, True, "480P")
    assert read[1].request.ref_imgs == (PICTURE, PICTURE)


MARKDOWN = f"""# The film

Some words that belong to nothing.

## first shot
- task_type: reference_to_video
- prompt: A walk:
  in the - rain
- duration: 2
- offload: sim
- low_vram: no
- ref_imgs: astronaut.jpg
- ref_imgs: {PICTURE}

## second
- task_type: single_shot_extension
- prompt: on it goes
- input_video: {{{{job:first shot}}}}
"""


def test_markdown_is_read_with_paths_from_its_folder(tmp_path):
    (tmp_path / "astronaut.jpg").write_bytes((SAMPLES / "astronaut.jpg").read_bytes())
    first, second = read_batch(write(tmp_path / "film.md", MARKDOWN))
    assert (first.label, first.batch) == ("first shot", "The film")
    assert first.request.prompt == "A walk:\nin the - rain"
    assert (first.request.offload, first.request.low_vram, first.request.duration) == (True, False, 2)
    assert first.request.ref_imgs == (str(tmp_path / "astronaut.jpg"), PICTURE)
    assert second.request.input_video == ("{{job:first shot}}",)


def test_every_bad_entry_and_field_is_named(tmp_path):
    path = write(
        tmp_path / "bad.json",
        [
            one(),
            one(label="short", duration=0, seed="many"),
            one(task_type="dance"),
            one(prompt=" ", colour="red"),
            one(ref_imgs=["nowhere.png"], offload="perhaps"),
        ],
    )
    found = problems(path)
    assert "whole number" in found["entry 2 (short).seed"]
    assert "reference_to_video" in found["entry 3 (walk).task_type"]
    assert "no such field" in found["entry 4 (walk).colour"]
    assert "yes" in found["entry 5 (walk).offload"]


def test_checked_values_are_named_too(tmp_path):
    found = problems(write(tmp_path / "bad.json", [one(duration=0), one(ref_imgs=["nowhere.png"])]))
    assert "outside" in found["entry 1 (walk).duration"]
    assert "nowhere.png" in found["entry 2 (walk).ref_imgs"]


@pytest.mark.parametrize(
    ("name", "content", "field", "words"),
    [
        ("a.json", "[{", "file", "line 1"),
        ("a.json", '{"label": "x"}', "file", "list"),
        ("a.json", '[1, {"task_type": "x"}]', "entry 1", "object"),
        ("a.json", "[]", "file", "no job"),
        ("a.md", "# only a title\n", "file", "no job"),
        ("a.md", "## x\nno key here\n", "entry 1", "line 2"),
    ],
)
def test_broken_files_say_where(tmp_path, name, content, field, words):
    assert words in problems(write(tmp_path / name, content))[field]


@pytest.mark.parametrize(
    "given",
    [
        "8,12,36,70 56,12,36,70",
        "8,12,36,70; 56,12,36,70",
        ["8,12,36,70", "56,12,36,70"],
        [[8, 12, 36, 70], [56, 12, 36.0, 70]],
        [[8, 12, 36, 70], "56,12,36,70"],
    ],
)
def test_regions_are_a_text_or_lists(tmp_path, given):
    speaking = {"ref_imgs": [], "input_image": [PICTURE], "input_audio": [VOICE], "second_audio": [VOICE]}
    avatar = {name: value for name, value in one(task_type="talking_avatar", **speaking).items() if value != []}
    del avatar["duration"]
    (read,) = read_batch(write(tmp_path / "film.json", [avatar | {"regions": given}]))
    assert parse_boxes(read.request.regions) == (Box(8, 12, 36, 70), Box(56, 12, 36, 70))
    assert not read.request.check()


@pytest.mark.parametrize("given", [[[8, 12, 36]], [8, 12, True, 1], {"left": 8}, [["8", "12", "36", "70"]], 7])
def test_regions_that_are_none_are_refused(tmp_path, given):
    avatar = {"label": "a", "task_type": "talking_avatar", "prompt": "x", "input_image": [PICTURE], "regions": given}
    assert problems(write(tmp_path / "film.json", [avatar]))["entry 1 (a).regions"]


def test_a_missing_or_binary_file_is_refused(tmp_path):
    assert "No such file" in problems(tmp_path / "none.json")["file"]
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in problems(tmp_path / "b.json")["file"]


@pytest.mark.parametrize("ending", ["json", "md"])
def test_what_was_exported_is_imported_the_same(tmp_path, store, ending):
    prompt = "Café “x”\n\n## no heading\n- key: no key\nlast  "
    store.add_many(
        [
            entry("a", prompt=prompt, seed=3, low_vram=True),
            entry("b", ref_imgs=("{{job:a}}", PICTURE), guidance_scale=2.5, num_inference_steps=4),
        ]
    )
    jobs = store.list()
    text = to_json(jobs) if ending == "json" else to_markdown(jobs, "film")
    back = read_batch(write(tmp_path / f"film.{ending}", text))
    wanted = [(job.label, job.request) for job in jobs]
    if ending == "md":
        wanted[0] = ("a", replace(wanted[0][1], prompt=prompt.rstrip()))
    assert [(new.label, new.request) for new in back] == wanted


def test_a_batch_counts_a_retry_once(store):
    jobs = store.add_many([entry(str(n), batch="film") for n in range(3)])
    for job in jobs[:2]:
        store.attempts.claim([job.id])
        store.attempts.fail(job.id, error="e", run_seconds=1)
    store.retry(jobs[0].id)
    shown = [scene.shown for scene in store.films.get("film").scenes]
    assert [job.label for job in shown if job] == ["0", "1", "2"]


def clip(path: Path, size: int, level: int) -> Path:
    import numpy as np

    with VideoWriter(path, size, size, 24) as writer:
        writer.write(np.full((12, size, size, 3), level, dtype=np.uint8))
    return path


def test_finalize_joins_the_finished_clips_in_order(store, tmp_path):
    from pipelines.media.read.probe import probe_video

    jobs = store.add_many([entry(str(n), batch="my film") for n in range(3)])
    with pytest.raises(QueueError, match="not finished"):
        finalize("my film", store.batch("my film"), tmp_path)
    store.cancel(jobs[1].id)
    for job in (jobs[0], jobs[2]):
        store.attempts.claim([job.id])
        path = clip(tmp_path / f"{job.id}.mp4", 128, 60 * job.id)
        store.attempts.finish(job.id, output=str(path), suspect="", run_seconds=1)
    film = finalize("my film", store.batch("my film"), tmp_path)
    assert film == tmp_path / "batches" / "my-film.mp4"
    assert probe_video(film).num_frames == 24


def test_an_import_is_one_transaction(open_service, tmp_path):
    service = open_service(start=False)
    path = write(tmp_path / "f.json", [one(), one(label="x", ref_imgs=["{{job:missing}}"])])
    with pytest.raises(InvalidRequest, match=r"entry 2.*missing"):
        service.actions.add_many(read_batch(path), checked=True)
    assert service.jobs() == []
    service.actions.add_many(read_batch(write(path, [one(), one(label="x", ref_imgs=["{{prev}}"])])), checked=True)
    assert [job.label for job in service.batch("f")] == ["walk", "x"]
