"""Load the transformer of any family from its folder, in the diffusers or in the original Wan layout."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr
from pipelines.front.progress import Report, ignore_progress
from pipelines.loading.float8 import quantize_linears
from pipelines.loading.keymap import WAN_TRANSFORMER
from pipelines.loading.load import (
    STORED_AS_IS,
    Precision,
    load_network,
    read_config,
    stored_shapes,
    tensor_files,
)
from pipelines.loading.lora import LoraMerge
from pipelines.models.transformer.transformer import FLOAT32_NAMES, IGNORED_NAMES, SkyReelsTransformer

KNOWN_OPTIONS = frozenset(inspect.signature(SkyReelsTransformer.__init__).parameters) - {"self"}


Shapes = Mapping[str, tuple[int, ...]]
"""Names and shapes of a checkpoint's tensors."""


def released_config(folder: Path, shapes: Shapes) -> dict[str, Any]:
    """Options of a transformer folder in either layout, for a family that has nothing more to check."""
    stored = read_config(folder)
    return diffusers_config(stored, folder) if _is_diffusers(stored) else original_config(stored, shapes)


def load_transformer(
    folder: Path,
    *,
    config_of: Callable[[Path, Shapes], Mapping[str, Any]] = released_config,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    float8: bool = False,
    loras: LoraMerge | None = None,
    compute_device: str | torch.device = "",
    prepared: Path | None = None,
    report: Report = ignore_progress,
) -> SkyReelsTransformer:
    """Build from the folder's config.json and tensors; some tensors stay float32 whatever `dtype` is.

    config_of: reads a family's options, and raises CheckpointMissing when the folder holds another model.
    float8: linear weights are stored in 8 bits, rounded one by one as they are read.
    loras: merged into the tensors as they are read, on `compute_device` where that is not `device`.
    prepared: a file with the folder's tensors, which is read instead of them.
    """
    files = tensor_files(folder)
    config = config_of(folder, stored_shapes(files))
    return load_network(
        partial(build_transformer, config, float8=float8),
        [prepared] if prepared else files,
        keymap=STORED_AS_IS if _is_diffusers(read_config(folder)) else WAN_TRANSFORMER,
        precision=Precision(dtype, FLOAT32_NAMES),
        device=device,
        allowed_extra=IGNORED_NAMES,
        change=None if loras is None else partial(loras, device=compute_device or device),
        report=report,
    )


def changeable_shapes(folder: Path) -> Shapes:
    """Names and shapes of a transformer folder's tensors that the network takes."""
    stored = stored_shapes(tensor_files(folder))
    return {name: shape for name, shape in stored.items() if not any(part in name for part in IGNORED_NAMES)}


def _is_diffusers(stored: Mapping[str, Any]) -> bool:
    return "num_attention_heads" in stored


def build_transformer(config: Mapping[str, Any], *, float8: bool = False) -> SkyReelsTransformer:
    """The network of a config, for a loader to fill."""
    network = SkyReelsTransformer(**config)
    if float8:
        quantize_linears(network)
    return network


def diffusers_config(stored: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Options from a diffusers config; its class name is ignored, an option this network lacks is refused."""
    config = {name: value for name, value in stored.items() if not name.startswith("_")}
    unknown = sorted(name for name, value in config.items() if name not in KNOWN_OPTIONS and value is not None)
    if unknown:
        raise CheckpointMissing(
            tr(
                "{file} asks for {names}: not a SkyReels V3 model",
                file=folder / "config.json",
                names=", ".join(unknown),
            )
        )
    known = {name: value for name, value in config.items() if name in KNOWN_OPTIONS}
    # Models published in this layout embed time in float32; the original layout uses float64.
    return {"sinusoid_dtype": "float32", **known}


def original_config(stored: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Options from an original Wan config; what it leaves out is read off the tensors' shapes."""
    dim, heads = stored["dim"], stored["num_heads"]
    config = {
        "num_attention_heads": heads,
        "attention_head_dim": dim // heads,
        "in_channels": stored["in_dim"],
        "out_channels": stored["out_dim"],
        "text_dim": shapes["text_embedding.0.weight"][1],
        "freq_dim": stored["freq_dim"],
        "ffn_dim": stored["ffn_dim"],
        "num_layers": stored["num_layers"],
        "eps": stored["eps"],
        "sinusoid_dtype": "float64",
    }
    if "img_emb.proj.0.weight" in shapes:
        config |= {"image_dim": shapes["img_emb.proj.0.weight"][0], "added_kv_proj_dim": dim}
    if "audio_proj.proj1.weight" in shapes:
        config |= _audio_options(stored, shapes)
    return config


def _audio_options(stored: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    window = stored.get("audio_window", 5)
    hidden, first_width = shapes["audio_proj.proj1.weight"]
    features, audio_dim = first_width // window, shapes["audio_proj.norm.weight"][0]
    return {
        "audio_feature_dim": features,
        "audio_window": window,
        "audio_stride": shapes["audio_proj.proj1_vf.weight"][1] // features - window + 1,
        "audio_hidden_dim": hidden,
        "audio_dim": audio_dim,
        "audio_tokens": shapes["audio_proj.proj3.weight"][0] // audio_dim,
    }
