"""How a job is loaded, what that takes at its worst moment, and leaner ways when it does not fit; imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from pipelines.front.gang import ranks_of
from pipelines.front.language import mark
from pipelines.front.request import Request

Numerics = Literal["exact", "fast", "fastest"]
"""fast multiplies in 8 bits where the GPU can, fastest attends in 8 bits too: both are approximate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """How a checkpoint's networks are loaded and used; the default is exact and keeps everything resident."""

    numerics: Numerics = "exact"
    float8_weights: bool = False
    """Store the transformer's linear weights in 8 bits: half the memory, approximate."""
    offload_blocks: bool = False
    """Keep the transformer's matrices in the host's memory and fetch them block by block; for a GPU of its own."""
    release_text_encoder: bool = False
    """Drop the text encoder before the transformer is loaded."""
    tiled_decode: bool = False
    """Decode tile by tile: the least memory, tiles blended at their edges."""
    exact_decode: bool = False
    """Decode in float32 on CUDA too."""
    ranks: int = 1
    """GPUs that work on the job together, each with the whole transformer; processes where there is no GPU."""

    @property
    def is_approximate(self) -> bool:
        """Whether the video differs by more than rounding from that of the plain plan."""
        return self.float8_weights or self.numerics != "exact"

    @property
    def words(self) -> tuple[str, ...]:
        """What the plan does to save memory or time: `tr` says it to people, a result's metadata keeps it so."""
        said = {
            mark("fast precision"): self.numerics == "fast" and not self.float8_weights,
            mark("fastest precision"): self.numerics == "fastest",
            mark("tiled decode"): self.tiled_decode,
            mark("text encoder released"): self.release_text_encoder,
            mark("fp8 weights"): self.float8_weights,
            mark("block offload"): self.offload_blocks,
            mark("float32 decode"): self.exact_decode,
        }
        return tuple(word for word, does in said.items() if does)


def requested_plan(request: Request, *, discrete: bool = False, gpus: int | None = None) -> LoadPlan:
    """The plan that a request's own fields ask for; `discrete` means a GPU with memory of its own.

    `gpus` are there to be shared out, None on a CPU. Raises InvalidRequest when the request asks for more.
    """
    low_vram = request.low_vram
    return LoadPlan(
        numerics=next((word for word in get_args(Numerics) if word == request.quality), "exact"),
        float8_weights=low_vram,
        offload_blocks=low_vram and discrete,
        release_text_encoder=discrete and (low_vram or request.offload),
        exact_decode=request.exact_decode,
        ranks=ranks_of(request.gpus, gpus),
    )


def leaner_plans(plan: LoadPlan, *, discrete: bool = False) -> Iterator[LoadPlan]:
    """Yield plans that take less memory, each one measure more than the one before."""
    for measure in ("tiled_decode", "release_text_encoder", "float8_weights", "offload_blocks"):
        # Blocks that visit a GPU one by one cannot be shared with another.
        if getattr(plan, measure) or (measure == "offload_blocks" and (not discrete or plan.ranks > 1)):
            continue
        taken: dict[str, Any] = {measure: True}
        plan = replace(plan, **taken)
        yield plan
