"""Merge a LoRA file into the full-size 14B transformer of random weights on this GPU: seconds, a step, peak memory.

python bench/lora.py --folder /big/disk
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from safetensors.torch import save_file
from torch import nn

from pipelines.benchmark.speed import CASES, forward, random_inputs, random_transformer
from pipelines.front.lora import Lora
from pipelines.loading.lora import LoraMerge
from pipelines.models.transformer.transformer import SkyReelsTransformer

CASE = "r2v 540P 5 s"


def write_lora(network: nn.Module, path: Path, rank: int) -> int:
    """Factors of every linear layer of the blocks, bfloat16, in the spelling of most files. Returns their bytes."""
    tensors = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Linear) and name.startswith("blocks."):
            tensors[f"diffusion_model.{name}.lora_A.weight"] = torch.randn(rank, layer.in_features).bfloat16() * 0.01
            tensors[f"diffusion_model.{name}.lora_B.weight"] = torch.randn(layer.out_features, rank).bfloat16() * 0.01
    save_file(tensors, path)
    return sum(tensor.nbytes for tensor in tensors.values())


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes on the GPU."""
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def merge_all(network: nn.Module, merge: LoraMerge) -> None:
    """What a load does with every tensor that it has read."""
    for name, value in network.state_dict().items():
        merge(name, value, "cuda")


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the file is written; a temporary folder by default")
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    case = next(case for case in CASES if case.name == CASE)
    network: SkyReelsTransformer = random_transformer(case.family)
    inputs = random_inputs(network, case)

    def step() -> float:
        return min(timed(lambda: forward(network, inputs)) for _ in range(3))

    step()
    before = step()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        file = Path(folder) / "lora.safetensors"
        file_bytes = write_lora(network, file, options.rank)
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        started = time.perf_counter()
        with LoraMerge([Lora(file, 0.8)], shapes, partial=False) as merge:
            merge.check_values()
            checked = time.perf_counter() - started
            merged = timed(lambda: merge_all(network, merge))
        peak = torch.cuda.max_memory_allocated() - held
    after = step()
    figures = {
        "gpu": torch.cuda.get_device_name(),
        "weights, GB": sum(value.nbytes for value in network.parameters()) / 1e9,
        "file, GB": file_bytes / 1e9,
        "rank": options.rank,
        "match and check, s": checked,
        "merge, s": merged,
        "both, s": checked + merged,
        "peak above the weights, GiB": peak / 2**30,
        "step without, s": before,
        "step with, s": after,
    }
    text = json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()})
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
