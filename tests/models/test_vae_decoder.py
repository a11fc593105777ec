"""The streaming decoder against the library class whose weights it uses."""

import pytest
import torch
from diffusers import AutoencoderKLWan

from pipelines.models.vae.decoder import DecoderWeights, StreamingDecoder


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return AutoencoderKLWan(base_dim=4, z_dim=16, num_res_blocks=2).eval()


@pytest.mark.parametrize("chunks", [(1, 1, 1, 1), (1, 3), (1, 2, 1)])
def test_any_chunking_gives_the_library_s_frames(vae, chunks):
    z = torch.randn(1, 16, 4, 6, 4, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = vae.decode(z).sample[0].transpose(0, 1)
    decoder = StreamingDecoder(DecoderWeights(vae, torch.float32))
    frames = torch.cat([decoder.decode(part) for part in z[0].transpose(0, 1).split(list(chunks))])
    assert frames.shape == expected.shape == (13, 3, 48, 32)
    assert (frames - expected).abs().max() < 2e-5


def test_channels_that_are_zeros_change_nothing(vae):
    """Kernels that take channels in threes: every number of channels of this decoder gets zeros beside it."""
    z = torch.randn(3, 16, 4, 6, generator=torch.Generator().manual_seed(1))
    weights = DecoderWeights(vae, torch.float32, channels_together=3)
    assert {kernel.shape[1] % 3 for kernel in weights.kernels.values() if kernel.ndim == 5} == {0}
    with torch.inference_mode():
        expected = vae.decode(z.transpose(0, 1)[None]).sample[0].transpose(0, 1)
    decoder = StreamingDecoder(weights)
    frames = torch.cat([decoder.decode(part) for part in z.split(1)])
    assert (frames - expected).abs().max() < 2e-5


def test_the_first_call_takes_one_latent_frame(vae):
    with pytest.raises(ValueError, match="exactly one"):
        StreamingDecoder(DecoderWeights(vae, torch.float32)).decode(torch.zeros(2, 16, 4, 4))
