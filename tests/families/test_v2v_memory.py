"""What keeps the memory of a long extension as flat as that of a short one."""

from __future__ import annotations

import platform
import subprocess
import sys

import numpy as np
import pytest

from pipelines.families.v2v.condition_frames import LastFrames


def num_held(heap: str) -> int:
    command = [sys.executable, "-m", "tests.families.freed_buffers", heap]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the heap's thresholds are glibc's")
def test_large_buffers_leave_the_process_when_freed_whatever_lies_behind_them() -> None:
    assert num_held("flat") == 0
    assert num_held("as it is") > 8


def test_the_carried_frames_hold_no_decoded_chunk() -> None:
    last = LastFrames(3)
    chunk = np.arange(4, dtype=np.uint8).repeat(12).reshape(4, 2, 2, 3)
    last.extend(chunk)
    chunk[:] = 99
    assert last.stacked()[:, 0, 0, 0].tolist() == [1, 2, 3]
