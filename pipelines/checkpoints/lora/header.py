"""What a safetensors file says that it holds, read from its header alone; every damage is refused in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.front.lora import LoraRefused
from pipelines.media.files import regular, shown

MOST_HEADER_BYTES = 32 * 2**20
"""A LoRA file of the largest Wan network has 2400 tensors: 400 kB of header."""
FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_OTHERS = ("F8_E4M3", "F8_E5M2", "F4", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL")


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One tensor."""

    dtype: str
    """The file format's name, one of `FLOAT_BYTES`."""
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of one file by their stored names, and the texts beside them."""

    path: Path
    tensors: Mapping[str, TensorFacts]
    metadata: Mapping[str, str] = field(default_factory=dict)


def read_header(path: Path) -> Header:
    """Read and check the header of a file; raises LoraRefused."""
    try:
        size = regular(path).st_size
        with path.open("rb") as stream:
            start = stream.read(8)
            length = int.from_bytes(start, "little")
            if size < 8 or length < 2:
                raise _refused(path, tr("it is no safetensors file"))
            if length > MOST_HEADER_BYTES:
                raise _refused(path, _foreign(start) or tr("its header is too long to be true"))
            if length > size - 8:
                raise _refused(path, tr("it is cut off in its header"))
            content = read_json(stream.read(length))
    except MediaError as error:
        raise LoraRefused(str(error)) from error
    except OSError as error:
        raise _refused(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise _refused(path, tr("its header is damaged")) from error
    if not isinstance(content, dict):
        raise _refused(path, tr("its header is damaged"))
    metadata = content.pop("__metadata__", {})
    tensors, ends = {}, [0]
    for name, entry in content.items():
        tensors[name], end = _entry(path, name, entry)
        ends.append(end)
    if not tensors:
        raise _refused(path, tr("it holds no tensors"))
    if 8 + length + max(ends) != size:
        raise _refused(
            path,
            tr("has {size} bytes where its header says {expected}", size=size, expected=8 + length + max(ends)),
        )
    texts = {str(key): str(text) for key, text in metadata.items()} if isinstance(metadata, dict) else {}
    return Header(path, tensors, texts)


def _entry(path: Path, name: str, entry: Any) -> tuple[TensorFacts, int]:
    try:
        dtype, shape = str(entry["dtype"]), tuple(entry["shape"])
        begin, end = entry["data_offsets"]
        sizes = (*shape, begin, end)
        if any(not isinstance(number, int) or isinstance(number, bool) or number < 0 for number in sizes):
            raise ValueError(name)
    except (KeyError, TypeError, ValueError) as error:
        raise _refused(path, tr("its header is damaged")) from error
    if dtype not in FLOAT_BYTES:
        known = dtype in _OTHERS
        raise _refused(
            path,
            tr("{name} is stored as {dtype}: only 16 to 64 bit floats can be merged", name=name, dtype=dtype)
            if known
            else tr("its header is damaged"),
        )
    if end - begin != prod(shape) * FLOAT_BYTES[dtype]:
        raise _refused(path, tr("its header is damaged"))
    if not prod(shape):
        raise _refused(path, tr("{name} is empty", name=name))
    return TensorFacts(dtype, shape), end


def _foreign(start: bytes) -> str:
    if start[:2] == b"PK" or start[:1] == b"\x80":
        return tr("it is a pickle under another name: such files can run programs")
    return ""


def _refused(path: Path, why: str) -> LoraRefused:
    return LoraRefused(f"{shown(path)}: {why}")
