"""Whole reference_to_video jobs at 540P through the shell, on a full-size checkpoint of random weights; prints JSON.

    python bench/whole_job.py --folder /big/disk --out whole_job.json [--gpus 2 --only gang]

`warm` runs two jobs in one process for the seconds outside the steps. `cold` starts with nothing in the page cache and
cancels the job in its first step; `prepare` prepares the weights, and `prepared` starts as `cold` does with them.
Writes 51 GB below --folder first (the released layout and storage types), then runs two jobs in one process, one in
fast mode, one with low VRAM, and one that is cancelled in its second step. Needs a CUDA GPU with about 100 GiB.
`gang` runs in one process two jobs on --gpus GPUs, one on one GPU, and one on --gpus that is cancelled.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch
from safetensors.torch import save_file

from pipelines.checkpoints.prepared import start_bytes

NAMES = ROOT / "tests/goldens/full/r2v.json"
DEMO = ROOT / "pipelines/demo"
STORED_AS = {"transformer": torch.bfloat16, "text_encoder": torch.float32, "vae": torch.float32}
FULL_SIZE = {
    "transformer/config.json": {
        "num_attention_heads": 40, "attention_head_dim": 128, "text_dim": 4096, "freq_dim": 256, "ffn_dim": 13824,
        "num_layers": 40,
    },
    "text_encoder/config.json": {
        "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64, "vocab_size": 256384,
    },
    "vae/config.json": {"base_dim": 96},
}  # fmt: skip
SHARD_BYTES = 5_000_000_000


def write_checkpoint(folder: Path, layers: int, depth: float) -> None:
    """Random weights of every tensor that the released checkpoint holds, of order one through any depth.

    Networks have `depth` of their layers, and those deeper than `layers` end there: less is for a rehearsal.
    """
    names = json.loads(NAMES.read_text("utf-8"))
    for component, dtype in STORED_AS.items():
        shapes: dict[str, list[int]] = {}
        for name, shape in names[component].items():
            if "{i}" in name:
                shapes |= {name.replace("{i}", str(i)): shape[0] for i in range(_kept(shape[1], layers, depth))}
            else:
                shapes[name] = shape
        (folder / component).mkdir(parents=True)
        shard: dict[str, torch.Tensor] = {}
        count = 0
        for name, shape in shapes.items():
            value = torch.randn(shape, device="cuda")
            if name.endswith("bias"):
                value *= 0.02
            elif sum(size > 1 for size in shape) <= 1:
                value = 1 + 0.1 * value
            else:
                value /= (value.numel() / shape[0]) ** 0.5
            shard[name] = value.to(dtype).cpu()
            if sum(tensor.nbytes for tensor in shard.values()) > SHARD_BYTES:
                count = _write(shard, folder / component, count)
        _write(shard, folder / component, count)
    manifest = json.loads((DEMO / "manifests/r2v.json").read_text("utf-8"))
    for name, content in manifest["json"].items():
        if not name.endswith(".index.json"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            config = content | FULL_SIZE.get(name, {})
            if "num_layers" in config:
                config["num_layers"] = _kept(config["num_layers"], layers, depth)
            path.write_text(json.dumps(config), "utf-8")
    subprocess.run(["cp", "-r", str(DEMO / "tokenizer"), str(folder / "tokenizer")], check=True)


def _kept(count: int, layers: int, depth: float) -> int:
    return min(round(count * depth), layers)


def _write(shard: dict[str, torch.Tensor], folder: Path, count: int) -> int:
    if shard:
        save_file(shard, folder / f"model-{count:05d}.safetensors", metadata={"format": "pt"})
        shard.clear()
    return count + 1


def drop_cached(folder: Path) -> int:
    """Write out what is dirty and give up the cached pages of all files below a folder; returns their bytes."""
    os.sync()
    total = 0
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            total += file.stat().st_size
    return total


def read_rate(folder: Path, most_bytes: int = 6_000_000_000) -> float:
    """Bytes a second that four threads read from a folder's weights, 16 MiB at a time, uncached."""
    files = sorted(folder.rglob("*.safetensors"))
    parts = [(file, offset) for file in files for offset in range(0, file.stat().st_size, 16 << 20)]
    parts = parts[: most_bytes // (16 << 20)]
    opened = {file: os.open(file, os.O_RDONLY) for file in files}

    def read(part: tuple[Path, int]) -> int:
        got = len(os.pread(opened[part[0]], 16 << 20, part[1]))
        os.posix_fadvise(opened[part[0]], part[1], 16 << 20, os.POSIX_FADV_DONTNEED)
        return got

    drop_cached(folder)
    began = time.perf_counter()
    with ThreadPoolExecutor(4) as threads:
        total = sum(threads.map(read, parts))
    return total / (time.perf_counter() - began)


def cold_start(tell: Any, title: str, checkpoint: Path, needed: int, prompt: str, rate: float) -> None:
    """One job with nothing cached of its weights, until its first step: seconds of reading against the disk's own."""
    drop_cached(checkpoint)
    job = add(5, 1, "--prompt", prompt)
    figures = run(cancel=job, in_step=0)[job]
    loading = sum(figures["stages"].get(stage, 0) for stage in ("load", "text", "condition"))
    if rate:
        ideal = needed / rate
        figures |= {"read_bytes_per_s": rate, "ideal_s": ideal, "ratio": loading / ideal}
    tell(title, needed_bytes=needed, loading_s=loading, **figures)


def shell(*words: str) -> list[str]:
    return [sys.executable, "-m", "skyreels_tui", *words]


def add(seed: int, steps: int, *words: str) -> int:
    pictures = [str(path) for path in sorted((DEMO / "samples").glob("*.jpg"))[:2]]
    asked = shell(
        "add", "--task_type", "reference_to_video", "--prompt", "A person drinks coffee in the rain", "--ref_imgs",
        *pictures, "--resolution", "540P", "--duration", "5", "--seed", str(seed), "--num_inference_steps", str(steps),
        "--json", *words,
    )  # fmt: skip
    answer = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    return int((answer[0] if isinstance(answer, list) else answer)["id"])


def run(cancel: int = 0, in_step: int = 1) -> dict[int, dict[str, Any]]:
    """Work the queue; id -> state, seconds of every stage, of every step, and of all.

    The job `cancel` is cancelled one second after it has made `in_step` steps.
    """
    jobs: dict[int, dict[str, Any]] = {}
    worker = subprocess.Popen(shell("run", "--progress", "json"), stderr=subprocess.PIPE, text=True)
    asked_at = 0.0
    assert worker.stderr is not None
    for line in worker.stderr:
        now = time.perf_counter()
        if not line.startswith("{"):
            print(line, end="", file=sys.stderr)
            continue
        event = json.loads(line)
        if event["event"] == "note":
            print(event["text"], file=sys.stderr, flush=True)
            continue
        job = jobs.setdefault(event["id"], {"began": now, "marks": [], "stages": {}})
        if event["event"] == "progress":
            job["marks"].append((now, event["stage"], event["step"]))
            if event["id"] == cancel and not asked_at and event["stage"] == "denoise" and event["step"] == in_step:
                time.sleep(1)
                asked_at = time.perf_counter()
                subprocess.Popen(shell("cancel", str(cancel)), stdout=subprocess.DEVNULL)
        elif event["status"] != "running":
            job |= {"state": event["status"], "error": event["error"], "all_s": now - job["began"], "ended": now}
            if event["id"] == cancel:
                job["cancel_s"] = now - asked_at
    worker.wait()
    for job in jobs.values():
        marks = [*job.pop("marks"), (job.pop("ended", time.perf_counter()), "", 0)]
        steps = [now for now, stage, _ in marks if stage == "denoise"]
        job["first_step_after_s"] = steps[0] - job.pop("began") if steps else None
        job["steps_s"] = [round(b - a, 2) for a, b in itertools.pairwise(steps)]
        for (start, stage, _), (end, _, _) in itertools.pairwise(marks):
            job["stages"][stage] = round(job["stages"].get(stage, 0) + end - start, 2)
    return jobs


def main() -> None:
    """Write the checkpoint where it is missing, run the jobs, print their times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", default="two,fast,low_vram,cancel")
    parser.add_argument("--gpus", default="all", help="of each job of `gang` but one")
    parser.add_argument("--tree", type=Path, default=ROOT, help="the sources to run, another commit's for comparison")
    parser.add_argument("--home", default="home", help="name of the program's folder below --folder")
    parser.add_argument("--round", type=int, default=1, help="of the cold starts: each has prompts of its own")
    parser.add_argument("--unread", action="store_true", help="cold starts are the first to read their files")
    parser.add_argument(
        "--prepare", default="--transformer", help="more words of `models prepare`; '' for the text alone"
    )
    parser.add_argument("--layers", type=int, default=40, help="fewer for a rehearsal")
    parser.add_argument("--depth", type=float, default=1, help="part of each network's layers, for less disk or time")
    options = parser.parse_args()
    os.environ["SKYREELS_TUI_HOME"] = str(options.folder / options.home)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(options.tree), os.environ.get("PYTHONPATH", "")])
    os.chdir(options.tree)
    checkpoint = options.folder / "r2v"
    began = time.perf_counter()
    if not checkpoint.is_dir():
        write_checkpoint(checkpoint, options.layers, options.depth)
    print(f"checkpoint after {time.perf_counter() - began:.0f} s", flush=True)
    subprocess.run(shell("models", "use", str(checkpoint)), check=True)
    report: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}

    def tell(title: str, **figures: Any) -> None:
        report[title] = figures
        print(title, json.dumps(figures), flush=True)
        if options.out:
            options.out.write_text(json.dumps(report, indent=1) + "\n")

    chosen = options.only.split(",")
    log = options.folder / options.home / "logs/engine.log"
    if "warm" in chosen:
        first, second = add(1, 2), add(2, 8)
        jobs = run()
        tell("first of two jobs in one process, two steps", peak=peak(log, first), **jobs[first])
        warm = jobs[second]
        outside = warm["all_s"] - sum(warm["steps_s"])
        tell("second, eight steps", peak=peak(log, second), outside_s=outside, **warm)
    if "cold" in chosen:
        whole = sum(map(start_bytes, checkpoint.rglob("*.safetensors")))
        rate = 0.0 if options.unread else read_rate(checkpoint)
        cold_start(tell, f"cold start {options.round}", checkpoint, whole, f"A cold start {options.round}", rate)
    if "prepare" in chosen:
        began = time.perf_counter()
        words = ("models", "prepare", "r2v", "--json", *options.prepare.split())
        done = subprocess.run(shell(*words), capture_output=True, text=True, check=False)
        tell("models prepare", seconds=time.perf_counter() - began, said=done.stdout + done.stderr)
    if "prepared" in chosen:
        whole = sum(map(start_bytes, checkpoint.rglob("*.safetensors")))
        made = json.loads(subprocess.run(shell("models", "prepare", "r2v", "--json", *options.prepare.split()),
                                         capture_output=True, text=True, check=True).stdout)  # fmt: skip
        rate = 0.0 if options.unread else read_rate(checkpoint)
        drop_cached(options.folder / options.home)
        needed = whole - sum(one["saves_bytes"] for one in made)
        title = f"cold start, prepared {options.round}"
        cold_start(tell, title, checkpoint, needed, f"Another cold start {options.round}", rate)
    if "two" in chosen:
        first, second = add(1, 8), add(2, 8)
        jobs = run()
        tell("first of two jobs in one process", peak=peak(log, first), **jobs[first])
        tell("second", peak=peak(log, second), **jobs[second])
    for title, words in (("fast", ("--quality", "fast")), ("low_vram", ("--low_vram",))):
        if title in chosen:
            job = add(3, 2, *words)
            tell(title, **run()[job], peak=peak(log, job))
    if "gang" in chosen:
        together = ("--gpus", options.gpus)
        titles = {
            add(1, 8, *together): f"first of four jobs in one process, on {options.gpus} GPUs",
            add(2, 8, *together): f"second, on {options.gpus} GPUs",
            add(3, 8): "third, on one GPU",
            (stopped := add(4, 8, *together)): f"fourth, on {options.gpus} GPUs, cancelled in its second step",
        }
        for job, figures in run(cancel=stopped).items():
            tell(titles[job], peak=peak(log, job), **figures)
    if "cancel" in chosen:
        job = add(4, 8)
        tell("cancelled in its second step", **run(cancel=job)[job])


def peak(log: Path, job: int) -> str:
    """What the engine's log says of a job's peak memory."""
    found = re.findall(rf" {job} (peak memory .*)", log.read_text("utf-8"))
    return str(found[-1]) if found else ""


if __name__ == "__main__":
    main()
