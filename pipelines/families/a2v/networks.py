"""The networks of a talking avatar checkpoint: where their files are, how they are read and kept warm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipelines.families.a2v.denoising import Networks
from pipelines.families.networks import CheckpointNetworks, Layout
from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr
from pipelines.front.progress import Report
from pipelines.front.request import Request
from pipelines.front.runtime import Runtime
from pipelines.loading.load import read_config
from pipelines.models.encoders.audio import AudioEncoder, load_audio_encoder
from pipelines.models.encoders.image import load_image_encoder
from pipelines.models.transformer.load import Shapes, original_config
from pipelines.models.transformer.load import load_transformer as load_any_transformer
from pipelines.running.pool import ModelPool

VAE_FILE = "Wan2.1_VAE.pth"
TEXT_FILE = "models_t5_umt5-xxl-enc-bf16.pth"
TOKENIZER_FOLDER = "google/umt5-xxl"
IMAGE_FILE = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
TRANSFORMER_FOLDER = "."
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


def avatar_config(folder: Path, shapes: Shapes) -> dict[str, Any]:
    """Options of the network at the root of a checkpoint folder. Raises CheckpointMissing for another model's."""
    stored = {**RELEASED_OPTIONS, **read_config(folder)}
    for name in ("model_type", "norm_input_visual", "norm_output_audio"):
        if stored[name] != RELEASED_OPTIONS[name]:
            raise CheckpointMissing(
                tr(
                    "{folder} is no talking avatar: its config.json says {name} {stored}",
                    folder=folder,
                    name=name,
                    stored=stored[name],
                )
            )
    if "audio_proj.proj1.weight" not in shapes:
        raise CheckpointMissing(tr("{folder} is no talking avatar: its transformer has no audio branch", folder=folder))
    return original_config(stored, shapes)


load_transformer = partial(load_any_transformer, config_of=avatar_config)
"""Load the transformer at the root of a checkpoint folder, in any number of files."""

LAYOUT = Layout(VAE_FILE, TEXT_FILE, TOKENIZER_FOLDER, load_transformer)


class AvatarModels(CheckpointNetworks):
    """An avatar's networks: besides those of every family a speech encoder and a picture encoder."""

    def __init__(self, runtime: Runtime, pool: ModelPool, report: Report, request: Request | None = None) -> None:
        super().__init__(LAYOUT, runtime, pool, report, request)

    def audio_encoder(self) -> AbstractContextManager[AudioEncoder]:
        """The speech encoder, always in float32."""
        source = self.checkpoint / AUDIO_FOLDER
        return self.use(source, torch.float32, lambda: load_audio_encoder(source, **self.where()))

    @contextmanager
    def networks(self, num_tokens: int) -> Iterator[Networks]:
        """The three networks that every pass needs, together, for calls of about `num_tokens` tokens."""
        clip = self.checkpoint / IMAGE_FILE
        clip_dtype = torch.float32 if self.device == "cpu" else torch.float16
        with (
            self.transformer(TRANSFORMER_FOLDER, num_tokens) as transformer,
            self.vae() as vae,
            self.use(clip, clip_dtype, lambda: load_image_encoder(clip, dtype=clip_dtype, **self.where())) as encoder,
        ):
            yield Networks(transformer, vae, encoder)
