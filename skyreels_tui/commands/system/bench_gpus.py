"""`bench --gpus N`: one call by one, two and more GPUs of this machine together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.gang import ALL_GPUS, gang_problem, gang_sizes, ranks_of
from pipelines.front.language import tr, trn
from skyreels_tui.commands.shared import output
from skyreels_tui.eta.speeds import CASES
from skyreels_tui.words.sizes import size

TOKENS = 71400
"""Of the longest case at 540P: the attention that is fastest for so many is taken."""


MOST_DIGITS = 4


def sizes_up_to(asked: str, there: int | None) -> list[int]:
    """The numbers of GPUs to measure, 1 first. Raises InvalidRequest, in words, when the largest cannot be."""
    if asked != ALL_GPUS:
        is_number = asked.isascii() and asked.isdigit() and len(asked) < MOST_DIGITS
        words = gang_problem(int(asked)) if is_number else tr("--gpus is a number of GPUs, or all")
        if words:
            raise InvalidRequest([Problem("gpus", words)])
    most = ranks_of(asked, there)
    return [1, *(one for one in gang_sizes() if one <= most)]


def measure_gpus(args: argparse.Namespace, cache: Path) -> dict[str, Any]:
    """Measure each number of GPUs and return the report that `--json` prints."""
    is_demo = args.profile == "demo"
    import torch

    from pipelines.benchmark.scaling import ScalingPlan, measure_scaling
    from pipelines.models.transformer.attention_choice import use_fastest

    if not any(args.case.lower() in case.name.lower() for case in CASES):
        raise InvalidRequest([Problem("case", tr("there is no case of this name"))])
    sizes = sizes_up_to(args.gpus, None if is_demo else torch.cuda.device_count())
    kernel = "" if is_demo else use_fastest("cuda", cache, TOKENS)
    plan = ScalingPlan(args.case, args.layers, args.repeats, kernel, str(cache))

    def starting(count: int) -> None:
        output.note(trn("measuring {count} GPU ...", "measuring {count} GPUs ...", count))

    return {
        "gpu": "" if is_demo else torch.cuda.get_device_name(),
        "demo": is_demo,
        "torch": torch.__version__,
        "attention": kernel,
        "layers": args.layers,
        "scaling": measure_scaling(sizes, plan, "cpu" if is_demo else "cuda", starting),
    }


def show_gpus(report: dict[str, Any]) -> None:
    """Print the report as a table, a column for each number of GPUs."""
    if report["demo"]:
        output.line(tr("tiny networks on processes of the CPU: this shows the way, and no GPU's speed"))
    else:
        output.line(tr("{gpu}, torch {torch}, attention by {attention}", **_facts(report)))
        if report["layers"] < 40:
            words = tr("step times are scaled up from {layers} of 40 blocks; memory is not", layers=report["layers"])
            output.line(words)
    found = report["scaling"]
    rows = [
        (tr("{case}: a step", case=step["name"]), *_times([each["steps"][index]["step_s"] for each in found]))
        for index, step in enumerate(found[0]["steps"])
    ]
    rows.append((tr("decode of 121 frames 540P"), *_times([each["decode_s"] for each in found])))
    for mib in found[-1].get("exchange_gb_per_s", {}):
        rates = [each.get("exchange_gb_per_s", {}).get(mib) for each in found]
        rows.append(
            (
                tr("all-to-all of {size}, a GPU sends", size=size(int(mib) * 2**20)),
                *("" if rate is None else f"{rate:.1f} GB/s" for rate in rates),
            )
        )
    peaks = [max([each["decode_peak_bytes"], *(step["peak_bytes"] for step in each["steps"])]) for each in found]
    if any(peaks):
        rows.append((tr("most memory of a GPU"), *map(size, peaks)))
    far = [max((step.get("relative_l2", 0.0) for step in each["steps"]), default=0.0) for each in found]
    if len(found) > 1:
        rows.append((tr("relative L2 from one GPU, at most"), "", *(f"{one:.2g}" for one in far[1:])))
    heads = (trn("{count} GPU", "{count} GPUs", each["gpus"]) for each in found)
    output.table(rows, ("", *heads))


def _facts(report: dict[str, Any]) -> dict[str, str]:
    return {key: report[key] for key in ("gpu", "torch", "attention")}


def _times(seconds: list[float]) -> list[str]:
    """Each time, and how many times as fast as the first."""
    first, *others = seconds
    return [f"{first:.2f} s", *(f"{one:.2f} s ({first / one:.2f}x)" for one in others)]
