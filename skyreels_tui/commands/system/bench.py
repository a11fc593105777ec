"""`bench`: how fast this machine is, measured with full-size networks of random weights."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.front.durable import write_whole
from pipelines.front.language import reason_of, tr
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.commands.system import bench_gpus
from skyreels_tui.eta.speeds import (
    GB10,
    SPEED_FILE,
    Measured,
    case_named,
    predicted_report,
    read_measured,
    step_parts,
)
from skyreels_tui.words.sizes import size


def configure(parser: Parser, _name: str) -> None:
    """Declare the sizes to measure."""
    parser.add_argument(
        "--layers", type=int, default=40, help=tr("blocks to build of 40; fewer are scaled up and say so")
    )
    parser.add_argument("--repeats", type=int, default=3, help=tr("measured calls a case, the median counts"))
    parser.add_argument("--case", default="", help=tr("only the cases whose name contains this, such as 540P or a2v"))
    parser.add_argument("--json", action="store_true", help=tr("print one JSON object"))
    words = tr("also write the JSON object, with this machine's facts, to this file")
    parser.add_argument("--output", type=Path, help=words)
    words = tr("instead one call by 1, 2, .. of this machine's GPUs together, up to so many, or all")
    parser.add_argument("--gpus", default="", metavar="N", help=words)
    words = tr("demo: with --gpus, tiny networks on processes of the CPU, which show the way and not a speed")
    parser.add_argument("--profile", choices=("full", "demo"), default="full", help=words)
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--predict", action="store_true", help=tr("write what is predicted for a GB10 instead"))
    instead.add_argument(
        "--compare", type=Path, nargs=2, metavar="FILE", help=tr("say where the first file differs from the second")
    )
    instead.add_argument("--use", type=Path, metavar="FILE", help=tr("take this file for the first guess of times"))


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Measure, print a table or JSON; nothing is downloaded and nothing else runs meanwhile."""
    if not 1 <= args.layers <= 40 or args.repeats < 1:
        output.note(tr("bench: --layers is 1 to 40 and --repeats at least 1"))
        return Exit.REFUSED
    if args.compare:
        first, second = (_read(path) for path in args.compare)
        compare_files(first, second, as_json=args.json)
        return Exit.OK
    if args.use:
        return _use(args.use, context)
    if args.predict:
        _give(predicted_report(tr("NVIDIA GB10, predicted"), GB10), args, show)
        return Exit.OK
    if args.profile == "demo" and not args.gpus:
        raise CommandError(tr("bench: --profile demo goes with --gpus"))
    # Torch is loaded only by commands that compute.
    import torch

    if not torch.cuda.is_available() and args.profile != "demo":
        output.note(tr("bench: PyTorch sees no CUDA GPU here; `skyreels-tui doctor` says why and what mends it"))
        return Exit.FAILED
    if args.gpus:
        report = bench_gpus.measure_gpus(args, context.folders.cache)
        _give(_with_facts(report, args, context), args, bench_gpus.show_gpus)
        return Exit.OK
    report = _with_facts(measure(args, context.folders.cache), args, context)
    context.folders.create()
    if report["cases"]:
        # The first guess of this machine's times from now on.
        write_whole(context.folders.state / SPEED_FILE, json.dumps(report).encode(), durable=False)
    _give(report, args, show)
    return Exit.OK


def _with_facts(report: dict[str, Any], args: argparse.Namespace, context: Context) -> dict[str, Any]:
    """Add this machine's facts to what a file will hold."""
    if not args.output:
        return report
    from skyreels_tui.doctor.gather import gather

    facts = gather(context.folders, context.settings, context.result_dir)
    return report | {"facts": dataclasses.asdict(facts)}


def _give(report: dict[str, Any], args: argparse.Namespace, show: Callable[[dict[str, Any]], None]) -> None:
    """Write a report to the file and to stdout, as was asked."""
    if args.output:
        try:
            write_whole(args.output, json.dumps(report, indent=2).encode(), durable=False, private=False)
        except OSError as error:
            raise CommandError(f"{args.output}: {reason_of(error)}", Exit.FAILED) from None
    if args.json:
        output.data(report)
    else:
        show(report)


def _read(path: Path) -> Measured:
    try:
        return read_measured(path)
    except OSError as error:
        raise CommandError(f"{path}: {reason_of(error)}", Exit.NOT_FOUND) from None
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None


def _use(path: Path, context: Context) -> int:
    measured = _read(path)
    if measured.is_predicted:
        raise CommandError(tr("{file} holds predictions: only a measurement is taken", file=path))
    context.folders.create()
    write_whole(context.folders.state / SPEED_FILE, path.read_bytes(), durable=False)
    output.note(tr("times on {gpu} are guessed from this file until jobs have shown them", gpu=measured.gpu))
    if (gpu := context.services.gpu_name()) != measured.gpu:
        output.note(tr("this machine has {gpu}: the file serves only on the other one", gpu=gpu or tr("no GPU")))
    return Exit.OK


def compare_files(first: Measured, second: Measured, *, as_json: bool) -> None:
    """Print how two files differ, and how far each is from what its own ceilings predict."""
    rows = []
    for name, words in (
        ("matmul_tflops", tr("matrix product, TFLOP/s")),
        ("attention_tflops", tr("attention, TFLOP/s")),
        ("copy_gb_per_s", tr("copy, GB/s")),
    ):
        rows.append((words, getattr(first.ceilings, name), getattr(second.ceilings, name)))
    theirs = {case.name: case for case in second.cases}
    both = [(case, theirs[case.name]) for case in first.cases if case.name in theirs]
    for mine, other in both:
        rows.append((tr("{case}: step, s", case=mine.name), mine.step_s, other.step_s))
        rows.append((tr("{case}: decode, s", case=mine.name), mine.decode_s, other.decode_s))
    own = [
        (measured.gpu, case.name, step_parts(known, measured.ceilings).total_s, case.step_s)
        for measured in (first, second)
        if not measured.is_predicted
        for case in measured.cases
        if (known := case_named(case.name)) is not None
    ]
    if as_json:
        output.data(
            {
                "first": first.gpu,
                "second": second.gpu,
                "rows": [{"what": what, "first": one, "second": two, "ratio": two / one} for what, one, two in rows],
                "formula": [
                    {"gpu": gpu, "case": name, "predicted_s": told, "measured_s": was, "off": told / was - 1}
                    for gpu, name, told, was in own
                ],
            }
        )
        return
    table = [(what, _figure(one), _figure(two), _off(one, two)) for what, one, two in rows]
    output.table(table, ("", first.gpu, second.gpu, tr("second against first")))
    if not both:
        output.note(tr("the two files have no case in common"))
    if own:
        output.line("")
        output.line(tr("what each machine's own ceilings predict for a step, and what it took:"))
        output.table(
            [(gpu, name, f"{told:.2f} s", f"{was:.2f} s", _off(told, was)) for gpu, name, told, was in own],
            (tr("GPU"), tr("case"), tr("predicted"), tr("measured"), tr("measured against predicted")),
        )


def _figure(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def _off(first: float, second: float) -> str:
    return f"{100 * (second / first - 1):+.1f} %"


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
    if report.get("predicted"):
        output.line(tr("{gpu}: nothing of this was measured", gpu=report["gpu"]))
    else:
        _show_machine(report)
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
            size(case["peak_bytes"]) if "peak_bytes" in case else "",
            f"{case['decode_s']:.2f} s",
            f"{case['projected_s'] / 60:.1f} min",
        )
        for case in report["cases"]
    ]
    output.table(rows, (tr("case"), tr("step"), "TFLOP/s", tr("peak"), tr("decode"), tr("clip or piece")))


def _show_machine(report: dict[str, Any]) -> None:
    output.line(
        tr(
            "{gpu} (sm_{capability}), torch {torch}, cuDNN {cudnn}, attention by {attention}",
            capability=report["compute_capability"].replace(".", ""),
            **{key: report[key] for key in ("gpu", "torch", "cudnn", "attention")},
        )
    )
