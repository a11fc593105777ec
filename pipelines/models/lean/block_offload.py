"""A transformer whose blocks' matrices live in the host's memory and visit the device two blocks at a time."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

NUM_SLOTS = 2
"""One block computes while the next one's matrices arrive."""


class BlockOffload:
    """Binds host matrices to two sets of device buffers as the blocks run; lives as long as its hooks.

    Everything but the blocks' matrices stays on the device. On CUDA the copies run on a stream of their own from
    pinned memory. A linear layer that is called outside its block (keys and values of the text) fetches its own.
    """

    def __init__(self, network: nn.Module, device: str | torch.device) -> None:
        self._device = torch.device(device)
        self._on_cuda = self._device.type == "cuda"
        blocks = list(network.get_submodule("blocks").children())
        self._owners = [_matrices(block) for block in blocks]
        _move_all_but(network, {id(owner) for owners in self._owners for owner, _ in owners}, self._device)
        self._host = [[self._pin(owner, name) for owner, name in owners] for owners in self._owners]
        self._slots = [
            [_like(value, torch.empty_like(value, device=self._device)) for value in self._host[0]]
            for _ in range(NUM_SLOTS)
        ]
        self._held = [-1] * NUM_SLOTS
        self._running = -1
        self._stream = self._copy_stream() if self._on_cuda else None
        self._arrived: list[torch.cuda.Event | None] = [None] * NUM_SLOTS
        self._used: list[torch.cuda.Event | None] = [None] * NUM_SLOTS
        for index, block in enumerate(blocks):
            block.register_forward_pre_hook(partial(self._before_block, index))
            block.register_forward_hook(partial(self._after_block, index), always_call=True)
            for place, (owner, _) in enumerate(self._owners[index]):
                owner.register_forward_pre_hook(partial(self._before_layer, index, place))
                owner.register_forward_hook(partial(self._after_layer, index, place), always_call=True)

    def _copy_stream(self) -> torch.cuda.Stream:
        """A stream for the copies into the slots, whose memory the allocator knows from the computing stream alone."""
        stream = torch.cuda.Stream(self._device)
        # What lay there before may still be read by kernels that are queued.
        stream.wait_stream(torch.cuda.current_stream(self._device))
        for value in (value for slot in self._slots for value in slot):
            # And nothing may be put there after the release of this network while a last copy is under way.
            value.record_stream(stream)
        return stream

    def _before_block(self, index: int, _module: nn.Module, _args: Any) -> None:
        slot = index % NUM_SLOTS
        self._fetch(index)
        arrived = self._arrived[slot]
        if arrived is not None:
            torch.cuda.current_stream(self._device).wait_event(arrived)
        self._bind(index, self._slots[slot])
        self._running = index
        following = (index + 1) % len(self._host)
        if following % NUM_SLOTS != slot:
            self._fetch(following)

    def _after_block(self, index: int, _module: nn.Module, _args: Any, _output: Any) -> None:
        if self._on_cuda:
            self._used[index % NUM_SLOTS] = torch.cuda.current_stream(self._device).record_event()
        self._bind(index, self._host[index])
        self._running = -1

    def _before_layer(self, index: int, place: int, _module: nn.Module, _args: Any) -> None:
        if self._running != index:
            owner, name = self._owners[index][place]
            host = self._host[index][place]
            _set(owner, name, _like(host, host.to(self._device)))

    def _after_layer(self, index: int, place: int, _module: nn.Module, _args: Any, _output: Any) -> None:
        if self._running != index:
            owner, name = self._owners[index][place]
            _set(owner, name, self._host[index][place])

    def _fetch(self, index: int) -> None:
        """Copy a block's matrices into its slot, unless they are there; on CUDA this only queues the copies."""
        slot = index % NUM_SLOTS
        if self._held[slot] == index:
            return
        self._held[slot] = index
        if self._stream is None:
            self._copy(index, slot)
            return
        used = self._used[slot]
        if used is not None:
            self._stream.wait_event(used)
        with torch.cuda.stream(self._stream):
            self._copy(index, slot)
            self._arrived[slot] = self._stream.record_event()

    def _copy(self, index: int, slot: int) -> None:
        for target, source in zip(self._slots[slot], self._host[index], strict=True):
            target.copy_(source, non_blocking=True)

    def _bind(self, index: int, values: list[Tensor]) -> None:
        for (owner, name), value in zip(self._owners[index], values, strict=True):
            _set(owner, name, value)

    def _pin(self, owner: nn.Module, name: str) -> Tensor:
        """Put one matrix into the host's memory; replaced at once, so that no two copies of all of them exist."""
        value: Tensor = getattr(owner, name)
        host = value.detach().to("cpu")
        host = _like(value, host.pin_memory() if self._on_cuda else host)
        _set(owner, name, host)
        return host


def _matrices(block: nn.Module) -> list[tuple[nn.Module, str]]:
    """Every module of a block that owns a matrix, and the matrix's name, in order."""
    return [
        (module, name)
        for module in block.modules()
        for name, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
        if value.ndim == 2
    ]


def _move_all_but(network: nn.Module, owners: set[int], device: torch.device) -> None:
    for module in network.modules():
        for name, value in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
            if id(module) not in owners or value.ndim != 2:
                _set(module, name, _like(value, value.detach().to(device)))


def _like(model: Tensor, value: Tensor) -> Tensor:
    return nn.Parameter(value, requires_grad=False) if isinstance(model, nn.Parameter) else value


def _set(owner: nn.Module, name: str, value: Tensor) -> None:
    """Replace a parameter or buffer without looking at device or shape, as often as every step."""
    table = owner._parameters if name in owner._parameters else owner._buffers
    table[name] = value  # type: ignore[assignment]  # one of two tables
