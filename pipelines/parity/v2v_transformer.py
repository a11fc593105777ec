"""Replays the transformer of video extension stage by stage, in float32 and with bfloat16 weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from pipelines.families.v2v.networks import SHOT_SWITCHING_FOLDER, SINGLE_SHOT_FOLDER, load_transformer
from pipelines.front.prompts import PROMPT_TOKENS
from pipelines.models.transformer import ops
from pipelines.models.transformer.block import Block
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.parity.golden import Comparison, Golden, close
from pipelines.parity.ranks import alone, is_led
from pipelines.parity.record import Recorder
from pipelines.parity.tolerance import fitting_arguments, rounded, stated

FIRST_BLOCK = ("attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_out.0", "ffn")


def replay_transformer(golden: Golden) -> Iterator[Comparison]:
    """Every stored stage, at the absolute tolerance or, for bfloat16 weights, at the stated relative one."""
    dtype = weights_dtype(golden)
    with_prefix = bool(golden.args.get("prefix_frames", "prefix" in golden))
    inputs = {name: golden[name] for name in ("x", "t", "context", *(("prefix",) if with_prefix else ()))}
    folder = SHOT_SWITCHING_FOLDER if with_prefix else SINGLE_SHOT_FOLDER
    network = load_transformer(golden.checkpoint() / folder, dtype=dtype)
    if dtype == torch.bfloat16:
        round_float32_weights(network)
    golden.ranks.lead(network)
    yield from fitting_arguments(golden, described(inputs))
    stages = transformer_stages(network, golden)
    for name in golden.tensors:
        if name in inputs:
            continue
        if name not in stages:
            # Nobody knows this stage: it stays uncompared, which the run says.
            continue
        actual = stages[name]
        if name == "text_tokens":
            actual = actual[:, : golden[name].shape[1]]
        if dtype == torch.float32:
            yield close(name, actual, golden.stored(name), stated(golden, "out"))
        else:
            limits = stated(golden, "relative"), stated(golden, "max")
            yield from rounded(name, actual.float(), golden[name], *limits)


def described(inputs: dict[str, Tensor]) -> dict[str, int]:
    """What the arguments say about a call, read off its tensors."""
    x, timesteps = inputs["x"], inputs["t"][0]
    frames = x.shape[2]
    return {
        "frames": frames,
        "condition_frames": int((timesteps[:frames] == 0).sum()),
        "prefix_frames": inputs["prefix"].shape[2] if "prefix" in inputs else 0,
        "timestep": int(timesteps.max()),
        "latent_height": x.shape[3],
        "latent_width": x.shape[4],
    }


def weights_dtype(golden: Golden) -> torch.dtype:
    """The dtype that the golden's weights were rounded to."""
    dtype: torch.dtype = getattr(torch, golden.args.get("weights", "float32"))
    return dtype


def round_float32_weights(network: SkyReelsTransformer) -> None:
    """Give the weights kept in float32 the values of a bfloat16 file, which is what the release holds."""
    for parameter in network.parameters():
        parameter.data = parameter.data.to(torch.bfloat16).to(parameter.dtype)


def pad_context(rows: Tensor) -> Tensor:
    """Text features [1, n, D] with the zero rows of padding put back: [1, 512, D]."""
    return F.pad(rows, (0, 0, 0, PROMPT_TOKENS - rows.shape[1]))


def run_transformer(
    network: SkyReelsTransformer, golden: Golden, context: Tensor, *, with_prefix: bool = False
) -> Tensor:
    """Velocity of the golden's latents; `with_prefix` also projects the prefix frames that have no use."""
    x, timesteps = golden["x"], golden["t"][0]
    unique, frame_index = torch.unique(timesteps, return_inverse=True)
    shown = len(timesteps) if with_prefix else x.shape[2]
    # A golden is no dict: reading a tensor also marks it as used.
    prefix = golden["prefix"] if "prefix" in golden else None  # noqa: SIM401
    out = network(
        x,
        unique,
        network.encode_context(context),
        frame_index=frame_index,
        prefix=prefix,
        num_output_frames=shown,
    )
    return out[:, :, : x.shape[2]]


def transformer_stages(network: SkyReelsTransformer, golden: Golden) -> dict[str, Tensor]:
    """Run the network once and name what passes through it as the goldens do."""
    embedder = "condition_embedder."
    blocks = [f"blocks.{i}" for i in range(len(network.blocks))]
    modules = [*blocks, *(f"blocks.0.{part}" for part in FIRST_BLOCK), "proj_out"]
    modules += [embedder + "time_embedder", embedder + "text_embedder"]
    context = pad_context(golden["context"])
    with Recorder(network, modules) as seen, alone(network):
        out = run_transformer(network, golden, context, with_prefix=True)
    if is_led(network):
        out = run_transformer(network, golden, context, with_prefix=True)
    frame_index = torch.unique(golden["t"][0], return_inverse=True)[1]
    tokens, modulation = seen.inputs["blocks.0"][0][:2]
    stages = {
        "out": out,
        "patch_tokens": tokens,
        "time_sinusoid": seen.inputs[embedder + "time_embedder"][0][0][frame_index],
        "time_embed": seen.output(embedder + "time_embedder")[frame_index],
        "time_proj": modulation.flatten(1)[frame_index],
        "text_tokens": seen.output(embedder + "text_embedder"),
        "head_in": seen.inputs["proj_out"][0][0],
        "head_out": seen.output("proj_out"),
        **{f"b{i}.out": seen.output(name) for i, name in enumerate(blocks)},
    }
    first = network.blocks[0]
    assert isinstance(first, Block)
    return stages | _first_block_stages(first, seen, tokens, modulation, frame_index)


def _first_block_stages(
    block: Block, seen: Recorder, tokens: Tensor, modulation: Tensor, frame_index: Tensor
) -> dict[str, Tensor]:
    """Parts of block 0; what fused functions keep to themselves is repeated with the same operations."""
    rows = block.rows(modulation, frame_index)
    nothing = torch.zeros_like(rows.scale1)
    attention, cross_attention = seen.calls["attention"][:2]
    q, k = attention.args[:2]
    self_out, cross_out = seen.output("blocks.0.attn1.to_out.0"), seen.output("blocks.0.attn2.to_out.0")
    after_self = ops.gate_residual(tokens, self_out, rows.gate1)

    def normed(part: str) -> Tensor:
        projected, norm = seen.output(f"blocks.0.attn1.to_{part}"), getattr(block.attn1, f"norm_{part}")
        return ops.rms_norm_rope(projected, norm.weight, None, None, block.eps, block.num_heads).flatten(2)

    return {
        "b0.norm1": ops.layer_norm_modulate(tokens, nothing, nothing, block.eps),
        "b0.self_in": seen.inputs["blocks.0.attn1.to_q"][0][0],
        "b0.q_norm": normed("q"),
        "b0.k_norm": normed("k"),
        "b0.q_rope": q,
        "b0.k_rope": k,
        "b0.v": seen.output("blocks.0.attn1.to_v"),
        "b0.self_attention": attention.result,
        "b0.self_out": self_out,
        "b0.after_self": after_self,
        "b0.cross_in": seen.inputs["blocks.0.attn2.to_q"][0][0],
        "b0.cross_attention": cross_attention.result,
        "b0.cross_out": cross_out,
        "b0.after_cross": after_self + cross_out,
        "b0.ffn_in": seen.inputs["blocks.0.ffn"][0][0],
        "b0.ffn_out": seen.output("blocks.0.ffn"),
    }
