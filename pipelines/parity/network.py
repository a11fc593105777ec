"""One recorded call of the transformer, with its stages by the names that goldens give them."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

from pipelines.front.prompts import PROMPT_TOKENS
from pipelines.models.transformer import ops
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.parity.ranks import alone, is_led
from pipelines.parity.record import Recorder

EMBEDDER = "condition_embedder"


class NetworkRun:
    """A plain call (one timestep, no prefix, no sound) whose stages can be asked for afterwards."""

    def __init__(self, network: SkyReelsTransformer, latents: Tensor, prompt: Tensor, timestep: float) -> None:
        self.network, self.timestep = network, torch.tensor(timestep)
        padded = torch.zeros(1, PROMPT_TOKENS, prompt.shape[2], dtype=prompt.dtype)
        padded[:, : prompt.shape[1]] = prompt
        blocks = [f"blocks.{i}" for i in range(len(network.blocks))]
        parts = [
            f"{block}.{part}" for block in blocks for part in ("attn1.to_q", "attn1.to_out.0", "attn2.to_out.0", "ffn")
        ]
        names = ["patch_embedding", f"{EMBEDDER}.time_embedder", f"{EMBEDDER}.text_embedder", "proj_out"]
        with Recorder(network, [*names, *blocks, *parts]) as self.record, alone(network):
            context = network.encode_context(padded)
            whole = network(latents, self.timestep, context)
        self.output = network(latents, self.timestep, context) if is_led(network) else whole

    def stage(self, name: str, like: Tensor) -> Tensor:
        """The stage called `name`; `like` is the stored tensor, which may hold only the first rows."""
        record = self.record
        match name:
            case "output":
                return self.output
            case "patch":
                return record.output("patch_embedding").flatten(2).transpose(1, 2)
            case "time_sincos":
                return record.inputs[f"{EMBEDDER}.time_embedder"][-1][0]
            case "temb":
                return record.output(f"{EMBEDDER}.time_embedder")
            case "time_proj":
                return self.network.embed_time(self.timestep.reshape(1))[1].flatten(1)
            case "text":
                return record.output(f"{EMBEDDER}.text_embedder")[:, : like.shape[1]]
            case "proj_out":
                return record.output("proj_out")
        if found := re.fullmatch(r"block(\d+)(?:_(\w+))?", name):
            return self._block_stage(int(found[1]), found[2] or "out")
        raise KeyError(f"no stage called {name}")

    def _block_stage(self, index: int, stage: str) -> Tensor:
        record, where = self.record, f"blocks.{index}"
        block: Any = self.network.blocks[index]
        match stage:
            case "out":
                return record.output(where)
            case "self":
                return record.output(f"{where}.attn1.to_out.0")
            case "cross":
                return record.output(f"{where}.attn2.to_out.0")
            case "ffn":
                return record.output(f"{where}.ffn")
            case "norm1":
                x = record.inputs[where][-1][0]
                zero = torch.zeros(1, x.shape[-1])
                return ops.layer_norm_modulate(x, zero, zero, block.eps)
            case "q_normed":
                q = record.output(f"{where}.attn1.to_q")
                weight = block.attn1.norm_q.weight
                return ops.rms_norm_rope(q, weight, None, None, block.eps, block.num_heads).flatten(2)
        raise KeyError(f"no block stage called {stage}")
