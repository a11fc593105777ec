"""Weights kept once more in the form they are computed in, bfloat16, packed: fewer bytes to read at a cold start.

Works on files alone and imports no torch; the rounding is that of torch, to the nearest and halves to even.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.checkpoints.inventory import INDEX
from pipelines.checkpoints.packing import BLOCK_NUMBERS, FEWEST_NUMBERS, MOST_BLOCK_BYTES, PACKED_KEY, pack
from pipelines.checkpoints.registry import PREPARED_FOLDER
from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, new_private_file, put_in_place
from pipelines.front.errors import CheckpointMissing, DiskFull
from pipelines.front.language import tr
from pipelines.front.places import num_bytes, real

NUM_THREADS = 4
AHEAD = 2 * NUM_THREADS
"""Blocks that are packed at once, or wait to be written."""
TABLE = "shared.weight"
"""A text encoder's token table: kept plain, because a start reads only the rows of its prompt."""
SPARE_BYTES = 1 << 30
"""Left free beside what is written."""
_MAX_HEADER_BYTES = 100_000_000
_FORM = "packed 2"
"""What is written; files of another form are not used and go with the next."""

TellBytes = Callable[[int, int], None]
"""(bytes read, bytes to read); may raise to stop."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was prepared of one folder."""

    path: Path
    source: str
    """The folder it was made from."""
    num_bytes: int
    is_current: bool
    """False when the folder's files are other ones now, or gone."""


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a component's folder."""
    return sorted(file for file in folder.glob("*.safetensors") if file.is_file() and not file.name.endswith(INDEX))


def saves_bytes(folder: Path) -> int:
    """Bytes less to read at least if a folder's float32 tensors were prepared; 0 where there are none."""
    try:
        entries = [entry for file in weight_files(folder) for entry in _entries(file)]
        return sum(entry.num_bytes // 2 for entry in entries if entry.is_wide and entry.name != TABLE)
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def start_bytes(file: Path) -> int:
    """Bytes of a file's tensors that every start reads. Raises OSError and ValueError for what is no such file."""
    return sum(entry.num_bytes for entry in _entries(file) if entry.name != TABLE)


def gains(folder: Path, *, rounds: bool = True) -> bool:
    """Whether a start would read less of a folder that was prepared so."""
    try:
        return any(
            entry.is_wide or entry.is_packed for file in weight_files(folder) for entry in _entries(file, rounds)
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def prepared_file(cache_dir: Path, folder: Path) -> Path | None:
    """The prepared file of a folder as it is now; None when there is none that is whole."""
    path = _path(cache_dir, folder)
    try:
        whole = max(entry.end for entry in _entries(path)) == path.stat().st_size
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return path if whole else None


def prepared_files(cache_dir: Path) -> list[Prepared]:
    """Everything that was prepared."""
    found = []
    for path in sorted((cache_dir / PREPARED_FOLDER).glob("*.safetensors")):
        try:
            source = str(_header(path)[0].get("__metadata__", {}).get("source", ""))
        except (OSError, ValueError, AttributeError):
            source = ""
        current = bool(source) and prepared_file(cache_dir, Path(source)) == path
        found.append(Prepared(path, source, num_bytes(path), current))
    return found


def prepared_from(cache_dir: Path, checkpoint: Path | None) -> list[Prepared]:
    """What was prepared of the folders below a checkpoint's."""
    if checkpoint is None:
        return []
    return [file for file in prepared_files(cache_dir) if file.source and Path(file.source).is_relative_to(checkpoint)]


def prepare_weights(
    cache_dir: Path, folder: Path, tell: TellBytes = lambda _done, _total: None, *, rounds: bool = True
) -> Path:
    """Write the tensors of a folder packed, float32 rounded to bfloat16 where `rounds`, whole or not at all.

    Returns the file; what is there already is returned at once. Raises CheckpointMissing for files that cannot be
    read, and DiskFull.
    """
    if (known := prepared_file(cache_dir, folder)) is not None:
        return known
    try:
        entries = [entry for file in weight_files(folder) for entry in _entries(file, rounds)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointMissing(
            tr("cannot read {file}: {error}. Download it again.", file=folder, error=error)
        ) from error
    path = _path(cache_dir, folder)
    make_folder(path.parent)
    # The sizes of the blocks are known last and stand first: room is left for the longest.
    room = len(_new_header(entries, {entry.name: entry.most_blocks for entry in entries}, folder))
    needed = room + sum(sum(entry.most_blocks) or entry.num_bytes for entry in entries)
    if (free := shutil.disk_usage(path.parent).free) < needed + SPARE_BYTES:
        raise DiskFull(path.parent, needed + SPARE_BYTES, free)
    temporary = path.with_name(f".{path.name}.part")
    total = sum(entry.num_bytes for entry in entries)
    done = 0
    blocks: dict[str, list[int]] = {entry.name: [] for entry in entries}
    try:
        new_private_file(temporary)
        with temporary.open("r+b") as out:
            out.seek(room)
            for entry, read, block in _written(entries):
                out.write(block)
                blocks[entry.name].append(len(block))
                done += read
                tell(done, total)
            out.seek(0)
            out.write(_new_header(entries, blocks, folder, room))
        put_in_place(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


def remove_prepared(files: Iterable[Prepared]) -> int:
    """Delete prepared files; returns the bytes freed."""
    freed = 0
    for file in files:
        file.path.unlink(missing_ok=True)
        freed += file.num_bytes
    return freed


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tensor of a file."""

    name: str
    dtype: str
    shape: Sequence[int]
    file: Path
    begin: int
    end: int
    rounds: bool = True

    @property
    def num_bytes(self) -> int:
        return self.end - self.begin

    @property
    def is_wide(self) -> bool:
        return self.dtype == "F32" and self.rounds

    @property
    def kept_bytes(self) -> int:
        return self.num_bytes // 2 if self.is_wide else self.num_bytes

    @property
    def is_packed(self) -> bool:
        is_long = prod(self.shape) >= FEWEST_NUMBERS
        return (self.is_wide or self.dtype == "BF16") and is_long and self.name != TABLE

    @property
    def most_blocks(self) -> list[int]:
        """Bytes that its blocks take at most; none where it is not packed."""
        return [MOST_BLOCK_BYTES] * -(-prod(self.shape) // BLOCK_NUMBERS) if self.is_packed else []

    def kept(self, part: bytes) -> bytes:
        """A part as it is written."""
        if self.is_wide:
            numbers = _rounded(part)
            return pack(numbers) if self.is_packed else numbers.tobytes()
        return pack(np.frombuffer(part, dtype="<u2")) if self.is_packed else part


def _written(entries: Iterable[_Entry]) -> Iterator[tuple[_Entry, int, bytes]]:
    """(tensor, bytes read, bytes to write) of every part in order, made by several threads."""
    pending: deque[tuple[_Entry, int, Future[bytes]]] = deque()
    threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="packing")

    def finish() -> tuple[_Entry, int, bytes]:
        entry, read, block = pending.popleft()
        return entry, read, block.result()

    try:
        for entry in entries:
            for part in _parts(entry):
                pending.append((entry, len(part), threads.submit(entry.kept, part)))
                if len(pending) > AHEAD:
                    yield finish()
        while pending:
            yield finish()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)


def _path(cache_dir: Path, folder: Path) -> Path:
    """Named by what lies in the folder, so that replaced weights are other weights."""
    digest = hashlib.sha256(_FORM.encode())
    for file in weight_files(folder):
        target = real(file)
        stat = target.stat()
        digest.update(f"{target}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode("utf-8", "surrogatepass"))
    return cache_dir / PREPARED_FOLDER / f"{digest.hexdigest()[:32]}.safetensors"


def _header(file: Path) -> tuple[dict[str, Any], int]:
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8).ljust(8, b"\0"))
        if length > _MAX_HEADER_BYTES:
            raise ValueError(tr("its header is damaged"))
        header = read_json(stream.read(length))
    if not isinstance(header, dict):
        raise ValueError(tr("its header is damaged"))
    return header, 8 + length


def _entries(file: Path, rounds: bool = True) -> list[_Entry]:
    header, start = _header(file)
    found = [
        _Entry(
            name,
            entry["dtype"],
            entry["shape"],
            file,
            start + entry["data_offsets"][0],
            start + entry["data_offsets"][1],
            rounds,
        )
        for name, entry in header.items()
        if name != "__metadata__"
    ]
    if not found:
        raise ValueError(tr("it holds no tensors"))
    return sorted(found, key=lambda entry: entry.begin)


def _new_header(entries: Sequence[_Entry], blocks: Mapping[str, Sequence[int]], folder: Path, room: int = 0) -> bytes:
    """The header for blocks of these sizes, at least `room` bytes long."""
    packed = {entry.name: {"shape": entry.shape, "blocks": blocks[entry.name]} for entry in entries if entry.is_packed}
    metadata = {"format": "pt", "source": str(folder), PACKED_KEY: json.dumps(packed)}
    content: dict[str, Any] = {"__metadata__": metadata}
    place = 0
    for entry in entries:
        kept = sum(blocks[entry.name]) if entry.is_packed else entry.kept_bytes
        dtype, shape = ("U8", [kept]) if entry.is_packed else ("BF16" if entry.is_wide else entry.dtype, entry.shape)
        content[entry.name] = {"dtype": dtype, "shape": shape, "data_offsets": [place, place + kept]}
        place += kept
    text = json.dumps(content).encode("ascii")
    text += b" " * max(-len(text) % 8, room - 8 - len(text))
    return struct.pack("<Q", len(text)) + text


def _parts(entry: _Entry) -> Iterable[bytes]:
    with entry.file.open("rb") as stream:
        stream.seek(entry.begin)
        left = entry.num_bytes
        while left:
            part = stream.read(min(BLOCK_NUMBERS * (4 if entry.is_wide else 2), left))
            if not part:
                raise CheckpointMissing(
                    tr("{file} ends inside {name}. Download it again.", file=entry.file, name=entry.name)
                )
            left -= len(part)
            yield part


def _rounded(part: bytes) -> NDArray[np.uint16]:
    """float32 bytes -> bfloat16 numbers, to the nearest, halves to even; what is no number stays one that is none."""
    bits = np.frombuffer(part, dtype="<u4")
    even = (bits >> np.uint32(16)) & np.uint32(1)
    rounded = ((bits + np.uint32(0x7FFF) + even) >> np.uint32(16)).astype("<u2")
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    rounded[is_nan] = 0x7FC0
    return rounded
