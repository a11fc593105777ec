"""A value sent from the leader to every follower: its plain parts as bytes, its tensors between devices.

Bytes come from the process that has started the follower, over a way that nobody else has: nothing from a file, and
nothing that anybody on the network could send, is unpickled.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipelines.parallel.gang import Gang


@dataclass(frozen=True, slots=True)
class _Enclosed:
    """What a letter says of a tensor that is sent after it."""

    index: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype
    is_on_host: bool
    is_parameter: bool


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.tensors: list[Tensor] = []
        self._known: dict[int, _Enclosed] = {}

    def persistent_id(self, value: Any) -> _Enclosed | None:
        if not isinstance(value, Tensor):
            return None
        if id(value) not in self._known:
            stride = torch.empty_like(value, device="meta").stride()
            is_parameter = isinstance(value, nn.Parameter)
            self._known[id(value)] = _Enclosed(
                len(self.tensors), tuple(value.shape), stride, value.dtype, value.device.type == "cpu", is_parameter
            )
            self.tensors.append(value)
        return self._known[id(value)]

    def reducer_override(self, value: Any) -> Any:
        # A module's hooks and its sharding belong to this process.
        if not isinstance(value, nn.Module):
            return NotImplemented
        state = {
            name: OrderedDict() if "hooks" in name and isinstance(kept, dict) else kept
            for name, kept in vars(value).items()
            if name not in ("forward", "each", "sharding")
        }
        return object.__new__, (type(value),), state


class _Reader(pickle.Unpickler):
    def __init__(self, letter: bytes, gang: Gang) -> None:
        super().__init__(io.BytesIO(letter))
        self._gang = gang
        self._tensors: dict[int, Tensor] = {}

    def persistent_load(self, enclosed: _Enclosed) -> Tensor:
        if enclosed.index not in self._tensors:
            self._tensors[enclosed.index] = self._receive(enclosed)
        return self._tensors[enclosed.index]

    def _receive(self, enclosed: _Enclosed) -> Tensor:
        value = torch.empty_strided(
            enclosed.shape, enclosed.stride, dtype=enclosed.dtype, device=self._gang.device
        )  # fmt: skip
        _broadcast(self._gang, value)
        value = value.cpu() if enclosed.is_on_host else value
        return nn.Parameter(value, requires_grad=False) if enclosed.is_parameter else value


def send(gang: Gang, post: Callable[[bytes], None], work: Callable[..., object], args: tuple[object, ...]) -> None:
    """Have every follower call `work(gang, desk, *args)`; both must be picklable. On the leader alone."""
    file = io.BytesIO()
    writer = _Writer(file)
    writer.dump((work, args))
    post(file.getvalue())
    for tensor in writer.tensors:
        there = tensor.detach().to(gang.device)
        stride = torch.empty_like(there, device="meta").stride()
        if there.stride() != stride:
            there = torch.empty_strided(there.shape, stride, dtype=there.dtype, device=there.device).copy_(there)
        _broadcast(gang, there)


def receive(gang: Gang, letter: bytes) -> tuple[Callable[..., object], tuple[object, ...]]:
    """What a letter says, with its tensors, which arrive meanwhile."""
    work, args = _Reader(letter, gang).load()
    return work, args


def _broadcast(gang: Gang, dense: Tensor) -> None:
    """Send or receive the memory of a tensor without holes, as bytes: not every dtype has a message of its own."""
    if dense.numel():
        flat = dense.as_strided((dense.numel(),), (1,)).view(torch.uint8)
        dist.broadcast(flat, 0, group=gang.tensors)
