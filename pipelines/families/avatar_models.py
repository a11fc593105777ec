"""The five networks of a talking avatar checkpoint: where their files are and how their sizes are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipelines.checkpoints.keymap import WAN_TRANSFORMER
from pipelines.checkpoints.load import Precision, load_network, read_config, stored_shapes, tensor_files
from pipelines.errors import CheckpointMissing
from pipelines.models.transformer import FLOAT32_NAMES, SkyReelsTransformer
from pipelines.progress import Report, ignore_progress

VAE_FILE = "Wan2.1_VAE.pth"
TEXT_FILE = "models_t5_umt5-xxl-enc-bf16.pth"
TOKENIZER_FOLDER = "google/umt5-xxl"
IMAGE_FILE = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
AUDIO_FOLDER = "chinese-wav2vec2-base"

RELEASED_SIZES: Mapping[str, Any] = {
    "model_type": "i2v",
    "in_dim": 36,
    "out_dim": 16,
    "dim": 5120,
    "ffn_dim": 13824,
    "freq_dim": 256,
    "num_heads": 40,
    "num_layers": 40,
    "eps": 1e-6,
    "audio_window": 5,
    "intermediate_dim": 512,
    "output_dim": 768,
    "context_tokens": 32,
    "vae_scale": 4,
    "norm_input_visual": True,
    "norm_output_audio": True,
}
"""What a key that config.json lacks means."""


def load_transformer(
    folder: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    report: Report = ignore_progress,
) -> SkyReelsTransformer:
    """Load the transformer at the root of a checkpoint folder, in any number of files."""
    files = tensor_files(folder)
    config = transformer_config(folder, stored_shapes(files))
    return load_network(
        lambda: SkyReelsTransformer(**config),
        files,
        keymap=WAN_TRANSFORMER,
        precision=Precision(dtype, FLOAT32_NAMES),
        device=device,
        report=report,
    )


def transformer_config(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Read the network's sizes from config.json and, where no file names them, from tensor shapes."""
    stored = {**RELEASED_SIZES, **read_config(folder)}
    for name in ("model_type", "norm_input_visual", "norm_output_audio"):
        if stored[name] != RELEASED_SIZES[name]:
            raise CheckpointMissing(f"{folder} is no talking avatar: its config.json says {name} {stored[name]}")
    try:
        return {
            "num_attention_heads": stored["num_heads"],
            "attention_head_dim": stored["dim"] // stored["num_heads"],
            "in_channels": stored["in_dim"],
            "out_channels": stored["out_dim"],
            "freq_dim": stored["freq_dim"],
            "ffn_dim": stored["ffn_dim"],
            "num_layers": stored["num_layers"],
            "eps": stored["eps"],
            "text_dim": shapes["text_embedding.0.weight"][1],
            "image_dim": shapes["img_emb.proj.0.weight"][0],
            "added_kv_proj_dim": stored["dim"],
            "sinusoid_dtype": "float64",
            "audio_feature_dim": shapes["audio_proj.proj1.weight"][1] // stored["audio_window"],
            "audio_window": stored["audio_window"],
            "audio_stride": stored["vae_scale"],
            "audio_hidden_dim": stored["intermediate_dim"],
            "audio_dim": stored["output_dim"],
            "audio_tokens": stored["context_tokens"],
        }
    except KeyError as error:
        raise CheckpointMissing(f"{folder} is no talking avatar: tensor {error} is absent") from error
