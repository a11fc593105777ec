"""The networks of a talking avatar checkpoint: where their files are, how they are read and kept warm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipelines.checkpoints.keymap import WAN_TRANSFORMER
from pipelines.checkpoints.load import Precision, load_network, read_config, stored_shapes, tensor_files
from pipelines.errors import CheckpointMissing
from pipelines.families.avatar_pass import Networks
from pipelines.models.audio_encoder import AudioEncoder, load_audio_encoder
from pipelines.models.float8 import quantize_linears
from pipelines.models.image_encoder import load_image_encoder
from pipelines.models.load_transformer import original_config
from pipelines.models.scaled_linear import use_scaled_linears
from pipelines.models.text import PromptCache, PromptEncoder, load_prompt_encoder, weights_id
from pipelines.models.transformer import FLOAT32_NAMES, SkyReelsTransformer
from pipelines.models.vae import load_vae
from pipelines.pool import ModelPool
from pipelines.progress import Report, ignore_progress

VAE_FILE = "Wan2.1_VAE.pth"
TEXT_FILE = "models_t5_umt5-xxl-enc-bf16.pth"
TOKENIZER_FOLDER = "google/umt5-xxl"
IMAGE_FILE = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
AUDIO_FOLDER = "chinese-wav2vec2-base"

RELEASED_OPTIONS: Mapping[str, Any] = {
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
    "norm_input_visual": True,
    "norm_output_audio": True,
}
"""What a key means that config.json lacks; all other sizes are read off the tensors."""


def transformer_config(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Options of the network at the root of a checkpoint folder. Raises CheckpointMissing for another model's."""
    stored = {**RELEASED_OPTIONS, **read_config(folder)}
    for name in ("model_type", "norm_input_visual", "norm_output_audio"):
        if stored[name] != RELEASED_OPTIONS[name]:
            raise CheckpointMissing(f"{folder} is no talking avatar: its config.json says {name} {stored[name]}")
    if "audio_proj.proj1.weight" not in shapes:
        raise CheckpointMissing(f"{folder} is no talking avatar: its transformer has no audio branch")
    return original_config(stored, shapes)


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


@dataclass(frozen=True, slots=True)
class AvatarModels:
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
        """Dtype of transformer and text encoder: what the device multiplies fast; speech and VAE are float32."""
        return torch.float32 if self.device == "cpu" else torch.bfloat16

    def audio_encoder(self) -> AbstractContextManager[AudioEncoder]:
        """The speech encoder."""
        source = self.checkpoint / AUDIO_FOLDER
        return self._use(source, torch.float32, lambda: load_audio_encoder(source, **self._where()))

    @contextmanager
    def networks(self) -> Iterator[Networks]:
        """The three networks that every pass needs, together."""
        vae, clip = self.checkpoint / VAE_FILE, self.checkpoint / IMAGE_FILE
        clip_dtype = torch.float32 if self.device == "cpu" else torch.float16
        options = (self.low_vram, self.fast)
        with (
            self._use(self.checkpoint, self.dtype, self._build_transformer, *options) as transformer,
            self._use(vae, torch.float32, lambda: load_vae(vae, **self._where())) as autoencoder,
            self._use(
                clip, clip_dtype, lambda: load_image_encoder(clip, dtype=clip_dtype, **self._where())
            ) as image_encoder,
        ):
            yield Networks(transformer, autoencoder, image_encoder)

    def embed_prompt(self, prompt: str) -> Tensor:
        """Text features [1, 512, D] on the device, from the cache when this prompt was encoded before."""
        source, tokenizer = self.checkpoint / TEXT_FILE, self.checkpoint / TOKENIZER_FOLDER

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

    def _build_transformer(self) -> SkyReelsTransformer:
        network = load_transformer(self.checkpoint, dtype=self.dtype, **self._where())
        if self.low_vram:
            quantize_linears(network)
        elif self.fast and self.device != "cpu":
            use_scaled_linears(network)
        return network

    def _where(self) -> dict[str, Any]:
        return {"device": self.device, "report": self.report}

    def _use(
        self, source: Path, dtype: torch.dtype, build: Callable[[], Any], *options: object
    ) -> AbstractContextManager[Any]:
        return self.pool.use((str(source), self.device, dtype, *options), build, _stored_bytes(source))


def _stored_bytes(source: Path) -> int:
    """Bytes of a file, or of the files directly in a folder; what a network takes is rarely more."""
    if source.is_file():
        return source.stat().st_size
    return sum(path.stat().st_size for path in source.glob("*.safetensors"))
