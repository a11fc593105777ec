"""The short crash test with a real tiny model: killed at a step and before its piece is durable, then resumed.

`python -m tests.queue.torture` does this for every task, every step, every point and random moments.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_a_killed_video_has_the_frames_of_an_undisturbed_one():
    """In a process of its own, which imports torch once and forks from there."""
    result = subprocess.run(
        [sys.executable, "-m", "tests.queue.torture", "--quick", "reference_to_video"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    assert "2 kills, 0 lost, 0 duplicated, 0 corrupt" in result.stdout
