"""What the transformer asks of a sharding of its tokens over several devices; knows nothing about how they talk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from pipelines.models.transformer.block import Block


class Shard(Protocol):
    """This device's slice of every frame's tokens in one call."""

    @property
    def tokens_per_frame(self) -> int:
        """Tokens of a frame that this device holds."""

    def take(self, x: Tensor, dim: int) -> Tensor:
        """The slice of x, which holds all frames' tokens along `dim`."""

    def self_attention(self, block: Block, z: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As `Block.self_attention`, over the tokens of all devices; z, cos, sin and the results are the slice's."""

    def speaker_positions(self, q: Tensor, k: Tensor, masks: Tensor) -> Tensor:
        """Rotary positions of the slice's tokens, float32 [L], from its rotated queries and keys."""

    def join(self, x: Tensor) -> Tensor:
        """All tokens of the frames whose slice is x [1, F * tokens_per_frame, D], on every device."""


Sharding = Callable[[int, int], Shard]
"""(frames, tokens of a whole frame) -> this device's slice."""
