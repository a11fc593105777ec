"""Which tensors a checkpoint file holds and at which bytes; reads headers only, never values."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import torch
from torch import Tensor

from pipelines.checkpoints.packing import BLOCK_NUMBERS, MOST_BLOCK_BYTES, PACKED_KEY
from pipelines.front.documents import read_json
from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr

_MAX_HEADER_BYTES = 100_000_000
_LOCAL_HEADER_BYTES = 30

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a file: row-major, at `offset`, unless its container had to be read whole."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    file: Path
    offset: int = 0
    blocks: tuple[int, ...] = ()
    """Bytes of each block, where its numbers are packed."""
    value: Tensor | None = None
    """The tensor itself, where it lies in the file in no readable form."""

    @property
    def num_bytes(self) -> int:
        """Size in the file."""
        return sum(self.blocks) if self.blocks else prod(self.shape) * self.dtype.itemsize


def stored_tensors(file: Path) -> list[StoredTensor]:
    """Every tensor of a safetensors file or of a pickled dictionary, by position. Raises CheckpointMissing."""
    try:
        found = _safetensors(file) if file.suffix == ".safetensors" else list(_pickled(file))
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise CheckpointMissing(
            tr("cannot read {file}: {error}. Download it again.", file=file, error=error)
        ) from error
    return sorted(found, key=lambda tensor: tensor.offset)


def _safetensors(file: Path) -> list[StoredTensor]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(size - 8, _MAX_HEADER_BYTES):
            raise ValueError(tr("its header is damaged"))
        header = read_json(stream.read(length))
    metadata = header.pop("__metadata__", None) or {}
    packed = read_json(metadata.get(PACKED_KEY, "{}"))
    found = []
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensor = StoredTensor(name, _DTYPES[entry["dtype"]], tuple(entry["shape"]), file, 8 + length + begin)
        if name in packed:
            blocks = tuple(packed[name]["blocks"])
            tensor = replace(tensor, dtype=torch.bfloat16, shape=tuple(packed[name]["shape"]), blocks=blocks)
            if len(blocks) != -(-prod(tensor.shape) // BLOCK_NUMBERS) or max(blocks) > MOST_BLOCK_BYTES:
                raise ValueError(tr("its header is damaged"))
        if end - begin != tensor.num_bytes or 8 + length + end > size:
            raise ValueError(tr("it ends before {name}", name=name))
        found.append(tensor)
    return found


def _pickled(file: Path) -> Iterator[StoredTensor]:
    """Tensors of a `.pth`. In a zip they are stored plainly, so that mapping it shows where each of them lies."""
    try:
        records = _record_offsets(file)
        # Only plainly stored records may be mapped: the values of packed ones would be their packed bytes.
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=bool(records))
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(str(error)) from error
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise ValueError(tr("it holds something else than a dictionary of tensors"))
    addresses = {value.untyped_storage().data_ptr() for value in content.values() if value.numel()}
    # All storages are parts of one mapping: their distances in memory are those in the file.
    base = min(addresses, default=0) - min(records, default=0)
    in_place = bool(records) and all(address - base in records for address in addresses)
    for name, value in content.items():
        shape = tuple(value.shape)
        if in_place and value.is_contiguous() and value.numel():
            yield StoredTensor(name, value.dtype, shape, file, value.data_ptr() - base)
        else:
            yield StoredTensor(name, value.dtype, shape, file, value=value)


def _record_offsets(file: Path) -> frozenset[int]:
    """Where the tensors' bytes begin in a zip container; empty when one is compressed, or for another container."""
    if not zipfile.is_zipfile(file):
        return frozenset()
    offsets = []
    with zipfile.ZipFile(file) as archive, file.open("rb") as stream:
        for entry in archive.infolist():
            if "/data/" not in entry.filename or not entry.file_size:
                continue
            if entry.compress_type != zipfile.ZIP_STORED:
                return frozenset()
            stream.seek(entry.header_offset)
            name_length, extra_length = struct.unpack("<26x2H", stream.read(_LOCAL_HEADER_BYTES))
            offsets.append(entry.header_offset + _LOCAL_HEADER_BYTES + name_length + extra_length)
    return frozenset(offsets)
