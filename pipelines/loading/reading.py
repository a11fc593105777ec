"""Moves tensors from files to where they will live, with several threads and without a copy in the page cache."""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from pipelines.checkpoints.packing import BLOCK_NUMBERS, MOST_BLOCK_BYTES, unpack_upper
from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr
from pipelines.front.progress import Progress, Report, Stage
from pipelines.loading.stored import StoredTensor

NUM_THREADS = 8
NUM_READING = 4
"""Threads that read at one time; meanwhile the others unpack, cast or send to a device what they have read."""
CHUNK_BYTES = 16 * 2**20
"""Read at once by one thread."""
PACKED_BUFFER_BYTES = MOST_BLOCK_BYTES + BLOCK_NUMBERS
"""A block's numbers, and behind them its upper bytes as they are packed."""
AHEAD_BYTES = 128 * 2**20
"""Read at most so far ahead of the tensor that is handed out."""
_TOLD_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of elements of a tensor, or one of its packed blocks."""

    tensor: StoredTensor
    target: Tensor
    """Flat, where the elements go."""
    offset: int
    num_bytes: int


def read_tensors(
    tensors: Sequence[StoredTensor], allocate: Callable[[StoredTensor], Tensor], report: Report
) -> Iterator[tuple[StoredTensor, Tensor]]:
    """Yield each tensor, in order, in the memory that `allocate` gave for it; its dtype decides the cast.

    `report` hears of the bytes and may raise: then reading ends at once. Raises CheckpointMissing when a file ends
    early or cannot be read.
    """
    progress = _Teller(sum(tensor.num_bytes for tensor in tensors), report)
    pending: deque[tuple[StoredTensor, Tensor, list[tuple[int, Future[None]]]]] = deque()
    with ExitStack() as stack:
        files = {file: _open(file, stack) for file in dict.fromkeys(tensor.file for tensor in tensors)}
        threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="weights")
        stack.callback(threads.shutdown, wait=True, cancel_futures=True)
        reader = _PartReader(files)

        def finish() -> tuple[StoredTensor, Tensor]:
            tensor, target, parts = pending.popleft()
            for num_bytes, part in parts:
                part.result()
                progress.add(tensor.file, num_bytes)
            return tensor, target

        ahead = 0
        for tensor in tensors:
            target = allocate(tensor)
            parts = [(part.num_bytes, threads.submit(reader.read, part)) for part in _parts(tensor, target)]
            pending.append((tensor, target, parts))
            ahead += tensor.num_bytes
            while ahead > AHEAD_BYTES:
                ahead -= pending[0][0].num_bytes
                yield finish()
        while pending:
            yield finish()


def _parts(tensor: StoredTensor, target: Tensor) -> Iterator[_Part]:
    if tensor.value is not None:
        target.copy_(tensor.value)
        return
    step = BLOCK_NUMBERS if tensor.blocks else CHUNK_BYTES // tensor.dtype.itemsize
    offset = tensor.offset
    for index, piece in enumerate(target.view(-1).split(step) if target.numel() else ()):
        num_bytes = tensor.blocks[index] if tensor.blocks else piece.numel() * tensor.dtype.itemsize
        yield _Part(tensor, piece, offset, num_bytes)
        offset += num_bytes


class _PartReader:
    """Reads parts on any thread; every thread has one buffer for what must be cast or sent to a device."""

    def __init__(self, files: dict[Path, int]) -> None:
        self._files = files
        self._reading = threading.Semaphore(NUM_READING)
        self._local = threading.local()

    @torch.inference_mode()
    def read(self, part: _Part) -> None:
        tensor = part.tensor
        if tensor.blocks:
            buffer, count = self._buffer(PACKED_BUFFER_BYTES, part.target.is_cuda), part.target.numel()
            packed = buffer[2 * count : count + part.num_bytes]
            self._fill(part, buffer[:count], packed)
            _unpack(buffer[: 2 * count], packed, part)
        elif part.target.device.type == "cpu" and part.target.dtype == tensor.dtype:
            self._fill(part, part.target.view(torch.uint8))
        else:
            buffer = self._buffer(CHUNK_BYTES, part.target.is_cuda)[: part.num_bytes]
            self._fill(part, buffer)
            part.target.copy_(buffer.view(tensor.dtype))

    def _fill(self, part: _Part, *targets: Tensor) -> None:
        file, offset = self._files[part.tensor.file], part.offset
        with self._reading:
            for target in targets:
                fill(file, offset, target, part.tensor)
                offset += target.numel()
            _forget(file, part.offset, part.num_bytes)

    def _buffer(self, num_bytes: int, pinned: bool) -> Tensor:
        buffer: Tensor | None = getattr(self._local, "buffer", None)
        if buffer is None or buffer.numel() < num_bytes:
            buffer = self._local.buffer = torch.empty(num_bytes, dtype=torch.uint8, pin_memory=pinned)
        return buffer


def _unpack(numbers: Tensor, packed: Tensor, part: _Part) -> None:
    """Put a block into the part's target: the lower bytes of its numbers, followed by room for the upper ones."""
    count, target = part.target.numel(), part.target
    try:
        unpack_upper(packed.numpy().data, numbers[count:].numpy().data)
    except ValueError as error:
        raise CheckpointMissing(
            tr("cannot read {file}: {error}. Download it again.", file=part.tensor.file, error=error)
        ) from error
    planes = numbers.view(2, count).to(target.device).t()
    if target.dtype == part.tensor.dtype:
        target.view(torch.uint8).view(count, 2).copy_(planes)
    else:
        target.copy_(planes.contiguous().view(-1).view(part.tensor.dtype))


class _Teller:
    """Counts bytes and reports them, but not for every small tensor."""

    def __init__(self, total: int, report: Report) -> None:
        self._total, self._report = total, report
        self._done = self._told = 0

    def add(self, file: Path, num_bytes: int) -> None:
        self._done += num_bytes
        if not self._told or self._done - self._told >= _TOLD_BYTES or self._done == self._total:
            self._told = self._done
            self._report(Progress(Stage.LOAD, detail=file.name, bytes_done=self._done, bytes_total=self._total))


def _open(file: Path, stack: ExitStack) -> int:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CheckpointMissing(
            tr("cannot read {file}: {error}. Download it again.", file=file, error=error)
        ) from error
    stack.callback(os.close, descriptor)
    # What the kernel read ahead beyond the last part.
    stack.callback(_forget, descriptor, 0, 0)
    return descriptor


def fill(file: int, offset: int, target: Tensor, tensor: StoredTensor) -> None:
    """Read exactly the target's bytes, uint8 on the CPU, from an open file. Raises CheckpointMissing."""
    view = memoryview(target.numpy().data)
    while view:
        try:
            count = os.preadv(file, [view], offset)
        except OSError as error:
            raise CheckpointMissing(
                tr("cannot read {file}: {error}. Download it again.", file=tensor.file, error=error)
            ) from error
        if count == 0:
            raise CheckpointMissing(
                tr("{file} ends inside {name}. Download it again.", file=tensor.file, name=tensor.name)
            )
        view, offset = view[count:], offset + count


def _forget(file: int, offset: int, num_bytes: int) -> None:
    """Give the pages of a range back: on unified memory the cache is a second copy of the weights."""
    try:
        os.posix_fadvise(file, offset, num_bytes, os.POSIX_FADV_DONTNEED)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ESPIPE):
            raise
