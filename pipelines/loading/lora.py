"""Merges LoRA files into a network's tensors as they are read, so that a step costs what it costs without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipelines.checkpoints.lora.check import read_fit
from pipelines.checkpoints.lora.fit import LayerChange, lora_refused, names, rank_scale
from pipelines.checkpoints.lora.header import Header
from pipelines.checkpoints.lora.names import Kind
from pipelines.front.language import tr
from pipelines.front.lora import Lora
from pipelines.front.places import real

ROWS = 1024
"""Of a matrix, merged at once: the sum is made in float32, and a whole one would take another 280 MB."""


@dataclass(frozen=True, slots=True)
class _Share:
    """What one file does to one tensor of the network."""

    file: Any
    header: Header
    change: LayerChange
    strength: float
    is_bias: bool


class LoraMerge:
    """The changes of several files, for one load of one network. A context: it holds the files open.

    The order of the files plays no part: it is that of their paths.
    """

    def __init__(self, loras: Sequence[Lora], stored: Mapping[str, tuple[int, ...]], *, partial: bool) -> None:
        """`stored` are the names and shapes of the checkpoint's tensors. Raises LoraRefused for what does not fit."""
        self._stack = ExitStack()
        self._shares: dict[str, list[_Share]] = {}
        self.left_out: dict[Path, tuple[str, ...]] = {}
        """File -> its tensors that fit no layer, where that was allowed."""
        for lora in sorted(loras, key=lambda lora: lora.path):
            header, fit = read_fit(lora, stored, partial=partial)
            if fit.left_out:
                self.left_out[lora.path] = fit.left_out
            # A strength of 0 is checked like any other, and changes no bit.
            if lora.strength:
                file = self._open(lora)
                for change in fit.changes:
                    self._add(_Share(file, header, change, lora.strength, is_bias=False))

    def __enter__(self) -> LoraMerge:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def check_values(self) -> None:
        """Read every number once. Raises LoraRefused for one that is not finite."""
        for share in {id(share): share for shares in self._shares.values() for share in shares}.values():
            for name in share.change.stored.values():
                if not share.file.get_tensor(name).isfinite().all():
                    raise lora_refused(
                        share.header.path, tr("{names} holds numbers that are not finite", names=names([name]))
                    )

    @torch.inference_mode()
    def __call__(self, name: str, value: Tensor, device: str | torch.device) -> None:
        """Change the network's tensor called `name` in place, computing on `device`; others stay as they are."""
        shares = self._shares.get(name, ())
        if not shares:
            return
        factors = [_factors(share, device) for share in shares]
        rows = value.flatten(1) if value.ndim > 1 else value[:, None]
        for first in range(0, len(rows), ROWS):
            part = rows[first : first + ROWS]
            total = part.to(device, torch.float32, copy=True)
            for scale, up, down, added, strength in factors:
                if up is not None and down is not None:
                    total.addmm_(up[first : first + ROWS], down, alpha=scale * strength)
                if added is not None:
                    total.add_(added[first : first + ROWS], alpha=strength)
            part.copy_(total)

    def _open(self, lora: Lora) -> Any:
        try:
            return self._stack.enter_context(safe_open(lora.path, framework="pt"))
        except (SafetensorError, OSError) as error:
            raise lora_refused(lora.path, str(error)) from error

    def _add(self, share: _Share) -> None:
        layer = share.change.layer
        if share.change.stored.keys() & {Kind.DOWN, Kind.DIFF}:
            for name in (layer, f"{layer}.weight"):
                self._shares.setdefault(name, []).append(share)
        if Kind.DIFF_BIAS in share.change.stored:
            bias = _Share(share.file, share.header, share.change, share.strength, is_bias=True)
            self._shares.setdefault(f"{layer}.bias", []).append(bias)


def lora_key(loras: Sequence[Lora]) -> tuple[object, ...]:
    """What a network with these files merged is told from others by: equal for equal sets, () for none."""
    found = []
    for lora in loras:
        if lora.strength:
            try:
                facts = lora.path.stat()
            except OSError as error:
                raise lora_refused(lora.path, str(error)) from error
            found.append((str(real(lora.path)), facts.st_size, facts.st_mtime_ns, lora.strength))
    return tuple(sorted(found))


def _factors(
    share: _Share, device: str | torch.device
) -> tuple[float, Tensor | None, Tensor | None, Tensor | None, float]:
    """Scale, factors [out, rank] and [rank, in] and a plain change [out, in] of one tensor, float32."""

    def read(kind: Kind) -> Tensor | None:
        name = share.change.stored.get(kind)
        return None if name is None else share.file.get_tensor(name).to(device, torch.float32)

    if share.is_bias:
        added = read(Kind.DIFF_BIAS)
        return 1.0, None, None, None if added is None else added[:, None], share.strength
    up, down, alpha, added = read(Kind.UP), read(Kind.DOWN), read(Kind.ALPHA), read(Kind.DIFF)
    scale = 1.0
    if up is not None and down is not None:
        up, down = up.flatten(1), down.flatten(1)
        scale = float(alpha) / len(down) if alpha is not None else rank_scale(share.header, share.change)
    if added is not None:
        added = added.flatten(1) if added.ndim > 1 else added[:, None]
    return scale, up, down, added, share.strength
