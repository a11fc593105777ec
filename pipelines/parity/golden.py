"""A golden file and the comparisons a replayer makes with it; knows nothing about any stage."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import Tensor

from pipelines.demo.checkpoints import write_checkpoint
from pipelines.front.errors import CheckpointMissing
from pipelines.parity.ranks import Ranks

Case = TypeVar("Case")

ABSENT: Any = object()
"""Stands for a value that a golden might hold and does not: compared with it, a check says so and fails nothing."""


class NotHeld(LookupError):
    """A golden lacks what a stage starts from; `name` is what is missing."""

    def __init__(self, name: object) -> None:
        self.name = str(name)
        super().__init__(f"{name} is not held")


class Held(dict[str, Any]):
    """A table of a golden's JSON; asked for a key that it lacks it raises NotHeld."""

    def __missing__(self, key: str) -> Any:
        raise NotHeld(key)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One compared tensor or table."""

    name: str
    difference: float
    """Largest absolute difference, unless `tolerance` names another measure."""
    tolerance: str
    passed: bool
    held: bool = True
    """False when the golden holds nothing to compare with."""


@dataclass
class Golden:
    """One JSON and the tensors beside it; remembers which tensors a replayer has looked at."""

    path: Path
    data: dict[str, Any]
    tensors: Mapping[str, Tensor]
    find_checkpoint: Callable[[str, int], Path]
    """(manifest as the JSON names it, seed) -> folder of the tiny checkpoint."""
    seen: set[str] = field(default_factory=set)
    ranks: Ranks = field(default_factory=Ranks)
    """What its networks compute on."""

    @classmethod
    def read(cls, path: Path, find_checkpoint: Callable[[str, int], Path], ranks: Ranks | None = None) -> Golden:
        """Read a golden; the tensor file is optional."""
        stored = path.with_suffix(".safetensors")
        tensors = load_file(stored) if stored.exists() else {}
        return cls(
            path,
            json.loads(path.read_text("utf-8"), object_hook=Held),
            tensors,
            find_checkpoint,
            ranks=ranks or Ranks(),
        )

    def __getitem__(self, name: str) -> Tensor:
        """A stored tensor that a stage starts from, counted as looked at. Raises NotHeld."""
        if name not in self.tensors:
            raise NotHeld(name)
        self.seen.add(name)
        return self.tensors[name]

    def stored(self, name: str) -> Any:
        """A stored tensor to compare with, counted as looked at, or ABSENT."""
        # A golden is no dict: reading a tensor also marks it as used.
        return self[name] if name in self else ABSENT  # noqa: SIM401

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    @property
    def args(self) -> dict[str, Any]:
        """The call's arguments."""
        return Held(self.data.get("args") or self.data.get("arguments") or {})

    @property
    def tolerance(self) -> dict[str, Any]:
        """The stored tolerances."""
        return Held(self.data.get("tolerance") or {})

    @property
    def seed(self) -> int:
        """Seed of the tiny checkpoint."""
        return int(self.data.get("seed", self.data.get("checkpoint_seed", 0)))

    def checkpoint(self) -> Path:
        """Folder of the tiny checkpoint that this golden was made with, written on first use."""
        return self.find_checkpoint(self.data["manifest"], self.seed)

    def sibling(self, stem: str) -> Golden:
        """Another golden of the same folder, which this one takes its inputs from. Raises NotHeld."""
        if not self.path.with_name(f"{stem}.json").exists():
            raise NotHeld(f"{stem}.json")
        return Golden.read(self.path.with_name(f"{stem}.json"), self.find_checkpoint, self.ranks)

    def close(self, name: str, actual: Tensor, *, atol: float | None = None, rtol: float | None = None) -> Comparison:
        """Compare with the stored tensor `name` at the file's atol and rtol, or those given."""
        limits = self.tolerance
        return close(
            name,
            actual,
            self.stored(name),
            float(limits.get("atol", 0.0)) if atol is None else atol,
            float(limits.get("rtol", 0.0)) if rtol is None else rtol,
        )

    def close_steps(self, name: str, actual: Tensor, limit: tuple[float, float] | None = None) -> Comparison:
        """Compare what stands after every step, [steps, ...]; a file may hold only the last step, or the last few."""
        expected = self.stored(name)
        if expected is not ABSENT and tuple(expected.shape) == tuple(actual.shape[1:]):
            actual = actual[-1]
        elif expected is not ABSENT and expected.shape[1:] == actual.shape[1:] and 0 < len(expected) < len(actual):
            actual = actual[-len(expected) :]
        atol, rtol = limit or (None, None)
        return self.close(name, actual, atol=atol, rtol=rtol)

    def what(self, name: str) -> str:
        """The words in which the JSON says what a tensor is; '' when it says nothing."""
        entry = self.data.get("tensors", {}).get(name, "")
        if isinstance(entry, dict):
            return str(entry.get("what") or entry.get("meaning") or "")
        return " ".join(part for part in entry[2:] if isinstance(part, str)) if isinstance(entry, list) else ""

    def declared(self) -> Iterator[Comparison]:
        """Compare the stored tensors with the shapes and dtypes that the JSON declares for them."""
        entries: dict[str, Any] = self.data.get("tensors") or {}
        both = sorted(name for name in entries if name in self.tensors)
        if both:
            stored = [(list(self.tensors[name].shape), _dtype_name(self.tensors[name])) for name in both]
            yield exact("declared tensors", stored, [_shape_and_dtype(entries[name]) for name in both])
        for name in sorted(set(entries) - set(both)):
            yield absent(name)

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


def absent(name: str) -> Comparison:
    """Say that the golden holds nothing of this name to compare with."""
    return Comparison(name, float("nan"), "not held", True, held=False)


def each(cases: Iterable[Case], compare: Callable[[Case], Iterator[Comparison]]) -> Iterator[Comparison]:
    """Compare case by case: what one of them lacks keeps none of the others from being compared."""
    for case in cases:
        try:
            yield from compare(case)
        except NotHeld as missing:
            yield absent(missing.name)


def close(name: str, actual: Tensor, expected: Tensor, atol: float, rtol: float = 0.0) -> Comparison:
    """Pass when |actual - expected| <= atol + rtol * |expected| everywhere and the shapes agree."""
    if expected is ABSENT:
        return absent(name)
    text = f"atol {atol:g}" + (f" rtol {rtol:g}" if rtol else "")
    if actual.shape != expected.shape:
        return _shapes_differ(name, actual, expected, text)
    difference = (actual.detach().cpu().double() - expected.double()).abs()
    allowed = atol + rtol * expected.double().abs()
    return Comparison(name, _largest(difference), text, bool((difference <= allowed).all()))


def relative(name: str, actual: Tensor, expected: Tensor, limit: float) -> Comparison:
    """Pass when the norm of the difference is at most `limit` times that of the expected tensor."""
    if expected is ABSENT:
        return absent(name)
    text = f"relative L2 {limit:g}"
    if actual.shape != expected.shape:
        return _shapes_differ(name, actual, expected, text)
    difference = (actual.detach().cpu().double() - expected.double()).norm() / expected.double().norm()
    return Comparison(name, float(difference), text, bool(difference <= limit))


def levels(name: str, actual: Tensor, expected: Tensor, at_most: float, mean_below: float | None = None) -> Comparison:
    """Compare uint8 pictures: at most so many levels apart, and on average below `mean_below`."""
    if expected is ABSENT:
        return absent(name)
    text = f"{at_most:g} levels" + (f", mean below {mean_below:g}" if mean_below is not None else "")
    if actual.shape != expected.shape:
        return _shapes_differ(name, actual, expected, text)
    difference = (actual.cpu().double() - expected.double()).abs()
    passed = _largest(difference) <= at_most and (mean_below is None or float(difference.mean()) < mean_below)
    return Comparison(name, _largest(difference), text, passed)


def exact(name: str, actual: Any, expected: Any) -> Comparison:
    """Compare two plain values or two tensors of whole numbers; the difference counts unequal entries."""
    if expected is ABSENT:
        return absent(name)
    if isinstance(actual, Tensor) or isinstance(expected, Tensor):
        actual, expected = torch.as_tensor(actual), torch.as_tensor(expected)
        if actual.shape != expected.shape:
            return _shapes_differ(name, actual, expected, "equal")
        unequal = int((actual.cpu() != expected).sum())
        return Comparison(name, unequal, "equal", unequal == 0)
    if isinstance(actual, (list, tuple)) and isinstance(expected, (list, tuple)):
        if len(actual) != len(expected):
            return Comparison(f"{name} (length {len(actual)}, expected {len(expected)})", 1, "equal", False)
        unequal = sum(a != e for a, e in zip(actual, expected, strict=True))
        return Comparison(name, unequal, "equal", unequal == 0)
    return Comparison(name, float(actual != expected), "equal", actual == expected)


def same_fields(name: str, ours: Mapping[str, Any], expected: Mapping[str, Any]) -> Comparison:
    """Compare those fields of a row that the golden holds."""
    known = [field for field in ours if field in expected]
    if not known:
        return absent(name)
    return exact(name, [ours[field] for field in known], [expected[field] for field in known])


def number_in(text: str, *phrases: str) -> float:
    """The number at `#` in the first of `phrases` that a sentence has: found by the words, wherever they stand.

    Raises NotHeld when it has none.
    """
    for phrase in phrases:
        pattern = phrase.replace("#", r"(?<![\w.])(\d+(?:\.\d+)?(?:e-?\d+)?)")
        if found := re.search(pattern, text, re.IGNORECASE):
            return float(found[1])
    raise NotHeld(f"a number for {phrases[0]!r} in {text!r}")


LEVELS, PERCENT, MEAN = r"# levels?\b", r"# ?(?:%|percent\b)", r"mean(?: difference)?(?: is)? (?:below|at most) #"
"""Phrases of tolerances about bytes."""


def mean_limit(text: str) -> float | None:
    """The largest mean difference that a sentence about bytes allows; None when it names none."""
    try:
        return number_in(text, MEAN)
    except NotHeld:
        return None


def _shape_and_dtype(entry: Any) -> tuple[list[int], str]:
    """From {"shape", "dtype"} or [dtype, shape, meaning], in any order."""
    if isinstance(entry, dict):
        return list(entry["shape"]), str(entry["dtype"])
    shape = next((part for part in entry if isinstance(part, list)), ABSENT)
    dtype = next((part for part in entry if isinstance(part, str)), ABSENT)
    if ABSENT in (shape, dtype):
        raise NotHeld("shape and dtype of a tensor")
    return list(shape), str(dtype)


def _dtype_name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _largest(difference: Tensor) -> float:
    if difference.numel() == 0:
        return 0.0
    largest = float(difference.max())
    return largest if largest == largest else float("inf")


def _shapes_differ(name: str, actual: Tensor, expected: Tensor, text: str) -> Comparison:
    return Comparison(f"{name} {list(actual.shape)} instead of {list(expected.shape)}", float("inf"), text, False)


Replay = Callable[[Golden], Iterator[Comparison]]


@dataclass(frozen=True, slots=True)
class Replayer:
    """How goldens whose name starts with `prefix` are run."""

    prefix: str
    replay: Replay
    slow: bool = False
    """Only with --slow."""
