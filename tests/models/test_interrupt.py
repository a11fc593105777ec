"""Stopping between the blocks of a running transformer call, and between the chunks of an encode."""

import pytest
import torch

from pipelines.front.errors import Cancelled
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.models.vae.vae import encode_mean
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

    with pytest.raises(Cancelled), interruptible(network.blocks.children(), stop_at_the_third):
        call(network)
    assert len(asked) == 3


def test_nothing_is_asked_once_the_context_is_left(network):
    asked = []
    with interruptible(network.blocks.children(), lambda: asked.append(1)):
        inside = call(network)
    assert len(asked) == 4
    assert torch.equal(call(network), inside)
    assert len(asked) == 4


def test_an_encode_stops_before_the_next_chunk_and_the_next_one_is_whole():
    torch.manual_seed(0)
    vae = AutoencoderKLWan(base_dim=4, z_dim=4, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[True])
    pixels, asked = torch.rand(1, 3, 17, 8, 8), []

    def stop_at_the_third():
        asked.append(1)
        if len(asked) == 3:
            raise Cancelled("cancel")

    with torch.inference_mode():
        whole = encode_mean(vae, pixels)
        with pytest.raises(Cancelled), interruptible([vae.encoder], stop_at_the_third):
            encode_mean(vae, pixels)
        assert len(asked) == 3
        assert torch.equal(encode_mean(vae, pixels), whole)
