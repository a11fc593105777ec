"""The released key lists through the loader itself: every tensor is taken, none lacks, nothing is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from pipelines.front.errors import CheckpointMismatch
from pipelines.loading.keymap import WAN_TRANSFORMER, KeyMap
from pipelines.loading.load import STORED_AS_IS, _match
from pipelines.loading.stored import StoredTensor
from pipelines.models.transformer.load import build_transformer, original_config
from pipelines.models.transformer.transformer import IGNORED_NAMES
from tests.parity.test_keymap import full_shapes, read_full

FILE = Path("model.safetensors")
R2V, V2V = read_full("r2v"), read_full("v2v")
V2V_SHAPES = full_shapes(V2V["transformer"])


def vae() -> nn.Module:
    from diffusers import AutoencoderKLWan

    return AutoencoderKLWan()


def text_encoder() -> nn.Module:
    from transformers import UMT5Config, UMT5EncoderModel

    return UMT5EncoderModel(
        UMT5Config(
            vocab_size=256384,
            d_model=4096,
            num_heads=64,
            d_kv=64,
            d_ff=10240,
            num_layers=24,
            feed_forward_proj="gated-gelu",
        )
    )


def taken(build: Callable[[], nn.Module], shapes: dict[str, tuple[int, ...]], keymap: KeyMap) -> list[StoredTensor]:
    """What the loader takes of the stored tensors; raises CheckpointMismatch."""
    with torch.device("meta"):
        network = build()
    stored = [StoredTensor(name, torch.bfloat16, shape, FILE) for name, shape in shapes.items()]
    return _match(network, stored, keymap, IGNORED_NAMES, {"encoder.embed_tokens.weight": "shared.weight"}, [FILE])


LISTS = {
    "r2v transformer": (lambda: build_transformer({}), full_shapes(R2V["transformer"]), STORED_AS_IS),
    "r2v transformer in 8 bits": (
        lambda: build_transformer({}, float8=True),
        full_shapes(R2V["transformer"]),
        STORED_AS_IS,
    ),
    "r2v vae": (vae, full_shapes(R2V["vae"]), STORED_AS_IS),
    "r2v text encoder": (text_encoder, full_shapes(R2V["text_encoder"]), STORED_AS_IS),
    "v2v transformer": (
        lambda: build_transformer(original_config(V2V["config"], V2V_SHAPES)),
        V2V_SHAPES,
        WAN_TRANSFORMER,
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_every_released_tensor_has_its_place(name: str) -> None:
    build, shapes, keymap = LISTS[name]
    assert {tensor.name for tensor in taken(build, shapes, keymap)} == set(shapes)
    lost = sorted(shapes)[0]
    with pytest.raises(CheckpointMismatch):
        taken(build, {name: shape for name, shape in shapes.items() if name != lost}, keymap)
