"""Writes the page of predictions for a GB10 with its formulas: `python -m skyreels_tui.eta.predictions doc/gb10.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.front.cost import attention_flops, linear_flops
from pipelines.tasks import network_of
from skyreels_tui.eta.speeds import (
    CASES,
    DECODE_SHARE,
    FUSED_BYTES,
    GB10,
    Ceilings,
    case_decode_flops,
    decode_s,
    predicted_report,
    step_parts,
)

H200 = Ceilings(matmul_tflops=814, attention_tflops=674, copy_gb_per_s=4070)
"""As measured (performance.md)."""
MEASURED_H200_S = {
    "r2v 540P 5 s": 8.87,
    "r2v 720P 5 s": 24.1,
}
"""Steps that were measured on that card."""


def predictions_page() -> str:
    """The whole page in Markdown."""
    lines = [
        "# DGX Spark (GB10): predictions",
        "",
        "Nothing here was measured on a GB10. Every figure follows from the formulas below and the rates of the table;",
        "`tests/live/test_predictions.py` works them out again. On a Spark one command measures all of it, and another",
        "says where this page was wrong and by how much:",
        "",
        "    skyreels-tui bench --output spark.json",
        "    skyreels-tui bench --predict --output gb10.json",
        "    skyreels-tui bench --compare gb10.json spark.json",
        "",
        "The measurement stays on the machine as the first guess of how long jobs take; `bench --use FILE` takes one",
        "that was made elsewhere.",
        "",
        "| rate | GB10, assumed | H200, measured |",
        "|---|---|---|",
        f"| R_l: bfloat16 matrix product, TFLOP/s | {GB10.matmul_tflops:g} | {H200.matmul_tflops:g} |",
        f"| R_a: exact bfloat16 attention, TFLOP/s | {GB10.attention_tflops:g} | {H200.attention_tflops:g} |",
        f"| B: copy, GB/s | {GB10.copy_gb_per_s:g} | {H200.copy_gb_per_s:g} |",
        "",
        "## A step",
        "",
        "L tokens, K rows of context (512, avatar 801), width d = 5120, inner width f = 13824, s square layers a block",
        "(6, avatar 8), 40 blocks:",
        "",
        "    attention FLOP = 40 * 4 * d * L * (L + K)",
        "    linear FLOP    = 40 * 2 * L * (s * d * d + 2 * d * f)",
        f"    bytes          = 40 * {FUSED_BYTES} * L      (element-wise kernels, as measured on the H200)",
        "    seconds        = attention FLOP / R_a + linear FLOP / R_l + bytes / B",
        "",
        "| call | tokens | attention, PFLOP | linear, PFLOP | attention | linear | element-wise | **a step** |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for case in CASES:
        network, tokens, parts = network_of(case.family), case.num_tokens, step_parts(case, GB10)
        cells = [
            case.name,
            str(tokens),
            f"{attention_flops(network, tokens) / 1e15:.2f}",
            f"{linear_flops(network, tokens) / 1e15:.2f}",
            *(f"{seconds:.1f} s" for seconds in (parts.attention_s, parts.linear_s, parts.fused_s)),
            f"**{parts.total_s:.1f} s**",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "## A clip, piece or window",
        "",
        f"    decode FLOP = 8.55e6 * height * width * frames;  seconds = decode FLOP / ({DECODE_SHARE} * R_l)",
        "    clip        = steps * a step + decode",
        "",
        "| call | decode, TFLOP | decode | steps | **in all** |",
        "|---|---|---|---|---|",
    ]
    report = {entry["name"]: entry for entry in predicted_report("", GB10)["cases"]}
    for case in CASES:
        entry = report[case.name]
        lines.append(
            f"| {case.name} | {case_decode_flops(case) / 1e12:.0f} | {decode_s(case, GB10):.1f} s | {entry['steps']}"
            f" | **{entry['projected_s'] / 60:.1f} min** |"
        )
    lines += [
        "",
        "## How far off the formula is where it could be checked",
        "",
        "| H200 | formula | measured | off by |",
        "|---|---|---|---|",
    ]
    for case in CASES:
        if case.name in MEASURED_H200_S:
            told, was = step_parts(case, H200).total_s, MEASURED_H200_S[case.name]
            lines.append(f"| {case.name} | {told:.2f} s | {was:.2f} s | {100 * (told / was - 1):+.1f} % |")
    lines += [
        "",
        "It leaves out cross-attention's own launches and what a power cap costs; sustained load is said to cost a",
        "GB10 12 to 23 %. Owners measured 101 s a step of R2V 540P with the models' published code.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(predictions_page(), "utf-8")
