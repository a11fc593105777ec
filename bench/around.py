"""What a job of 540P 5 s does after its last step: the decode, the encoder and the finished file; prints JSON.

    python bench/around.py --folder DIR [--out around.json] [--trials]

Random weights in the autoencoder, so the pictures are noise: the hardest that an encoder can get. `--trials` adds
other settings of the convolutions and of the encoder, which the product does not use. Needs a CUDA GPU, but for a
rehearsal with --size 4,8,8.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any
from unittest.mock import patch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from pipelines.families.r2v import generate as r2v
from pipelines.front.progress import ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.front.shapes import PixelShape
from pipelines.media.write import publish, video
from pipelines.models.vae.decoder import StreamingDecoder, decoder_weights
from pipelines.models.vae.vae import decode_stream, to_frames
from pipelines.running.ahead import ahead
from pipelines.running.resume import WorkDir
from pipelines.tasks.reference_to_video import ReferenceToVideo

DEMO = ROOT / "pipelines/demo"
ON_GPU = torch.cuda.is_available()


def random_vae(base_dim: int) -> AutoencoderKLWan:
    """The autoencoder with random weights of order one through any depth."""
    manifest = json.loads((DEMO / "manifests/r2v.json").read_text("utf-8"))
    config = {**manifest["json"]["vae/config.json"], "base_dim": base_dim}
    vae = AutoencoderKLWan(**{name: value for name, value in config.items() if not name.startswith("_")})
    torch.manual_seed(0)
    for name, value in vae.named_parameters():
        drawn = torch.randn_like(value)
        if name.endswith("bias"):
            drawn *= 0.02
        elif sum(size > 1 for size in value.shape) <= 1:
            drawn = 1 + 0.1 * drawn
        else:
            drawn /= (value.numel() / value.shape[0]) ** 0.5
        value.data = drawn
    return vae.to("cuda" if ON_GPU else "cpu").eval().requires_grad_(False)


def seconds(work: Callable[[], object], repeats: int = 3) -> list[float]:
    """Seconds of each of several runs, the device's work included."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        if ON_GPU:
            torch.cuda.synchronize()
        taken.append(round(time.perf_counter() - began, 4))
    return taken


@contextmanager
def timed(parts: dict[str, float], *functions: tuple[ModuleType, str]) -> Iterator[None]:
    """Add up the seconds of calls of a module's functions."""
    stack = []
    for module, name in functions:
        whole = getattr(module, name)

        def call(*args: Any, _whole: Any = whole, _name: str = name, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return _whole(*args, **options)
            finally:
                parts[_name] = round(parts.get(_name, 0) + time.perf_counter() - began, 4)

        stack.append(patch.object(module, name, call))
    for one in stack:
        one.start()
    try:
        yield
    finally:
        for one in stack:
            one.stop()


def grouped(vae: AutoencoderKLWan, raw: Tensor, at_once: int) -> None:
    """Decode several latent frames a call."""
    decoder = StreamingDecoder(decoder_weights(vae, torch.float16), torch.float32)
    frames = raw[0].transpose(0, 1)
    for part in (frames[:1], *frames[1:].split(at_once)):
        decoder.decode(part)


def kernels(work: Callable[[], object]) -> dict[str, float]:
    """Milliseconds of the longest kernels."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        work()
        torch.cuda.synchronize()
    table = sorted(recorded.key_averages(), key=lambda row: -row.self_device_time_total)[:24]
    return {f"{row.key[:110]} x{row.count}": round(row.self_device_time_total / 1000, 2) for row in table}


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trials", action="store_true")
    parser.add_argument("--size", default="31,68,120", help="latent frames, height and width")
    parser.add_argument("--base-dim", type=int, default=96)
    options = parser.parse_args()
    num, high, wide = map(int, options.size.split(","))
    report: dict[str, Any] = {"torch": torch.__version__}
    if ON_GPU:
        report |= {"gpu": torch.cuda.get_device_name(), "cudnn": torch.backends.cudnn.version()}

    def tell(title: str, found: Any) -> None:
        report[title] = found
        print(title, json.dumps(found), flush=True)
        if options.out:
            options.out.write_text(json.dumps(report, indent=1) + "\n")

    vae = random_vae(options.base_dim)
    latents = torch.randn(1, 16, num, high, wide, device=vae.device)
    shape = PixelShape(8 * high, 8 * wide, 4 * num - 3)
    request = ReferenceToVideo(prompt="a", ref_imgs=(str(next((DEMO / "samples").glob("*.jpg"))),))

    def decode() -> None:
        for _ in decode_stream(vae, latents):
            pass

    with torch.inference_mode():
        tell("decode alone, s", seconds(decode))
        if ON_GPU:
            tell("decode, ms by kernel", kernels(decode))
            torch.cuda.reset_peak_memory_stats()
            decode()
            tell("decode, peak GiB", torch.cuda.max_memory_allocated() / 2**30)
            some = latents[:, :, :4]
            exact = torch.cat(list(decode_stream(vae, some, exact=True)), dim=2)
            near = torch.cat(list(decode_stream(vae, some)), dim=2)
            levels = (near - exact).abs() * 127.5
            tell("levels of 255 from float32: mean, most", [levels.mean().item(), levels.max().item()])

        whole: list[dict[str, float]] = []
        for index in range(3):
            work = WorkDir(options.folder / f"{time.time_ns()}-{index}")
            runtime = Runtime(
                device="cuda" if ON_GPU else "cpu",
                checkpoint=options.folder, result_dir=options.folder / "results", work_dir=work.path,
                output_stem=work.path.name, cache_dir=options.folder / "cache",
            )  # fmt: skip
            parts: dict[str, float] = {}
            began = time.perf_counter()
            with timed(parts, (video.VideoWriter, "close"), (WorkDir, "commit_piece")):  # type: ignore[arg-type]  # classes
                r2v.write_clip(ahead(decode_stream(vae, latents)), num, work, shape, ignore_progress)
            parts["decode and encode"] = round(time.perf_counter() - began, 4)
            began = time.perf_counter()
            names = ("own_stem", "make_recipe", "join_by_copy", "examine", "_verify", "put_in_place", "probe_video")
            with timed(parts, *((publish, name) for name in (*names, "write_whole"))):
                publish.publish(
                    work.pieces(), runtime, request, task="reference_to_video", fps=24, num_frames=shape.num_frames
                )
            parts["publish"] = round(time.perf_counter() - began, 4)
            parts["MB"] = round(work.pieces()[0].stat().st_size / 1e6, 1)
            whole.append(parts)
        tell("after the last step, s", {name: median(part[name] for part in whole) for name in whole[0]})
        if options.trials and ON_GPU:
            trials(tell, vae, latents, shape, options.folder)


def trials(tell: Any, vae: AutoencoderKLWan, latents: Tensor, shape: PixelShape, folder: Path) -> None:
    """Other settings."""
    raw = latents.to(vae.dtype)
    for at_once in (1, 2, 4):
        tell(f"decode, {at_once} latent frames a call, s", seconds(partial(grouped, vae, raw, at_once)))
    torch.backends.cudnn.benchmark = True
    for at_once in (1, 2):
        tell(f"decode, benchmarked convolutions, {at_once} a call, s",
             seconds(partial(grouped, vae, raw, at_once), 4))  # fmt: skip
    if ON_GPU:
        tell("decode, benchmarked, ms by kernel", kernels(lambda: grouped(vae, raw, 1)))
    torch.backends.cudnn.benchmark = False
    frames = np.concatenate([to_frames(pixels).numpy() for pixels in decode_stream(vae, latents)])

    def encode(**other: Any) -> None:
        options = {**video.h264_options(), **other}
        marks = [time.perf_counter()]
        with patch.object(video, "h264_options", lambda: options):
            with video.VideoWriter(folder / "trial.mp4", shape.width, shape.height, 24) as writer:
                for part in np.array_split(frames, max(1, len(frames) // 4)):
                    writer.write(part)
                marks.append(time.perf_counter())
            marks.append(time.perf_counter())
        fed, closed = (after - before for before, after in itertools.pairwise(marks))
        tell(f"encode {other}: fed, then closed after, s", [round(fed, 3), round(closed, 3)])

    for other in ({}, {}, {"threads": 16}, {"threads": 24}, {"rc-lookahead": 20}, {"preset": "ultrafast"}):
        encode(**other)


if __name__ == "__main__":
    main()
