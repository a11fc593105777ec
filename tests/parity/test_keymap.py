"""Every name of the released files lands on a tensor of its network, with its shape, and none is left."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pipelines.loading.keymap import (
    CLIP_VISUAL,
    UMT5_ENCODER,
    WAN_TRANSFORMER,
    WAN_VAE,
    KeyMap,
    clip_without_last_block,
)

FULL = Path(__file__).parents[1] / "goldens" / "full"
Shapes = dict[str, tuple[int, ...]]


def full_shapes(table: dict[str, Any]) -> Shapes:
    """Spell out a table of full-size tensors: '{i}' entries are [shape, count]."""

    def expand() -> Iterator[tuple[str, tuple[int, ...]]]:
        for name, value in table.items():
            shape, count = value if value and isinstance(value[0], list) else (value, 1)
            for number in range(count):
                yield name.replace("{i}", str(number)), tuple(shape)

    return dict(expand())


def read_full(family: str) -> dict[str, dict[str, Any]]:
    stored: dict[str, dict[str, Any]] = json.loads((FULL / f"{family}.json").read_text())
    return stored


def converted(key_map: KeyMap, stored: Shapes) -> Shapes:
    return {
        new: tuple(tensor.shape)
        for name, shape in stored.items()
        for new, tensor in key_map.convert(name, torch.empty(shape, device="meta"))
    }


def tensors_of(network: nn.Module) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def wan_transformer(**settings: Any) -> nn.Module:
    from diffusers import WanTransformer3DModel

    with torch.device("meta"):
        network: nn.Module = WanTransformer3DModel(**settings)
    return network


def vae_full_files() -> list[Shapes]:
    return [full_shapes(read_full(family)["Wan2.1_VAE.pth"]) for family in ("components", "a2v")]


@pytest.mark.parametrize("folder", ["transformer", "shot_transformer"])
def test_video_extension_transformers_fit_completely(folder: str) -> None:
    tables: dict[str, Any] = read_full("v2v")
    table = tables[folder]
    stored = full_shapes(tables["transformer"] if isinstance(table, str) else table)
    assert len(stored) == 1095
    assert converted(WAN_TRANSFORMER, stored) == tensors_of(wan_transformer())


def test_avatar_transformer_fits_and_its_audio_branch_keeps_its_names() -> None:
    file = next(name for name in read_full("a2v") if name.startswith("diffusion transformer"))
    stored = full_shapes(read_full("a2v")[file])
    assert len(stored) == 1633
    new = converted(WAN_TRANSFORMER, stored)
    assert len(new) == len(stored)
    audio = {name for name in stored if name.split(".")[0] == "audio_proj"}
    audio |= {name for name in stored if ".audio_cross_attn." in name or ".norm_x." in name}
    assert audio <= set(new)
    without_audio = {name: shape for name, shape in new.items() if name not in audio}
    network = wan_transformer(in_channels=36, image_dim=1280, added_kv_proj_dim=5120)
    assert without_audio == tensors_of(network)


def test_vae_fits_completely() -> None:
    from diffusers import AutoencoderKLWan

    with torch.device("meta"):
        network = AutoencoderKLWan()
    for stored in vae_full_files():
        assert len(stored) == 194
        assert converted(WAN_VAE, stored) == tensors_of(network)


@pytest.mark.parametrize("family", ["components", "a2v"])
def test_text_encoder_fits_completely(family: str) -> None:
    from transformers import UMT5Config, UMT5EncoderModel

    stored = full_shapes(read_full(family)["models_t5_umt5-xxl-enc-bf16.pth"])
    assert len(stored) == 242
    config = UMT5Config(
        vocab_size=256384, d_model=4096, num_heads=64, d_kv=64, d_ff=10240, num_layers=24,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    with torch.device("meta"):
        network = UMT5EncoderModel(config)
    assert converted(UMT5_ENCODER, stored) == tensors_of(network)


@pytest.mark.parametrize("num_layers", [32, 31])
def test_clip_vision_tower_fits_completely(num_layers: int) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    file = next(name for name in read_full("a2v") if name.startswith("models_clip"))
    stored = full_shapes(read_full("a2v")[file])
    key_map = CLIP_VISUAL if num_layers == 32 else clip_without_last_block(stored)
    config = CLIPVisionConfig(
        hidden_size=1280, intermediate_size=5120, num_hidden_layers=num_layers, num_attention_heads=16,
        image_size=224, patch_size=14,
    )  # fmt: skip
    with torch.device("meta"):
        network = CLIPVisionModel(config)
    assert converted(key_map, stored) == tensors_of(network)


def test_joined_attention_weights_are_cut_into_query_key_value_in_this_order() -> None:
    joined = torch.arange(6.0).reshape(6, 1)
    cut = dict(CLIP_VISUAL.convert("visual.transformer.0.attn.to_qkv.weight", joined))
    layer = "encoder.layers.0.self_attn"
    pieces = [cut[f"{layer}.{part}_proj.weight"].flatten().tolist() for part in "qkv"]
    assert pieces == [[0, 1], [2, 3], [4, 5]]


def test_a_row_matches_whole_parts_of_a_name_only() -> None:
    assert WAN_TRANSFORMER.rename("time_embedding.01.weight") == ("time_embedding.01.weight",)
    last_block = WAN_VAE.rename("decoder.upsamples.14.residual.2.bias")
    assert last_block == ("decoder.up_blocks.3.resnets.2.conv1.bias",)
    assert WAN_VAE.rename("conv1.bias") == ("quant_conv.bias",)
