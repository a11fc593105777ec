"""Independent calls of a step shared out among ranks: the same results, one stop for all, bounded ends."""

import os
import signal
import time

import pytest
import torch

from pipelines.front.errors import Cancelled, GangLost
from pipelines.models.transformer.transformer import NetworkCall
from pipelines.parallel.branches import make_calls, rounds
from pipelines.parallel.crew import Crew
from pipelines.parallel.processes import run_ranks
from pipelines.running.interrupt import interruptible
from tests.parallel.test_crew import StopAt
from tests.parallel.test_sharded import call, network

LAYERS = 2


@pytest.mark.parametrize(
    ("calls", "ranks", "expected"),
    [(1, 1, [1]), (3, 1, [1, 1, 1]), (1, 4, [1]), (2, 2, [2]), (3, 2, [2, 1]), (2, 4, [2]), (3, 4, [2, 1]),
     (3, 5, [1, 1, 1]), (3, 6, [3]), (3, 8, [2, 1]), (2, 8, [2])],
)  # fmt: skip
def test_as_many_calls_as_divide_the_ranks_are_made_side_by_side(calls, ranks, expected):
    assert rounds(calls, ranks) == expected


def calls_of(kind, count, num_attention_heads=8):
    """A network and `count` calls of it that differ in latents, and every second one in its text."""
    made, (latents, timesteps, context), options = call(kind, 5, 7)
    if num_attention_heads != 8:
        made = network(num_attention_heads)
        context = made.encode_context(torch.randn(1, 512, 32, generator=torch.Generator().manual_seed(2)))
    other = made.encode_context(
        torch.randn(1, 512, 32, generator=torch.Generator().manual_seed(3)),
        torch.randn(1, 257, 24, generator=torch.Generator().manual_seed(4)) if context.image else None,
    )
    texts = (context, other)
    return made, [NetworkCall((latents * (1 - n / 4), timesteps, texts[n % 2]), options) for n in range(count)]


@torch.inference_mode()
def branches_agree(gang, heads, kinds):
    for kind in kinds:
        for count in (2, 3):
            made, calls = calls_of(kind, count, heads)
            alone = made.each(calls)
            # 35 tokens a frame: neither 2 nor 4 divides them.
            together = make_calls(gang, made, made, calls)
            assert made.sharding is None
            assert len(together) == (count if gang.is_leader else 0)
            for mine, expected in zip(together, alone, strict=gang.is_leader):
                assert mine.shape == expected.shape
                assert (mine - expected).abs().max() < 2e-5, (kind, count)


@pytest.mark.parametrize(
    ("ranks", "heads", "kinds"),
    [(2, 8, ("prefix", "two speakers")), (3, 6, ("plain",)), (4, 8, ("fewer frames out",))],
)
def test_calls_side_by_side_are_those_of_one_rank(ranks, heads, kinds):
    run_ranks(ranks, branches_agree, heads, kinds)


@pytest.fixture
def crew():
    made = Crew(2, "cpu")
    yield made
    made.close()


@torch.inference_mode()
def test_a_call_that_a_rank_makes_by_itself_is_that_of_one_gpu_bit_by_bit(crew):
    made, calls = calls_of("plain", 2)
    alone = made.each(calls)
    with crew.lead(made):
        together = made.each(calls)
        assert all(torch.equal(mine, expected) for mine, expected in zip(together, alone, strict=True))
    assert "each" not in vars(made)


@pytest.mark.parametrize("block", range(2 * LAYERS))
@torch.inference_mode()
def test_a_cancel_inside_any_round_stops_all_ranks_and_the_next_step_works(crew, block):
    made, calls = calls_of("plain", 3)
    alone = made.each(calls)
    with crew.lead(made):
        with pytest.raises(Cancelled), interruptible(made.blocks.children(), StopAt(block)):
            made.each(calls)
        for mine, expected in zip(made.each(calls), alone, strict=True):
            assert (mine - expected).abs().max() < 2e-5
        args, options = calls[0].args, calls[0].options
        assert (made(*args, **options) - alone[0]).abs().max() < 2e-5


@pytest.mark.parametrize("block", [1, 3])
@torch.inference_mode()
def test_a_rank_killed_in_any_round_ends_the_gang_soon(crew, block):
    made, calls = calls_of("plain", 3)
    poll = StopAt(block)

    def kill():
        if not poll.left:
            os.kill(crew.followers.processes[0].pid, signal.SIGKILL)
            poll.left = -1
        elif poll.left > 0:
            poll()

    started = time.monotonic()
    with (
        crew.lead(made),
        pytest.raises(GangLost, match=r"GPU 2 of the 2 that work on this job has failed"),
        interruptible(made.blocks.children(), kill),
    ):
        made.each(calls)
    assert time.monotonic() - started < 30
    assert crew.is_over
