"""What the pictures of the steps cost: warm reference_to_video jobs with and without them; prints JSON.

    python bench/preview.py --checkpoint /big/disk/r2v --out preview.json --picture preview.png

Three jobs in one process: one that loads, then one that shows no step and one that shows each. The first picture of a
job pays for warming up, so medians leave the first step out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from PIL import Image

from pipelines.families.r2v.generate import generate
from pipelines.front.progress import PreviewStrip, Progress, Stage
from pipelines.front.runtime import Runtime
from pipelines.media.ffmpeg import ffmpeg_path
from pipelines.running.pool import ModelPool
from pipelines.tasks import task_named

SAMPLES = Path(__file__).parents[1] / "pipelines/demo/samples"


class Heard:
    """Times of a job's steps, what each held in memory, and the last picture."""

    def __init__(self) -> None:
        self.marks: list[float] = []
        self.held: list[int] = []
        self.strip: PreviewStrip | None = None
        self.pictures = 0

    def __call__(self, progress: Progress) -> None:
        if progress.stage is Stage.DENOISE:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
                self.held.append(torch.cuda.memory_allocated())
            self.marks.append(time.perf_counter())
            if progress.preview is not None:
                self.strip, self.pictures = progress.preview, self.pictures + 1


def sums(film: Path) -> str:
    """A checksum a frame."""
    command = [str(ffmpeg_path()), "-v", "error", "-i", str(film), "-f", "framemd5", "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Run the three jobs and compare the last two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--resolution", default="540P")
    parser.add_argument("--duration", type=int, default=5)
    parser.add_argument("--profile", default="", help="`demo` for a demo checkpoint, at 128P")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path, help="where the last step's picture goes, PNG")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pool, figures = ModelPool(), dict[str, Any](device=torch.cuda.get_device_name() if device == "cuda" else "cpu")
    films: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        jobs = (("loading", 1, False), ("hidden", options.steps, False), ("shown", options.steps, True))
        for title, steps, shown in jobs:
            request = task_named("reference_to_video").request_type.from_dict(
                {
                    "prompt": "a cup of coffee in the rain", "ref_imgs": (str(SAMPLES / "astronaut.jpg"),), "seed": 7,
                    "resolution": options.resolution, "duration": options.duration, "num_inference_steps": steps,
                    **({"profile": options.profile} if options.profile else {}),
                }
            )  # fmt: skip
            heard = Heard()
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            runtime = Runtime(
                device, folder / "cache", folder / title, folder / "result", title, options.checkpoint,
                wants_preview=lambda shown=shown: shown,
            )  # fmt: skip
            films[title] = sums(generate(request, runtime, pool, heard).path)
            seconds = [after - before for before, after in zip(heard.marks, heard.marks[1:], strict=False)]
            figures[title] = {
                "steps_s": [round(one, 3) for one in seconds],
                "median_s": statistics.median(seconds[1:] or seconds or [0.0]),
                "pictures": heard.pictures,
                "pictures_a_step": len(heard.strip.frames) if heard.strip else 0,
                "picture_size": [heard.strip.width, heard.strip.height] if heard.strip else [],
                "held_between_steps_bytes": heard.held[1:],
                "peak_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else 0,
            }
            print(title, json.dumps(figures[title]), flush=True)
            if heard.strip and options.picture:
                strip = heard.strip
                size = (strip.width, strip.height * len(strip.frames))
                Image.frombytes("RGB", size, strip.rgb).save(options.picture)
    figures["costs"] = figures["shown"]["median_s"] / figures["hidden"]["median_s"] - 1
    figures["same_frames"] = films["shown"] == films["hidden"]
    print("a step with its picture takes", f"{figures['costs']:+.2%}")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
