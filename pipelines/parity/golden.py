"""A golden file and the comparisons a replayer makes with it; knows nothing about any stage."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from pipelines.demo.checkpoints import write_checkpoint
from pipelines.front.errors import CheckpointMissing


@dataclass(frozen=True, slots=True)
class Check:
    """One compared tensor or table."""

    name: str
    difference: float
    """Largest absolute difference, unless `tolerance` names another measure."""
    tolerance: str
    passed: bool


@dataclass
class Golden:
    """One JSON and the tensors beside it; remembers which tensors a replayer has looked at."""

    path: Path
    data: dict[str, Any]
    tensors: Mapping[str, Tensor]
    find_checkpoint: Callable[[str, int], Path]
    """(manifest as the JSON names it, seed) -> folder of the tiny checkpoint."""
    seen: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path, find_checkpoint: Callable[[str, int], Path]) -> Golden:
        """Read a golden; the tensor file is optional."""
        stored = path.with_suffix(".safetensors")
        tensors = load_file(stored) if stored.exists() else {}
        return cls(path, json.loads(path.read_text("utf-8")), tensors, find_checkpoint)

    def __getitem__(self, name: str) -> Tensor:
        """A stored tensor, counted as looked at. Raises KeyError."""
        self.seen.add(name)
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    @property
    def args(self) -> dict[str, Any]:
        """The call's arguments."""
        found: dict[str, Any] = self.data.get("args") or self.data.get("arguments") or {}
        return found

    @property
    def tolerance(self) -> dict[str, Any]:
        """The stored tolerances."""
        found: dict[str, Any] = self.data.get("tolerance") or {}
        return found

    @property
    def seed(self) -> int:
        """Seed of the tiny checkpoint."""
        return int(self.data.get("seed", self.data.get("checkpoint_seed", 0)))

    def checkpoint(self) -> Path:
        """Folder of the tiny checkpoint that this golden was made with, written on first use."""
        return self.find_checkpoint(self.data["manifest"], self.seed)

    def sibling(self, stem: str) -> Golden:
        """Another golden of the same folder, which this one takes its inputs from."""
        return Golden.read(self.path.with_name(f"{stem}.json"), self.find_checkpoint)

    def close(self, name: str, actual: Tensor, *, atol: float | None = None, rtol: float | None = None) -> Check:
        """Compare with the stored tensor `name` at the file's atol and rtol, or those given."""
        limits = self.tolerance
        return close(
            name,
            actual,
            self[name],
            float(limits.get("atol", 0.0)) if atol is None else atol,
            float(limits.get("rtol", 0.0)) if rtol is None else rtol,
        )

    def declared(self) -> Iterator[Check]:
        """Compare the stored tensors with the names, shapes and dtypes that the JSON declares."""
        declared = self.data.get("tensors")
        if declared:
            entries = {name: _shape_and_dtype(entry) for name, entry in declared.items()}
            stored = {
                name: (list(tensor.shape), str(tensor.dtype).removeprefix("torch."))
                for name, tensor in self.tensors.items()
            }
            yield exact("declared tensors", sorted(stored.items()), sorted(entries.items()))

    def unseen(self) -> list[str]:
        """Stored tensors that no replayer has used or compared."""
        return sorted(set(self.tensors) - self.seen)


class TinyCheckpoints:
    """Writes each tiny checkpoint once below a folder."""

    def __init__(self, folder: Path, goldens: Path, manifest: Path | None = None) -> None:
        self.folder, self.goldens, self.manifest = folder, goldens, manifest
        self._written: dict[tuple[str, int], Path] = {}

    def __call__(self, name: str, seed: int) -> Path:
        """Folder of the checkpoint for a manifest (looked up in the goldens' folder, then its parent) and a seed."""
        key = (name, seed)
        if key not in self._written:
            target = self.folder / f"{Path(name).stem}-{seed}-{len(self._written)}"
            self._written[key] = write_checkpoint(self._find(name), target, seed)
        return self._written[key]

    def _find(self, name: str) -> Path:
        if self.manifest is not None:
            return self.manifest
        folders = (self.goldens, self.goldens.resolve().parent)
        candidates = [folder / path for folder in folders for path in (name, Path(name).name)]
        for candidate in (*candidates, self.goldens / "manifest.json"):
            if candidate.is_file():
                return candidate
        raise CheckpointMissing(f"no manifest {name} in {self.goldens} or its parent: name one with --manifest")


def close(name: str, actual: Tensor, expected: Tensor, atol: float, rtol: float = 0.0) -> Check:
    """Pass when |actual - expected| <= atol + rtol * |expected| everywhere and the shapes agree."""
    text = f"atol {atol:g}" + (f" rtol {rtol:g}" if rtol else "")
    if actual.shape != expected.shape:
        return _shapes_differ(name, actual, expected, text)
    difference = (actual.detach().cpu().double() - expected.double()).abs()
    allowed = atol + rtol * expected.double().abs()
    return Check(name, _largest(difference), text, bool((difference <= allowed).all()))


def relative(name: str, actual: Tensor, expected: Tensor, limit: float) -> Check:
    """Pass when the norm of the difference is at most `limit` times that of the expected tensor."""
    text = f"relative L2 {limit:g}"
    if actual.shape != expected.shape:
        return _shapes_differ(name, actual, expected, text)
    difference = (actual.detach().cpu().double() - expected.double()).norm() / expected.double().norm()
    return Check(name, float(difference), text, bool(difference <= limit))


def levels(name: str, actual: Tensor, expected: Tensor, at_most: float, mean_below: float | None = None) -> Check:
    """Compare uint8 pictures: at most so many levels apart, and on average below `mean_below`."""
    text = f"{at_most:g} levels" + (f", mean below {mean_below:g}" if mean_below is not None else "")
    if actual.shape != expected.shape:
        return _shapes_differ(name, actual, expected, text)
    difference = (actual.cpu().double() - expected.double()).abs()
    passed = _largest(difference) <= at_most and (mean_below is None or float(difference.mean()) < mean_below)
    return Check(name, _largest(difference), text, passed)


def exact(name: str, actual: Any, expected: Any) -> Check:
    """Compare two plain values or two tensors of whole numbers; the difference counts unequal entries."""
    if isinstance(actual, Tensor) or isinstance(expected, Tensor):
        actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
        if actual.shape != expected.shape:
            return _shapes_differ(name, actual, expected, "equal")
        unequal = int((actual.cpu() != expected).sum())
        return Check(name, unequal, "equal", unequal == 0)
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            return Check(f"{name} (length {len(actual)}, expected {len(expected)})", 1, "equal", False)
        unequal = sum(a != e for a, e in zip(actual, expected, strict=True))
        return Check(name, unequal, "equal", unequal == 0)
    return Check(name, float(actual != expected), "equal", actual == expected)


def numbers_in(text: str) -> list[float]:
    """The numbers in a tolerance that is written as a sentence, in order ('uint8' is a word, not a number)."""
    return [float(found) for found in re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?!\w)", text)]


def _shape_and_dtype(entry: Any) -> tuple[list[int], str]:
    """From {"shape", "dtype"} or [dtype, shape, meaning]."""
    if isinstance(entry, dict):
        return list(entry["shape"]), str(entry["dtype"])
    return list(entry[1]), str(entry[0])


def _largest(difference: Tensor) -> float:
    if difference.numel() == 0:
        return 0.0
    largest = float(difference.max())
    return largest if largest == largest else float("inf")


def _shapes_differ(name: str, actual: Tensor, expected: Tensor, text: str) -> Check:
    return Check(f"{name} {list(actual.shape)} instead of {list(expected.shape)}", float("inf"), text, False)


Replay = Callable[[Golden], Iterator[Check]]


@dataclass(frozen=True, slots=True)
class Replayer:
    """How goldens whose name starts with `prefix` are run."""

    prefix: str
    replay: Replay
    slow: bool = False
    """Only with --slow."""
