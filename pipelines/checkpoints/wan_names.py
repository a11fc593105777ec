"""Names of the tensors of a Wan transformer in its original layout -> its names in ours and in diffusers."""

from __future__ import annotations

NameRows = tuple[tuple[str, str], ...]
"""In a row `{i}` stands for a block number."""


def _attention(old: str, new: str, inner: NameRows) -> NameRows:
    return tuple((f"blocks.{{i}}.{old}.{a}", f"blocks.{{i}}.{new}.{b}") for a, b in inner)


_QKVO: NameRows = (("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("o", "to_out.0"))
_PICTURE_KV: NameRows = (("k_img", "add_k_proj"), ("v_img", "add_v_proj"), ("norm_k_img", "norm_added_k"))

WAN_NAMES: NameRows = (
    ("text_embedding.0", "condition_embedder.text_embedder.linear_1"),
    ("text_embedding.2", "condition_embedder.text_embedder.linear_2"),
    ("time_embedding.0", "condition_embedder.time_embedder.linear_1"),
    ("time_embedding.2", "condition_embedder.time_embedder.linear_2"),
    ("time_projection.1", "condition_embedder.time_proj"),
    ("img_emb.proj.0", "condition_embedder.image_embedder.norm1"),
    ("img_emb.proj.1", "condition_embedder.image_embedder.ff.net.0.proj"),
    ("img_emb.proj.3", "condition_embedder.image_embedder.ff.net.2"),
    ("img_emb.proj.4", "condition_embedder.image_embedder.norm2"),
    ("head.head", "proj_out"),
    ("head.modulation", "scale_shift_table"),
    ("blocks.{i}.modulation", "blocks.{i}.scale_shift_table"),
    *_attention("self_attn", "attn1", _QKVO),
    *_attention("cross_attn", "attn2", _QKVO + _PICTURE_KV),
    ("blocks.{i}.self_attn", "blocks.{i}.attn1"),
    ("blocks.{i}.cross_attn", "blocks.{i}.attn2"),
    # The numbers swap: the third norm of the stored layout is the second, affine one of the network.
    ("blocks.{i}.norm3", "blocks.{i}.norm2"),
    ("blocks.{i}.ffn.0", "blocks.{i}.ffn.net.0.proj"),
    ("blocks.{i}.ffn.2", "blocks.{i}.ffn.net.2"),
)
"""The first row that begins a name is used, once."""
