"""Stopping between the blocks of a running transformer call."""

import pytest
import torch

from pipelines.front.errors import Cancelled
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.running.interrupt import interruptible


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return SkyReelsTransformer(
        num_attention_heads=2, attention_head_dim=16, text_dim=24, ffn_dim=56, num_layers=4, freq_dim=20
    ).eval()


def call(network):
    with torch.inference_mode():
        context = network.encode_context(torch.zeros(1, 512, 24))
        return network(torch.zeros(1, 16, 3, 4, 4), torch.tensor(5.0), context)


def test_a_call_stops_before_the_next_block(network):
    asked = []

    def stop_at_the_third():
        asked.append(1)
        if len(asked) == 3:
            raise Cancelled("cancel")

    with pytest.raises(Cancelled), interruptible(network, stop_at_the_third):
        call(network)
    assert len(asked) == 3


def test_nothing_is_asked_once_the_context_is_left(network):
    asked = []
    with interruptible(network, lambda: asked.append(1)):
        inside = call(network)
    assert len(asked) == 4
    assert torch.equal(call(network), inside)
    assert len(asked) == 4
