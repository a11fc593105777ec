"""Records what passes through a network while it runs: outputs of named modules, calls of named functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, Self

from torch import Tensor, nn

from pipelines.models.transformer import attention, ops, speakers
from pipelines.models.vae import vae

FUNCTIONS: tuple[tuple[ModuleType, str], ...] = (
    (ops, "layer_norm_modulate"),
    (ops, "layer_norm_affine"),
    (ops, "gate_residual"),
    (ops, "rms_norm_rope"),
    (attention, "attention"),
    (speakers, "speaker_map"),
    (speakers, "query_positions"),
    (speakers, "key_positions"),
    (vae, "posterior_noise"),
)
"""Recorded by name when called through their module, as the transformer does."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: positional arguments as given, and the result."""

    args: tuple[Any, ...]
    result: Any


class Recorder:
    """Context manager; `outputs[name]` lists a module's results, `inputs[name]` its arguments, `calls[function]` calls.

    A block calls in this order: layer_norm_modulate (self-attention's input, in the first block), rms_norm_rope (q, k),
    attention, gate_residual, layer_norm_affine (norm2), rms_norm_rope (text q), attention (text), [attention
    (picture)], [layer_norm_affine (norm_x), attention (audio)], layer_norm_modulate (feed-forward's input),
    gate_residual, of which the last calls the next block's layer_norm_modulate too.
    norm2 and norm_x are no module calls. Keys of the text are made in `encode_context`.
    """

    def __init__(self, network: nn.Module, modules: Iterable[str] = ()) -> None:
        self.network, self.modules = network, tuple(modules)
        self.outputs: dict[str, list[Tensor]] = {}
        self.inputs: dict[str, list[tuple[Any, ...]]] = {}
        self.calls: dict[str, list[Call]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for name in self.modules:
            hook = self.network.get_submodule(name).register_forward_hook(functools.partial(self._keep, name))
            self._stack.callback(hook.remove)
        for module, name in FUNCTIONS:
            original = getattr(module, name)
            setattr(module, name, self._recording(name, original))
            self._stack.callback(setattr, module, name, original)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def clear(self) -> None:
        """Forget what was recorded."""
        for record in (self.outputs, self.inputs, self.calls):
            record.clear()

    def output(self, name: str, index: int = -1) -> Tensor:
        """A module's result, the last one by default."""
        return self.outputs[name][index]

    def _keep(self, name: str, _module: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        self.inputs.setdefault(name, []).append(args)
        # A block gives the norm of the block after it besides its tokens.
        self.outputs.setdefault(name, []).append(result[0] if isinstance(result, tuple) else result)

    def _recording(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            result = original(*args, **kwargs)
            self.calls.setdefault(name, []).append(Call((*args, *kwargs.values()), result))
            return result

        return call
