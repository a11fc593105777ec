"""One call over several GPUs of this host: seconds, memory and distance from one GPU, beside the library's own way.

    python bench/parallel.py --output DIR [--ranks 1,2,4]
        [--cases a2a,decode,r2v,r2v540,r2v720,v2v,guided,cudnn,profile,yardstick,library,a2v,led]

Full-size networks of random weights, no download. Every number of ranks runs in processes of its own, the smallest
first: its outputs are what the others are held against. Writes DIR/parallel.json after every case and DIR/parallel.md
at the end. `--dry-run` takes tiny networks, a CPU and gloo. `guided`, `profile`, `yardstick` and `library`
have fewer layers; their times are scaled.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import torch
from several.around import decode, exchange
from several.bench import Bench, Options
from several.kernels import choose_kernel
from several.led import led
from several.library import library
from several.report import Report, table
from several.steps import Steps

from pipelines.benchmark.several import FULL_LAYERS
from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import keep_compiled
from pipelines.parallel.gang import Gang
from pipelines.parallel.processes import run_ranks

CASES = ("a2a", "decode", "r2v", "r2v540", "r2v720", "v2v", "guided", "cudnn", "profile", "yardstick",
         "library", "a2v", "led")  # fmt: skip
"""In this order; `r2v` is `r2v540` and `r2v720`."""

LEAST_S = 45
"""Another number of ranks is not begun when so little time is left."""


def measure(gang: Gang, options: Options) -> None:
    """One rank's share of all cases."""
    keep_compiled(Path(options.cache))
    attention.prefer(options.kernel)
    bench = Bench(gang, options)
    # Reference to video and video extension have networks of one size.
    steps, avatar = Steps(bench, "r2v"), Steps(bench, "a2v")
    work = {
        "a2a": lambda: exchange(bench),
        "decode": lambda: decode(bench),
        "r2v": lambda: steps.calls("r2v"),
        "r2v540": lambda: steps.calls("r2v 540P"),
        "r2v720": lambda: steps.calls("r2v 720P"),
        "v2v": lambda: steps.calls("v2v"),
        "guided": steps.guided,
        "cudnn": lambda: steps.calls("r2v 540P", "cudnn"),
        "profile": steps.profile,
        "yardstick": steps.yardstick,
        "library": lambda: (steps.close(), library(bench)),
        "a2v": lambda: (steps.close(), avatar.calls("a2v")),
    }
    for case in CASES:
        if case in options.cases and case in work and not (case in ("r2v540", "r2v720") and "r2v" in options.cases):
            work[case]()


def main() -> None:
    """Run the chosen cases on one number of ranks after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--layers", type=int, default=FULL_LAYERS)
    parser.add_argument("--few-layers", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kernel", default="", help="cudnn, flash4; by default the best that runs")
    parser.add_argument("--budget", type=float, default=540, help="seconds after which no case begins")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/skyreels-tui-bench"))
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args()
    began = time.time()
    asked.output.mkdir(parents=True, exist_ok=True)
    options = Options(
        ranks=tuple(sorted({int(word) for word in asked.ranks.split(",")})),
        cases=tuple(asked.cases.split(",")),
        layers=2 if asked.dry_run else asked.layers,
        few_layers=2 if asked.dry_run else asked.few_layers,
        repeats=asked.repeats,
        kernel=asked.kernel or choose_kernel(asked.dry_run, asked.cache),
        cache=str(asked.cache),
        folder=str(asked.output.resolve()),
        dry_run=asked.dry_run,
        deadline=began + asked.budget - 30,
    )
    if unknown := set(options.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    report = Report(asked.output / "parallel.json")
    machine = "CPU (dry run)" if asked.dry_run else f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    report.write(machine=machine, torch=torch.__version__, kernel=options.kernel, layers=options.layers)
    print(f"{machine}, {options.kernel}, after {time.time() - began:.0f} s", flush=True)
    for ranks in options.ranks:
        if (left := options.deadline - time.time()) < LEAST_S:
            print(f"{ranks} ranks: left out, {left:.0f} s are left", flush=True)
            continue
        try:
            run_ranks(ranks, measure, options, device="cpu" if asked.dry_run else "cuda")
        except Exception as error:  # the next number of ranks has processes of its own
            print(f"{ranks} ranks: FAILED {error}"[-3000:], flush=True)
        print(f"{ranks} ranks: {time.time() - began:.0f} s in all", flush=True)
        if "led" in options.cases and ranks > 1 and options.deadline > time.time():
            try:
                found = led(options, ranks)
            except Exception as error:  # one case's failure is a line of the report
                found = {"error": f"{type(error).__name__}: {error}"[:500]}
            report.store("r2v 540P 5 s, a step with guidance, led", ranks, found)
    (asked.output / "parallel.md").write_text(table(report.read()), "utf-8")
    print(table(report.read()), flush=True)


if __name__ == "__main__":
    main()
