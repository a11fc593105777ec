"""Cases beside the network: the messages and the decode."""

from __future__ import annotations

from typing import Any

import torch

from pipelines.benchmark import several
from several.bench import Bench, figures
from several.kernels import kernel_times


def exchange(bench: Bench) -> None:
    """GB/s that one GPU sends in an all-to-all, by the bytes it holds."""
    sizes = (1,) if bench.options.dry_run else (16, 64, 256, 512)
    if bench.gang.size > 1:
        bench.case("all-to-all, GB/s", lambda: {f"{mib} MiB": several.exchange_rate(bench.gang, mib) for mib in sizes})


def decode(bench: Bench) -> None:
    """121 frames 540P, the difference from one GPU in levels of 255, and where the time goes."""
    gang = bench.gang
    weights, latents = several.decoder_for(gang)

    def work() -> dict[str, Any]:
        found = figures(several.time_decode(gang, weights, latents, max(3, bench.options.repeats)))
        parts = several.decode(gang, weights, latents)
        if gang.size == 1:
            bench.kept("decoded", torch.cat(parts))
        elif gang.is_leader and (alone := bench.kept("decoded")) is not None:
            found["levels_off"] = ((torch.cat(parts).cpu() - alone).abs().max() * 127.5).item()
        return found

    def profile() -> dict[str, Any]:
        if gang.device.type == "cpu":
            return {"skipped": "no GPU"}
        kinds, span, exposed = kernel_times(lambda: several.decode(gang, weights, latents))
        return {"ms": kinds, "span_ms": span, "exchange_not_hidden_ms": exposed}

    bench.case("decode 121 frames 540P", work)
    bench.case("decode, profile", profile)
