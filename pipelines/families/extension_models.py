"""The networks of a video extension checkpoint: where their files are and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipelines.checkpoints.keymap import WAN_TRANSFORMER
from pipelines.checkpoints.load import Precision, load_network, read_config, stored_shapes, tensor_files
from pipelines.errors import CheckpointMissing
from pipelines.families.networks import Layout
from pipelines.language import tr
from pipelines.models.load_transformer import build_transformer
from pipelines.models.transformer import FLOAT32_NAMES, SkyReelsTransformer
from pipelines.progress import Report, ignore_progress

VAE_FILE = "Wan2.1_VAE.pth"
TEXT_FILE = "models_t5_umt5-xxl-enc-bf16.pth"
TOKENIZER_FOLDER = "google/umt5-xxl"
SINGLE_SHOT_FOLDER = "transformer"
SHOT_SWITCHING_FOLDER = "shot_transformer"

CONFIG_NAMES: Mapping[str, str] = {
    "num_heads": "num_attention_heads",
    "in_dim": "in_channels",
    "out_dim": "out_channels",
    "freq_dim": "freq_dim",
    "ffn_dim": "ffn_dim",
    "num_layers": "num_layers",
    "eps": "eps",
}
"""Key of the stored config.json -> key of the network's config; other keys of the file mean nothing here."""


def transformer_config(folder: Path) -> dict[str, Any]:
    """Read the network's sizes; the text's width comes from a tensor. Raises CheckpointMissing."""
    stored = read_config(folder)
    if stored.get("model_type", "t2v") != "t2v":
        raise CheckpointMissing(
            tr(
                "{folder} holds a {model_type!r} model: video extension needs the text-only ('t2v') one",
                folder=folder,
                model_type=stored["model_type"],
            )
        )
    try:
        config = {ours: stored[theirs] for theirs, ours in CONFIG_NAMES.items()}
        config["attention_head_dim"] = stored["dim"] // stored["num_heads"]
        config["text_dim"] = stored_shapes(tensor_files(folder))["text_embedding.0.weight"][1]
    except KeyError as error:
        raise CheckpointMissing(
            tr("{folder} is no video extension transformer: {names} is absent", folder=folder, names=error)
        ) from error
    return config


def load_transformer(
    folder: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    float8: bool = False,
    report: Report = ignore_progress,
) -> SkyReelsTransformer:
    """Load one of the two transformers of a checkpoint, in any number of files; `float8` halves its memory."""
    config = transformer_config(folder)
    return load_network(
        partial(build_transformer, config, float8=float8),
        tensor_files(folder),
        keymap=WAN_TRANSFORMER,
        precision=Precision(dtype, FLOAT32_NAMES),
        device=device,
        report=report,
    )


LAYOUT = Layout(VAE_FILE, TEXT_FILE, TOKENIZER_FOLDER, load_transformer)
