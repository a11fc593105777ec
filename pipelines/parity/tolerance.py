"""Reads tolerances that goldens state in words, and the comparisons those words ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from pipelines.parity.golden import (
    ABSENT,
    LEVELS,
    PERCENT,
    Comparison,
    Golden,
    NotHeld,
    absent,
    close,
    exact,
    number_in,
    relative,
)


def stated(golden: Golden, *words: str) -> float:
    """The number of the first tolerance whose name has one of `words`, tried in order, as whole words.

    Raises NotHeld when the file states none of them.
    """
    for word in words:
        for name, value in golden.tolerance.items():
            if name != "seen" and word in name and not isinstance(value, str):
                return float(value)
    raise NotHeld(f"a tolerance for {' or '.join(words)}")


def few_levels(name: str, actual: Tensor, expected: Tensor, sentence: str) -> Comparison:
    """Compare bytes by a sentence such as 'at most 1 level off, on at most 0.5 % of the values'."""
    if expected is ABSENT:
        return absent(name)
    levels, percent = number_in(sentence, LEVELS), number_in(sentence, PERCENT)
    if actual.shape != expected.shape:
        return close(name, actual, expected, 0.0)
    difference = (actual.cpu().int() - expected.int()).abs()
    share = 100 * float((difference > 0).double().mean())
    largest = float(difference.max())
    text = f"{levels:g} levels on {percent:g} % ({share:.2g} % differ)"
    return Comparison(name, largest, text, largest <= levels and share <= percent)


def rounded(name: str, actual: Tensor, expected: Tensor, relative_rms: float, largest: float) -> list[Comparison]:
    """Compare results of two orders of bfloat16 roundings: relative root mean square, and the largest value."""
    return [
        relative(name, actual, expected, relative_rms),
        close(f"{name} (max)", actual, expected, largest),
    ]


def padded_rows(golden: Golden, name: str, actual: Tensor, atol: float) -> list[Comparison]:
    """Compare text rows: the stored ones at `atol`; the rows after them must be exactly zero."""
    if name not in golden:
        return [absent(name)]
    expected = golden[name]
    stored = expected.shape[1]
    rest = actual[:, stored:]
    checks = [close(name, actual[:, :stored], expected, atol)]
    if rest.numel():
        checks.append(close(f"{name} (padding)", rest, torch.zeros_like(rest, device="cpu"), 0.0))
    return checks


def fitting_arguments(golden: Golden, facts: Mapping[str, int]) -> Iterator[Comparison]:
    """Compare those arguments that only repeat what the tensors say."""
    for name, value in facts.items():
        if name in golden.args:
            yield exact(f"argument {name}", value, golden.args[name])
