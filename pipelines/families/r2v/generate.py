"""Reference to video: one to four pictures and a prompt become a clip. Read `generate` top to bottom."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pipelines.families.networks import CheckpointNetworks, Layout
from pipelines.front.errors import InvalidRequest
from pipelines.front.language import tr
from pipelines.front.lora import file_of
from pipelines.front.progress import Progress, Report, Stage
from pipelines.front.runtime import Output, Runtime
from pipelines.front.shapes import MODEL_FPS, WAN_BUCKETS, BucketTable, PixelShape, nearest_bucket, reference_frames
from pipelines.media.read.images import colour_note, letterbox, load_image, transparency_warning
from pipelines.media.write.publish import publish
from pipelines.media.write.video import VideoWriter
from pipelines.models.encoders.text import cut_warning
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.transformer.load import load_transformer
from pipelines.models.transformer.transformer import NetworkCall, SkyReelsTransformer, TextContext
from pipelines.models.vae.vae import encode_sample, normalise, to_frames, to_pixels
from pipelines.running.pool import ModelPool
from pipelines.running.resume import WorkDir
from pipelines.sampling.denoise import Hooks, denoise, resume_scheduler
from pipelines.sampling.schedulers import FlowUniPC, reference_schedule
from pipelines.tasks import task_of
from pipelines.tasks.reference_to_video import REFERENCE_SLOTS, ReferenceToVideo

LAYOUT = Layout("vae", "text_encoder", "tokenizer", load_transformer)
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ReferenceGuidance:
    """Strength of prompt and of references; at a text strength of 1 or less there is none at all."""

    guidance_scale: float = 1.0
    guidance_scale_img: float = 1.0

    @property
    def is_on(self) -> bool:
        """Whether a step takes three transformer calls."""
        return self.guidance_scale > 1


@dataclass(frozen=True, slots=True)
class Predictor:
    """Velocity of the video's frames; the references ride behind them as clean latent frames."""

    transformer: SkyReelsTransformer
    condition: Tensor
    """Reference slots [1, 16, 4, h, w]."""
    context: TextContext
    negative_context: TextContext | None
    guidance: ReferenceGuidance

    def __call__(self, latents: Tensor, timestep: float) -> Tensor:
        """Guided velocity [1, 16, T, h, w]."""
        return self.combine(self.branches(latents, timestep))

    def combine(self, branches: Sequence[Tensor]) -> Tensor:
        """What the guidance makes of the predictions that `branches` gives."""
        if len(branches) == 1:
            return branches[0]
        full, no_text, nothing = branches
        text_scale, image_scale = self.guidance.guidance_scale, self.guidance.guidance_scale_img
        return nothing + image_scale * (no_text - nothing) + text_scale * (full - no_text)

    def branches(self, latents: Tensor, timestep: float) -> list[Tensor]:
        """Prediction with everything; with guidance also without prompt, and without prompt and references."""
        calls = [self._call(latents, timestep, self.condition, self.context)]
        if self.negative_context is not None:
            calls += [
                self._call(latents, timestep, self.condition, self.negative_context),
                self._call(latents, timestep, torch.zeros_like(self.condition), self.negative_context),
            ]
        return self.transformer.each(calls)

    def _call(self, latents: Tensor, timestep: float, condition: Tensor, context: TextContext) -> NetworkCall:
        moment = torch.tensor(timestep, device=latents.device)
        return NetworkCall(
            (torch.cat((latents, condition), dim=2), moment, context), {"num_output_frames": latents.shape[2]}
        )


def make_predictor(
    transformer: SkyReelsTransformer,
    condition: Tensor,
    prompt_embeds: Tensor,
    negative_prompt_embeds: Tensor | None,
    guidance: ReferenceGuidance,
) -> Predictor:
    """Prepare what all steps share; `negative_prompt_embeds` is needed only when guidance is on."""
    negative_context = None
    if guidance.is_on and negative_prompt_embeds is not None:
        negative_context = transformer.encode_context(negative_prompt_embeds)
    return Predictor(transformer, condition, transformer.encode_context(prompt_embeds), negative_context, guidance)


def choose_size(table: BucketTable, pictures: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Height and width of the video: the bucket nearest to the first picture's (width, height)."""
    width, height = pictures[0]
    return nearest_bucket(table, height, width)


def draw_noise(vae: AutoencoderKLWan, shape: PixelShape, generator: torch.Generator) -> Tensor:
    """First draw of a run: float32 [1, 16, T, h, w]."""
    latent = shape.latent
    size = (1, vae.config.z_dim, latent.num_frames, latent.height, latent.width)
    return torch.randn(size, generator=generator, dtype=torch.float32)


def encode_references(vae: AutoencoderKLWan, pictures: Sequence[Picture], generator: torch.Generator) -> Tensor:
    """Later draws of a run: a posterior sample a picture, in order; normalised [1, 16, 4, h, w], empty slots 0."""
    slots = [
        normalise(vae, encode_sample(vae, to_pixels(torch.from_numpy(picture)[None]), generator))
        for picture in pictures
    ]
    empty = torch.zeros_like(slots[0])
    return torch.cat(slots + [empty] * (REFERENCE_SLOTS - len(slots)), dim=2)


@torch.inference_mode()
def generate(request: ReferenceToVideo, runtime: Runtime, pool: ModelPool, report: Report) -> Output:
    """Make the clip and publish it; a later call with the same work folder continues at the stored step.

    Raises InvalidRequest, MediaError, CheckpointMissing, CheckpointMismatch, InputChanged, DiskFull, and whatever
    `report` raises.
    """
    # 1. Check: the request and what it merges, then that the pictures are those of the stored steps.
    if problems := request.check():
        raise InvalidRequest(problems)
    models = CheckpointNetworks(LAYOUT, runtime, pool, report, request)
    said = models.check_loras("transformer")
    work = WorkDir(runtime.work_dir)
    work.remember_inputs([*request.ref_imgs, *map(file_of, request.lora)])
    work.check_inputs()

    # 2. Pictures: the first decides the size, all are boxed to it.
    images = [load_image(path) for path in request.ref_imgs]
    height, width = choose_size(WAN_BUCKETS[request.resolution], [image.size for image in images])
    shape = PixelShape(height, width, reference_frames(request.duration))
    boxed = [letterbox(image, height, width) for image in images]

    if not work.pieces():
        scheduler = FlowUniPC(reference_schedule(request.num_inference_steps))
        guidance = ReferenceGuidance(request.guidance_scale, request.guidance_scale_img)
        stored = work.latest()
        steps_left = request.num_inference_steps - (stored.step if stored else 0)

        # While the prompt and the references are encoded, a thread reads the transformer.
        with models.reading_ahead("transformer") if steps_left else nullcontext():
            # 3. Text: only when steps are left.
            prompt_embeds = negative_prompt_embeds = None
            if steps_left:
                report(Progress(Stage.TEXT))
                prompt_embeds = models.embed_prompt(request.prompt)
                if guidance.is_on:
                    negative_prompt_embeds = models.embed_prompt(request.negative_prompt)

            # 4. Noise first, then the references: the order of the draws is part of a seed's meaning.
            if stored is None:
                report(Progress(Stage.CONDITION))
                generator = torch.Generator("cpu").manual_seed(request.seed)
                with models.vae() as vae:
                    latents = draw_noise(vae, shape, generator).to(runtime.device)
                    condition = encode_references(vae, boxed, generator)
            else:
                latents, kept = resume_scheduler(stored, scheduler, runtime.device)
                condition = kept["condition"]

            # 5. Denoise.
            if prompt_embeds is not None:
                whole = replace(shape.latent, num_frames=latents.shape[2] + condition.shape[2])
                with models.transformer("transformer", whole.num_tokens) as transformer:
                    predict = make_predictor(transformer, condition, prompt_embeds, negative_prompt_embeds, guidance)
                    hooks = Hooks(
                        work=work,
                        report=report,
                        kept={"condition": condition},
                        preview=models.preview,
                        wants_preview=runtime.wants_preview,
                    )
                    latents = denoise(latents, scheduler, predict, hooks)

        # 6. Decode: chunks go to the encoder as they appear.
        with models.vae() as vae:
            write_clip(models.decode(vae, latents), latents.shape[2], work, shape, report)

    # 7. Write.
    report(Progress(Stage.WRITE))
    return publish(
        work.pieces(),
        runtime,
        request,
        task=task_of(request).name,
        fps=MODEL_FPS,
        num_frames=shape.latent.pixel_frames,
        warnings=[*said, *request_warnings(request, models.tokenizer_folder)],
    )


def request_warnings(request: ReferenceToVideo, tokenizer: Path) -> list[str]:
    """What a person should know about fields that had no or not their full effect."""
    found = [cut_warning(request.prompt, tokenizer)]
    found += [say(path) for path in request.ref_imgs for say in (transparency_warning, colour_note)]
    if request.guidance_scale <= 1 and request.negative_prompt.strip():
        found.append(tr("the negative prompt was ignored: it acts only when text guidance is above 1"))
    return [warning for warning in found if warning]


def write_clip(
    chunks: Generator[Tensor, None, None], total: int, work: WorkDir, shape: PixelShape, report: Report
) -> None:
    """Write `total` decoded chunks into the job's only piece; stopping between them leaves no piece."""
    temporary = work.piece_path(0)
    report(Progress(Stage.DECODE, 0, total))
    with VideoWriter(temporary, shape.width, shape.height, MODEL_FPS) as writer, closing(chunks):
        for done, pixels in enumerate(chunks, start=1):
            writer.write(to_frames(pixels).numpy())
            report(Progress(Stage.DECODE, done, total))
    work.commit_piece(temporary, 0)
