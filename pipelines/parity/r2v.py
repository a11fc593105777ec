"""Replayers of reference to video: whole runs here, single stages in `r2v_stages`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from pipelines.families.r2v.generate import (
    Picture,
    Predictor,
    ReferenceGuidance,
    choose_size,
    draw_noise,
    encode_references,
    make_predictor,
)
from pipelines.front.shapes import WAN_BUCKETS, PixelShape, reference_frames
from pipelines.media.read.images import letterbox
from pipelines.models.encoders.text import load_prompt_encoder
from pipelines.models.transformer.load import load_transformer
from pipelines.models.vae.vae import load_vae, to_frames
from pipelines.parity import r2v_stages as stages
from pipelines.parity.golden import (
    ABSENT,
    LEVELS,
    Comparison,
    Golden,
    NotHeld,
    Replayer,
    absent,
    exact,
    levels,
    mean_limit,
    number_in,
    same_fields,
)
from pipelines.sampling.denoise import Hooks, denoise
from pipelines.sampling.schedulers import FlowUniPC, reference_schedule

BRANCHES = ("pred0_cond", "pred0_no_text", "pred0_no_text_no_image")


@dataclass
class ReferenceRun:
    """One whole run with the arguments of a golden."""

    golden: Golden
    height: int
    width: int

    @cached_property
    def pictures(self) -> list[Picture]:
        """References boxed to the video's size, from raw pictures or, where those are not held, as stored."""
        numbers = {
            int(found[1]) for name in self.golden.tensors if (found := re.fullmatch(r"(?:raw|boxed)(\d+)", name))
        }
        count = self.golden.args.get("references", len(numbers))
        return [self._picture(number) for number in range(count)]

    def _picture(self, number: int) -> Picture:
        if f"raw{number}" not in self.golden and f"boxed{number}" in self.golden:
            return self.golden[f"boxed{number}"].numpy()
        return letterbox(Image.fromarray(self.golden[f"raw{number}"].numpy()), self.height, self.width)

    def __post_init__(self) -> None:
        args, folder = self.golden.args, self.golden.checkpoint()
        self.steps = args["num_inference_steps"]
        self.shape = PixelShape(self.height, self.width, args["num_frames"])
        self.vae = load_vae(folder / "vae")
        generator = torch.Generator(args.get("generator_device", "cpu"))
        generator.manual_seed(args["generator_seed"] if "generator_seed" in args else args["seed"])
        self.noise = draw_noise(self.vae, self.shape, generator)
        try:
            self.condition = encode_references(self.vae, self.pictures, generator)
        except NotHeld:
            self.pictures, self.condition = [], self.golden["condition"]
        self.predictor = self._predictor(folder)

    def _predictor(self, folder: Path) -> Predictor:
        args = self.golden.args
        encoder = load_prompt_encoder(folder / "text_encoder", folder / "tokenizer")
        guidance = ReferenceGuidance(args.get("guidance_scale", 1.0), args.get("guidance_scale_img", 1.0))
        transformer = self.golden.ranks.lead(load_transformer(folder / "transformer"))
        negative = encoder(args.get("negative_prompt") or "")
        return make_predictor(transformer, self.condition, encoder(args["prompt"]), negative, guidance)

    def denoise(self) -> tuple[list[Tensor], int]:
        """Latents after each step, and how often the transformer ran, on whichever rank."""
        after: list[Tensor] = []
        calls = 0

        def keep(latents: Tensor, _step: int) -> Tensor:
            after.append(latents)
            return latents

        def predict(latents: Tensor, timestep: float) -> Tensor:
            nonlocal calls
            branches = self.predictor.branches(latents, timestep)
            calls += len(branches)
            return self.predictor.combine(branches)

        scheduler = FlowUniPC(reference_schedule(self.steps))
        denoise(self.noise, scheduler, predict, Hooks(after_step=keep))
        return after, calls


def pipeline(golden: Golden) -> Iterator[Comparison]:
    """A whole run with every stage's result."""
    args = golden.args
    run = ReferenceRun(golden, args["height"], args["width"])
    for i, picture in enumerate(run.pictures):
        yield levels(f"boxed{i}", torch.from_numpy(picture), golden.stored(f"boxed{i}"), 0)
    noise = golden.tolerance.get("noise", golden.tolerance)
    yield golden.close("noise", run.noise, atol=noise["atol"], rtol=noise.get("rtol", 0.0))
    yield golden.close("condition", run.condition)
    table = reference_schedule(run.steps)
    yield exact("timesteps", list(table.timesteps), args.get("timesteps", list(table.timesteps)))
    for name, branch in zip(BRANCHES, run.predictor.branches(run.noise, table.timesteps[0]), strict=False):
        yield golden.close(name, branch)
    after, calls = run.denoise()
    yield exact("transformer calls", calls, args.get("transformer_calls", calls))
    yield from latents_of_steps(golden, after)
    video = torch.cat(list(golden.ranks.decode(run.vae, after[-1])), dim=2)
    yield golden.close("video", video[:, :, :: every_nth(golden, "video")])
    yield stages.frame_levels(golden, "frames", to_frames(video)[:: every_nth(golden, "frames")])


def entry(golden: Golden) -> Iterator[Comparison]:
    """The public entry at a real bucket: size from the first picture, frames from the duration, a digest at the end."""
    args = golden.args
    sizes = [(golden[name].shape[1], golden[name].shape[0]) for name in sorted(golden.tensors) if name[:3] == "raw"]
    size = choose_size(WAN_BUCKETS[args["resolution"]], sizes)
    yield same_fields("height, width", dict(zip(("height", "width"), size, strict=True)), args)
    yield exact("frames of the duration", reference_frames(args["duration"]), args.get("num_frames", ABSENT))
    yield exact("references", len(sizes), args.get("references", len(sizes)))
    run = ReferenceRun(golden, *size)
    after, _ = run.denoise()
    yield from latents_of_steps(golden, after)
    frames = torch.cat([to_frames(chunk) for chunk in golden.ranks.decode(run.vae, after[-1])])
    words = golden.tolerance["frames"]
    limits = number_in(words, LEVELS), mean_limit(words)
    if "block_means" in golden:
        means = block_means(frames[:: every_nth(golden, "block_means")])
        yield levels("block_means", means, golden["block_means"], *limits)
    if "crop" in golden:
        side = golden["crop"].shape[1]
        top, left = (size[0] - side) // 2, (size[1] - side) // 2
        crop = frames[:: every_nth(golden, "crop"), top : top + side, left : left + side]
        yield levels("crop", crop, golden["crop"], *limits)


def latents_of_steps(golden: Golden, after: Sequence[Tensor]) -> Iterator[Comparison]:
    """Latents of all steps together, or of single ones: `latents_first`, `latents_last`, `latents.3`, `latents3`."""
    names = [name for name in golden.tensors if re.fullmatch(r"latents(?:[._]?(?:first|last|\d+))?", name)]
    for name in names:
        step = re.sub(r"latents[._]?", "", name)
        if not step:
            yield golden.close_steps(name, torch.cat(list(after)))
        elif not step.isdigit() or int(step) < len(after):
            latents = after[{"first": 0, "last": -1}[step] if not step.isdigit() else int(step)]
            yield golden.close(name, latents[slices(golden, name)])
    if not names:
        yield absent("latents")


def every_nth(golden: Golden, name: str) -> int:
    """8 where the golden says that every 8th frame is stored, else 1."""
    found = re.search(r"every (\d+)(?:st|nd|rd|th)", golden.what(name))
    return int(found[1]) if found else 1


def slices(golden: Golden, name: str) -> tuple[slice, ...]:
    """The slices that the golden says were stored: '... [:, :, ::3, ::5, ::5]'."""
    found = re.search(r"\[([^\]]*:[^\]]*)\]", golden.what(name))
    return tuple(stages.parse_slice(part.strip()) for part in found[1].split(",")) if found else (slice(None),)


def block_means(frames: Tensor) -> Tensor:
    """uint8 [F, H, W, 3] -> float32 means of 16x16 blocks [F, H / 16, W / 16, 3]."""
    return frames.float().unflatten(2, (-1, 16)).unflatten(1, (-1, 16)).mean((2, 4))


REPLAYERS = (
    Replayer("buckets", stages.buckets),
    Replayer("letterbox", stages.letterboxes),
    Replayer("images", stages.images),
    Replayer("prompt_clean", stages.prompt_clean),
    Replayer("text", stages.text),
    Replayer("scheduler", stages.scheduler),
    Replayer("vae", stages.vae),
    Replayer("condition", stages.condition),
    Replayer("transformer", stages.transformer),
    Replayer("transformer_bf16", stages.transformer_bf16),
    Replayer("pipeline", pipeline),
    Replayer("entry", entry),
    Replayer("entry_480p", entry, slow=True),
)
