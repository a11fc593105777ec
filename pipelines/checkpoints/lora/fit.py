"""Which tensors of a network a LoRA file changes, told from names and shapes; refuses what does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod, sqrt
from pathlib import Path
from typing import Any

from pipelines.checkpoints.lora.header import Header
from pipelines.checkpoints.lora.names import Kind, layer_of, layer_spellings, part_of
from pipelines.front.documents import read_json
from pipelines.front.language import tr
from pipelines.front.lora import LoraRefused
from pipelines.media.files import plain_line, shown

TensorShapes = Mapping[str, tuple[int, ...]]
"""Names of a network's tensors, as `own_shapes` writes them, and their shapes."""

NETWORKS = (
    ("single_transformer_blocks", "Flux"),
    ("single_blocks", "Flux, HunyuanVideo"),
    ("double_blocks", "Flux, HunyuanVideo"),
    ("joint_blocks", "Stable Diffusion 3"),
    ("down_blocks", "Stable Diffusion"),
    ("input_blocks", "Stable Diffusion"),
    ("mid_block", "Stable Diffusion"),
    ("lora_te", "Stable Diffusion"),
    ("transformer_blocks", "LTX, Qwen, CogVideoX"),
    ("noise_refiner", "Lumina, Z-Image"),
)
"""A piece of a tensor's name -> networks that have such names, to say what a foreign file is for."""
SHOWN = 3
"""Names in a refusal."""


@dataclass(slots=True)
class LayerChange:
    """The stored tensors that change one layer, by what they are."""

    layer: str
    stored: dict[Kind, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fit:
    """What of one file fits a network."""

    changes: tuple[LayerChange, ...]
    left_out: tuple[str, ...]
    """Stored names of what does not."""


def own_shapes(stored: Mapping[str, tuple[int, ...]]) -> TensorShapes:
    """TensorShapes of a checkpoint's tensors by our own names, in whichever layout it is."""
    return {layer_of(name) + _leaf(name): shape for name, shape in stored.items()}


def fit_lora(header: Header, shapes: TensorShapes, *, partial: bool) -> Fit:
    """Match a file with a network's tensors. Raises LoraRefused that names the first tensors at fault."""
    layers = layer_spellings(map(layer_of, shapes))
    changes: dict[str, LayerChange] = {}
    unknown: list[str] = []
    for stored in header.tensors:
        part = part_of(stored, layers)
        if part is None:
            unknown.append(stored)
            continue
        if part.kind is Kind.OTHER:
            raise lora_refused(
                header.path, tr("another method than LoRA ({names}): not supported", names=names([stored]))
            )
        change = changes.setdefault(part.layer, LayerChange(part.layer))
        if part.kind in change.stored:
            raise lora_refused(header.path, tr("changes one layer twice ({names})", names=names([stored])))
        change.stored[part.kind] = stored
    fitting, wrong = [], []
    for change in changes.values():
        at_fault = _misshaped(change, header, shapes)
        wrong += at_fault
        if not at_fault:
            fitting.append(change)
    if not any(change.stored.keys() - {Kind.ALPHA} for change in fitting):
        raise _fits_nothing(header, unknown, wrong, shapes)
    if (unknown or wrong) and not partial:
        left = [*wrong, *unknown]
        raise lora_refused(
            header.path,
            tr(
                "{count} of its {total} tensors fit no layer of this model ({names}): "
                "take the rest alone with --lora_partial",
                count=len(left),
                total=len(header.tensors),
                names=names(left),
            ),
        )
    return Fit(tuple(fitting), (*wrong, *unknown))


def rank_scale(header: Header, change: LayerChange) -> float:
    """How much the product of a layer's factors counts: alpha / rank as the trainer's settings say; 1 unsaid.

    A stored alpha is for its reader.
    """
    settings = _trainer_settings(header)
    rank = settings.get("r")
    alpha = settings.get("lora_alpha")
    for pattern, own in _mapping(settings, "alpha_pattern").items():
        alpha = own if _is_meant(pattern, change) else alpha
    for pattern, own in _mapping(settings, "rank_pattern").items():
        rank = own if _is_meant(pattern, change) else rank
    if not isinstance(rank, int | float) or not isinstance(alpha, int | float) or rank <= 0:
        return 1.0
    return float(alpha / sqrt(rank)) if settings.get("use_rslora") is True else float(alpha / rank)


def lora_refused(path: Path, why: str) -> LoraRefused:
    """The refusal of one file."""
    return LoraRefused(f"{shown(path)}: {why}")


def names(stored: Sequence[str]) -> str:
    """The first of several stored names, safe to show."""
    return ", ".join(plain_line(name) for name in stored[:SHOWN]) + (", …" if len(stored) > SHOWN else "")


def weight_of(layer: str, shapes: TensorShapes) -> str:
    """The name of a layer's weight among a network's tensors."""
    return layer if layer in shapes else f"{layer}.weight"


def _leaf(name: str) -> str:
    return next((leaf for leaf in (".weight", ".bias") if name.endswith(leaf)), "")


def _misshaped(change: LayerChange, header: Header, shapes: TensorShapes) -> list[str]:
    """Stored names of what has another shape than its layer. Raises LoraRefused for what fits no layer at all."""
    stored, tensors = change.stored, header.tensors
    if (Kind.DOWN in stored) != (Kind.UP in stored):
        raise lora_refused(
            header.path, tr("one factor of a pair is missing beside {names}", names=names(list(stored.values())))
        )
    if Kind.ALPHA in stored and prod(tensors[stored[Kind.ALPHA]].shape) != 1:
        raise lora_refused(header.path, tr("{names} is no single number", names=names([stored[Kind.ALPHA]])))
    wrong = []
    weight = shapes.get(weight_of(change.layer, shapes), ())
    if Kind.DOWN in stored:
        wrong += _wrong_factors(header, stored, weight)
    if Kind.DIFF in stored and tensors[stored[Kind.DIFF]].shape != weight:
        wrong.append(stored[Kind.DIFF])
    if Kind.DIFF_BIAS in stored and tensors[stored[Kind.DIFF_BIAS]].shape != shapes.get(f"{change.layer}.bias"):
        wrong.append(stored[Kind.DIFF_BIAS])
    return wrong


def _wrong_factors(header: Header, stored: Mapping[Kind, str], weight: tuple[int, ...]) -> list[str]:
    down, up = header.tensors[stored[Kind.DOWN]].shape, header.tensors[stored[Kind.UP]].shape
    if len(down) < 2 or len(up) < 2 or prod(up[1:]) != down[0]:
        raise lora_refused(
            header.path,
            tr(
                "the factors {names} do not multiply: {down} and {up}",
                names=names([stored[Kind.DOWN]]),
                down=list(down),
                up=list(up),
            ),
        )
    wrong = []
    if len(weight) < 2 or prod(down[1:]) != prod(weight[1:]):
        wrong.append(stored[Kind.DOWN])
    if len(weight) < 2 or up[0] != weight[0]:
        wrong.append(stored[Kind.UP])
    return wrong


def _fits_nothing(header: Header, unknown: Sequence[str], wrong: Sequence[str], shapes: TensorShapes) -> LoraRefused:
    if wrong:
        first = wrong[0]
        return lora_refused(
            header.path,
            tr(
                "made for a model of another width: {name} is {shape}; this model is {width} wide",
                name=names([first]),
                shape=list(header.tensors[first].shape),
                width=width_of(shapes),
            ),
        )
    known = next((title for piece, title in NETWORKS if any(piece in name for name in unknown)), "")
    if known:
        return lora_refused(
            header.path,
            tr("made for another network ({network}): {names}", network=known, names=names(unknown)),
        )
    return lora_refused(
        header.path, tr("none of its tensors is called as in this model: {names}", names=names(unknown))
    )


def width_of(shapes: TensorShapes) -> int:
    """The width of a network's tokens, 0 unknown."""
    return next((shape[0] for name, shape in shapes.items() if name.endswith("attn1.to_q.weight")), 0)


def lora_ranks(header: Header) -> set[int]:
    """The ranks of a file's factors, whatever network they are for."""
    return {
        entry.shape[0]
        for name, entry in header.tensors.items()
        if len(entry.shape) > 1 and any(piece in name for piece in ("lora_A", "lora_down", "lora.down"))
    }


def _trainer_settings(header: Header) -> Mapping[str, Any]:
    """What diffusers writes into a file, or peft beside it, about how its factors count."""
    text = header.metadata.get("lora_adapter_metadata", "")
    beside = header.path.with_name("adapter_config.json")
    try:
        if not text and header.path.name == "adapter_model.safetensors" and beside.is_file():
            text = beside.read_text("utf-8")
        content = read_json(text) if text else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {str(key).removeprefix("transformer."): value for key, value in content.items()}


def _mapping(settings: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = settings.get(key)
    return value if isinstance(value, dict) else {}


def _is_meant(pattern: str, change: LayerChange) -> bool:
    return change.layer == pattern or change.layer.endswith(f".{pattern}")
