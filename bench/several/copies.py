"""Messages that the GPUs of one host lay into each other's memory by their copy engines: a trial of what they bring.

A message of NCCL is a kernel: it needs processors of the GPU that a product holds until it ends. A copy engine needs
none, and neither does a stream that waits until a number in memory is reached: so messages can travel beside products.
The program does not use them: nothing here ends the wait for a rank that was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
import torch.distributed as dist
from torch import Tensor

SLOTS = 4
"""Messages that can be read or under way at once: the values, queries, keys and results of one block."""
FLAG_BYTES = 4
ALIGNED = 256
"""Slots begin at multiples of so many bytes: a row of any type can lie there."""


class Landing:
    """A message under way, as a `dist.Work` is waited for."""

    def __init__(self, copies: Copies, number: int, sent: torch.cuda.Event, source: Tensor) -> None:
        self._copies, self._number, self._sent = copies, number, sent
        self._source: Tensor | None = source

    def wait(self) -> None:
        """Let the computing stream wait for it."""
        torch.cuda.current_stream().wait_event(self._sent)
        self._copies.wait_for(self._number)
        # From here on the computing stream is behind the copies: what it writes there next comes after them.
        self._source = None


class Copies:
    """One rank's messages. Every method is called by all ranks, in the same order."""

    def __init__(self, group: dist.ProcessGroup, rank: int, size: int, slot_bytes: int) -> None:
        """Take memory for messages of at most `slot_bytes` bytes, and reach that of the others."""
        from torch.distributed import _symmetric_memory as symmetric

        self.slot_bytes = -(-slot_bytes // ALIGNED) * ALIGNED
        self._rank, self._size = rank, size
        flags_at = SLOTS * self.slot_bytes
        device = torch.device("cuda", torch.cuda.current_device())
        # The flags: which message each rank is ready for, then which has come from it.
        memory = symmetric.empty(flags_at + 2 * size * FLAG_BYTES, dtype=torch.uint8, device=device)
        memory[flags_at:].zero_()
        torch.cuda.synchronize()
        shared = symmetric.rendezvous(memory, group.group_name)
        self._memories = [shared.get_buffer(other, memory.shape, torch.uint8) for other in range(size)]
        self._memories[rank] = memory
        self._flags = memory[flags_at:].view(torch.int32)
        self._flags_at = [part.data_ptr() + flags_at for part in self._memories]
        self._stream = torch.cuda.Stream(priority=-1)
        self._number = 0

    def start(
        self, x: Tensor, sent: Sequence[int], received: Sequence[int], places: Sequence[int]
    ) -> tuple[Tensor, Landing]:
        """Send the first `sent[0]` rows of dense x to rank 0, the next to rank 1 and so on.

        They begin at row `places[r]` of what rank r receives, [sum(received), ...]: valid until SLOTS further messages
        have begun.
        """
        self._number += 1
        number = self._number
        row = prod(x.shape[1:]) * x.element_size()
        slot = number % SLOTS * self.slot_bytes
        if sum(received) * row > self.slot_bytes:
            raise ValueError(f"{sum(received) * row} bytes in a message of at most {self.slot_bytes}")
        parts = dict(enumerate(x.flatten().view(torch.uint8).split([rows * row for rows in sent])))
        # The others first, each rank beginning with another one.
        others = [(self._rank + step) % self._size for step in range(1, self._size)]
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for other in others:
                self._write(other, self._rank, number)
            for other in (*others, self._rank):
                at = slot + places[other] * row
                if other != self._rank:
                    self._await(other, number)
                self._memories[other][at : at + parts[other].numel()].copy_(parts[other], non_blocking=True)
                if other != self._rank:
                    self._write(other, self._size + self._rank, number)
            gone = self._stream.record_event()
        mine = self._memories[self._rank][slot : slot + sum(received) * row]
        return mine.view(x.dtype).view(sum(received), *x.shape[1:]), Landing(self, number, gone, x)

    def wait_for(self, number: int) -> None:
        """Let the computing stream wait until this message has come from every other rank."""
        for other in range(self._size):
            if other != self._rank:
                self._await(self._size + other, number)

    def _write(self, other: int, flag: int, number: int) -> None:
        from cuda.bindings import driver

        _done(driver.cuStreamWriteValue32(_stream(), self._flags_at[other] + flag * FLAG_BYTES, number, 0))

    def _await(self, flag: int, number: int) -> None:
        from cuda.bindings import driver

        at_least = driver.CUstreamWaitValue_flags.CU_STREAM_WAIT_VALUE_GEQ
        address = self._flags_at[self._rank] + flag * FLAG_BYTES
        _done(driver.cuStreamWaitValue32(_stream(), address, number, at_least))


def _stream() -> int:
    return torch.cuda.current_stream().cuda_stream


def _done(answer: tuple[int]) -> None:
    if answer[0] != 0:
        raise RuntimeError(f"a stream cannot wait for memory: {answer[0]!r}")
