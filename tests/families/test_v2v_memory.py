"""What keeps the memory of a long extension as flat as that of a short one."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import numpy as np
import pytest

from pipelines.families.condition_frames import LastFrames
from pipelines.heap import LARGE_BYTES, flat_heap


def anonymous_mib() -> float:
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap's thresholds are glibc's")
def test_large_buffers_leave_the_process_when_freed_whatever_lies_behind_them() -> None:
    with flat_heap():
        before = anonymous_mib()
        large, small = [], []
        for _ in range(16):
            large.append(np.ones(2 * LARGE_BYTES, dtype=np.uint8))
            small.append(np.ones(4096, dtype=np.uint8))
        assert anonymous_mib() - before > 100
        large.clear()
        assert anonymous_mib() - before < 16
    assert len(small) == 16


def test_the_carried_frames_hold_no_decoded_chunk() -> None:
    last = LastFrames(3)
    chunk = np.arange(4, dtype=np.uint8).repeat(12).reshape(4, 2, 2, 3)
    last.extend(chunk)
    chunk[:] = 99
    assert last.stacked()[:, 0, 0, 0].tolist() == [1, 2, 3]
