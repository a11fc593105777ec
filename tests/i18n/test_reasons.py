"""Reasons are kept as codes, whoever stored them, and said in the language of whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.front import language
from pipelines.front.progress import Stage
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, Reason, because, reason_words
from skyreels_tui.queue.store.attempts import place_values
from skyreels_tui.queue.store.old_reasons import read_old_reason


@pytest.fixture
def portuguese() -> Iterator[None]:
    """The real Portuguese catalogue; English afterwards."""
    language.choose("pt_BR")
    yield
    language.choose(language.ENGLISH)


def job(stage: str, step: int, num_steps: int, num_segments: int = 1) -> Job:
    return Job(
        1, "x", "talking_avatar", "{}", JobState.RUNNING, 0.0, "",
        stage=stage, step=step, num_steps=num_steps, segment=num_segments - 1, num_segments=num_segments,
    )  # fmt: skip


PLACES = {
    "before the first step": job("", 0, 0),
    "in a stage": job(Stage.TEXT, 0, 0),
    "at a step": job(Stage.DENOISE, 3, 8),
    "at a step of a part": job(Stage.DENOISE, 3, 8, num_segments=2),
    "decoding": job(Stage.DECODE, 8, 8),
    "decoding a part": job(Stage.DECODE, 8, 8, num_segments=2),
}


@pytest.mark.usefixtures("portuguese")
@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_said(place: str) -> None:
    said = reason_words(because(Code.INTERRUPTED, **place_values(PLACES[place])))
    assert said.startswith("interrompido ")
    assert not {"at", "step", "of", "part", "stage", "while", "before", "decode", "text"} & set(said.split())


@pytest.mark.usefixtures("portuguese")
def test_values_are_kept() -> None:
    assert reason_words(because(Code.WAITS_FOR_JOB, id=12)) == "espera o trabalho 12"
    assert reason_words(because(Code.WAITS_FOR_MEMORY, why="{a} 100 %\nx")) == "espera memória: {a} 100 %\nx"
    assert "no passo 3 de 8" in reason_words(because(Code.DIED_TWICE, step=3, num_steps=8))


@pytest.mark.parametrize(
    "text", ["somebody else's words", "restart", "{}", "[1]", '{"code": "of tomorrow"}', '{"id": 3}']
)
def test_what_is_no_reason_stays_readable(text: str) -> None:
    kept = Reason.from_json(text)
    assert (kept.code, reason_words(kept)) == (Code.WORDS, text)
    assert Reason.from_json(kept.to_json()) == kept
    assert reason_words(Reason.from_json("")) == ""


@pytest.mark.parametrize("row", ['{"code": "waits_for_job"}', '{"code": "died_twice", "step": "x"}'])
def test_a_row_with_the_wrong_values_is_shown_and_ends_nothing(row: str) -> None:
    assert reason_words(Reason.from_json(row))


NEWER = {
    Code.OUTSIDE_HOURS,
    Code.WAITS_FOR_VOICE,
    Code.WAITS_FOR_PICTURE,
    Code.WAITS_FOR_MODEL,
    Code.MACHINE_DOWN,
    Code.MACHINE_DOWN_TWICE,
}
"""Codes that no version ever wrote as a sentence."""
EXAMPLES = {code: because(code) for code in Code if code and code not in NEWER} | {
    Code.WAITS_FOR_JOB: because(Code.WAITS_FOR_JOB, id=12),
    Code.JOB_FAILED: because(Code.JOB_FAILED, id=3),
    Code.JOB_CANCELLED: because(Code.JOB_CANCELLED, id=3),
    Code.JOB_DELETED: because(Code.JOB_DELETED, id=3),
    Code.WAITS_FOR_MEMORY: because(Code.WAITS_FOR_MEMORY, why="needs 61 GiB, 48 available: (close) programs"),
    Code.WAITS_FOR_DISK: because(Code.WAITS_FOR_DISK, size="1.20 GiB"),
    Code.DISK_STAYS_FULL: because(
        Code.DISK_STAYS_FULL, tries=4, free="9.00 GiB", error="[Errno 28] /restart-test/a (b) free, a quota? (x)"
    ),
    Code.INPUT_CHANGED: because(Code.INPUT_CHANGED, path="/data/restart: released (died twice)\n/a.jpg"),
    Code.GANG_LOST: because(Code.GANG_LOST, why="GPU 2 of the 2 that work on this job has failed: {x} 100 %"),
    Code.WAITS_FOR_WORKER: because(Code.WAITS_FOR_WORKER, why="spark-02: {x} no checkpoint 100 %"),
    Code.WORKER_LOST: because(Code.WORKER_LOST, why="spark-02 (gpu 1) has ended {x} 100 %"),
    Code.WORDS: because(Code.WORDS, text="what nobody here ever wrote"),
}


LATER = {Code.NO_INODES, Code.GANG_LOST, Code.WAITS_FOR_WORKER, Code.WORKER_LOST}
"""Codes that no sentence of the first schema stands for: they were stored as codes from their first day on."""


@pytest.mark.parametrize("code", EXAMPLES)
def test_a_reason_is_read_back_with_all_its_values(code: Code) -> None:
    assert Reason.from_json(EXAMPLES[code].to_json()) == EXAMPLES[code]


@pytest.mark.parametrize("code", [code for code in EXAMPLES if code not in LATER])
@pytest.mark.parametrize("place", PLACES)
def test_an_old_sentence_becomes_its_code_with_all_its_values(code: Code, place: str) -> None:
    reason = EXAMPLES[code]
    if code in (Code.INTERRUPTED, Code.DIED_TWICE):
        reason = because(code, **place_values(PLACES[place]))
    # In those days a piece was called a part.
    assert read_old_reason(str(reason).replace(", piece ", ", part ")) == reason
    assert Reason.from_json(reason.to_json()) == reason
