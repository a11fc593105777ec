"""`bench`: how fast this machine is, measured with full-size networks of random weights."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pipelines.front.durable import write_whole
from pipelines.front.language import tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.words.sizes import size


def configure(parser: Parser, _name: str) -> None:
    """Declare the sizes to measure."""
    parser.add_argument(
        "--layers", type=int, default=40, help=tr("blocks to build of 40; fewer are scaled up and say so")
    )
    parser.add_argument("--repeats", type=int, default=3, help=tr("measured calls a case, the median counts"))
    parser.add_argument("--case", default="", help=tr("only the cases whose name contains this, such as 540P or a2v"))
    parser.add_argument("--json", action="store_true", help=tr("print one JSON object"))
    parser.add_argument("--output", type=Path, help=tr("also write the JSON object to this file"))


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Measure, print a table or JSON; nothing is downloaded and nothing else runs meanwhile."""
    if not 1 <= args.layers <= 40 or args.repeats < 1:
        output.note(tr("bench: --layers is 1 to 40 and --repeats at least 1"))
        return Exit.REFUSED
    # Torch is loaded only by commands that compute.
    import torch

    if not torch.cuda.is_available():
        output.note(tr("bench: PyTorch sees no CUDA GPU here; `skyreels-tui doctor` says why and what mends it"))
        return Exit.FAILED
    report = measure(args, context.folders.cache)
    if args.output:
        write_whole(args.output, json.dumps(report, indent=2).encode(), durable=False, private=False)
    if args.json:
        output.data(report)
    else:
        show(report)
    return Exit.OK


def measure(args: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """Run every chosen case and return the report that `--json` prints."""
    import torch

    from pipelines.benchmark import speed as benchmark
    from pipelines.families import family_named
    from pipelines.models.transformer.attention_choice import use_fastest

    cudnn: int | None = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]  # torch has no stub
    report: dict[str, Any] = {
        "gpu": torch.cuda.get_device_name(),
        "compute_capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "torch": torch.__version__,
        "cudnn": cudnn,
        "layers": args.layers,
        "attention": use_fastest("cuda", cache, 71400),
        "ceilings": benchmark.ceilings(),
        "cases": [],
    }
    network, built = None, None
    for case in benchmark.CASES:
        if args.case.lower() not in case.name.lower():
            continue
        output.note(tr("measuring {name} ...", name=case.name))
        options = family_named(case.family).network
        if options != built:
            # The old network must be gone before the new one is built: both at once may not fit.
            network = None
            torch.cuda.empty_cache()
            built = options
            network = benchmark.random_transformer(case.family, args.layers)
        assert network is not None
        timing = benchmark.step_time(network, case, args.repeats)
        decode, decode_peak = benchmark.decode_seconds(case.height, case.width, case.latent_frames, 1)
        steps = benchmark.job_steps(case.family)
        report["cases"].append(
            {
                "name": case.name,
                "tokens": case.num_tokens,
                "step_s": timing.median_s,
                "first_call_s": timing.first_seconds,
                "tflops": timing.tflops,
                "peak_bytes": timing.peak_bytes,
                "weights_bytes": timing.weights_bytes,
                "decode_s": decode,
                "decode_peak_bytes": decode_peak,
                "steps": steps,
                "projected_s": steps * timing.median_s + decode,
            }
        )
    return report


def show(report: dict[str, Any]) -> None:
    """Print the report as tables."""
    ceilings = report["ceilings"]
    output.line(
        tr(
            "{gpu} (sm_{capability}), torch {torch}, cuDNN {cudnn}, attention by {attention}",
            capability=report["compute_capability"].replace(".", ""),
            **{key: report[key] for key in ("gpu", "torch", "cudnn", "attention")},
        )
    )
    output.line(
        tr(
            "ceilings: matrix product {matmul:.0f} TFLOP/s, attention {attention:.0f} TFLOP/s, copy {copy:.0f} GB/s",
            matmul=ceilings["matmul_tflops"],
            attention=ceilings["attention_tflops"],
            copy=ceilings["copy_gb_per_s"],
        )
    )
    if report["layers"] < 40:
        output.line(tr("step times are scaled up from {layers} of 40 blocks; memory is not", layers=report["layers"]))
    rows = [
        (
            case["name"],
            f"{case['step_s']:.2f} s",
            f"{case['tflops']:.0f}",
            size(case["peak_bytes"]),
            f"{case['decode_s']:.2f} s",
            f"{case['projected_s'] / 60:.1f} min",
        )
        for case in report["cases"]
    ]
    output.table(rows, (tr("case"), tr("step"), "TFLOP/s", tr("peak"), tr("decode"), tr("clip, piece or window")))
