"""The networks of a video extension checkpoint: where their files are, how they are read and kept warm."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from pipelines.checkpoints.keymap import WAN_TRANSFORMER
from pipelines.checkpoints.load import Precision, load_network, read_config, stored_shapes, tensor_files
from pipelines.errors import CheckpointMissing
from pipelines.models.float8 import quantize_linears
from pipelines.models.text import PromptCache, PromptEncoder, load_prompt_encoder, weights_id
from pipelines.models.transformer import FLOAT32_NAMES, SkyReelsTransformer
from pipelines.models.vae import load_vae
from pipelines.pool import ModelPool
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
            f"{folder} holds a {stored['model_type']!r} model: video extension needs the text-only ('t2v') one"
        )
    try:
        config = {ours: stored[theirs] for theirs, ours in CONFIG_NAMES.items()}
        config["attention_head_dim"] = stored["dim"] // stored["num_heads"]
        config["text_dim"] = stored_shapes(tensor_files(folder))["text_embedding.0.weight"][1]
    except KeyError as error:
        raise CheckpointMissing(f"{folder} is no video extension transformer: {error} is absent") from error
    return config


def load_transformer(
    folder: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    report: Report = ignore_progress,
) -> SkyReelsTransformer:
    """Load one of the two transformers of a checkpoint, in any number of files."""
    config = transformer_config(folder)
    return load_network(
        lambda: SkyReelsTransformer(**config),
        tensor_files(folder),
        keymap=WAN_TRANSFORMER,
        precision=Precision(dtype, FLOAT32_NAMES),
        device=device,
        report=report,
    )


@dataclass(frozen=True, slots=True)
class ExtensionModels:
    """A checkpoint's networks on one device, each built when it is first used and kept by the pool."""

    checkpoint: Path
    device: str
    pool: ModelPool
    cache_dir: Path
    report: Report
    low_vram: bool = False
    """Store the transformer's linear weights in 8 bits: half the memory, approximate."""

    @property
    def dtype(self) -> torch.dtype:
        """bfloat16 where the hardware multiplies it, float32 on a CPU; the VAE is always float32."""
        return torch.float32 if self.device == "cpu" else torch.bfloat16

    def vae(self) -> AbstractContextManager[AutoencoderKLWan]:
        """The autoencoder."""
        source = self.checkpoint / VAE_FILE
        key = ("vae", str(source), self.device, torch.float32)
        return self.pool.use(key, lambda: load_vae(source, device=self.device, report=self.report))

    def transformer(self, folder: str) -> AbstractContextManager[SkyReelsTransformer]:
        """The transformer of one task, by its folder's name."""
        source = self.checkpoint / folder
        key = ("transformer", str(source), self.device, self.dtype, self.low_vram)

        def build() -> SkyReelsTransformer:
            network = load_transformer(source, device=self.device, dtype=self.dtype, report=self.report)
            if self.low_vram:
                quantize_linears(network)
            return network

        return self.pool.use(key, build)

    def embed_prompt(self, prompt: str) -> Tensor:
        """Text features [1, 512, D] on the device, from the cache when this prompt was encoded before."""
        source, tokenizer = self.checkpoint / TEXT_FILE, self.checkpoint / TOKENIZER_FOLDER

        def encoder() -> AbstractContextManager[PromptEncoder]:
            def build() -> PromptEncoder:
                return load_prompt_encoder(
                    source, tokenizer, device=self.device, dtype=self.dtype, report=self.report
                )

            return self.pool.use(("text", str(source), self.device, self.dtype), build)

        return PromptCache(self.cache_dir / "prompts").embed(
            prompt,
            weights=weights_id([source, tokenizer]),
            dtype=self.dtype,
            device=self.device,
            encoder=encoder,
        )
