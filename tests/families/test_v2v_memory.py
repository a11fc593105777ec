"""What keeps the memory of a long extension as flat as that of a short one."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import pytest

from pipelines.families.condition_frames import LastFrames
from pipelines.heap import LARGE_BYTES, flat_heap


def mapped(address: int) -> bool:
    """Whether the process holds memory at an address."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    ranges = (line.split(maxsplit=1)[0].split("-") for line in lines)
    return any(int(start, 16) <= address < int(end, 16) for start, end in ranges)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap's thresholds are glibc's")
def test_large_buffers_leave_the_process_when_freed_whatever_lies_behind_them() -> None:
    # One such buffer, freed, teaches glibc to keep the next ones on its heap.
    np.ones(2 * LARGE_BYTES, dtype=np.uint8)
    with flat_heap():
        large, small = [], []
        for _ in range(16):
            large.append(np.ones(2 * LARGE_BYTES, dtype=np.uint8))
            small.append(np.ones(LARGE_BYTES // 8, dtype=np.uint8))
        middles = [one.ctypes.data + LARGE_BYTES for one in large]
        assert all(map(mapped, middles))
        large.clear()
        left = [address for address in middles if mapped(address)]
    # Another thread may have been given one of the places in between.
    assert len(left) <= 1
    assert len(small) == 16


def test_the_carried_frames_hold_no_decoded_chunk() -> None:
    last = LastFrames(3)
    chunk = np.arange(4, dtype=np.uint8).repeat(12).reshape(4, 2, 2, 3)
    last.extend(chunk)
    chunk[:] = 99
    assert last.stacked()[:, 0, 0, 0].tolist() == [1, 2, 3]
