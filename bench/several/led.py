"""A step as a job makes it, led by one process, and how soon it ends when it is cancelled inside."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import torch

from pipelines.benchmark import several
from pipelines.benchmark.speed import random_inputs
from pipelines.front.errors import Cancelled
from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import keep_compiled
from pipelines.parallel.crew import Crew
from pipelines.running.interrupt import interruptible
from several.bench import Options


@torch.inference_mode()
def led(options: Options, ranks: int) -> dict[str, Any]:
    """R2V 540P with guidance and few layers: seconds of a step, scaled, and from a cancel to its end."""
    device = "cpu" if options.dry_run else "cuda"
    keep_compiled(Path(options.cache))
    attention.prefer(options.kernel)
    crew = Crew(ranks, device)
    try:
        if not options.dry_run:
            crew.use_kernel(options.kernel, Path(options.cache))
        gang = crew.gang
        network = several.network_for(gang, "r2v", options.few_layers)
        case = several.cases_for(gang, "r2v 540P")[0]
        calls = [several.call_of(random_inputs(network, case, seed)) for seed in (1, 2, 3)]
        wished = threading.Event()

        def poll() -> None:
            if wished.is_set():
                raise Cancelled

        def step() -> float:
            start = time.perf_counter()
            with interruptible(network, poll):
                network.each(calls)
            if not options.dry_run:
                torch.cuda.synchronize()
            return time.perf_counter() - start

        with crew.lead(network):
            step()
            seconds = [step() for _ in range(options.repeats)]
            over = []
            for share in (0.2, 0.5, 0.9):
                wished.clear()
                told: list[float] = []

                def tell(told: list[float] = told) -> None:
                    told.append(time.perf_counter())
                    wished.set()

                timer = threading.Timer(share * min(seconds), tell)
                timer.start()
                try:
                    step()
                except Cancelled:
                    if not options.dry_run:
                        torch.cuda.synchronize()
                    over.append(time.perf_counter() - told[0])
                timer.join()
            wished.clear()
            after = step()
        scale = several.FULL_LAYERS / len(network.blocks)
        return {
            "seconds": [second * scale for second in seconds],
            "cancel_over_after_s": over,
            "next_step_s": after * scale,
            "layers": len(network.blocks),
        }
    finally:
        crew.close()
