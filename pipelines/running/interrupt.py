"""Stopping inside a long call of a network: asks between its blocks, while the GPU still has one queued."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

QUEUED_BLOCKS = 2
"""Blocks the CPU may run ahead of the GPU: enough to keep it busy, few enough to stop within one block."""


@contextmanager
def interruptible(blocks: Iterable[nn.Module], poll: Callable[[], None]) -> Iterator[None]:
    """Call `poll` before every call of one of `blocks` while the context lasts; what it raises ends the call.

    On CUDA the CPU is also held back so that it never queues more than `QUEUED_BLOCKS` blocks: without
    that a whole step, or a whole video to encode, is queued at once and nothing could stop it.
    """
    queued: deque[torch.cuda.Event] = deque()

    def before_block(_module: nn.Module, args: tuple[Any, ...]) -> None:
        if args[0].is_cuda:
            queued.append(torch.cuda.current_stream().record_event())
            if len(queued) > QUEUED_BLOCKS:
                queued.popleft().synchronize()
        poll()

    with ExitStack() as stack:
        for block in blocks:
            stack.callback(block.register_forward_pre_hook(before_block).remove)
        yield
