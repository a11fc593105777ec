"""Sequence parallelism after Ulysses, sharded inside each frame; knows nothing of families or jobs.

Rank r holds slice r of every frame's tokens, so everything that is per frame stays as it is. Around self-attention one
exchange turns "these tokens, all heads" into "all tokens, these heads" and a second one turns it back. Softmax does not
ask for the order of its keys and the rotation rides with its token: the result changes by rounding alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.gang import gang_problem
from pipelines.models.lean.scaled_linear import linears
from pipelines.models.transformer import attention as softmax
from pipelines.models.transformer import ops, speakers
from pipelines.models.transformer.block import Block
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.parallel.gang import Arriving, Gang, split


@dataclass(frozen=True, slots=True)
class FrameSlices:
    """A `Shard`: this rank's slice of every frame in one call."""

    gang: Gang
    frames: int
    slices: tuple[int, ...]
    """Tokens of a frame on every rank."""

    @property
    def tokens_per_frame(self) -> int:
        return self.slices[self.gang.rank]

    def take(self, x: Tensor, dim: int) -> Tensor:
        frames = x.unflatten(dim, (self.frames, -1))
        return self.gang.slice_of(frames, self.slices, dim + 1).flatten(dim, dim + 1).contiguous()

    def self_attention(self, block: Block, z: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if z.shape[0] > 1:
            raise ValueError("tokens of a batch are not sharded")
        self.gang.go_on()
        attn, heads, eps, ranks = block.attn1, block.num_heads, block.eps, self.gang.size
        # Each message travels while the next product is computed.
        products = linears((attn.to_v, attn.to_q, attn.to_k), z)
        v = self._to_heads(ops.split_heads(next(products).unflatten(-1, (heads, -1)), ranks))
        q = ops.rms_norm_rope(next(products), attn.norm_q.weight, cos, sin, eps, heads, ranks)  # [N, l, H / N, D / H]
        all_q = self._to_heads(q)
        k = ops.rms_norm_rope(next(products), attn.norm_k.weight, cos, sin, eps, heads, ranks)
        all_k = self._to_heads(k)
        y = softmax.attention(all_q.wait()[None], all_k.wait()[None], v.wait()[None])  # [1, L, H / N, D / H]
        return attn.to_out[0](self._to_tokens(y[0].contiguous())), q, k

    def speaker_positions(self, q: Tensor, k: Tensor, masks: Tensor) -> Tensor:
        first = self.gang.gather(_all_heads(k[:, : self.tokens_per_frame]), self.slices, dim=1)
        classes = speakers.speaker_map(_all_heads(q), first, masks)  # [3, l]
        ends = self.gang.largest(torch.stack((-classes.amin(1), classes.amax(1))))
        return speakers.query_positions(classes, -ends[0], ends[1])

    def join(self, x: Tensor) -> Tensor:
        frames = x[0].unflatten(0, (-1, self.tokens_per_frame))
        return self.gang.gather(frames, self.slices, dim=1).flatten(0, 1)[None]

    @property
    def tokens(self) -> list[int]:
        """Tokens of the call on every rank."""
        return [self.frames * size for size in self.slices]

    def _to_heads(self, parts: Tensor) -> Arriving:
        """Send [N, l, H / N, D / H]; all tokens of this rank's heads arrive, [L, H / N, D / H], rank after rank."""
        return self.gang.start_exchange(parts.flatten(0, 1), [parts.shape[1]] * self.gang.size, self.tokens)

    def _to_tokens(self, y: Tensor) -> Tensor:
        """Send [L, H / N, D / H] back; returns this rank's tokens with all heads, [1, l, D]."""
        mine = self.tokens[self.gang.rank]
        parts = self.gang.exchange(y, self.tokens, [mine] * self.gang.size)
        return _all_heads(parts.unflatten(0, (self.gang.size, mine))).flatten(2)


@dataclass(frozen=True, slots=True)
class WholeFrames:
    """A `Shard` of a rank that makes a call by itself, while others make theirs: it hears the leader's word."""

    gang: Gang
    tokens_per_frame: int

    def take(self, x: Tensor, _dim: int) -> Tensor:
        return x

    def self_attention(self, block: Block, z: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        self.gang.go_on()
        return block.self_attention(z, cos, sin)

    def speaker_positions(self, q: Tensor, k: Tensor, masks: Tensor) -> Tensor:
        return speakers.query_positions(speakers.speaker_map(q, k[:, : self.tokens_per_frame], masks))

    def join(self, x: Tensor) -> Tensor:
        return x


def _all_heads(parts: Tensor) -> Tensor:
    """[N, l, H / N, D / H] -> [1, l, H, D / H]."""
    return parts.transpose(0, 1).flatten(1, 2)[None]


def shard_sequence(network: SkyReelsTransformer, gang: Gang) -> None:
    """Let every call of `network` be one of all ranks together; each must make it, with the same inputs.

    Raises InvalidRequest when the ranks cannot share the network's heads equally.
    """
    if problem := gang_problem(gang.size, network.config.num_attention_heads):
        raise InvalidRequest([Problem("gpus", problem)])
    if gang.size == 1:
        network.sharding = lambda _frames, tokens: WholeFrames(gang, tokens)
    else:
        network.sharding = lambda frames, tokens: FrameSlices(gang, frames, split(tokens, gang.size))


@contextmanager
def sharded(network: SkyReelsTransformer, gang: Gang) -> Iterator[None]:
    """`shard_sequence` for as long as the context lasts."""
    before = network.sharding
    shard_sequence(network, gang)
    try:
        yield
    finally:
        network.sharding = before
