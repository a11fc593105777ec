"""Ours against plain diffusers modules on one GPU, in one process, in the order A B B A; prints tables, writes JSON.

    python bench/compare.py --out results.json [--only ceilings,accuracy,vae,diffusers,cases,fast,scales]

Needs a CUDA GPU with about 100 GiB and no download: all weights are random. Steps are single forward calls of
full-size networks; times are medians of three after a warm-up call.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from pipelines.benchmark.speed import (
    CASES,
    ceilings,
    decode_seconds,
    forward,
    random_inputs,
    random_transformer,
    seconds_of,
    step_time,
)
from pipelines.families import family_named
from pipelines.models.lean.scaled_linear import SCALES, best_scales, use_scaled_linears
from pipelines.models.transformer.attention_choice import use_fastest

R2V_540P = CASES[0]


def free() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def diffusers_transformer(source, num_layers):
    """The library's network with the same weights, float32 where it asks for float32."""
    from diffusers import WanTransformer3DModel

    with torch.device("meta"):
        network = WanTransformer3DModel(num_layers=num_layers)
    network.load_state_dict(dict(source.state_dict()), strict=True, assign=True)
    # Built on meta, the rotary tables have no values: make them again.
    rope = WanTransformer3DModel(num_layers=0).rope
    network.rope = rope.to("cuda")
    return network.eval()


def diffusers_forward(network, inputs, prompt_embeds):
    with torch.inference_mode():
        latents = inputs.latents.to(torch.bfloat16)
        return network(latents, inputs.timesteps, prompt_embeds.to(torch.bfloat16), return_dict=False)[0]


def compare_steps(report):
    """Step times of ours and of the library's class on the same weights, A B B A."""
    ours = random_transformer("r2v")
    library = diffusers_transformer(ours, 40)
    inputs = random_inputs(ours, R2V_540P)
    text = torch.randn(1, 512, 4096, device="cuda")
    first = seconds_of(lambda: forward(ours, inputs))
    diffusers_forward(library, inputs, text)
    run = {"A": lambda: forward(ours, inputs), "B": lambda: diffusers_forward(library, inputs, text)}
    seconds = {"A": [], "B": []}
    for who in "ABBAAB":
        seconds[who].append(seconds_of(run[who]))
    a, b = seconds["A"], seconds["B"]
    mine, theirs = statistics.median(a), statistics.median(b)
    report["r2v 540P"] = {"ours_s": a, "diffusers_s": b, "ratio": theirs / mine, "first_s": first}
    print(f"r2v 540P: ours {mine:.2f} s {a}, diffusers {theirs:.2f} s {b}, {theirs / mine:.3f}x, first {first:.1f} s")
    run.clear()
    free()
    return ours


def other_steps(report, r2v):
    """Step times and peak memory of every other case."""
    network, family = r2v, "r2v"
    for case in CASES:
        if family_named(case.family).network != family_named(family).network:
            network = r2v = None
            free()
            network, family = random_transformer(case.family), case.family
        timing = step_time(network, case, repeats=3)
        extra = (timing.peak_bytes - timing.weights_bytes) / 2**30
        report[case.name] = {
            "seconds": timing.seconds,
            "first_s": timing.first_seconds,
            "tflops": timing.tflops,
            "peak_gib": timing.peak_bytes / 2**30,
            "above_weights_gib": extra,
        }
        print(
            f"{case.name:16s} {timing.median_s:6.2f} s  {timing.tflops:5.0f} TFLOP/s  peak "
            f"{timing.peak_bytes / 2**30:5.1f} GiB, weights + {extra:.1f} GiB, first {timing.first_seconds:.1f} s",
            flush=True,
        )


def accuracy(report):
    """Relative L2 of bfloat16 outputs against float32 of the same weights: two layers at full width."""
    from dataclasses import replace

    ours = random_transformer("r2v", num_layers=2)
    case = replace(R2V_540P, height=272, width=480, latent_frames=9)
    inputs = replace(random_inputs(ours, case), num_output_frames=9)
    text = torch.randn(1, 512, 4096, device="cuda").to(torch.bfloat16)
    with torch.inference_mode():
        inputs = replace(inputs, context=ours.encode_context(text), latents=inputs.latents.bfloat16().float())
        library = diffusers_transformer(ours, 2)
        mine = forward(ours, inputs).float()
        theirs = diffusers_forward(library, inputs, text).float()
        exact_net = random_transformer("r2v", num_layers=2).float()
        # The float32 reference must not run on the fused kernels' own arithmetic nor on TF32.
        torch.backends.cuda.matmul.allow_tf32 = False
        exact = diffusers_transformer(exact_net, 2)(inputs.latents, inputs.timesteps, text.float(), return_dict=False)[
            0
        ]
    errors = {
        "ours": ((mine - exact).norm() / exact.norm()).item(),
        "diffusers": ((theirs - exact).norm() / exact.norm()).item(),
    }
    report["bfloat16 relative L2"] = errors
    print(f"relative L2 against float32: ours {errors['ours']:.5f}, diffusers {errors['diffusers']:.5f}")
    for part in ("attn1", "ffn"):
        scaled = random_transformer("r2v", num_layers=4)
        plain = random_transformer("r2v", num_layers=4)
        with torch.inference_mode():
            base = replace(inputs, context=plain.encode_context(text))
            reference = forward(plain, base).float()
            use_scaled_linears(scaled, only=part)
            got = forward(scaled, base).float()
        error = ((got - reference).norm() / reference.norm()).item()
        report[f"fp8 {part}: relative L2, 2 of 4 layers"] = error
        print(f"fp8 {part}: relative L2 {error:.5f} of the output (2 of 4 layers)")
    free()


def vae(report):
    """Decode of 121 frames at 540P: ours, and the library's class in float32; largest difference in levels."""
    from diffusers import AutoencoderKLWan

    from pipelines.models.vae.decoder import DecoderWeights, StreamingDecoder

    seconds, peak = decode_seconds(544, 960, 31)
    torch.manual_seed(0)
    library = AutoencoderKLWan().cuda().eval()
    z = torch.randn(1, 16, 31, 68, 120, device="cuda")
    with torch.inference_mode():
        expected = library.decode(z[:, :, :6]).sample[0].transpose(0, 1)
        times = [seconds_of(lambda: library.decode(z)) for _ in range(3)]
        decoder = StreamingDecoder(DecoderWeights(library, torch.float16), torch.float32)
        frames = torch.cat([decoder.decode(chunk) for chunk in z[0, :, :6].transpose(0, 1).split(1)])
        levels = ((frames - expected).abs() * 127.5).max().item()
        bf16 = StreamingDecoder(DecoderWeights(library, torch.bfloat16))
        rough = torch.cat([bf16.decode(chunk) for chunk in z[0, :, :6].transpose(0, 1).split(1)])
    report["vae decode 121 frames 540P"] = {
        "ours_s": seconds,
        "library_float32_s": statistics.median(times),
        "peak_gib": peak / 2**30,
        "largest_difference_levels": levels,
        "largest_difference_levels_bf16": ((rough - expected).abs() * 127.5).max().item(),
    }
    print(
        f"vae decode 121 frames 540P: ours {seconds:.2f} s (float16 products, float32 sums), library float32 "
        f"{statistics.median(times):.2f} s, largest difference {levels:.2f}/255, peak {peak / 2**30:.1f} GiB"
    )
    free()


def scales(report, num_layers):
    """The fast mode's scales, each forced: a step of `num_layers`, and the relative L2 of the output of 4 layers."""
    base = random_transformer("r2v", num_layers=4)
    inputs = random_inputs(base, R2V_540P)
    expected = forward(base, inputs).float()
    del base
    free()
    found = report["float8 scales"] = {"chosen": best_scales(torch.device("cuda")), "layers": num_layers}
    network = random_transformer("r2v", num_layers=num_layers)
    found["none"] = {"seconds": step_time(network, R2V_540P, repeats=3).seconds}
    print("bfloat16", found["none"], flush=True)
    del network
    free()
    for kind in SCALES:
        try:
            small = random_transformer("r2v", num_layers=4)
            use_scaled_linears(small, scales=kind)
            error = ((forward(small, inputs).float() - expected).norm() / expected.norm()).item()
            del small
            free()
            network = random_transformer("r2v", num_layers=num_layers)
            use_scaled_linears(network, scales=kind)
            free()
            timing = step_time(network, R2V_540P, repeats=3)
            found[kind] = {"relative_l2": error, "seconds": timing.seconds}
            del network
        except RuntimeError as trouble:
            found[kind] = {"error": str(trouble)[:300]}
        print("float8, one scale a", kind, found[kind], flush=True)
        free()


def fast(report):
    """The fast mode's step."""
    network = random_transformer("r2v")
    use_scaled_linears(network)
    free()
    timing = step_time(network, R2V_540P, repeats=3)
    report["fast r2v 540P"] = {"seconds": timing.seconds, "peak_gib": timing.peak_bytes / 2**30}
    print(f"fast mode r2v 540P: {timing.median_s:.2f} s {timing.seconds}, peak {timing.peak_bytes / 2**30:.1f} GiB")
    free()


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "skyreels-tui-bench")
    parser.add_argument("--layers", type=int, default=40, help="of the step of `scales`")
    parser.add_argument("--only", default="ceilings,accuracy,vae,diffusers,cases,fast")
    options = parser.parse_args()
    chosen = options.only.split(",")
    report: dict[str, object] = {"gpu": torch.cuda.get_device_name(), "torch": torch.__version__}
    began = time.perf_counter()
    report["attention"] = use_fastest("cuda", options.cache, R2V_540P.num_tokens)
    report["choosing_s"] = time.perf_counter() - began
    print(report, "cudnn", torch.backends.cudnn.version(), flush=True)
    network = None
    for part in chosen:
        if part == "ceilings":
            report["ceilings"] = ceilings()
            print(report["ceilings"], flush=True)
        elif part == "accuracy":
            accuracy(report)
        elif part == "vae":
            vae(report)
        elif part == "diffusers":
            network = compare_steps(report)
        elif part == "cases":
            other_steps(report, network or random_transformer("r2v"))
        elif part == "fast":
            fast(report)
        elif part == "scales":
            scales(report, options.layers)
        if part != "diffusers":
            network = None
        free()
        if options.out:
            options.out.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
