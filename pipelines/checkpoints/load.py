"""Fill a network from a checkpoint's files: build on meta, read while casting, assign strictly, leave nothing on meta.

Knows how tensors are stored, not which model they belong to.
"""

from __future__ import annotations

import errno
import json
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from pipelines.checkpoints.keymap import KeyMap
from pipelines.errors import CheckpointMismatch, CheckpointMissing, OutOfMemory
from pipelines.progress import Progress, Report, Stage, ignore_progress

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
    if indexes:
        names = sorted(set(json.loads(indexes[0].read_text("utf-8"))["weight_map"].values()))
        files = [folder / name for name in names]
    else:
        files = sorted(folder.glob("*.safetensors"))
    absent = [file.name for file in files if not file.is_file()]
    if absent or not files:
        what = ", ".join(absent) or "*.safetensors"
        raise CheckpointMissing(f"{folder} lacks {what}: download the checkpoint again")
    return files


def read_config(folder: Path) -> dict[str, Any]:
    """Return a component's config.json. Raises CheckpointMissing when absent or unreadable."""
    path = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointMissing(f"cannot read {path}: {error}. Download the checkpoint again.") from error
    return config


def stored_shapes(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """Name -> shape of every tensor in the files, without reading their values."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in files:
        if file.suffix == ".safetensors":
            with _open_safetensors(file, "cpu") as reader:
                shapes |= {name: tuple(reader.get_slice(name).get_shape()) for name in reader.keys()}  # noqa: SIM118
        else:
            shapes |= {name: tuple(tensor.shape) for name, tensor in _load_pickled(file).items()}
    return shapes


def load_network(
    build: Callable[[], Network],
    files: Sequence[Path],
    *,
    keymap: KeyMap = STORED_AS_IS,
    precision: Precision | None = None,
    device: str | torch.device = "cpu",
    allowed_extra: Sequence[str] = (),
    tied: Mapping[str, str] | None = None,
    report: Report = ignore_progress,
) -> Network:
    """Build on meta and return the network with every tensor read, in eval mode, without gradients.

    allowed_extra: stored tensors whose name contains one of these are left out silently.
    tied: name -> the name whose tensor it shares when it is not stored itself.
    Raises CheckpointMismatch naming missing, unexpected and wrong-shaped tensors, CheckpointMissing for unreadable
    files, OutOfMemory. Reports bytes read after each tensor of consequence.
    """
    precision = precision or Precision()
    with torch.device("meta"):
        network = build()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    state, unexpected, wrong_shape = {}, [], []
    for stored_name, stored in _read_all(files, torch.device(device), report):
        for name, tensor in keymap.convert(stored_name, stored):
            if name not in expected:
                if not any(part in name for part in allowed_extra):
                    unexpected.append(name)
            elif tuple(tensor.shape) != expected[name]:
                wrong_shape.append(name)
            else:
                state[name] = _place(tensor, precision.of(name, tensor.dtype), device)
    for name, source in (tied or {}).items():
        if name in expected and source in state:
            state[name] = state[source]
    missing = [name for name in expected if name not in state and name not in wrong_shape]
    if missing or unexpected or wrong_shape:
        where = str(files[0].parent if len(files) > 1 else files[0])
        raise CheckpointMismatch(where, missing, unexpected, wrong_shape)
    network.load_state_dict(state, strict=True, assign=True)
    _refuse_meta(network, files[0])
    return network.eval().requires_grad_(False)


def _place(tensor: Tensor, dtype: torch.dtype, device: str | torch.device) -> Tensor:
    try:
        return tensor.to(device=device, dtype=dtype).contiguous()
    except torch.OutOfMemoryError as error:
        raise OutOfMemory("no memory left while loading weights: close other programs and retry") from error


def _refuse_meta(network: nn.Module, where: Path) -> None:
    tensors = [*network.named_parameters(), *network.named_buffers()]
    left = [name for name, value in tensors if value.is_meta]
    if left:
        raise CheckpointMismatch(str(where), missing=left)


def _read_all(files: Sequence[Path], device: torch.device, report: Report) -> Iterator[tuple[str, Tensor]]:
    total, done = sum(file.stat().st_size for file in files), 0
    for file in files:
        read = 0
        for name, tensor in _read_file(file, device):
            read += tensor.nbytes
            yield name, tensor
            report(Progress(Stage.LOAD, detail=file.name, bytes_done=min(done + read, total), bytes_total=total))
        done += file.stat().st_size
        _forget_cached_pages(file)


def _read_file(file: Path, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    if file.suffix == ".safetensors":
        with _open_safetensors(file, str(device)) as reader:
            for name in reader.keys():  # noqa: SIM118
                yield name, reader.get_tensor(name)
    else:
        yield from _load_pickled(file).items()


def _open_safetensors(file: Path, device: str) -> Any:
    try:
        return safe_open(file, framework="pt", device=device)
    except (SafetensorError, OSError) as error:
        raise CheckpointMissing(f"cannot read {file}: {error}. Download it again.") from error


def _load_pickled(file: Path) -> dict[str, Tensor]:
    """Read a `.pth` of plain tensors; memory-mapped when its container allows, so that it is not held twice."""
    try:
        try:
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        except (RuntimeError, ValueError):
            content = torch.load(file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError) as error:
        raise CheckpointMissing(f"cannot read {file}: {error}. Download it again.") from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise CheckpointMissing(f"{file} holds something else than a dictionary of tensors")
    return content


def _forget_cached_pages(file: Path) -> None:
    """Give the file's pages back: on unified memory the cache is a second copy of the weights."""
    if not hasattr(os, "posix_fadvise"):
        return
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ESPIPE):
            raise
    finally:
        os.close(descriptor)
