"""Computes a stream of tensors one ahead of whoever takes them; knows nothing of what is computed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class _Made:
    """A tensor, and when the device will have made it."""

    value: Tensor
    ready: torch.cuda.Event | None


_End = BaseException | None
"""What a stream ended with."""


def ahead(chunks: Generator[Tensor, None, None]) -> Generator[Tensor, None, None]:
    """Yield what `chunks` yields, while a thread of its own already computes the next.

    At most two are waiting or in the making. What `chunks` raises is raised here; closing this ends the thread and
    closes `chunks` there, at the latest when the one in the making is done.
    """
    made: queue.Queue[_Made | _End] = queue.Queue(maxsize=1)
    stop = threading.Event()
    beside = _Beside()
    maker = threading.Thread(target=_make, args=(chunks, made, stop, beside), name="ahead", daemon=True)
    maker.start()
    try:
        while isinstance(item := made.get(), _Made):
            yield beside.take(item)
        if item is not None:
            raise item
    finally:
        stop.set()
        while maker.is_alive():
            # It may be waiting for room.
            try:
                made.get(timeout=0.02)
            except queue.Empty:
                continue
        maker.join()


def _make(
    chunks: Generator[Tensor, None, None],
    made: queue.Queue[_Made | _End],
    stop: threading.Event,
    beside: _Beside,
) -> None:
    end: _End = None
    try:
        with torch.inference_mode(), beside.stream(), closing(chunks):
            for value in chunks:
                if stop.is_set():
                    break
                made.put(beside.made(value))
    except BaseException as error:
        # Carried to the thread that takes, which is where it is handled.
        end = error
    made.put(end)


class _Beside:
    """A stream of the GPU beside that of the thread which makes this; without a GPU nothing."""

    def __init__(self) -> None:
        on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        self._taker = torch.cuda.current_stream() if on_gpu else None
        self._maker = torch.cuda.Stream() if on_gpu else None  # type: ignore[no-untyped-call]
        if self._maker is not None and self._taker is not None:
            self._maker.wait_stream(self._taker)

    def stream(self) -> AbstractContextManager[object]:
        """For the thread that makes."""
        return nullcontext() if self._maker is None else torch.cuda.stream(self._maker)

    def made(self, value: Tensor) -> _Made:
        """A tensor that the maker's stream is about to finish."""
        return _Made(value, self._maker.record_event() if self._maker is not None else None)

    def take(self, item: _Made) -> Tensor:
        """The tensor, for use on the taker's stream."""
        if item.ready is not None and self._taker is not None:
            self._taker.wait_event(item.ready)
            if item.value.is_cuda:
                item.value.record_stream(self._taker)
        return item.value
