"""Computes a stream of tensors one ahead of whoever takes them; knows nothing of what is computed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class _Ready:
    """A tensor, and when the device will have made it."""

    value: Tensor
    event: torch.cuda.Event | None


def ahead(chunks: Generator[Tensor, None, None]) -> Generator[Tensor, None, None]:
    """Yield what `chunks` yields, while a thread of its own already computes the next.

    At most two are waiting or in the making. What `chunks` raises is raised here; closing this ends the thread and
    closes `chunks` there, at the latest when the one in the making is done.
    """
    ready: queue.Queue[_Ready | None] = queue.Queue(maxsize=1)
    stop, beside = threading.Event(), _Beside()

    def make() -> None:
        try:
            with torch.inference_mode(), beside.stream(), closing(chunks):
                for value in chunks:
                    if stop.is_set():
                        return
                    ready.put(beside.ready(value))
        finally:
            ready.put(None)

    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as threads:
        making = threads.submit(make)
        try:
            while (item := ready.get()) is not None:
                yield beside.take(item)
            making.result()
        finally:
            stop.set()
            while not making.done():
                # It may be waiting for room.
                try:
                    ready.get(timeout=0.02)
                except queue.Empty:
                    continue


class _Beside:
    """A stream of the GPU beside that of the thread which makes this; without a GPU nothing."""

    def __init__(self) -> None:
        on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no stub
        self._taker = torch.cuda.current_stream() if on_gpu else None
        self._maker = torch.cuda.Stream() if on_gpu else None  # type: ignore[no-untyped-call]  # torch has no stub
        if self._maker is not None and self._taker is not None:
            self._maker.wait_stream(self._taker)

    def stream(self) -> AbstractContextManager[object]:
        """For the thread that makes."""
        return nullcontext() if self._maker is None else torch.cuda.stream(self._maker)

    def ready(self, value: Tensor) -> _Ready:
        """A tensor that the maker's stream is about to finish."""
        return _Ready(value, self._maker.record_event() if self._maker is not None else None)

    def take(self, item: _Ready) -> Tensor:
        """The tensor, for use on the taker's stream."""
        if item.event is not None and self._taker is not None:
            self._taker.wait_event(item.event)
            if item.value.is_cuda:
                item.value.record_stream(self._taker)
        return item.value
