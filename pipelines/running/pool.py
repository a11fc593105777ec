"""Models that stay warm between jobs within a byte budget; the only place that frees device memory."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import nn

Model = TypeVar("Model")


class ModelPool:
    """Keeps what was built, least recently used first to go. Used from one thread."""

    def __init__(self, budget_bytes: int | None = None) -> None:
        self.budget_bytes = budget_bytes
        """Most bytes of weights to keep; None keeps all."""
        self._models: OrderedDict[Hashable, Any] = OrderedDict()
        self._in_use: dict[Hashable, int] = {}

    @contextmanager
    def use(self, key: Hashable, build: Callable[[], Model], expected_bytes: int = 0) -> Iterator[Model]:
        """Yield the model called `key`, building it when it is not warm; it cannot be released meanwhile.

        expected_bytes: room to make before building. The key must name everything that `build` depends on
        (checkpoint, component, device, dtype).
        """
        if key not in self._models:
            self._make_room(expected_bytes)
            self._models[key] = build()
        self._models.move_to_end(key)
        self._in_use[key] = self._in_use.get(key, 0) + 1
        try:
            yield self._models[key]
        finally:
            self._in_use[key] -= 1
            self._make_room(0)

    def limit(self, budget_bytes: int | None) -> None:
        """Change the budget; what is too much for it and not in use goes at once."""
        self.budget_bytes = budget_bytes
        self._make_room(0)

    def is_warm(self, key: Hashable) -> bool:
        """Whether `use` would return at once."""
        return key in self._models

    def has_room(self, expected_bytes: int) -> bool:
        """Whether so many bytes more would still be within the budget."""
        return self.budget_bytes is None or self.num_bytes() + expected_bytes <= self.budget_bytes

    def num_bytes(self) -> int:
        """Bytes of all weights in the pool."""
        return sum(model_bytes(model) for model in self._models.values())

    def release(self, key: Hashable | None = None) -> None:
        """Drop one model, or all that are not in use; the memory is free when this returns."""
        keys = list(self._models) if key is None else [key]
        for name in keys:
            if not self._in_use.get(name):
                self._models.pop(name, None)
        _return_memory()

    def take_out(self, is_stale: Callable[[Any], bool]) -> list[Any]:
        """Give up the models that are stale and not in use, for the caller to end."""
        names = [name for name, model in self._models.items() if is_stale(model) and not self._in_use.get(name)]
        return [self._models.pop(name) for name in names]

    def _make_room(self, expected_bytes: int) -> None:
        if self.budget_bytes is None:
            return
        for key in list(self._models):
            if self.num_bytes() + expected_bytes <= self.budget_bytes:
                return
            if not self._in_use.get(key):
                self.release(key)


def model_bytes(model: Any) -> int:
    """Bytes of a module's parameters and buffers, shared ones once; 0 for anything else."""
    if not isinstance(model, nn.Module):
        return 0
    return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))


def _return_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
