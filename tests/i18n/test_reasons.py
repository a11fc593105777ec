"""Reasons are kept in English, whoever stored them, and said in the language of whoever reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.front import language
from pipelines.front.progress import Stage
from skyreels_tui.queue import reasons
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import reason_words
from skyreels_tui.queue.store.attempts import describe_place


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
    stored = describe_place(PLACES[place])
    said = reason_words(reasons.INTERRUPTED.format(where=stored))
    assert said.startswith("interrompido ")
    assert not {"at", "step", "of", "part", "stage", "while", "before", "decode", "text"} & set(said.split())


@pytest.mark.usefixtures("portuguese")
def test_values_are_kept() -> None:
    assert reason_words("waits for job 12") == "espera o trabalho 12"
    assert reason_words("waits for memory: {a} 100 %\nx") == "espera memória: {a} 100 %\nx"
    stored = reasons.DIED_TWICE.format(where=reasons.AT_STEP.format(step=3, num_steps=8))
    assert "no passo 3 de 8" in reason_words(stored)


@pytest.mark.usefixtures("portuguese")
def test_what_no_sentence_made_stays() -> None:
    assert reason_words("somebody else's words") == "somebody else's words"
    assert reason_words("") == ""


@pytest.mark.parametrize("place", PLACES)
def test_english_is_what_was_stored(place: str) -> None:
    stored = reasons.DIED_TWICE.format(where=describe_place(PLACES[place]))
    assert reason_words(stored) == stored
