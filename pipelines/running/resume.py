"""A job's durable folder: snapshots of denoising and finished pieces. Knows nothing of models or of queues."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, put_in_place, write_whole
from pipelines.front.errors import InputChanged

if TYPE_CHECKING:
    from torch import Tensor

KEPT_SNAPSHOTS = 2
VELOCITIES = "velocities"
"""Folder of a work folder."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the rest of a segment depends on, after `step` finished denoising steps."""

    segment: int
    step: int
    tensors: Mapping[str, Tensor]
    values: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values."""


class WorkDir:
    """Reads and writes one job's folder; every write is whole or absent, also when the machine stops."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_folder(path)

    def save(self, snapshot: Snapshot) -> None:
        """Store a snapshot durably and keep the newest two. Raises DiskFull."""
        # torch stays unloaded in processes that only look at a work folder.
        from safetensors.torch import save

        name = f"snapshot-{snapshot.segment:05d}-{snapshot.step:05d}.safetensors"
        metadata = {
            "segment": str(snapshot.segment),
            "step": str(snapshot.step),
            "values": json.dumps(dict(snapshot.values)),
        }
        write_whole(self.path / name, save(_own_copies(snapshot.tensors), metadata))
        for old in self._snapshot_paths()[KEPT_SNAPSHOTS:]:
            old.unlink(missing_ok=True)

    @contextlib.contextmanager
    def saving_beside(self) -> Iterator[Callable[[Snapshot], None]]:
        """Give a `save` that leaves the writing to a thread, so that the caller computes meanwhile.

        Each snapshot is durable before the next is taken, and the last one when this ends, however it ends. What a
        write raises is raised by the next `save` or at the end.
        """
        under_way: list[Future[None]] = []

        def save(snapshot: Snapshot) -> None:
            # Copied here: the caller goes on with these tensors and values.
            values = read_json(json.dumps(dict(snapshot.values)))
            copy = replace(snapshot, tensors=_own_copies(snapshot.tensors), values=values)
            while under_way:
                under_way.pop().result()
            under_way.append(writer.submit(self.save, copy))

        with ThreadPoolExecutor(1, thread_name_prefix="snapshots") as writer:
            yield save
            while under_way:
                under_way.pop().result()

    @property
    def velocities(self) -> Path | None:
        """Where the velocity of each step is kept for a comparison; None unless somebody made the folder."""
        folder = self.path / VELOCITIES
        return folder if folder.is_dir() else None

    def latest(self) -> Snapshot | None:
        """Return the newest readable snapshot, on the CPU; a damaged one is passed over."""
        from safetensors import SafetensorError

        for path in self._snapshot_paths():
            with contextlib.suppress(SafetensorError, OSError, ValueError, KeyError, TypeError):
                return _read_snapshot(path)
        return None

    def piece_path(self, index: int) -> Path:
        """Temporary name under which piece `index` is written."""
        return self.path / f"piece-{index:05d}.part.mp4"

    def commit_piece(self, temporary: Path, index: int) -> Path:
        """Give a finished piece its durable name and return it."""
        final = self.path / f"piece-{index:05d}.mp4"
        put_in_place(temporary, final)
        return final

    def pieces(self) -> list[Path]:
        """Finished pieces in order, up to the first gap."""
        found = []
        for index, path in enumerate(sorted(self.path.glob("piece-[0-9][0-9][0-9][0-9][0-9].mp4"))):
            if path.name != f"piece-{index:05d}.mp4":
                break
            found.append(path)
        return found

    def remember_inputs(self, paths: Iterable[str | Path]) -> None:
        """Store the sha256 of every input file, once: a second call keeps the first figures."""
        record = self.path / "inputs.json"
        if not record.exists():
            digests = {str(path): _sha256(Path(path)) for path in paths}
            write_whole(record, json.dumps(digests).encode())

    def check_inputs(self) -> None:
        """Raise InputChanged when a remembered file is gone or differs."""
        record = self.path / "inputs.json"
        if not record.exists():
            return
        for name, digest in read_json(record.read_text("utf-8")).items():
            path = Path(name)
            if not path.is_file() or _sha256(path) != digest:
                raise InputChanged(path)

    def _snapshot_paths(self) -> list[Path]:
        """Snapshots, newest first."""
        return sorted(self.path.glob("snapshot-?????-?????.safetensors"), reverse=True)


def _own_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU that share no memory: the format refuses those that do.

    After the last step the latents are the x0 estimate.
    """
    return {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}


def _read_snapshot(path: Path) -> Snapshot:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as reader:
        metadata = reader.metadata()
        tensors = {name: reader.get_tensor(name).clone() for name in reader.keys()}  # noqa: SIM118
    values = read_json(metadata["values"])
    return Snapshot(int(metadata["segment"]), int(metadata["step"]), tensors, values)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def keep_velocity(folder: Path, segment: int, step: int, velocity: Tensor) -> None:
    """Store the velocity of a step for a comparison."""
    from safetensors.torch import save_file

    name = f"{segment:05d}-{step:05d}.safetensors"
    save_file({"velocity": velocity.detach().float().to("cpu", copy=True).contiguous()}, folder / name)


def relative_velocities(exact: Path, other: Path) -> tuple[float, ...]:
    """Relative L2 of each kept velocity of a work folder against another's, in order of the steps."""
    from safetensors.torch import load_file

    found = []
    for file in sorted((exact / VELOCITIES).glob("*.safetensors")):
        wanted = load_file(file)["velocity"].double()
        given = load_file(other / VELOCITIES / file.name)["velocity"].double()
        found.append(float((given - wanted).norm() / wanted.norm()))
    return tuple(found)
