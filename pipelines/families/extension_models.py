"""The networks of a video extension checkpoint: where their files are, how they are read and kept warm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from pipelines.models.scaled_linear import use_scaled_linears
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
    fast: bool = False
    """Multiply in 8 bits where the GPU can: approximate."""

    @property
    def dtype(self) -> torch.dtype:
        """bfloat16 where the hardware multiplies it, float32 on a CPU; the VAE is always float32."""
        return torch.float32 if self.device == "cpu" else torch.bfloat16

    @property
    def tokenizer_folder(self) -> Path:
        """The text encoder's tokenizer."""
        return self.checkpoint / TOKENIZER_FOLDER

    def vae(self) -> AbstractContextManager[AutoencoderKLWan]:
        """The autoencoder."""
        source = self.checkpoint / VAE_FILE
        return self._use(source, torch.float32, lambda: load_vae(source, **self._where()))

    def transformer(self, folder: str) -> AbstractContextManager[SkyReelsTransformer]:
        """The transformer of one task, by its folder's name."""
        source = self.checkpoint / folder

        def build() -> SkyReelsTransformer:
            network = load_transformer(source, dtype=self.dtype, **self._where())
            if self.low_vram:
                quantize_linears(network)
            elif self.fast and self.device != "cpu":
                use_scaled_linears(network)
            return network

        return self._use(source, self.dtype, build, self.low_vram, self.fast)

    def embed_prompt(self, prompt: str) -> Tensor:
        """Text features [1, 512, D] on the device, from the cache when this prompt was encoded before."""
        source, tokenizer = self.checkpoint / TEXT_FILE, self.tokenizer_folder

        def encoder() -> AbstractContextManager[PromptEncoder]:
            def build() -> PromptEncoder:
                return load_prompt_encoder(source, tokenizer, dtype=self.dtype, **self._where())

            return self._use(source, self.dtype, build)

        return PromptCache(self.cache_dir / "prompts").embed(
            prompt,
            weights=weights_id([source, tokenizer]),
            dtype=self.dtype,
            device=self.device,
            encoder=encoder,
        )

    def _where(self) -> dict[str, Any]:
        return {"device": self.device, "report": self.report}

    def _use(
        self, source: Path, dtype: torch.dtype, build: Callable[[], Any], *options: object
    ) -> AbstractContextManager[Any]:
        key = (str(source), self.device, dtype, *options)
        return self.pool.use(key, build, stored_bytes(source))


def stored_bytes(source: Path) -> int:
    """Bytes of a file, or of a folder's tensor files: about what the network will take."""
    files = [source] if source.is_file() else source.glob("*.safetensors")
    return sum(file.stat().st_size for file in files)
