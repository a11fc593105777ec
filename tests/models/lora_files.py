"""LoRA files of random numbers in every spelling, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from pipelines.checkpoints.lora.names import layer_of
from pipelines.checkpoints.wan_names import WAN_NAMES

RANK = 4
Factors = Mapping[str, tuple[Tensor, Tensor]]
"""Our name of a layer -> its factors [rank, in] and [out, rank]."""


def random_factors(network: nn.Module, *parts: str, seed: int = 1, rank: int = RANK) -> Factors:
    """Factors for every linear layer whose name has one of `parts` in it."""
    draw = torch.Generator().manual_seed(seed)
    return {
        name: (
            torch.randn(rank, layer.in_features, generator=draw) * 0.3,
            torch.randn(layer.out_features, rank, generator=draw) * 0.3,
        )
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and any(part in name for part in parts)
    }


def original(layer: str) -> str:
    """The layer's name in the original Wan layout, found by trying every row of the table."""
    for old, _ in WAN_NAMES:
        number = next((part for part in layer.split(".") if part.isdigit()), "0")
        if layer_of(old.replace("{i}", number)) == layer:
            return old.replace("{i}", number)
    return layer


def diffusers(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    return {f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}


def peft(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    return {f"base_model.model.{layer}.lora_A.weight": down, f"base_model.model.{layer}.lora_B.weight": up}


def peft_named(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    return {f"{layer}.lora_A.default.weight": down, f"{layer}.lora_B.default.weight": up}


def comfy(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"diffusion_model.{original(layer)}"
    return {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}


def comfy_ab(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"diffusion_model.{original(layer)}"
    return {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up}


def comfy_alpha(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"diffusion_model.{original(layer)}"
    # Counts alpha / rank: the factor is divided so that the change stays the same.
    return {
        f"{name}.lora_down.weight": down,
        f"{name}.lora_up.weight": up * 2,
        f"{name}.alpha": torch.tensor(len(down) / 2),
    }


def kohya(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"lora_unet_{original(layer).replace('.', '_')}"
    return {
        f"{name}.lora_down.weight": down,
        f"{name}.lora_up.weight": up * 4,
        f"{name}.alpha": torch.tensor(len(down) / 4),
    }


def kohya_flat(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"lora_transformer_{layer.replace('.', '_')}"
    return {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}


def trainer(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"pipe.dit.{original(layer)}"
    return {f"{name}.lora_A.default.weight": down, f"{name}.lora_B.default.weight": up}


def plain(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    return {f"{original(layer)}.lora.down.weight": down, f"{original(layer)}.lora.up.weight": up}


def whole_model(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    return {f"model.diffusion_model.{original(layer)}.diff": up @ down}


Spelling = Callable[[str, Tensor, Tensor], dict[str, Tensor]]
SPELLINGS: tuple[Spelling, ...] = (
    diffusers, peft, peft_named, comfy, comfy_ab, comfy_alpha, kohya, kohya_flat, trainer, plain, whole_model,
)  # fmt: skip


def write_lora(path: Path, factors: Factors, spelling: Spelling = diffusers, **more: Tensor) -> Path:
    """Write a file; `more` are further tensors by their stored names."""
    tensors = {name: value for layer, pair in factors.items() for name, value in spelling(layer, *pair).items()}
    save_file({name: value.contiguous() for name, value in (tensors | more).items()}, path)
    return path


def write_header(path: Path, header: object, body: bytes = b"") -> Path:
    """Write a file of any header, however wrong."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    return path
