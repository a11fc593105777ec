"""Write a synthetic checkpoint, load it onto the CPU, and print memory, page cache and speed of the load.

python bench/loading.py --gigabytes 4 --format safetensors
"""

from __future__ import annotations

import argparse
import ctypes
import json
import mmap
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from safetensors.torch import save_file

from pipelines.loading.load import Precision, load_network

ROWS, COLUMNS = 13824, 5120
"""The largest matrix of the released transformers: 142 MB in bfloat16."""


def write_shards(folder: Path, num_bytes: int, suffix: str, dtype: torch.dtype) -> list[Path]:
    """Two shards of matrices, on the disk and out of the page cache."""
    count = round(num_bytes / (ROWS * COLUMNS * dtype.itemsize))
    names = [f"layers.{i}.weight" for i in range(count)]
    files = []
    for shard, part in enumerate((names[: count // 2], names[count // 2 :])):
        path = folder / f"model-{shard}.{suffix}"
        tensors = {name: torch.full((ROWS, COLUMNS), float(name.split(".")[1]), dtype=dtype) for name in part}
        save_file(tensors, path) if suffix == "safetensors" else torch.save(tensors, path)
        del tensors
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        files.append(path)
    return files


class Stack(torch.nn.Module):
    def __init__(self, count: int) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Linear(COLUMNS, ROWS, bias=False) for _ in range(count))


def cached_bytes(file: Path) -> int:
    """Bytes of a file that lie in the page cache, as the kernel's mincore says."""
    libc = ctypes.CDLL(None, use_errno=True)
    size = file.stat().st_size
    pages = -(-size // mmap.PAGESIZE)
    present = (ctypes.c_ubyte * pages)()
    with (
        file.open("rb") as stream,
        mmap.mmap(stream.fileno(), size, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_WRITE) as view,
    ):
        address = ctypes.addressof(ctypes.c_char.from_buffer(view))
        if libc.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), present):
            raise OSError(ctypes.get_errno(), "mincore")
    return sum(value & 1 for value in present) * mmap.PAGESIZE


def status(name: str) -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[name].split()[0]) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--format", choices=("safetensors", "pth"), default="safetensors")
    parser.add_argument("--stored", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        stored = getattr(torch, options.stored)
        pid = os.fork()
        if not pid:
            # Written by a child, so that its memory is not part of what is measured.
            write_shards(Path(folder), int(options.gigabytes * 1e9), options.format, stored)
            os._exit(0)
        os.waitpid(pid, 0)
        files = sorted(Path(folder).iterdir())
        count = round(options.gigabytes * 1e9 / (ROWS * COLUMNS * stored.itemsize))
        Path("/proc/self/clear_refs").write_text("5")
        before, started, reports = status("VmRSS"), time.perf_counter(), []
        network = load_network(
            lambda: Stack(count), files, precision=Precision(torch.bfloat16), report=lambda p: reports.append(p)
        )
        seconds = time.perf_counter() - started
        peak = status("VmHWM") - before
        assert all(layer.weight[-1, -1] == i for i, layer in enumerate(network.layers))
        in_place = sum(value.nbytes for value in network.parameters())
        in_files = sum(file.stat().st_size for file in files)
        cached = sum(cached_bytes(file) for file in files)
    figures = {
        "in files, GB": in_files / 1e9,
        "in place, GB": in_place / 1e9,
        "peak growth, GB": peak / 1e9,
        "peak / in place": peak / in_place,
        "left in page cache / in files": cached / in_files,
        "seconds": seconds,
        "GB/s": in_files / 1e9 / seconds,
        "reports": len(reports),
    }
    print(json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=1))


if __name__ == "__main__":
    main()
