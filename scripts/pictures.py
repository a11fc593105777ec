"""Draws home, form, results, a job's page and the first start as PNG at two sizes: `python scripts/pictures.py NAME`.

The screens are those of the tests, with the same queue, files and clock on every machine. NAME stands in the files'
names, so that two versions can lie side by side. Needs chromium; run it in the folder of the version to draw.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

sys.path.insert(0, str(Path.cwd()))

from skyreels_tui.ui import intents

SCENES: Any = importlib.import_module("tests.ui.scenes")
"""The tests' screens: loaded from the folder that the script runs in."""

SIZES = ((80, 24), (160, 45))
NAMES = {"home": "home", "form": "form-reference", "results": "results", "job": "home", "first-start": "home-empty"}
"""Name of a picture -> the scene it begins with."""
FINISHED = 11
"""A job whose video is there."""


async def draw(name: str, size: tuple[int, int], folder: Path) -> str:
    """Return one screen as SVG."""
    scene = next(one for one in SCENES.SCENES if one.name == NAMES[name])
    async with SCENES.open_app(folder, size, theme="night", empty=scene.empty) as session:
        await scene.open(session)
        if name == "job":
            await open_job(session)
        await SCENES.quiet(session)
        return str(session.app.export_screenshot(title=f"skyreels-tui {size[0]}x{size[1]}"))


async def open_job(session: Any) -> None:
    """Open the page of a finished job."""
    session.app.post_message(intents.OpenJob(FINISHED))
    await session.until(lambda: type(session.app.screen).__name__ == "JobScreen", "the page")


def write_png(svg: str, target: Path) -> None:
    """Let chromium draw an SVG."""
    view = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width, height = (round(float(part)) for part in view.groups()) if view else (1000, 700)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        page.write_text(f'<meta charset="utf-8"><body style="margin:0">{svg}</body>', encoding="utf-8")
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--window-size={width},{height}", f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=120)
    with Image.open(target) as drawn:
        small = drawn.convert("RGB").resize((drawn.width * 2 // 3, drawn.height * 2 // 3), Image.Resampling.LANCZOS)
    small.quantize(128).save(target, optimize=True)


def main() -> None:
    """Write every picture."""
    if not shutil.which("chromium"):
        sys.exit("chromium is not installed")
    target, prefix = Path.cwd() / "doc" / "screenshots", sys.argv[1]
    here = Path.cwd()
    for name in NAMES:
        for size in SIZES:
            with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
                SCENES.make_files(Path(folder))
                SCENES.still(patch, Path(folder))
                svg = asyncio.run(draw(name, size, Path(folder)))
                os.chdir(here)
            write_png(svg, target / f"{prefix}-{name}-{size[0]}x{size[1]}.png")


if __name__ == "__main__":
    main()
