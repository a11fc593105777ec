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


def test_a_panel_alone_loads_nothing_heavy_with_all_that_its_threads_use():
    rooms = ("commands.system.panel", "app.alone", "app.sensors", "app.machine", "eta.forecaster", "ui.panels.memory")
    imports = ", ".join(f"skyreels_tui.{room}" for room in rooms)
    code = f"import sys, {imports}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
