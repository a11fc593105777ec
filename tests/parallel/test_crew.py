"""A job's process that leads others: equal calls, one stop for all, bounded ends."""

import os
import signal
import time

import pytest
import torch
from diffusers import AutoencoderKLWan

from pipelines.front.errors import Cancelled, GangLost, InvalidRequest
from pipelines.models.vae.vae import decode_stream
from pipelines.parallel.crew import Crew
from pipelines.running.interrupt import interruptible
from tests.parallel.test_sharded import KINDS, call, network


@pytest.fixture(scope="module")
def crew():
    made = Crew(2, "cpu")
    yield made
    made.close()


@pytest.mark.parametrize("kind", KINDS)
@torch.inference_mode()
def test_a_led_call_is_the_call_of_one_rank(crew, kind):
    made, args, options = call(kind, 5, 7)
    alone = made(*args, **options)
    for _ in range(2):
        with crew.lead(made):
            together = made(*args, **options)
        assert (together - alone).abs().max() < 2e-5
    # Afterwards the network is one rank's again, bit by bit.
    assert torch.equal(made(*args, **options), alone)


@torch.inference_mode()
def test_changed_weights_are_sent_again_when_the_old_are_forgotten(crew):
    made, args, options = call("plain", 5, 7)
    with crew.lead(made):
        made(*args, **options)
    for value in made.parameters():
        value.mul_(0.5)
    crew.forget(made)
    alone = made(*args, **options)
    with crew.lead(made):
        assert (made(*args, **options) - alone).abs().max() < 2e-5


class StopAt:
    """A `poll` that cancels at the n-th block."""

    def __init__(self, block):
        self.left = block

    def __call__(self):
        if not self.left:
            raise Cancelled
        self.left -= 1


@pytest.mark.parametrize("block", [0, 1])
@torch.inference_mode()
def test_a_cancel_inside_a_step_stops_all_ranks_and_the_next_call_works(crew, block):
    made, args, options = call("plain", 5, 7)
    alone = made(*args, **options)
    with crew.lead(made):
        with pytest.raises(Cancelled), interruptible(made.blocks.children(), StopAt(block)):
            made(*args, **options)
        assert (made(*args, **options) - alone).abs().max() < 2e-5


def small_vae():
    torch.manual_seed(0)
    return AutoencoderKLWan(base_dim=4, num_res_blocks=1).eval()


@torch.inference_mode()
def test_a_led_decode_is_that_of_one_rank_also_after_one_that_was_left_early(crew):
    vae = small_vae()
    latents = torch.randn(1, 16, 3, 7, 6, generator=torch.Generator().manual_seed(1))
    alone = list(decode_stream(vae, latents))
    for taken in (1, 2, 3):
        left = decode_stream(vae, latents, together=crew.decode)
        for _ in range(taken):
            next(left)
        left.close()
    together = list(decode_stream(vae, latents, together=crew.decode))
    assert [part.shape for part in together] == [part.shape for part in alone]
    assert max((a - b).abs().max() for a, b in zip(together, alone, strict=True)) < 1e-5


def test_heads_that_do_not_divide_are_refused_in_words_and_the_crew_goes_on(crew):
    made = network(num_attention_heads=3)
    with pytest.raises(InvalidRequest, match=r"2 GPUs cannot share the 3 attention heads .* choose 1, 3"):
        crew.lead(made).__enter__()
    assert not crew.is_over


@torch.inference_mode()
def test_a_killed_rank_ends_the_gang_soon_and_in_words_and_another_can_begin(crew):
    made, args, options = call("plain", 5, 7)
    alone = made(*args, **options)
    with crew.lead(made):
        started = time.monotonic()
        # Killed inside a call, after the exchanges of the first block.
        poll = StopAt(2)

        def kill():
            poll()
            if not poll.left:
                os.kill(crew.followers.processes[0].pid, signal.SIGKILL)

        with (
            pytest.raises(GangLost, match=r"GPU 2 of the 2 that work on this job has failed"),
            interruptible(made.blocks.children(), kill),
        ):
            made(*args, **options)
        assert time.monotonic() - started < 30
    assert crew.is_over
    with pytest.raises(GangLost, match="start it again"), crew.lead(made):
        made(*args, **options)

    another = Crew(2, "cpu")

    def breaks():
        raise MemoryError("out of memory")

    with another.lead(made):
        assert (made(*args, **options) - alone).abs().max() < 2e-5
        with pytest.raises(MemoryError), interruptible(made.blocks.children(), breaks):
            made(*args, **options)
    # What breaks on the leader ends the followers too.
    assert another.is_over
    assert not any(process.is_alive() for process in (*crew.followers.processes, *another.followers.processes))


@torch.inference_mode()
def test_a_silent_rank_ends_the_gang_within_the_time_that_it_may_be_silent():
    made, args, options = call("plain", 5, 7)
    # Long enough for a sound rank that a busy machine lets wait.
    crew = Crew(4, "cpu", quiet_s=2.0)
    processes = crew.followers.processes
    poll = StopAt(2)

    def freeze():
        poll()
        if not poll.left:
            os.kill(processes[1].pid, signal.SIGSTOP)
            poll.left = -1

    with crew.lead(made):
        started = time.monotonic()
        # Those that wait for it as the leader does are not the ones that are named.
        with (
            pytest.raises(GangLost, match=r"GPU 3 of the 4 that work on this job has failed: it does not answer"),
            interruptible(made.blocks.children(), freeze),
        ):
            made(*args, **options)
        assert time.monotonic() - started < 30
    assert crew.is_over
    assert not any(process.is_alive() for process in processes)


@torch.inference_mode()
def test_frames_are_whole_only_once_every_rank_says_that_it_has_done_its_part():
    vae = small_vae()
    latents = torch.randn(1, 16, 3, 7, 6, generator=torch.Generator().manual_seed(1))
    crew = Crew(2, "cpu", quiet_s=2.0)
    frames = decode_stream(vae, latents, together=crew.decode)
    for _ in range(3):
        next(frames)
    # Everything has come that will; whether the other rank's device had finished it only that rank can say.
    os.kill(crew.followers.processes[0].pid, signal.SIGSTOP)
    with pytest.raises(GangLost, match="it does not answer"):
        next(frames)
    assert crew.is_over
