"""Cases of our own network: a call, a step with guidance, and where the time goes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from pipelines.benchmark import several
from pipelines.benchmark.speed import forward, random_inputs
from pipelines.models.transformer import attention
from pipelines.models.transformer.transformer import SkyReelsTransformer
from several.bench import Bench, figures
from several.kernels import kernel_times


class Steps:
    """Cases that share one network of a family; the network is made when first asked for."""

    def __init__(self, bench: Bench, family: str) -> None:
        self.bench, self.gang, self.family = bench, bench.gang, family
        self._network: SkyReelsTransformer | None = None

    @property
    def network(self) -> SkyReelsTransformer:
        """Of all layers asked for."""
        if self._network is None:
            self._network = several.network_for(self.gang, self.family, self.bench.options.layers)
        return self._network

    @contextmanager
    def few_layers(self) -> Iterator[float]:
        """Fewer layers meanwhile; what to multiply times with."""
        network = self.network
        blocks = network.blocks
        network.blocks = blocks[: self.bench.options.few_layers]
        try:
            yield several.FULL_LAYERS / len(network.blocks)
        finally:
            network.blocks = blocks

    def calls(self, name: str, kernel: str = "") -> None:
        """Every case whose name contains `name`, also held against the same call on one GPU."""
        for case in several.cases_for(self.gang, name):
            title = f"{case.name}{f', {kernel}' if kernel else ''}"
            self.bench.case(title, lambda case=case, title=title: self._call(case, title, kernel))

    def _call(self, case, title: str, kernel: str) -> dict[str, Any]:
        if kernel and self.gang.device.type == "cuda":
            attention.prefer(kernel)
        try:
            timed, out = several.time_call(self.gang, self.network, case, self.bench.options.repeats)
        finally:
            attention.prefer(self.bench.options.kernel)
        found = figures(timed)
        if self.gang.size == 1:
            self.bench.kept(title, out)
        elif (alone := self.bench.kept(title)) is not None:
            found["relative_l2"] = several.distance(out, alone)
        return found

    def guided(self) -> None:
        """Three calls of R2V 540P, one after the other and side by side; few layers, scaled."""
        case = several.cases_for(self.gang, "r2v 540P")[0]

        def work(side_by_side: bool) -> dict[str, Any]:
            with self.few_layers() as scale:
                timed, outs = several.time_guided(
                    self.gang, self.network, case, self.bench.options.repeats, side_by_side=side_by_side
                )
            found = figures(timed, scale)
            if self.gang.size == 1:
                self.bench.kept("guided", torch.cat(outs))
            elif self.gang.is_leader and (alone := self.bench.kept("guided")) is not None:
                found["relative_l2"] = several.distance(torch.cat(outs), alone)
            return found

        title = f"{case.name}, a step with guidance"
        self.bench.case(f"{title}, shared", lambda: work(False))
        if self.gang.size > 1:
            self.bench.case(f"{title}, side by side", lambda: work(True))

    def profile(self) -> None:
        """Where the time of R2V 540P goes; few layers, scaled."""
        case = several.cases_for(self.gang, "r2v 540P")[0]

        def work() -> dict[str, Any]:
            if self.gang.device.type == "cpu":
                return {"skipped": "no GPU"}
            several.share(self.network, self.gang)
            inputs = random_inputs(self.network, case)
            with self.few_layers() as scale:
                forward(self.network, inputs)
                kinds, span, exposed = kernel_times(lambda: forward(self.network, inputs))
            return {
                "step_ms": {kind: round(ms * scale, 1) for kind, ms in kinds.items()},
                "span_ms": round(span * scale, 1),
                "exchange_not_hidden_ms": round(exposed * scale, 1),
            }

        self.bench.case(f"{case.name}, profile", work)

    def yardstick(self) -> None:
        """Distances of outputs from float32 and between kernels: what is rounding, whoever computes it."""
        case = several.cases_for(self.gang, "r2v 540P")[0]

        def work() -> dict[str, Any]:
            with self.few_layers():
                several.share(self.network, self.gang)
                outputs = {}
                for kernel in dict.fromkeys((self.bench.options.kernel, "cudnn")):
                    attention.prefer(kernel)
                    out = forward(self.network, random_inputs(self.network, case)).float().cpu()
                    outputs[f"{kernel} on {self.gang.size}"] = out
                if self.gang.size == 1:
                    self._network = self.network.float()
                    attention.prefer("efficient")
                    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
                    exact = forward(self.network, random_inputs(self.network, case)).float().cpu()
                    self.bench.kept("exact", exact)
                    self._network = None
            attention.prefer(self.bench.options.kernel)
            exact = self.bench.kept("exact")
            if exact is None:
                return {"skipped": "float32 is made on one GPU"}
            return {"relative_l2_from_float32": {name: several.distance(o, exact) for name, o in outputs.items()}}

        self.bench.case(f"{case.name}, yardstick", work)

    def close(self) -> None:
        """Let the network go."""
        self._network = None
        gc.collect()
        several.forget_peak(self.gang)
