"""One call over several GPUs of this host: seconds, memory and distance from one GPU, beside the library's own way.

    python bench/parallel.py --output DIR [--ranks 1,2,4]
        [--cases a2a,decode,r2v,r2v720,v2v,profile,yardstick,library,a2v]

Full-size networks of random weights, no download. Writes DIR/parallel.json after every case and DIR/parallel.md at the
end. `--dry-run` takes tiny networks, a CPU and gloo. The library's network has fewer layers; its times are scaled.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from pipelines.benchmark.speed import CASES, forward, random_inputs, random_transformer
from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import keep_compiled
from pipelines.models.vae.decoder import DecoderWeights, StreamingDecoder
from pipelines.parallel.gang import Gang
from pipelines.parallel.rows import decode_rows
from pipelines.parallel.sequence import shard_sequence

STAGES = (("a2a", "decode"), ("r2v", "r2v720", "v2v", "profile"), ("yardstick",), ("library",), ("a2v",))
"""Each row runs in processes of its own, so that what one breaks does not hurt the next. `r2v720` is part of `r2v`."""

LEAST_S = 45
"""A row is not begun when so little time is left."""

FULL_LAYERS = 40
TINY = {"num_attention_heads": 8, "attention_head_dim": 16, "text_dim": 32, "freq_dim": 32, "ffn_dim": 64}
TINY_AVATAR = {"image_dim": 24, "added_kv_proj_dim": 128, "audio_feature_dim": 96, "audio_dim": 16,
               "audio_hidden_dim": 16, "audio_tokens": 4}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    ranks: tuple[int, ...]
    layers: int
    library_layers: int
    repeats: int
    kernel: str
    cache: str
    folder: str
    dry_run: bool
    deadline: float

    @property
    def device(self) -> str:
        return "cpu" if self.dry_run else "cuda"

    @property
    def most(self) -> int:
        return max(self.ranks)


class Bench:
    """One rank of a stage."""

    def __init__(self, rank: int, options: Options, address: str) -> None:
        self.rank, self.options = rank, options
        self.path = Path(options.folder) / "parallel.json"
        keep_compiled(Path(options.cache))
        self.device = torch.device("cpu" if options.dry_run else f"cuda:{rank}")
        if options.dry_run:
            torch.set_num_threads(1)
            attention.prefer("cudnn")
        else:
            torch.cuda.set_device(self.device)
            attention.prefer(options.kernel)
        self.join(address, options.most)

    def join(self, address: str, size: int) -> None:
        """Open the world and a gang of its first n ranks for every n; a rank is in the gangs that are large enough."""
        limit = timedelta(seconds=300)
        if self.options.dry_run:
            dist.init_process_group("gloo", init_method=address, rank=self.rank, world_size=size, timeout=limit)
        else:
            backends = "cpu:gloo,cuda:nccl"
            dist.init_process_group(backends, init_method=address, rank=self.rank, world_size=size, timeout=limit)
        self.gangs: dict[int, Gang] = {}
        for count in sorted(set(self.options.ranks)):
            if count > size:
                continue
            backend = "gloo" if self.options.dry_run else "nccl"
            tensors = dist.new_group(list(range(count)), backend=backend, timeout=limit)
            host = dist.new_group(list(range(count)), backend="gloo", timeout=limit)
            if self.rank < count:
                self.gangs[count] = Gang(self.rank, count, self.device, tensors, host)

    def sync(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def seconds(self, gang: Gang, work: Callable[[], Any], repeats: int) -> list[float]:
        """Wall seconds on the slowest rank, each time."""
        times = []
        for _ in range(repeats):
            dist.barrier(group=gang.host)
            self.sync()
            start = time.perf_counter()
            result = work()
            self.sync()
            taken = torch.tensor([time.perf_counter() - start])
            del result
            dist.all_reduce(taken, op=dist.ReduceOp.MAX, group=gang.host)
            times.append(taken.item())
        return times

    def forget_peak(self) -> None:
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_gib(self, gang: Gang) -> float:
        """Largest of all ranks."""
        here = torch.cuda.max_memory_allocated() / 2**30 if self.device.type == "cuda" else 0.0
        found = torch.tensor([here])
        dist.all_reduce(found, op=dist.ReduceOp.MAX, group=gang.host)
        return found.item()

    def each(self, name: str, work: Callable[[Gang], dict[str, Any]]) -> None:
        """Run `work` on a gang of every size, one after the other, and store what rank 0 returns."""
        for count in self.options.ranks:
            late = torch.tensor([float(time.time() > self.options.deadline)])
            dist.broadcast(late, 0, group=self.world)
            if late.item():
                self.store(name, count, {"skipped": "out of time"})
                continue
            if count in self.gangs:
                try:
                    found = work(self.gangs[count])
                except Exception as error:  # one case's failure is a line of the report
                    traceback.print_exc()
                    found = {"error": f"{type(error).__name__}: {error}"[:500]}
                self.store(name, count, found)
            dist.barrier(group=self.world)

    @property
    def world(self) -> dist.ProcessGroup:
        """The largest gang's host group: every rank is in it."""
        return self.gangs[self.options.most].host

    def store(self, name: str, count: int, found: dict[str, Any]) -> None:
        if self.rank:
            return
        report = json.loads(self.path.read_text("utf-8"))
        report.setdefault("cases", {}).setdefault(name, {})[str(count)] = found
        self.path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        print(f"[{time.strftime('%H:%M:%S')}] {name} on {count}: {json.dumps(found)}", flush=True)


def transformer(bench: Bench, family: str, layers: int):
    options = bench.options
    sizes: dict[str, int] = {}
    if options.dry_run:
        sizes = TINY | (TINY_AVATAR if family == "a2v" else {})
    network = random_transformer(family, layers, device=str(bench.device), sizes=sizes)
    return network.float() if options.dry_run else network


def cases_of(bench: Bench, stage: str):
    for case in CASES:
        if case.family == stage or (stage == "r2v720" and case.name.startswith("r2v 720P")):
            yield replace(case, height=80, width=112, latent_frames=9) if bench.options.dry_run else case


def steps(bench: Bench, network, family: str) -> None:
    """Seconds of one call of all layers; distance from the call on one GPU with the same weights and inputs."""
    alone: dict[str, Tensor] = {}
    blocks = network.blocks
    for case in cases_of(bench, family):

        def work(gang: Gang, case=case) -> dict[str, Any]:
            bench.forget_peak()
            network.sharding = None
            if gang.size > 1:
                shard_sequence(network, gang)
            inputs = random_inputs(network, case)
            # Two blocks meet every shape: kernels are compiled and buffers allocated as by all forty.
            network.blocks = blocks[:2]
            warm = bench.seconds(gang, lambda: forward(network, inputs), 2)
            network.blocks = blocks
            last: list[Tensor] = []
            times = bench.seconds(gang, lambda: last.append(forward(network, inputs)), bench.options.repeats)
            found: dict[str, Any] = {"seconds": times, "warm_up_s": warm, "peak_gib": bench.peak_gib(gang)}
            out = last[-1].float().cpu()
            if gang.size == 1:
                alone[case.name] = out
            elif case.name in alone:
                found |= distance(out, alone[case.name])
            return found

        bench.each(case.name, work)


def distance(out: Tensor, expected: Tensor) -> dict[str, float]:
    difference = out.double() - expected.double()
    return {
        "relative_l2": (difference.norm() / expected.double().norm()).item(),
        "max_abs": difference.abs().max().item(),
        "max_of_expected": expected.abs().max().item(),
    }


def step_variants(bench: Bench, network) -> None:
    """R2V 540P on the largest gang with every message waited for at once, and where its time goes."""
    import pipelines.parallel.gang as module

    gang = bench.gangs[bench.options.most]
    network.sharding = None
    network.blocks = network.blocks[:10]
    layers = len(network.blocks)
    scale = FULL_LAYERS / layers
    if gang.size > 1:
        shard_sequence(network, gang)
    case = next(iter(cases_of(bench, "r2v")))
    inputs = random_inputs(network, case)

    def call() -> Tensor:
        return forward(network, inputs)

    def at_once(_gang: Gang) -> dict[str, Any]:
        bench.seconds(gang, call, 1)
        plain = bench.seconds(gang, call, bench.options.repeats)
        start = module.Gang.start_exchange

        def waited(self: Gang, *args: Any) -> module.Arriving:
            arriving = start(self, *args)
            return module.Arriving(arriving.wait(), None)

        module.Gang.start_exchange = waited
        try:
            bulk = bench.seconds(gang, call, bench.options.repeats)
        finally:
            module.Gang.start_exchange = start
        return {
            "overlapped_step_s": [t * scale for t in plain],
            "waited_step_s": [t * scale for t in bulk],
            "layers": layers,
        }

    def profile(_gang: Gang) -> dict[str, Any]:
        if bench.device.type == "cpu":
            return {"skipped": "no GPU"}
        kinds, span, exposed = kernel_times(call)
        return {
            "step_ms": {kind: round(ms * scale, 1) for kind, ms in kinds.items()},
            "span_ms": round(span * scale, 1),
            "exchange_not_hidden_ms": round(exposed * scale, 1),
            "layers": layers,
        }

    only_largest(bench, f"{case.name}, overlap", at_once)
    only_largest(bench, f"{case.name}, profile", profile)


def yardstick(bench: Bench) -> None:
    """Distances of bfloat16 outputs from float32 and from each other: what is rounding, whoever computes it."""
    options = bench.options
    layers = 2 if options.dry_run else options.library_layers
    network = transformer(bench, "r2v", layers)
    case = next(iter(cases_of(bench, "r2v")))
    outputs: dict[str, Tensor] = {}

    def run(name: str, kernel: str, count: int = 1) -> None:
        if count not in bench.gangs:
            return
        attention.prefer(kernel)
        network.sharding = None
        if count > 1:
            shard_sequence(network, bench.gangs[count])
        outputs[name] = forward(network, random_inputs(network, case)).float().cpu()
        network.sharding = None

    def work(_gang: Gang) -> dict[str, Any]:
        other = "flash" if options.kernel == "cudnn" else "cudnn"
        first, second = f"{options.kernel} on 1", f"{other} on 1"
        # Rank 0 alone does what is for one GPU, after what it does with the others.
        for count in reversed(options.ranks):
            run(f"{options.kernel} on {count}", options.kernel, count)
        run(second, other)
        if bench.rank == 0:
            torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
            network.float()
            run("float32 on 1", "efficient")
        attention.prefer(options.kernel)
        pairs = [(name, "float32 on 1") for name in outputs if name != "float32 on 1"]
        pairs += [(name, first) for name in outputs if name not in (first, "float32 on 1")]
        found: dict[str, Any] = {
            f"{a} against {b}": distance(outputs[a], outputs[b])["relative_l2"] for a, b in pairs if b in outputs
        }
        return {"layers": layers, "relative_l2": found}

    only_largest(bench, f"{case.name}, yardstick", work)


def only_largest(bench: Bench, name: str, work: Callable[[Gang], dict[str, Any]]) -> None:
    try:
        found = work(bench.gangs[bench.options.most])
    except Exception as error:  # one case's failure is a line of the report
        traceback.print_exc()
        found = {"error": f"{type(error).__name__}: {error}"[:500]}
    bench.store(name, bench.options.most, found)
    dist.barrier(group=bench.world)


KINDS = (
    ("exchange", ("nccl",)),
    ("attention", ("flash", "fmha", "sdpa", "attention", "attn")),
    ("convolution", ("conv", "implicit", "wgrad", "dgrad", "fprop")),
    ("products", ("gemm", "nvjet", "cutlass", "xmma", "cublas", "splitk")),
)


def kind_of(kernel: str) -> str:
    name = kernel.lower()
    return next((kind for kind, words in KINDS if any(word in name for word in words)), "element-wise")


def kernel_times(work: Callable[[], Any]) -> tuple[dict[str, float], float, float]:
    """Milliseconds of each kind of kernel, of the whole, and of exchanges beside which nothing else ran."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        work()
        torch.cuda.synchronize()
    spans = [
        (event.time_range.start, event.time_range.end, event.name)
        for event in seen.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
        and event.time_range.end > event.time_range.start
        and not event.name.startswith("nccl:")
    ]
    kinds: dict[str, float] = {}
    for start, end, name in spans:
        kinds[kind_of(name)] = kinds.get(kind_of(name), 0.0) + (end - start) / 1000
    computing = union([(a, b) for a, b, name in spans if kind_of(name) != "exchange"])
    everything = union([(a, b) for a, b, _ in spans])
    first, last = min(a for a, _, _ in spans), max(b for _, b, _ in spans)
    kinds["idle"] = (last - first - everything) / 1000
    return kinds, (last - first) / 1000, (everything - computing) / 1000


def union(spans: list[tuple[float, float]]) -> float:
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def a2a(bench: Bench) -> None:
    """GB/s that one GPU sends in an all-to-all, by the bytes it holds."""

    def work(gang: Gang) -> dict[str, Any]:
        found = {}
        for mib in (1,) if bench.options.dry_run else (16, 64, 256, 512):
            rows = mib * 2**20 // 2 // 1280 // gang.size
            x = torch.empty(rows * gang.size, 1280, dtype=torch.bfloat16, device=bench.device)
            counts = [rows] * gang.size
            bench.seconds(gang, lambda x=x, counts=counts: gang.exchange(x, counts, counts), 3)
            times = bench.seconds(gang, lambda x=x, counts=counts: gang.exchange(x, counts, counts), 7)
            found[f"{mib} MiB, GB/s"] = x.nbytes * (gang.size - 1) / gang.size / statistics.median(times) / 1e9
        return found

    bench.each("all-to-all", work)


def decode(bench: Bench) -> None:
    """121 frames 540P: seconds, seconds until all is queued, difference from one GPU in levels of 255."""
    from diffusers import AutoencoderKLWan

    torch.manual_seed(0)
    tiny, device = bench.options.dry_run, bench.device
    vae = AutoencoderKLWan(**({"base_dim": 8} if tiny else {})).to(device).eval()
    weights = DecoderWeights(vae, torch.float32 if tiny else torch.float16)
    shape = (3, 16, 9, 6) if tiny else (31, 16, 68, 120)
    z = torch.randn(*shape, generator=torch.Generator().manual_seed(1)).to(device)
    alone: list[Tensor] = []
    queued: list[float] = []

    def run(gang: Gang) -> list[Tensor]:
        start = time.perf_counter()
        with torch.inference_mode():
            if gang.size == 1:
                decoder = StreamingDecoder(weights, torch.float32)
                pixels = [decoder.decode(latent) for latent in z.split(1)]
            else:
                pixels = [part for part in decode_rows(gang, weights, z) if part is not None]
        queued.append(time.perf_counter() - start)
        return [((part + 1) * 127.5).to(torch.uint8) for part in pixels]

    def work(gang: Gang) -> dict[str, Any]:
        bench.forget_peak()
        bench.seconds(gang, lambda: run(gang), 1)
        times = bench.seconds(gang, lambda: run(gang), max(3, bench.options.repeats))
        found: dict[str, Any] = {
            "seconds": times,
            "queued_after_s": queued[-1],
            "peak_gib": bench.peak_gib(gang),
        }
        with torch.inference_mode():
            if gang.size == 1:
                decoder = StreamingDecoder(weights, torch.float32)
                alone[:] = [decoder.decode(latent).cpu() for latent in z.split(1)]
            else:
                parts = [part.cpu() for part in decode_rows(gang, weights, z) if part is not None]
                if parts and alone:
                    pairs = zip(parts, alone, strict=True)
                    found["levels_off"] = max(((a - b).abs().max() * 127.5).item() for a, b in pairs)
        return found

    bench.each("decode 121 frames 540P", work)

    def profile(gang: Gang) -> dict[str, Any]:
        if bench.device.type == "cpu":
            return {"skipped": "no GPU"}
        kinds, span, exposed = kernel_times(lambda: run(gang))
        return {"ms": kinds, "span_ms": span, "exchange_not_hidden_ms": exposed}

    only_largest(bench, "decode, profile", profile)


def library(bench: Bench) -> None:
    """The library's class with its own context parallel (Ulysses) and its cuDNN attention."""
    from diffusers import ContextParallelConfig, WanTransformer3DModel

    options, device = bench.options, bench.device
    layers = 2 if options.dry_run else options.library_layers
    ours = transformer(bench, "r2v", layers)
    config = {name: ours.config[name] for name in TINY} | {"num_layers": layers}
    state = dict(ours.state_dict())
    del ours
    dist.barrier(group=bench.world)
    dist.destroy_process_group()
    for number, count in enumerate(options.ranks):
        if bench.rank >= count:
            continue
        if time.time() > options.deadline:
            bench.store("library", count, {"skipped": "out of time"})
            continue
        # Its parallelism takes the whole world, so there is one world for each number of ranks.
        address = f"file://{options.folder}/library-{os.getppid()}-{number}"
        backend = "gloo" if options.dry_run else "nccl"
        dist.init_process_group(
            backend, init_method=address, rank=bench.rank, world_size=count, timeout=timedelta(seconds=300)
        )
        host = dist.new_group(backend="gloo")
        gang = Gang(bench.rank, count, device, dist.group.WORLD, host)
        try:
            with torch.device("meta"):
                network = WanTransformer3DModel(**config)
            network.load_state_dict(state, strict=True, assign=True)
            # Built on meta, the rotary tables have no values: make them again.
            network.rope = WanTransformer3DModel(**(config | {"num_layers": 0})).rope.to(device)
            network.eval()
            network.set_attention_backend("native" if options.dry_run else "_native_cudnn")
            if count > 1:
                network.enable_parallelism(config=ContextParallelConfig(ulysses_degree=count))
            for case in cases_of(bench, "r2v"):
                draw = torch.Generator(device).manual_seed(1)
                dtype = torch.float32 if options.dry_run else torch.bfloat16
                shape = (1, 16, case.latent_frames, case.height // 8, case.width // 8)
                latents = torch.randn(shape, device=device, dtype=dtype, generator=draw)
                text = torch.randn(1, 512, config["text_dim"], device=device, dtype=dtype, generator=draw)
                timestep = torch.tensor([927.0], device=device)

                def call(latents=latents, text=text, timestep=timestep, network=network) -> Tensor:
                    with torch.inference_mode():
                        return network(latents, timestep, text, return_dict=False)[0]

                bench.forget_peak()
                bench.seconds(gang, call, 1)
                times = [t * FULL_LAYERS / layers for t in bench.seconds(gang, call, options.repeats)]
                found = {"seconds": times, "scaled_from_layers": layers, "peak_gib": bench.peak_gib(gang)}
                bench.store(f"library {case.name}", count, found)
            del network
        except Exception as error:  # one case's failure is a line of the report
            traceback.print_exc()
            bench.store("library", count, {"error": f"{type(error).__name__}: {error}"[:500]})
        dist.barrier(group=host)
        dist.destroy_process_group()


def run_stages(rank: int, stages: tuple[str, ...], options: Options, address: str) -> None:
    bench, network = Bench(rank, options, address), None
    for stage in stages:
        if stage == "a2a":
            a2a(bench)
        elif stage == "decode":
            decode(bench)
        elif stage == "library":
            library(bench)
            return
        else:
            # Reference to video and video extension have networks of one size; the yardstick's is smaller.
            if stage != "yardstick":
                network = network or transformer(bench, "a2v" if stage == "a2v" else "r2v", options.layers)
            if stage == "yardstick":
                yardstick(bench)
            elif stage == "profile":
                step_variants(bench, network)
            else:
                steps(bench, network, stage)
        bench.forget_peak()
    dist.barrier(group=bench.world)
    dist.destroy_process_group()


def choose_kernel(dry_run: bool, cache: Path) -> str:
    """FlashAttention 4 where it runs on this GPU, else cuDNN."""
    if dry_run or "flash4" not in attention.installed_kernels():
        return "cudnn"
    context = mp.get_context("spawn")
    tried = context.Process(target=try_flash4, args=(str(cache),))
    tried.start()
    tried.join(150)
    if tried.exitcode is None:
        tried.kill()
    return "flash4" if tried.exitcode == 0 else "cudnn"


def try_flash4(cache: str) -> None:
    keep_compiled(Path(cache))
    attention.prefer("flash4")
    with torch.inference_mode():
        q = torch.randn(1, 8192, 10, 128, device="cuda", dtype=torch.bfloat16)
        out = attention.attention(q, q, q)
        attention.prefer("cudnn")
        expected = attention.attention(q, q, q)
    if not (out.float() - expected.float()).norm() < 0.02 * expected.float().norm():
        sys.exit(1)


def table(report: dict[str, Any]) -> str:
    """The figures as Markdown."""
    counts = [str(count) for count in report["ranks"]]
    head = ["what", *(f"{count} GPU{'s' if count != '1' else ''}" for count in counts)]
    largest = f"speed-up, relative L2, peak on {counts[-1]}"
    rows = [[*head, largest], ["---"] * (len(head) + 1)]
    for name, found in report.get("cases", {}).items():
        if not any("seconds" in entry for entry in found.values()):
            continue
        medians = {c: statistics.median(found[c]["seconds"]) for c in counts if "seconds" in found.get(c, {})}
        cells = [f"{medians[c]:.3f} s" if c in medians else "-" for c in counts]
        last = found.get(counts[-1], {})
        words = []
        if counts[0] in medians and counts[-1] in medians:
            words.append(f"{medians[counts[0]] / medians[counts[-1]]:.2f}x")
        if "relative_l2" in last:
            words.append(f"{last['relative_l2']:.5f}")
        if "levels_off" in last:
            words.append(f"{last['levels_off']:.2f} of 255 levels off")
        if "peak_gib" in last:
            words.append(f"{last['peak_gib']:.1f} GiB")
        rows.append([name, *cells, ", ".join(words)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    others = {
        name: found
        for name, found in report.get("cases", {}).items()
        if not any("seconds" in entry for entry in found.values())
    }
    title = f"{report['machine']}, torch {report['torch']}, {report['kernel']} attention, {report['layers']} layers"
    body = json.dumps(others, indent=1)
    return "\n".join([title, "", *lines, "", "```json", body, "```", ""])


def main() -> None:
    """Run the chosen stages one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--cases", default="a2a,decode,r2v,v2v,profile,yardstick,library,a2v")
    parser.add_argument("--layers", type=int, default=FULL_LAYERS)
    parser.add_argument("--library-layers", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kernel", default="", help="cudnn, flash4; by default the best that runs")
    parser.add_argument("--budget", type=float, default=540, help="seconds after which no case begins")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/skyreels-tui-bench"))
    parser.add_argument("--dry-run", action="store_true")
    asked = parser.parse_args()
    began = time.time()
    asked.output.mkdir(parents=True, exist_ok=True)
    kernel = asked.kernel or choose_kernel(asked.dry_run, asked.cache)
    options = Options(
        ranks=tuple(sorted({int(word) for word in asked.ranks.split(",")})),
        layers=2 if asked.dry_run else asked.layers,
        library_layers=asked.library_layers,
        repeats=asked.repeats,
        kernel=kernel,
        cache=str(asked.cache),
        folder=str(asked.output.resolve()),
        dry_run=asked.dry_run,
        deadline=began + asked.budget - 30,
    )
    path = asked.output / "parallel.json"
    report: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    report |= {
        "machine": machine(asked.dry_run),
        "torch": torch.__version__,
        "ranks": options.ranks,
        "kernel": kernel,
        "layers": options.layers,
    }  # fmt: skip
    path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report), f"after {time.time() - began:.0f} s", flush=True)
    for row in STAGES:
        stages = tuple(stage for stage in row if stage in asked.cases.split(","))
        left, start = options.deadline - time.time(), time.time()
        if not stages:
            continue
        if left < LEAST_S:
            print(f"{', '.join(row)}: left out, {left:.0f} s are left", flush=True)
            continue
        try:
            mp.spawn(run_stages, (stages, options, f"tcp://127.0.0.1:{free_port()}"), nprocs=options.most)
        except Exception as error:  # the next row has processes of its own
            print(f"{', '.join(stages)}: FAILED {error}"[-3000:], flush=True)
        print(f"{', '.join(stages)}: {time.time() - start:.0f} s, {time.time() - began:.0f} s in all", flush=True)
    report = json.loads(path.read_text("utf-8"))
    (asked.output / "parallel.md").write_text(table(report), "utf-8")
    print(table(report), flush=True)


def machine(dry_run: bool) -> str:
    return "CPU (dry run)" if dry_run else f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
