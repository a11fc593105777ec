"""Attention in 8 bits beside the exact kernels: what is installed, milliseconds, relative L2; prints JSON.

    python bench/eight_bit.py [--tokens 32760,71400] [--out eight_bit.json]

Needs a CUDA GPU, and nvidia-cudnn-frontend, flashinfer-python or sageattention for a kernel to try.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch
from torch import Tensor

from pipelines.models.transformer import attention, eight_bit
from pipelines.models.transformer.attention_choice import use_fastest

HEADS, HEAD_DIM = 40, 128


def measure(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, float]:
    """The output, and the median milliseconds of five calls after two."""
    times = []
    for _ in range(7):
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()  # type: ignore[no-untyped-call]  # torch has no type for it
        out = attention.attention(q, k, v)
        ended.record()  # type: ignore[no-untyped-call]  # torch has no type for it
        torch.cuda.synchronize()
        times.append(began.elapsed_time(ended))
    return out, median(times[2:])


@torch.inference_mode()
def main() -> None:
    """Measure each kernel and say which one the product would take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", default="32760,71400")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    report: dict[str, Any] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    for tokens in map(int, options.tokens.split(",")):
        # Keys with a mean of their own and some large channels, as a trained network has them.
        q, k, v = (torch.randn(1, tokens, HEADS, HEAD_DIM, device="cuda", dtype=torch.bfloat16) for _ in range(3))
        k += 4 * torch.randn(HEADS, HEAD_DIM, device="cuda", dtype=torch.bfloat16)
        attention.prefer("cudnn")
        exact, taken = measure(q, k, v)
        tflop = 4 * tokens**2 * HEADS * HEAD_DIM / 1e9
        found: dict[str, Any] = {"cudnn, exact": {"ms": taken, "TFLOP/s": tflop / taken}}
        for kernel in eight_bit.installed_libraries():
            try:
                attention.prefer(kernel)
                out, taken = measure(q, k, v)
            except Exception as error:
                # What a compiler complains of stands at the end.
                found[kernel] = str(error)[-600:]
                continue
            error = (out.float() - exact.float()).norm() / exact.float().norm()
            found[kernel] = {"ms": taken, "TFLOP/s": tflop / taken, "relative_l2": error.item()}
        report[f"{tokens} tokens"] = found
        print(tokens, json.dumps(found, indent=1), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report["taken"] = {
            "exact": use_fastest("cuda", Path(folder), 71400),
            "in 8 bits too": use_fastest("cuda", Path(folder), 71400, may_round=True),
        }
    print("taken", report["taken"], flush=True)
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
