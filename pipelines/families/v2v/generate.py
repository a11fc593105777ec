"""Video extension: a shot that goes on, or a new shot after a cut. Read `extend` top to bottom.

Each piece is a file in the work folder before the next one begins; what a piece follows (the last frames before it)
is stored with it, so a job continues at any step of any piece and memory does not grow with the length.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.families.networks import CheckpointNetworks
from pipelines.families.v2v.condition_frames import Frames, LastFrames, fit_bucket, stretch
from pipelines.families.v2v.networks import LAYOUT, SHOT_SWITCHING_FOLDER, SINGLE_SHOT_FOLDER
from pipelines.families.v2v.steps import (
    continuing_velocity,
    decode_bytes,
    encode_frames,
    seeded_noise,
    switching_velocity,
    to_signed,
)
from pipelines.front.errors import InvalidRequest
from pipelines.front.lora import file_of
from pipelines.front.progress import Progress, Report, Stage
from pipelines.front.runtime import Output, Runtime
from pipelines.front.shapes import (
    MODEL_FPS,
    SINGLE_CONDITION_FRAMES,
    SPATIAL_STRIDE,
    WAN_BUCKETS,
    LatentShape,
    PixelShape,
    reference_frames,
    single_shot_pieces,
)
from pipelines.media.read.colours import colour_warning
from pipelines.media.read.probe import probe_video
from pipelines.media.read.used import used_of_video
from pipelines.media.read.video import read_tail
from pipelines.media.write.publish import publish
from pipelines.media.write.video import VideoWriter
from pipelines.models.encoders.text import cut_warning
from pipelines.models.transformer.transformer import SkyReelsTransformer, TextContext
from pipelines.running.heap import flat_heap
from pipelines.running.pool import ModelPool
from pipelines.running.resume import Snapshot, WorkDir
from pipelines.sampling.colors import shared_statistics
from pipelines.sampling.denoise import Hooks, Predict, Preview, denoise, resume_scheduler
from pipelines.sampling.schedulers import FlowUniPC, extension_schedule
from pipelines.tasks import task_of
from pipelines.tasks.extension import ExtensionRequest
from pipelines.tasks.shot_switching_extension import ShotSwitchingExtension
from pipelines.tasks.single_shot_extension import SingleShotExtension


@dataclass(frozen=True, slots=True)
class ExtensionKind:
    """What the two tasks do differently."""

    transformer_folder: str
    velocity: Callable[[SkyReelsTransformer, TextContext, Tensor], Predict]
    goes_on: bool
    """The condition frames are decoded together with the new ones, which gives the causal decoder its history."""

    def decoded_latents(self, condition: Tensor, latents: Tensor) -> Tensor:
        """The latent frames that make the new frames' pictures."""
        return torch.cat((condition, latents), dim=2) if self.goes_on else latents

    @property
    def dropped_frames(self) -> int:
        """Decoded frames at the beginning of a piece that the video has already."""
        return SINGLE_CONDITION_FRAMES if self.goes_on else 0


SINGLE_SHOT = ExtensionKind(SINGLE_SHOT_FOLDER, continuing_velocity, goes_on=True)
SHOT_SWITCHING = ExtensionKind(SHOT_SWITCHING_FOLDER, switching_velocity, goes_on=False)


def generate_single_shot(request: SingleShotExtension, runtime: Runtime, pool: ModelPool, report: Report) -> Output:
    """Make 5 to 30 more seconds of the same shot, in pieces of at most 5 s. Raises as `extend` does."""
    pieces = [piece.new_latent_frames for piece in single_shot_pieces(request.duration)]
    with flat_heap():
        prompts = request.piece_prompts
        return extend(SINGLE_SHOT, request, prompts, pieces, runtime, pool, report, steady_colors=request.steady_colors)


def generate_shot_switching(
    request: ShotSwitchingExtension, runtime: Runtime, pool: ModelPool, report: Report
) -> Output:
    """Make a new shot of 2 to 5 seconds that follows the video. Raises as `extend` does."""
    pieces = [PixelShape(0, 0, reference_frames(request.duration)).latent.num_frames]
    with flat_heap():
        return extend(SHOT_SWITCHING, request, (request.full_prompt,), pieces, runtime, pool, report)


@torch.inference_mode()
def extend(
    kind: ExtensionKind,
    request: ExtensionRequest,
    prompts: Sequence[str],
    pieces: Sequence[int],
    runtime: Runtime,
    pool: ModelPool,
    report: Report,
    *,
    steady_colors: bool = False,
) -> Output:
    """Make every piece (`pieces` holds their new latent frames, `prompts` what each shows) and publish them.

    With `steady_colors` every piece gets the colours of the last frames of the input, as each piece before it did: what
    is measured once does not drift. A later call with the same work folder continues at the stored step. Raises
    InvalidRequest, MediaError, CheckpointMissing, CheckpointMismatch, InputChanged, DiskFull, and whatever `report`
    raises.
    """
    # 1. Check: the request and what it merges, then that the video is the one of the stored steps.
    if problems := request.check():
        raise InvalidRequest(problems)
    models = CheckpointNetworks(LAYOUT, runtime, pool, report, request)
    said = models.check_loras(kind.transformer_folder)
    work = WorkDir(runtime.work_dir)
    work.remember_inputs([*request.input_video, *map(file_of, request.lora)])
    work.check_inputs()

    # 2. Where to go on: pieces before the stored one are finished files.
    stored = work.latest()
    first = stored.segment if stored else 0

    # While the prompts and the first condition are encoded, a thread reads the transformer.
    with models.reading_ahead(kind.transformer_folder) if first < len(pieces) else nullcontext():
        # 3. Text: once for all pieces that show the same.
        prompt_embeds: dict[str, Tensor] = {}
        if first < len(pieces):
            report(Progress(Stage.TEXT, segment=first, num_segments=len(pieces)))
            prompt_embeds = {prompt: models.embed_prompt(prompt) for prompt in dict.fromkeys(prompts[first:])}

        # 4. Piece after piece; the last frames of one are the condition of the next.
        for index in range(first, len(pieces)):
            piece = Piece(index, len(pieces), work, report)
            scheduler = FlowUniPC(extension_schedule(request.num_inference_steps))
            if stored is not None and stored.step > 0:
                latents, kept = resume_scheduler(stored, scheduler, runtime.device)
                condition, colors = kept["condition"], kept.get("colors")
            else:
                piece.tell(Stage.CONDITION)
                frames = carried_frames(stored) if stored else source_frames(request)
                with models.vae() as vae:
                    condition = encode_frames(vae, frames)
                colors = steady_statistics(stored, frames) if steady_colors else None
                latents = seeded_noise(request.seed, pieces[index], *condition.shape[-2:]).to(runtime.device)

            # 4a. Denoise.
            if scheduler.step_index < request.num_inference_steps:
                height, width = latents.shape[-2:]
                whole = LatentShape(height, width, latents.shape[2] + condition.shape[2])
                with models.transformer(kind.transformer_folder, whole.num_tokens) as transformer:
                    context = transformer.encode_context(prompt_embeds[prompts[index]])
                    predict = kind.velocity(transformer, context, condition)
                    latents = denoise(
                        latents, scheduler, predict, piece.hooks(condition, runtime, models.preview, colors)
                    )

            # 4b. Decode, and make the piece durable.
            with models.vae() as vae:
                whole_piece = kind.decoded_latents(condition, latents)
                chunks = decode_bytes(vae, whole_piece, models.decode, colors)
                carried = write_piece(piece, chunks, whole_piece.shape, kind.dropped_frames)
            kept = {"carried_frames": torch.from_numpy(carried)}
            stored = Snapshot(index + 1, 0, kept if colors is None else kept | {"colors": colors})
            work.save(stored)

    # 5. Write.
    report(Progress(Stage.WRITE, segment=len(pieces) - 1, num_segments=len(pieces)))
    video = probe_video(request.input_video[0])
    said += [cut_warning(prompt, models.tokenizer_folder) for prompt in dict.fromkeys(prompts)]
    said.append(colour_warning(video.path, video.look))
    return publish(
        work.pieces()[: len(pieces)],
        runtime,
        request,
        task=task_of(request).name,
        fps=MODEL_FPS,
        num_frames=sum(new_frames(kind, piece) for piece in pieces),
        before=request.input_video[0] if request.output == "joined" else None,
        trim=request.trim,
        used={"input_video": used_of_video(video.path, request.trim)},
        warnings=[*filter(None, said)],
    )


def new_frames(kind: ExtensionKind, new_latent_frames: int) -> int:
    """Frames that a piece adds to the video: a shot's first latent frame stands for one frame only."""
    return 4 * new_latent_frames if kind.goes_on else LatentShape(0, 0, new_latent_frames).pixel_frames


def source_frames(request: ExtensionRequest) -> Frames:
    """The last frames of the input video, at the size of the result."""
    fps = None if request.raw_frames else float(MODEL_FPS)
    frames = read_tail(request.input_video[0], request.condition_frames, fps=fps, trim=request.trim)
    return stretch(frames, *fit_bucket(WAN_BUCKETS[request.resolution], frames))


def carried_frames(stored: Snapshot) -> Frames:
    """The frames that the piece before the snapshot ended with."""
    frames: Frames = stored.tensors["carried_frames"].numpy()
    return frames


def steady_statistics(stored: Snapshot | None, frames: Frames) -> Tensor:
    """The colours that every piece gets: those of the input's last frames, which the first piece has measured."""
    return stored.tensors["colors"] if stored is not None else shared_statistics(to_signed(frames))


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of several: its index, the folder of its work and who listens."""

    index: int
    num_pieces: int
    work: WorkDir
    report: Report

    def tell(self, stage: Stage, step: int = 0, num_steps: int = 0) -> None:
        """Report progress within this piece."""
        self.report(Progress(stage, step, num_steps, self.index, self.num_pieces))

    def hooks(self, condition: Tensor, runtime: Runtime, preview: Preview, colors: Tensor | None) -> Hooks:
        """What happens at every step edge of this piece."""
        kept = {"condition": condition}
        if colors is not None:
            kept["colors"] = colors
        return Hooks(
            work=self.work,
            report=self.report,
            segment=self.index,
            num_segments=self.num_pieces,
            kept=kept,
            preview=preview,
            wants_preview=runtime.wants_preview,
        )


def write_piece(piece: Piece, decoded: Generator[Frames, None, None], shape: Sequence[int], num_dropped: int) -> Frames:
    """Write the frames of latents of `shape` to the piece's file, without the first `num_dropped`.

    Returns the last 25 decoded frames.
    """
    temporary, last = piece.work.piece_path(piece.index), LastFrames(SINGLE_CONDITION_FRAMES)
    total, height, width = shape[2:]
    piece.tell(Stage.DECODE, 0, total)
    with (
        VideoWriter(temporary, width * SPATIAL_STRIDE, height * SPATIAL_STRIDE, MODEL_FPS) as writer,
        closing(decoded) as chunks,
    ):
        for done, frames in enumerate(chunks, start=1):
            last.extend(frames)
            writer.write(frames[num_dropped:])
            num_dropped = max(0, num_dropped - len(frames))
            piece.tell(Stage.DECODE, done, total)
    piece.work.commit_piece(temporary, piece.index)
    return last.stacked()
