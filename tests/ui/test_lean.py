"""What the app loads before its first screen."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "torch",
    "diffusers",
    "transformers",
    "numpy",
    "PIL",
    "scipy",
    "ffmpeg",
    "huggingface_hub",
    "tomlkit",
    "psutil",
)

LATER = (
    "pipelines.tasks",
    "pipelines.media",
    "skyreels_tui.eta",
    "skyreels_tui.monitors",
    "skyreels_tui.queue.service",
)
"""Rooms of our own that nothing on the first screen needs."""


def test_importing_the_app_loads_nothing_heavy():
    code = f"import sys, skyreels_tui.app.app; print([name for name in {HEAVY + LATER!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
