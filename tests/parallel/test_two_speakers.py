"""Two speakers over two processes of this host, and with 8-bit weights: whole jobs of the executor."""

import dataclasses

import pytest

from pipelines.front.errors import Cancelled
from pipelines.front.shapes import AVATAR_BUCKETS
from pipelines.media.write.publish import read_metadata
from tests.parallel.test_jobs import (  # noqa: F401 - fixtures
    assert_same_steps,
    attempt,
    crew_of,
    executor,
    until_decode,
)
from tests.queue.demo_requests import demo_request, voice


@pytest.fixture
def request_(tmp_path, monkeypatch):
    monkeypatch.setitem(AVATAR_BUCKETS, "128P", {"1.00": (64, 64)})
    (tmp_path / "inputs").mkdir()
    return dataclasses.replace(
        demo_request("talking_avatar", tmp_path / "inputs"),
        input_audio=(voice(tmp_path / "a.wav", 0.5),),
        second_audio=(voice(tmp_path / "b.wav", 0.6),),
        regions="0,0,45,100 55,0,45,100",
        num_inference_steps=2,
    )


@pytest.mark.parametrize("changes", [{}, {"second_audio": (), "regions": "10,10,50,60"}], ids=["two", "one of several"])
def test_two_ranks_tell_the_speakers_apart_as_one_does(executor, attempt, request_, changes):  # noqa: F811 - fixtures
    request = dataclasses.replace(request_, **changes)
    contexts = (
        attempt(request, "alone", report=until_decode),
        attempt(dataclasses.replace(request, gpus="2"), "together", report=until_decode),
    )
    for context in contexts:
        with pytest.raises(Cancelled):
            executor.run(context)
    assert_same_steps(*contexts)
    assert not crew_of(executor).is_over


def test_low_vram_takes_two_speakers(executor, attempt, request_):  # noqa: F811 - fixtures
    output = executor.run(attempt(dataclasses.replace(request_, low_vram=True)))
    made = read_metadata(output.path)
    assert made["memory_plan"] == ["fp8 weights"]
    assert made["request"]["second_audio"] == list(request_.second_audio)
