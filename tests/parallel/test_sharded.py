"""The sharded transformer and the decode by rows against one rank: float32, gloo, sizes that do not divide."""

import pytest
import torch
from diffusers import AutoencoderKLWan
from torch.multiprocessing import ProcessRaisedException

from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.models.vae.decoder import DecoderWeights, StreamingDecoder
from pipelines.parallel.gang import split
from pipelines.parallel.processes import run_ranks
from pipelines.parallel.rows import decode_rows
from pipelines.parallel.sequence import shard_sequence

AVATAR = {
    "in_channels": 36, "image_dim": 24, "added_kv_proj_dim": 96, "audio_feature_dim": 96, "audio_dim": 16,
    "audio_hidden_dim": 16, "audio_tokens": 4,
}  # fmt: skip
KINDS = ("plain", "fewer frames out", "prefix", "timestep a frame", "avatar", "two speakers")


def network(num_attention_heads=8, **options):
    torch.manual_seed(0)
    made = SkyReelsTransformer(
        num_attention_heads=num_attention_heads,
        attention_head_dim=12,
        text_dim=32,
        freq_dim=32,
        ffn_dim=64,
        num_layers=2,
        **options,
    )
    for value in made.parameters():
        torch.nn.init.normal_(value, 0, 0.2 if value.ndim > 1 else 0.5)
    return made.eval()


def call(kind, rows, columns):
    """A network and the arguments of one call."""
    draw = torch.Generator().manual_seed(1)

    def randn(*shape):
        return torch.randn(*shape, generator=draw)

    avatar = kind in ("avatar", "two speakers")
    made = network(**(AVATAR if avatar else {}))
    latents = randn(1, 36 if avatar else 16, 5, 2 * rows, 2 * columns)
    timesteps, options = torch.tensor([900.0]), {}
    image = randn(1, 257, 24) if avatar else None
    if avatar:
        options["audio"] = made.encode_audio(randn(2 if kind == "two speakers" else 1, 17, 5, 12, 8))
    if kind == "fewer frames out":
        options["num_output_frames"] = 3
    elif kind == "prefix":
        options |= {"prefix": randn(1, 16, 2, 2 * rows, 2 * columns), "frame_index": torch.tensor([1] * 5 + [0] * 2)}
    elif kind == "timestep a frame":
        options["frame_index"] = torch.tensor([0, 0, 1, 1, 1])
    elif kind == "two speakers":
        masks = torch.zeros(3, 2 * rows, 2 * columns)
        masks[0, :, :5] = masks[1, :, 9:] = masks[2, :, 5:9] = 1
        options["speaker_masks"] = masks
    if "frame_index" in options:
        timesteps = torch.tensor([0.0, 900.0])
    return made, (latents, timesteps, made.encode_context(randn(1, 512, 32), image)), options


@torch.inference_mode()
def every_kind_agrees(gang):
    for kind in KINDS:
        # 35 tokens a frame: neither 2 nor 4 divides them.
        made, args, options = call(kind, 5, 7)
        alone = made(*args, **options)
        shard_sequence(made, gang)
        together = made(*args, **options)
        assert together.shape == alone.shape
        assert (together - alone).abs().max() < 2e-5, kind


@pytest.mark.parametrize("ranks", [2, 4])
def test_every_kind_of_call_is_the_same_on_several_ranks(ranks):
    run_ranks(ranks, every_kind_agrees)


@torch.inference_mode()
def decode_agrees(gang):
    torch.manual_seed(0)
    weights = DecoderWeights(AutoencoderKLWan(base_dim=4, num_res_blocks=1).eval(), torch.float32)
    # Fewer frames than a chunk holds, whole chunks and a rest.
    for frames in (1, 2, 3, 6):
        z = torch.randn(frames, 16, 7, 6, generator=torch.Generator().manual_seed(1))
        parts = list(decode_rows(gang, weights, z))
        if gang.is_leader:
            decoder = StreamingDecoder(weights, torch.float32)
            expected = [decoder.decode(latent) for latent in z.split(1)]
            assert [part.shape for part in parts] == [part.shape for part in expected]
            assert max((a - b).abs().max() for a, b in zip(parts, expected, strict=True)) < 1e-5
        else:
            assert parts == [None] * frames


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_a_decode_by_rows_is_the_decode_of_one_rank(ranks):
    run_ranks(ranks, decode_agrees)


def refuses(gang):
    with pytest.raises(Exception, match=r"3 GPUs cannot share the 8 attention heads .* choose 1, 2, 4, 8"):
        shard_sequence(network(), gang)


def test_a_number_of_ranks_that_the_heads_do_not_share_is_refused_in_words():
    run_ranks(3, refuses)


def fails_on_the_second(gang):
    if gang.rank == 1:
        raise ArithmeticError("rank one broke")
    gang.gather(torch.zeros(1), [1] * gang.size, 0)


def test_a_rank_that_fails_ends_the_others():
    with pytest.raises(ProcessRaisedException, match=r"rank one broke|Connection closed"):
        run_ranks(2, fails_on_the_second)


@pytest.mark.parametrize(("total", "ranks"), [(35, 2), (2040, 8), (3, 4), (0, 2)])
def test_slices_cover_everything_and_differ_by_one_at_most(total, ranks):
    sizes = split(total, ranks)
    assert sum(sizes) == total
    assert len(sizes) == ranks
    assert max(sizes) - min(sizes) <= 1
