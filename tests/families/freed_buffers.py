"""Prints how many of 16 large freed buffers the process still holds; a program of its own, as a heap has a past."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from pipelines.running.heap import LARGE_BYTES, flat_heap


def mapped(address: int) -> bool:
    """Whether the process holds memory at an address."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = (line.split(maxsplit=1)[0].split("-") for line in lines)
    return any(int(start, 16) <= address < int(end, 16) for start, end in ranges)


def num_held() -> int:
    """Allocate 16 large buffers with small ones between them, free the large ones, count those still mapped."""
    large, small = [], []
    for _ in range(16):
        large.append(np.ones(2 * LARGE_BYTES, dtype=np.uint8))
        small.append(np.ones(LARGE_BYTES // 8, dtype=np.uint8))
    middles = [one.ctypes.data + LARGE_BYTES for one in large]
    assert all(map(mapped, middles))
    large.clear()
    return sum(map(mapped, middles))


def main() -> None:
    # One such buffer, freed, teaches glibc to keep the next ones on its heap.
    np.ones(2 * LARGE_BYTES, dtype=np.uint8)
    with flat_heap() if sys.argv[1] == "flat" else nullcontext():
        sys.stdout.write(f"{num_held()}\n")


if __name__ == "__main__":
    main()
