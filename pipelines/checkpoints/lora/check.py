"""Why the LoRA files of a request cannot be merged, told from headers before the job is queued; loads no weight."""

from __future__ import annotations

from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from pipelines import demo
from pipelines.checkpoints.inventory import inspect
from pipelines.checkpoints.locate import locate
from pipelines.checkpoints.lora.fit import Fit, TensorShapes, fit_lora, lora_ranks, own_shapes
from pipelines.checkpoints.lora.header import Header, read_header
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front.documents import read_json
from pipelines.front.errors import CheckpointMissing, MediaError, Problem
from pipelines.front.language import tr, trn
from pipelines.front.lora import Lora, LoraRefused, parse_lora
from pipelines.front.request import Request
from pipelines.media.files import per_file
from pipelines.tasks import task_of


def lora_file_problems(request: Request, own_folder: str = "") -> list[Problem]:
    """One problem a file that is damaged or made for something else; `own_folder` is the settings' checkpoint.

    A checkpoint that is not on this machine has nothing to hold a file against: then the job does when it starts.
    """
    found = []
    for entry in request.lora:
        try:
            lora = parse_lora(entry)
            header = known_header(lora.path)
            shapes = _network(request, own_folder)
            if shapes:
                fit_lora(header, shapes, partial=request.lora_partial)
        except (LoraRefused, MediaError) as error:
            found.append(Problem("lora", str(error)))
    return found


def lora_facts(lora: Lora) -> str:
    """What a file is, in a few words. Raises LoraRefused or MediaError."""
    header = known_header(lora.path)
    ranks = sorted(lora_ranks(header))
    count = trn("{count} tensor", "{count} tensors", len(header.tensors))
    said = [tr("rank {ranks}", ranks=", ".join(map(str, ranks[:3])))] if ranks else []
    return " · ".join([*said, count, tr("strength {strength:g}", strength=lora.strength)])


def read_fit(lora: Lora, stored: TensorShapes, *, partial: bool) -> tuple[Header, Fit]:
    """A file's header and what of it fits a checkpoint's stored tensors. Raises LoraRefused."""
    header = read_header(lora.path)
    return header, fit_lora(header, own_shapes(stored), partial=partial)


def known_header(path: Path) -> Header:
    """The header, read once until the file changes. Raises LoraRefused or MediaError."""
    return _header(path)


@per_file
def _header(path: Path) -> Header:
    try:
        return read_header(path)
    except LoraRefused as error:
        raise MediaError(str(error)) from error


@per_file
def _shapes(path: Path) -> TensorShapes:
    return {name: entry.shape for name, entry in _header(path).tensors.items()}


def _network(request: Request, own_folder: str) -> TensorShapes:
    """The tensors of the transformer that the request runs on; empty where it is not here."""
    task = task_of(request)
    name = next(part for part in task.components if part.endswith("transformer"))
    component = next(part for part in CHECKPOINTS[task.family].components if part.name == name)
    if request.profile == "demo":
        return _demo(task.family, component.patterns)
    try:
        folder = locate(task.family, request.model_id or own_folder, request.profile, Path(), task.name)
    except CheckpointMissing:
        return {}
    stored: dict[str, tuple[int, ...]] = {}
    for part in inspect(folder, [component]):
        for file in part.files:
            if file.suffix == ".safetensors":
                try:
                    stored |= _shapes(file)
                except MediaError:
                    # A damaged checkpoint is the business of its own check.
                    return {}
    return own_shapes(stored)


@cache
def _demo(family: str, patterns: tuple[str, ...]) -> TensorShapes:
    manifest = Path(demo.__path__[0]) / "manifests" / f"{family}.json"
    files = read_json(manifest.read_text("utf-8"))["files"]
    stored = {
        name: tuple(shape)
        for entry in files
        if any(
            fnmatch(entry["path"], pattern) and entry["path"].count("/") == pattern.count("/") for pattern in patterns
        )
        for name, shape in entry["tensors"].items()
    }
    return own_shapes(stored)
