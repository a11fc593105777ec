"""Fill a network from a checkpoint's files: build on meta, read while casting, assign strictly, leave nothing on meta.

Knows how tensors are stored, not which model they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipelines.front.documents import read_json
from pipelines.front.errors import CheckpointMismatch, CheckpointMissing, OutOfMemory
from pipelines.front.language import tr
from pipelines.front.places import is_file
from pipelines.front.progress import Report, ignore_progress
from pipelines.loading.float8 import Float8Linear, quantize_rows
from pipelines.loading.keymap import KeyMap
from pipelines.loading.reading import read_tensors
from pipelines.loading.stored import StoredTensor, stored_tensors

Made = TypeVar("Made")
Network = TypeVar("Network", bound=nn.Module)

STORED_AS_IS = KeyMap(title="the network's own names", heads=())


@dataclass(frozen=True, slots=True)
class Precision:
    """Floating dtype of a network's tensors: `dtype`, but float32 where the name contains one of `float32_names`."""

    dtype: torch.dtype = torch.float32
    float32_names: tuple[str, ...] = ()

    def of(self, name: str, stored: torch.dtype) -> torch.dtype:
        """Dtype a tensor must have on the device; whole numbers stay what they are."""
        if not stored.is_floating_point:
            return stored
        return torch.float32 if any(part in name for part in self.float32_names) else self.dtype


def tensor_files(folder: Path) -> list[Path]:
    """Return a folder's safetensors files: those its index names, else all of them. Raises CheckpointMissing."""
    indexes = sorted(folder.glob("*.safetensors.index.json"))
    files = [folder / name for name in _indexed(indexes[0])] if indexes else sorted(folder.glob("*.safetensors"))
    absent = [file.name for file in files if not is_file(file)]
    if absent or not files:
        what = ", ".join(absent) or "*.safetensors"
        raise CheckpointMissing(tr("{folder} lacks {what}: download the model again", folder=folder, what=what))
    return files


def _indexed(index: Path) -> list[str]:
    try:
        return sorted({str(name) for name in read_json(index.read_text("utf-8"))["weight_map"].values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointMissing(
            tr("cannot read {path}: {error}. Download the model again.", path=index, error=error)
        ) from error


def read_config(folder: Path) -> dict[str, Any]:
    """Return a component's config.json. Raises CheckpointMissing when absent or unreadable."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = read_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointMissing(
            tr("cannot read {path}: {error}. Download the model again.", path=path, error=error)
        ) from error
    return config


def stored_shapes(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor in the files, without reading their values."""
    return {tensor.name: tensor.shape for file in files for tensor in stored_tensors(file)}


def load_network(
    build: Callable[[], Network],
    files: Sequence[Path],
    *,
    keymap: KeyMap = STORED_AS_IS,
    precision: Precision | None = None,
    device: str | torch.device = "cpu",
    allowed_extra: Sequence[str] = (),
    tied: Mapping[str, str] | None = None,
    change: Callable[[str, Tensor], None] | None = None,
    report: Report = ignore_progress,
) -> Network:
    """Build on meta and return the network with every tensor read, in eval mode, without gradients.

    Weights of the network's `Float8Linear` layers are rounded one by one as they are read.

    allowed_extra: stored tensors whose name contains one of these are left out silently.
    tied: name -> the name whose tensor it shares when it is not stored itself.
    change: may change each of the network's tensors in place as it is read, before it is rounded.
    Raises CheckpointMismatch naming missing, unexpected and wrong-shaped tensors before any is read,
    CheckpointMissing for unreadable files, OutOfMemory, and what `report` raises; it hears of bytes read.
    """
    precision = precision or Precision()
    with torch.device("meta"):
        network = build()
    stored = [tensor for file in files for tensor in stored_tensors(file)]
    wanted = _match(network, stored, keymap, allowed_extra, dict(tied or {}), files)

    def allocate(tensor: StoredTensor) -> Tensor:
        dtype = precision.of(keymap.rename(tensor.name)[0], tensor.dtype)
        return _guarded(lambda: torch.empty(tensor.shape, dtype=dtype, device=device))

    state: dict[str, Tensor] = {}
    for tensor, value in read_tensors(wanted, allocate, report):
        for name, piece in keymap.convert(tensor.name, value):
            whole = piece.contiguous()
            if change is not None:
                _guarded(partial(change, name, whole))
            state |= _guarded(partial(_rounded, network, name, whole))
    for name, source in (tied or {}).items():
        if name not in state and source in state:
            state[name] = state[source]
    network.load_state_dict(state, strict=True, assign=True)
    _refuse_meta(network, files[0])
    return network.eval().requires_grad_(False)


def _match(
    network: nn.Module,
    stored: Sequence[StoredTensor],
    keymap: KeyMap,
    allowed_extra: Sequence[str],
    tied: Mapping[str, str],
    files: Sequence[Path],
) -> list[StoredTensor]:
    """The stored tensors that the network takes, in order; raises CheckpointMismatch when they are not all it needs."""
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for layer in _float8_layers(network):
        expected[f"{layer}.weight"] = expected.pop(f"{layer}.codes")
        del expected[f"{layer}.scale"]
    found, wanted, unexpected, wrong_shape = set(), [], [], []
    for tensor in stored:
        takes = False
        for name, piece in keymap.convert(tensor.name, torch.empty(tensor.shape, device="meta")):
            if name not in expected:
                if not any(part in name for part in allowed_extra):
                    unexpected.append(name)
            elif tuple(piece.shape) != expected[name]:
                wrong_shape.append(name)
            else:
                found.add(name)
                takes = True
        if takes:
            wanted.append(tensor)
    given = found | {name for name, source in tied.items() if source in found}
    missing = [name for name in expected if name not in given and name not in wrong_shape]
    if missing or unexpected or wrong_shape:
        where = str(files[0].parent if len(files) > 1 else files[0])
        raise CheckpointMismatch(where, missing, unexpected, wrong_shape)
    return wanted


def _float8_layers(network: nn.Module) -> list[str]:
    return [name for name, module in network.named_modules() if isinstance(module, Float8Linear)]


def _rounded(network: nn.Module, name: str, value: Tensor) -> dict[str, Tensor]:
    """A tensor under its name, or the codes and scales that stand for it."""
    layer, _, leaf = name.rpartition(".")
    if leaf == "weight" and isinstance(network.get_submodule(layer), Float8Linear):
        codes, scale = quantize_rows(value)
        return {f"{layer}.codes": codes, f"{layer}.scale": scale}
    return {name: value}


def _guarded(make: Callable[[], Made]) -> Made:
    try:
        return make()
    except torch.OutOfMemoryError as error:
        raise OutOfMemory(tr("no memory left while loading weights: close other programs and retry")) from error


def _refuse_meta(network: nn.Module, where: Path) -> None:
    tensors = [*network.named_parameters(), *network.named_buffers()]
    left = [name for name, value in tensors if value.is_meta]
    if left:
        raise CheckpointMismatch(str(where), missing=left)
