"""The library's class with its own context parallel (Ulysses) and its cuDNN attention, as a yardstick."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pipelines.benchmark import several
from several.bench import Bench, figures


def library(bench: Bench) -> None:
    """R2V of few layers, scaled; the library's parallelism takes the whole world, which is the gang here."""
    from diffusers import ContextParallelConfig, WanTransformer3DModel

    gang, options = bench.gang, bench.options
    ours = several.network_for(gang, "r2v", options.few_layers)
    layers = len(ours.blocks)
    config = {name: ours.config[name] for name in several.TINY} | {"num_layers": layers}
    with torch.device("meta"):
        network = WanTransformer3DModel(**config)
    network.load_state_dict(dict(ours.state_dict()), strict=True, assign=True)
    del ours
    # Built on meta, the rotary tables have no values: make them again.
    network.rope = WanTransformer3DModel(**(config | {"num_layers": 0})).rope.to(gang.device)
    network.eval()
    network.set_attention_backend("native" if options.dry_run else "_native_cudnn")
    if gang.size > 1:
        network.enable_parallelism(config=ContextParallelConfig(ulysses_degree=gang.size))
    for case in several.cases_for(gang, "r2v"):
        draw = torch.Generator(gang.device).manual_seed(1)
        dtype = torch.float32 if options.dry_run else torch.bfloat16
        shape = (1, 16, case.latent_frames, case.height // 8, case.width // 8)
        latents = torch.randn(shape, device=gang.device, dtype=dtype, generator=draw)
        text = torch.randn(1, 512, config["text_dim"], device=gang.device, dtype=dtype, generator=draw)
        timestep = torch.tensor([927.0], device=gang.device)

        def call(latents=latents, text=text, timestep=timestep) -> Tensor:
            with torch.inference_mode():
                return network(latents, timestep, text, return_dict=False)[0]

        def work(call=call) -> dict[str, Any]:
            several.forget_peak(gang)
            several.slowest_seconds(gang, call, 1)
            seconds = several.slowest_seconds(gang, call, options.repeats)
            timed = several.Timed(seconds, several.most_held(gang))
            return figures(timed, several.FULL_LAYERS / layers, scaled_from_layers=layers)

        bench.case(f"library {case.name}", work)
