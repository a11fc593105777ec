"""The one video transformer of all families; knows nothing about schedules, guidance or checkpoint files.

Names and arithmetic follow Wan 2.1. Options: picture attention, audio attention, a prefix segment, per-frame timesteps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from pipelines.models.library import ConfigMixin, ModelMixin, PeftAdapterMixin, register_to_config
from pipelines.models.transformer import ops, speakers
from pipelines.models.transformer.block import Block, KeyValue
from pipelines.models.transformer.layers import AudioProjector, ConditionEmbedder, timestep_sinusoid
from pipelines.models.transformer.rope import frame_positions, rope_tables
from pipelines.models.transformer.sharding import Sharding

FLOAT32_NAMES = ("time_embedder", "scale_shift_table", "norm1", "norm2", "norm3")
"""Tensors whose name contains one of these stay float32 when the rest is bfloat16."""

IGNORED_NAMES = ("norm_added_q",)
"""Tensors that a checkpoint may carry without use."""


@dataclass(frozen=True, slots=True)
class TextContext:
    """Text (and picture) keys and values of every block, good for all steps of a job."""

    text: tuple[KeyValue, ...]
    image: tuple[KeyValue, ...] | None = None


@dataclass(frozen=True, slots=True)
class AudioContext:
    """Audio keys and values of every block, [latent frames, tokens, H, D], good for all steps of a window."""

    layers: tuple[KeyValue, ...]
    num_speakers: int


@dataclass(frozen=True, slots=True)
class NetworkCall:
    """The arguments of one call of the network."""

    args: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)


class SkyReelsTransformer(ModelMixin, ConfigMixin, PeftAdapterMixin):
    """Predicts the flow velocity of a latent video.

    The config takes the names of diffusers' Wan transformer. `sinusoid_dtype` is 'float32' (reference to video) or
    'float64' (extension, avatar). The audio branch exists when `audio_feature_dim` (layers * hidden size of the
    sound features) is set.
    """

    _supports_gradient_checkpointing = False
    _no_split_modules = ("Block",)
    _repeated_blocks = ("Block",)
    _keep_in_fp32_modules: ClassVar[list[str]] = list(FLOAT32_NAMES)
    _keys_to_ignore_on_load_unexpected: ClassVar[list[str]] = list(IGNORED_NAMES)
    _skip_layerwise_casting_patterns = ("patch_embedding", "condition_embedder", "norm")

    @register_to_config  # type: ignore[untyped-decorator]  # the library has no types
    def __init__(
        self,
        patch_size: Sequence[int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        out_channels: int = 16,
        text_dim: int = 4096,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        cross_attn_norm: bool = True,
        qk_norm: str = "rms_norm_across_heads",
        eps: float = 1e-6,
        image_dim: int | None = None,
        added_kv_proj_dim: int | None = None,
        rope_max_seq_len: int = 1024,
        pos_embed_seq_len: int | None = None,
        sinusoid_dtype: str = "float64",
        audio_feature_dim: int | None = None,
        audio_window: int = 5,
        audio_stride: int = 4,
        audio_hidden_dim: int = 512,
        audio_dim: int = 768,
        audio_tokens: int = 32,
    ) -> None:
        super().__init__()
        if tuple(patch_size) != (1, 2, 2) or not cross_attn_norm or qk_norm != "rms_norm_across_heads":
            raise ValueError(f"unsupported transformer config: {patch_size=} {cross_attn_norm=} {qk_norm=}")
        if pos_embed_seq_len is not None or sinusoid_dtype not in ("float32", "float64"):
            raise ValueError(f"unsupported transformer config: {pos_embed_seq_len=} {sinusoid_dtype=}")
        dim = num_attention_heads * attention_head_dim
        self.patch_embedding = nn.Conv3d(in_channels, dim, kernel_size=(1, 2, 2), stride=(1, 2, 2))
        self.condition_embedder = ConditionEmbedder(dim, freq_dim, text_dim, image_dim)
        has_audio = audio_feature_dim is not None
        self.audio_proj = (
            AudioProjector(
                feature_dim=audio_feature_dim,
                window=audio_window,
                stride=audio_stride,
                inner=audio_hidden_dim,
                num_tokens=audio_tokens,
                dim=audio_dim,
            )
            if audio_feature_dim is not None
            else None
        )
        self.blocks = nn.ModuleList(
            Block(
                dim,
                ffn_dim,
                num_attention_heads,
                eps,
                added_kv=added_kv_proj_dim is not None,
                audio_dim=audio_dim if has_audio else None,
            )
            for _ in range(num_layers)
        )
        self.scale_shift_table = nn.Parameter(torch.zeros(1, 2, dim))
        self.proj_out = nn.Linear(dim, 4 * out_channels)
        self.sharding: Sharding | None = None
        """Set where several devices make one call together: each then holds a slice of every frame's tokens."""

    @property
    def layers(self) -> list[Block]:
        """The blocks in order."""
        return [cast(Block, block) for block in self.blocks]

    @property
    def compute_dtype(self) -> torch.dtype:
        """The dtype of the linear layers, which is the dtype of the tokens."""
        return self.proj_out.weight.dtype

    def encode_context(self, prompt_embeds: Tensor, image_embeds: Tensor | None = None) -> TextContext:
        """Project text [B, 512, text_dim] and CLIP tokens [B, 257, image_dim] to every block's keys and values."""
        text = self.condition_embedder.text_embedder(prompt_embeds.to(self.compute_dtype))
        layers = tuple(block.text_kv(text) for block in self.layers)
        if image_embeds is None:
            return TextContext(layers)
        if self.condition_embedder.image_embedder is None:
            raise ValueError("this transformer has no picture embedder")
        image = self.condition_embedder.image_embedder(image_embeds.to(self.compute_dtype))
        return TextContext(layers, tuple(block.image_kv(image) for block in self.layers))

    def encode_audio(self, windows: Tensor) -> AudioContext:
        """Project sound windows [speakers, frames, window, layers, hidden]; zeros mean no sound.

        Frames = 4 * (latent frames - 1) + 1. Tokens of two speakers are joined per latent frame, speaker 1 first.
        """
        if self.audio_proj is None:
            raise ValueError("this transformer has no audio branch")
        tokens = self.audio_proj(windows.to(self.compute_dtype))  # [P, T, n, audio dim]
        joined = tokens.transpose(0, 1).flatten(1, 2)  # [T, P * n, audio dim]
        num_speakers = windows.shape[0]
        layers = tuple(block.audio_kv(joined, num_speakers) for block in self.layers)
        return AudioContext(layers, num_speakers)

    def embed_time(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Float32 time embedding [U, D] and modulation rows [U, 6, D] of the unique timesteps [U]."""
        sinusoid = timestep_sinusoid(timesteps, self.config.freq_dim, getattr(torch, self.config.sinusoid_dtype))
        temb = self.condition_embedder.time_embedder(sinusoid)
        return temb, self.condition_embedder.modulation(temb)

    def embed_patches(self, latents: Tensor) -> Tensor:
        """Latents [B, C, F, h, w] -> tokens [B, F * h/2 * w/2, D], in order frame, row, column."""
        return self.patch_embedding(latents.to(self.compute_dtype)).flatten(2).transpose(1, 2)

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        context: TextContext,
        *,
        frame_index: Tensor | None = None,
        prefix: Tensor | None = None,
        audio: AudioContext | None = None,
        speaker_masks: Tensor | None = None,
        num_output_frames: int | None = None,
    ) -> Tensor:
        """Velocity, float32 [B, out_channels, num_output_frames, h, w].

        latents: [B, C, F, h, w], C including any condition channels.
        timesteps: the unique timesteps [U]; a 0-dim tensor is one for all frames.
        frame_index: int64 [F + P], which unique timestep each frame (then each prefix frame) has; needed when U > 1.
        prefix: clean latents [B, C, P, h, w] placed after the new frames at temporal positions from 1024 on; they
            have no output.
        audio: from `encode_audio`; speaker_masks: [3, h, w] when it holds two speakers.
        num_output_frames: only the first so many frames are projected; all of `latents` by default.
        """
        frames, height, width = latents.shape[2:]
        rows, columns, size = height // 2, width // 2, (height // 2) * (width // 2)
        prefix_frames = 0 if prefix is None else prefix.shape[2]
        timesteps = timesteps.reshape(-1).to(latents.device)
        if frame_index is None and len(timesteps) > 1:
            raise ValueError("several timesteps need a frame_index")
        tokens = self.embed_patches(latents)  # [B, F * S, D]
        if prefix is not None:
            tokens = torch.cat((tokens, self.embed_patches(prefix)), dim=1)
        positions = frame_positions(frames, prefix_frames)
        cos, sin = rope_tables(self.config.attention_head_dim, positions, rows, columns, latents.device)
        masks = None
        if audio is not None and audio.num_speakers == 2:
            if speaker_masks is None:
                raise ValueError("two speakers need speaker_masks")
            masks = speakers.token_masks(speaker_masks.to(latents.device), rows, columns)
        temb, modulation = self.embed_time(timesteps)
        shard = None
        if self.sharding is not None:
            shard = self.sharding(frames + prefix_frames, size)
            tokens, cos, sin = shard.take(tokens, 1), shard.take(cos, 0), shard.take(sin, 0)
            size = shard.tokens_per_frame
        normed: Tensor | None = None
        for i, (block, after) in enumerate(zip(self.blocks, [*self.layers[1:], None], strict=True)):
            following = after.rows(modulation, frame_index) if after is not None else None
            tokens, normed = block(
                tokens,
                modulation,
                frame_index,
                cos,
                sin,
                context.text[i],
                context.image[i] if context.image is not None else None,
                audio.layers[i] if audio is not None else None,
                masks,
                shard,
                normed,
                following,
            )
        shown = frames if num_output_frames is None else num_output_frames
        out = self.head(tokens[:, : shown * size], temb, None if frame_index is None else frame_index[:shown])
        if shard is not None:
            out = shard.join(out)
        return self.unpatchify(out, shown, rows, columns)

    def each(self, calls: Sequence[NetworkCall]) -> list[Tensor]:
        """Velocities of calls that do not depend on each other; several devices may make them side by side."""
        return [self(*call.args, **call.options) for call in calls]

    def head(self, tokens: Tensor, temb: Tensor, frame_index: Tensor | None = None) -> Tensor:
        """Last norm, modulation and projection of tokens [B, F * S, D]: [B, F * S, 4 * out_channels]."""
        rows = self.scale_shift_table.float() + temb[:, None]  # [U, 2, D]
        if frame_index is not None:
            rows = rows[frame_index]
        shift, scale = rows.unbind(1)
        return self.proj_out(ops.layer_norm_modulate(tokens, scale, shift, self.config.eps))

    def unpatchify(self, tokens: Tensor, frames: int, rows: int, columns: int) -> Tensor:
        """[B, F * S, 4 * C] (row and column inside the patch, channel fastest) -> float32 [B, C, F, h, w]."""
        grid = tokens.float().unflatten(1, (frames, rows, columns)).unflatten(-1, (2, 2, -1))
        return grid.permute(0, 6, 1, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4).contiguous()
