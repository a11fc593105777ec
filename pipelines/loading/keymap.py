"""Names of tensors in released files -> names in the networks, as ordered tables; imports no torch.

In a table `{i}` stands for a block number. A row matches whole dotted parts: `time_embedding.0` is no
beginning of `time_embedding.01`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pipelines.checkpoints.wan_names import WAN_NAMES, NameRows

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class KeyMap:
    """One file layout: how each stored tensor becomes one, several or no tensors of a network."""

    title: str
    heads: NameRows
    """Beginning of a stored name -> beginning of the new name; the first row that matches is used once."""
    parts: NameRows = ()
    """Applied after `heads`: a run of dotted parts anywhere in the name; the first row that matches."""
    copies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """New name -> all names that share the tensor."""
    thirds: tuple[tuple[str, tuple[str, str, str]], ...] = ()
    """Part of a new name whose tensor is cut in three along axis 0 -> the parts that replace it."""
    dropped_axes: Mapping[str, int] = field(default_factory=dict)
    """New name -> leading axes of length 1 that the network does not have."""
    ignored: tuple[str, ...] = ()
    """Beginnings of stored names that the network does not need."""

    @cached_property
    def _heads(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern("^", old), _template(new)) for old, new in self.heads]

    @cached_property
    def _parts(self) -> list[tuple[re.Pattern[str], str]]:
        return [(_pattern(r"(?<![^.])", old), _template(new)) for old, new in self.parts]

    def rename(self, name: str) -> tuple[str, ...]:
        """Return the new names of one stored tensor: none when not needed, several when cut or shared."""
        if any(_pattern("^", beginning).match(name) for beginning in self.ignored):
            return ()
        for table in (self._heads, self._parts):
            for pattern, template in table:
                name, count = pattern.subn(template, name, count=1)
                if count:
                    break
        return self._thirds_of(name) or self.copies.get(name, (name,))

    def convert(self, name: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Yield (new name, tensor) for one stored tensor; the tensors are views, nothing is copied."""
        names = self.rename(name)
        is_cut = len(names) > 1 and names not in self.copies.values()
        pieces = tensor.chunk(len(names), dim=0) if is_cut else (tensor,) * len(names)
        for new, piece in zip(names, pieces, strict=True):
            for _ in range(self.dropped_axes.get(new, 0)):
                piece = piece.squeeze(0)
            yield new, piece

    def _thirds_of(self, name: str) -> tuple[str, ...]:
        for part, thirds in self.thirds:
            if f".{part}." in name:
                return tuple(name.replace(f".{part}.", f".{third}.") for third in thirds)
        return ()


def _pattern(start: str, path: str) -> re.Pattern[str]:
    """Match `path` as whole dotted parts; every `{i}` captures a number."""
    return re.compile(start + re.escape(path).replace(r"\{i\}", r"(\d+)") + r"(?![^.])")


def _template(path: str) -> str:
    """The replacement for `_pattern`: every `{i}` repeats its number."""
    numbers = iter(range(1, path.count("{i}") + 1))
    return re.sub(r"\{i\}", lambda _: rf"\g<{next(numbers)}>", path)


WAN_TRANSFORMER = KeyMap(title="transformer in the original Wan layout", heads=WAN_NAMES)
"""Video extension and talking avatar; `audio_proj`, `audio_cross_attn` and `norm_x` keep their names."""


def _vae_side(side: str) -> NameRows:
    return (
        (f"{side}.conv1", f"{side}.conv_in"),
        (f"{side}.middle.0", f"{side}.mid_block.resnets.0"),
        (f"{side}.middle.1", f"{side}.mid_block.attentions.0"),
        (f"{side}.middle.2", f"{side}.mid_block.resnets.1"),
        (f"{side}.head.0", f"{side}.norm_out"),
        (f"{side}.head.2", f"{side}.conv_out"),
    )


# Fifteen layers in a row: four levels of three residual blocks, an upsampler after each but the last.
_UPSAMPLES: NameRows = tuple(
    (
        f"decoder.upsamples.{4 * level + place}",
        f"decoder.up_blocks.{level}." + ("upsamplers.0" if place == 3 else f"resnets.{place}"),
    )
    for level in range(4)
    for place in range(4 if level < 3 else 3)
)

WAN_VAE = KeyMap(
    title="Wan 2.1 VAE",
    heads=(
        ("conv1", "quant_conv"),
        ("conv2", "post_quant_conv"),
        *_vae_side("encoder"),
        *_vae_side("decoder"),
        ("encoder.downsamples.{i}", "encoder.down_blocks.{i}"),
        *_UPSAMPLES,
    ),
    parts=(
        ("residual.0", "norm1"),
        ("residual.2", "conv1"),
        ("residual.3", "norm2"),
        ("residual.6", "conv2"),
        ("shortcut", "conv_shortcut"),
    ),
)
"""`Wan2.1_VAE.pth` -> diffusers' AutoencoderKLWan."""

_T5_ATTENTION, _T5_FFN = "encoder.block.{i}.layer.0", "encoder.block.{i}.layer.1"

UMT5_ENCODER = KeyMap(
    title="UMT5 encoder in the original Wan layout",
    heads=(
        ("token_embedding", "shared"),
        ("blocks.{i}.norm1", f"{_T5_ATTENTION}.layer_norm"),
        (
            "blocks.{i}.pos_embedding.embedding",
            f"{_T5_ATTENTION}.SelfAttention.relative_attention_bias",
        ),
        ("blocks.{i}.attn", f"{_T5_ATTENTION}.SelfAttention"),
        ("blocks.{i}.norm2", f"{_T5_FFN}.layer_norm"),
        ("blocks.{i}.ffn.gate.0", f"{_T5_FFN}.DenseReluDense.wi_0"),
        ("blocks.{i}.ffn.fc1", f"{_T5_FFN}.DenseReluDense.wi_1"),
        ("blocks.{i}.ffn.fc2", f"{_T5_FFN}.DenseReluDense.wo"),
        ("norm", "encoder.final_layer_norm"),
    ),
    copies={"shared.weight": ("shared.weight", "encoder.embed_tokens.weight")},
)
"""`models_t5_umt5-xxl-enc-bf16.pth` -> transformers' UMT5EncoderModel."""

CLIP_VISUAL = KeyMap(
    title="CLIP vision tower in the original Wan layout",
    heads=(
        ("visual.patch_embedding", "embeddings.patch_embedding"),
        ("visual.cls_embedding", "embeddings.class_embedding"),
        ("visual.pos_embedding", "embeddings.position_embedding.weight"),
        ("visual.pre_norm", "pre_layrnorm"),
        ("visual.post_norm", "post_layernorm"),
        ("visual.transformer.{i}.norm1", "encoder.layers.{i}.layer_norm1"),
        ("visual.transformer.{i}.norm2", "encoder.layers.{i}.layer_norm2"),
        ("visual.transformer.{i}.attn.to_qkv", "encoder.layers.{i}.self_attn.qkv"),
        ("visual.transformer.{i}.attn.proj", "encoder.layers.{i}.self_attn.out_proj"),
        ("visual.transformer.{i}.mlp.0", "encoder.layers.{i}.mlp.fc1"),
        ("visual.transformer.{i}.mlp.2", "encoder.layers.{i}.mlp.fc2"),
    ),
    thirds=(("qkv", ("q_proj", "k_proj", "v_proj")),),
    dropped_axes={"embeddings.class_embedding": 2, "embeddings.position_embedding.weight": 1},
    ignored=("textual", "log_scale", "visual.head"),
)
"""`models_clip_open-clip-*.pth` -> transformers' CLIPVisionModel of as many layers as the file has."""


def clip_without_last_block(stored_names: Iterable[str]) -> KeyMap:
    """Return CLIP_VISUAL for a network one layer short: its features are those before the last block."""
    numbers = [int(m[1]) for name in stored_names if (m := re.match(r"visual\.transformer\.(\d+)\.", name))]
    last_block = f"visual.transformer.{max(numbers)}"
    return replace(CLIP_VISUAL, ignored=(*CLIP_VISUAL.ignored, last_block))
