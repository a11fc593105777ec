"""Cases beside the network: the messages and the decode."""

from __future__ import annotations

from typing import Any

import torch

from pipelines.benchmark import several
from several.bench import Bench, figures
from several.copies import Copies
from several.kernels import kernel_times


def exchange(bench: Bench) -> None:
    """GB/s that one GPU sends in an all-to-all, by the bytes it holds."""
    sizes = (1,) if bench.options.dry_run else (16, 64, 256, 512)
    if bench.gang.size > 1:
        bench.case("all-to-all, GB/s", lambda: {f"{mib} MiB": several.exchange_rate(bench.gang, mib) for mib in sizes})


def copies(bench: Bench) -> None:
    """An all-to-all by NCCL and by copy engines: GB/s, equal or not, and milliseconds of products beside it."""
    gang, repeats = bench.gang, bench.options.repeats

    def work(mib: int) -> dict[str, Any]:
        if gang.device.type == "cpu":
            return {"skipped": "no GPU"}
        rows = mib * 2**20 // (several.MESSAGE_DIM * 2 * gang.size)
        counts = [rows] * gang.size
        x = torch.randn(rows * gang.size, several.MESSAGE_DIM, dtype=torch.bfloat16, device=gang.device)
        square = torch.randn(8192, 8192, dtype=torch.bfloat16, device=gang.device)
        engines = Copies(gang.tensors, gang.rank, gang.size, x.numel() * 2)

        def by_copies() -> tuple[torch.Tensor, Any]:
            return engines.start(x, counts, counts, [rows * gang.rank] * gang.size)

        def by_nccl() -> tuple[torch.Tensor, Any]:
            arriving = gang.start_exchange(x, counts, counts)
            return arriving.value, arriving

        def beside(start: Any) -> None:
            message = start() if start else None
            for _ in range(4):
                square @ square
            if message:
                message[1].wait()

        out, landing = by_copies()
        landing.wait()
        found: dict[str, Any] = {"equal": torch.equal(out, gang.exchange(x, counts, counts))}
        sent = rows * (gang.size - 1) * several.MESSAGE_DIM * 2
        for name, start in (("nccl", by_nccl), ("copies", by_copies)):
            several.slowest_seconds(gang, lambda start=start: start()[1].wait(), 2)
            seconds = several.slowest_seconds(gang, lambda start=start: start()[1].wait(), repeats)
            found[f"{name} GB/s"] = sent / min(seconds) / 1e9
        for name, start in (("alone", None), ("nccl", by_nccl), ("copies", by_copies)):
            seconds = several.slowest_seconds(gang, lambda start=start: beside(start), repeats)
            found[f"products ms, {name}"] = min(seconds) * 1e3
        return found

    if gang.size > 1:
        for mib in (1,) if bench.options.dry_run else (16, 160, 512):
            bench.case(f"messages by copy engines, {mib} MiB", lambda mib=mib: work(mib))


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
