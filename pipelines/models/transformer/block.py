"""One transformer block and the keys and values that its cross-attentions keep for a whole job."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipelines.models.lean.scaled_linear import linears
from pipelines.models.transformer import attention as softmax
from pipelines.models.transformer import ops, speakers
from pipelines.models.transformer.layers import AffineNorm, AttentionWeights, AudioAttentionWeights, FeedForward
from pipelines.models.transformer.sharding import Shard


@dataclass(frozen=True, slots=True)
class KeyValue:
    """Keys and values of one attention, each [B, M, H, D]."""

    key: Tensor
    value: Tensor


@dataclass(frozen=True, slots=True)
class ModulationRows:
    """Float32 modulation rows of one block, each [F, D] or [1, D]."""

    shift1: Tensor
    scale1: Tensor
    gate1: Tensor
    shift2: Tensor
    scale2: Tensor
    gate2: Tensor


class Block(nn.Module):
    """Self-attention, text (and picture) attention, optional audio attention, feed-forward."""

    def __init__(
        self, dim: int, ffn_dim: int, num_heads: int, eps: float, *, added_kv: bool, audio_dim: int | None
    ) -> None:
        super().__init__()
        self.num_heads, self.eps = num_heads, eps
        self.scale_shift_table = nn.Parameter(torch.zeros(1, 6, dim))
        self.attn1 = AttentionWeights(dim)
        self.attn2 = AttentionWeights(dim, added_kv=added_kv)
        self.norm2 = AffineNorm(dim, eps)
        self.ffn = FeedForward(dim, ffn_dim, dim)
        self.norm_x = AffineNorm(dim, eps) if audio_dim else None
        self.audio_cross_attn = AudioAttentionWeights(dim, audio_dim) if audio_dim else None

    def text_kv(self, text: Tensor) -> KeyValue:
        """Keys and values of projected text [B, M, D]."""
        attn = self.attn2
        key = ops.rms_norm_rope(attn.to_k(text), attn.norm_k.weight, None, None, self.eps, self.num_heads)
        return KeyValue(key, attn.to_v(text).unflatten(-1, (self.num_heads, -1)))

    def image_kv(self, image: Tensor) -> KeyValue:
        """Keys and values of projected picture tokens [B, M, D]."""
        attn = self.attn2
        if attn.add_k_proj is None or attn.add_v_proj is None or attn.norm_added_k is None:
            raise ValueError("this transformer has no picture attention")
        key = ops.rms_norm_rope(attn.add_k_proj(image), attn.norm_added_k.weight, None, None, self.eps, self.num_heads)
        return KeyValue(key, attn.add_v_proj(image).unflatten(-1, (self.num_heads, -1)))

    def audio_kv(self, tokens: Tensor, num_speakers: int) -> KeyValue:
        """Keys and values of audio tokens [T, n, audio dim]; keys of two speakers are rotated apart."""
        if self.audio_cross_attn is None:
            raise ValueError("this transformer has no audio attention")
        key, value = self.audio_cross_attn.kv_linear(tokens).unflatten(-1, (2, self.num_heads, -1)).unbind(2)
        if num_speakers == 2:
            positions = speakers.key_positions(tokens.shape[1], tokens.device)
            key = ops.rotate_pairs(key, *speakers.speaker_tables(positions, key.shape[-1]))
        return KeyValue(key, value)

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        frame_index: Tensor | None,
        cos: Tensor,
        sin: Tensor,
        text: KeyValue,
        image: KeyValue | None = None,
        audio: KeyValue | None = None,
        masks: Tensor | None = None,
        shard: Shard | None = None,
        normed: Tensor | None = None,
        following: ModulationRows | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """One block over tokens x [B, F * S, D], of which x, cos and sin may be one device's shard.

        Returns x, and the first norm of the `following` block, which takes it as `normed`: made while x is at hand,
        it saves reading x once more.

        modulation: float32 [U, 6, D], a row for each unique timestep; frame_index: int64 [F] into them, or None
        when U is 1. masks: token masks [3, S] of two speakers, only together with `audio`.
        """
        rows = self.rows(modulation, frame_index)
        z = ops.layer_norm_modulate(x, rows.scale1, rows.shift1, self.eps) if normed is None else normed
        y, q, k = self.self_attention(z, cos, sin) if shard is None else shard.self_attention(self, z, cos, sin)
        norm = self.norm2
        x, z = ops.residual_norm_affine(x, y, rows.gate1, norm.weight, norm.bias, self.eps)
        y = self.cross_attention(z, text, image)
        if audio is not None and self.norm_x is not None:
            positions = None
            if masks is not None and shard is None:
                positions = speakers.query_positions(speakers.speaker_map(q, k[:, : masks.shape[1]], masks))
            elif masks is not None and shard is not None:
                positions = shard.speaker_positions(q, k, masks)
            x, z = ops.residual_norm_affine(x, y, None, self.norm_x.weight, self.norm_x.bias, self.eps)
            y = self.audio_attention(z, audio, positions)
        x, z = ops.residual_norm_modulate(x, y, rows.scale2, rows.shift2, self.eps)
        y = self.ffn(z)
        if following is None:
            return ops.gate_residual(x, y, rows.gate2), None
        return ops.gate_norm_modulate(x, y, rows.gate2, following.scale1, following.shift1, self.eps)

    def rows(self, modulation: Tensor, frame_index: Tensor | None) -> ModulationRows:
        """The six modulation rows of every frame."""
        rows = self.scale_shift_table.float() + modulation  # [U, 6, D]
        if frame_index is not None:
            rows = rows[frame_index]  # [F, 6, D]
        return ModulationRows(*rows.unbind(1))

    def self_attention(self, z: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the attention's output [B, L, D] and its rotated queries and keys [B, L, H, D / H]."""
        attn = self.attn1
        q, k, v = linears((attn.to_q, attn.to_k, attn.to_v), z)
        q = ops.rms_norm_rope(q, attn.norm_q.weight, cos, sin, self.eps, self.num_heads)
        k = ops.rms_norm_rope(k, attn.norm_k.weight, cos, sin, self.eps, self.num_heads)
        v = v.unflatten(-1, (self.num_heads, -1))
        return attn.to_out[0](softmax.attention(q, k, v).flatten(2)), q, k

    def cross_attention(self, z: Tensor, text: KeyValue, image: KeyValue | None) -> Tensor:
        """Attend to the text and, when given, to the picture; the two results are added before the output layer."""
        attn = self.attn2
        q = ops.rms_norm_rope(attn.to_q(z), attn.norm_q.weight, None, None, self.eps, self.num_heads)
        y = softmax.attention(q, text.key, text.value)
        if image is not None:
            y = y + softmax.attention(q, image.key, image.value)
        return attn.to_out[0](y.flatten(2))

    def audio_attention(self, z: Tensor, audio: KeyValue, positions: Tensor | None) -> Tensor:
        """Let the tokens of each latent frame attend to that frame's audio tokens; z [B, F * S, D]."""
        attn = self.audio_cross_attn
        assert attn is not None
        q = attn.q_linear(z).unflatten(-1, (self.num_heads, -1))  # [B, L, H, D / H]
        if positions is not None:
            q = ops.rotate_pairs(q, *speakers.speaker_tables(positions, q.shape[-1]))
        batch, frames = z.shape[0], audio.key.shape[0]
        q = q.unflatten(1, (frames, -1)).flatten(0, 1)  # [B * F, S, H, D / H]
        key, value = (t.repeat(batch, 1, 1, 1) if batch > 1 else t for t in (audio.key, audio.value))
        y = softmax.attention(q, key, value)  # [B * F, S, H, D / H]
        return attn.proj(y.unflatten(0, (batch, frames)).flatten(1, 2).flatten(2))
