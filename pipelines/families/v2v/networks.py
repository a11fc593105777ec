"""The networks of a video extension checkpoint: where their files are and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.families.networks import Layout
from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr
from pipelines.loading.load import read_config
from pipelines.models.transformer.load import Shapes
from pipelines.models.transformer.load import load_transformer as load_any_transformer

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


def transformer_config(folder: Path, shapes: Shapes) -> dict[str, Any]:
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
        config["text_dim"] = shapes["text_embedding.0.weight"][1]
    except KeyError as error:
        raise CheckpointMissing(
            tr("{folder} is no video extension transformer: {names} is absent", folder=folder, names=error)
        ) from error
    return config


load_transformer = partial(load_any_transformer, config_of=transformer_config)
"""Load one of the two transformers of a checkpoint, in any number of files."""

LAYOUT = Layout(VAE_FILE, TEXT_FILE, TOKENIZER_FOLDER, load_transformer)
