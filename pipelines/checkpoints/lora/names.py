"""How LoRA files spell the layers of a Wan transformer: prefixes, endings and layer names, as tables.

diffusers has converters for some of these spellings. They drop the changes of norms, and fail on a file that leaves
out a layer; a test holds this table against them for all that they take.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from pipelines.checkpoints.wan_names import WAN_NAMES


class Kind(StrEnum):
    """What one tensor of a file is to its layer."""

    DOWN = "down"
    """[rank, in]: the first factor of a change of the weight."""
    UP = "up"
    """[out, rank]: the second."""
    ALPHA = "alpha"
    """One number: the change counts alpha / rank."""
    DIFF = "diff"
    """A change of the weight as it is."""
    DIFF_BIAS = "diff_b"
    """A change of the bias as it is."""
    OTHER = "other"
    """A factor of another method: to leave it out would change the meaning of the rest."""


ENDINGS: tuple[tuple[str, Kind], ...] = (
    (".lora_A.default.weight", Kind.DOWN),
    (".lora_B.default.weight", Kind.UP),
    (".lora_A.weight", Kind.DOWN),
    (".lora_B.weight", Kind.UP),
    (".lora_B.default.bias", Kind.DIFF_BIAS),
    (".lora_B.bias", Kind.DIFF_BIAS),
    (".lora_down.weight", Kind.DOWN),
    (".lora_up.weight", Kind.UP),
    (".lora.down.weight", Kind.DOWN),
    (".lora.up.weight", Kind.UP),
    ("_lora.down.weight", Kind.DOWN),
    ("_lora.up.weight", Kind.UP),
    (".lora_linear_layer.down.weight", Kind.DOWN),
    (".lora_linear_layer.up.weight", Kind.UP),
    (".alpha", Kind.ALPHA),
    (".diff", Kind.DIFF),
    (".diff_b", Kind.DIFF_BIAS),
    (".dora_scale", Kind.OTHER),
    (".lora_magnitude_vector", Kind.OTHER),
    (".lora_magnitude_vector.weight", Kind.OTHER),
    (".lora_magnitude_vector.default.weight", Kind.OTHER),
    (".lora_mid.weight", Kind.OTHER),
    (".hada_w1_a", Kind.OTHER),
    (".hada_w1_b", Kind.OTHER),
    (".hada_w2_a", Kind.OTHER),
    (".hada_w2_b", Kind.OTHER),
    (".lokr_w1", Kind.OTHER),
    (".lokr_w1_a", Kind.OTHER),
    (".lokr_w1_b", Kind.OTHER),
    (".lokr_w2", Kind.OTHER),
    (".lokr_w2_a", Kind.OTHER),
    (".lokr_w2_b", Kind.OTHER),
    (".lokr_t2", Kind.OTHER),
    (".oft_blocks", Kind.OTHER),
    (".oft_R.weight", Kind.OTHER),
)
"""End of a stored name -> what the tensor is; no ending is the end of another one's name."""

PREFIXES = (
    "base_model.model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "pipe.dit.",
    "dit.",
    "model.",
    "lora_unet_",
    "lora_transformer_",
    "lycoris_",
)
"""What trainers put before a layer's name; any of them may stand before another."""


@dataclass(frozen=True, slots=True)
class StoredPart:
    """One tensor of a file."""

    stored: str
    layer: str
    """The network's name of the layer, or of a parameter that belongs to none."""
    kind: Kind


def layer_of(tensor: str) -> str:
    """Our name of the layer that a stored tensor belongs to, in whichever layout its checkpoint is."""
    layer = tensor.removesuffix(".weight").removesuffix(".bias")
    return next((pattern.sub(ours, layer, count=1) for pattern, ours in _to_ours() if pattern.match(layer)), layer)


def layer_spellings(layers: Iterable[str]) -> Mapping[str, str]:
    """Every way to write a network's layers, dotted or flat -> our own name."""
    found: dict[str, str] = {}
    for layer in dict.fromkeys(layers):
        original = _original(layer)
        for name in (layer, original, layer.replace(".", "_"), original.replace(".", "_")):
            found.setdefault(name, layer)
    return found


def part_of(stored: str, layers: Mapping[str, str]) -> StoredPart | None:
    """What a stored tensor changes; None where no layer is called so. `layers` is from `layer_spellings`."""
    ending = next(((end, kind) for end, kind in ENDINGS if stored.endswith(end)), None)
    if ending is None:
        return None
    rest = stored.removesuffix(ending[0])
    while rest not in layers:
        prefix = next((prefix for prefix in PREFIXES if rest.startswith(prefix)), None)
        if prefix is None:
            return None
        rest = rest.removeprefix(prefix)
    return StoredPart(stored, layers[rest], ending[1])


def _original(layer: str) -> str:
    """The layer's name in the original Wan layout."""
    return next((pattern.sub(old, layer, count=1) for pattern, old in _to_original() if pattern.match(layer)), layer)


@cache
def _to_ours() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_beginning(old), _numbered(ours)) for old, ours in WAN_NAMES)


@cache
def _to_original() -> tuple[tuple[re.Pattern[str], str], ...]:
    return tuple((_beginning(ours), _numbered(old)) for old, ours in WAN_NAMES)


def _beginning(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\{i\}", r"(\d+)") + r"(?![^.])")


def _numbered(name: str) -> str:
    return name.replace("{i}", r"\g<1>")
