"""Single-shot extension: the camera keeps rolling for 5 to 30 seconds more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pipelines.front.cost import WAN_14B, make_plan
from pipelines.front.errors import Problem
from pipelines.front.fields import Flag, Number, Text
from pipelines.front.language import mark, trn
from pipelines.front.plan import Plan, Segment
from pipelines.front.shapes import (
    MODEL_FPS,
    SINGLE_CONDITION_FRAMES,
    WAN_BUCKETS,
    PixelShape,
    nearest_bucket,
    single_shot_pieces,
)
from pipelines.tasks.extension import ExtensionRequest, video_used
from pipelines.tasks.spec import BenchCase, TaskSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleShotExtension(ExtensionRequest):
    """A request for the single_shot_extension task."""

    duration: Annotated[
        int,
        Number(label=mark("Duration"), minimum=5, maximum=30, unit="s", help=mark("Made in pieces of 5 s")),
    ] = 5
    prompts: Annotated[
        str,
        Text(
            label=mark("Pieces"),
            help=mark("A prompt for each piece of 5 s, one a line; the last one counts for the rest"),
            multiline=True,
            lines=True,
            advanced=True,
        ),
    ] = ""
    steady_colors: Annotated[
        bool,
        Flag(
            label=mark("Steady colours"),
            help=mark("Each piece keeps the colours of the frames before it; not where the light is to change"),
            advanced=True,
        ),
    ] = False

    @property
    def piece_prompts(self) -> tuple[str, ...]:
        """What each piece shows, in order."""
        lines = self._prompt_lines or [self.prompt]
        return tuple(lines[min(n, len(lines) - 1)] for n in range(len(single_shot_pieces(self.duration))))

    @property
    def _prompt_lines(self) -> list[str]:
        return [line.strip() for line in self.prompts.splitlines() if line.strip()]

    def check(self) -> list[Problem]:
        """Check every field, probe the video, and hold the prompts against the pieces."""
        problems = ExtensionRequest.check(self)
        if any(problem.field in ("duration", "prompts") for problem in problems):
            return problems
        given, pieces = len(self._prompt_lines), len(single_shot_pieces(self.duration))
        if given > pieces:
            words = trn("{given} prompts for {count} piece", "{given} prompts for {count} pieces", pieces, given=given)
            problems.append(Problem("prompts", words))
        return problems


def plan(request: SingleShotExtension) -> Plan:
    """Cost of a valid request: one segment a piece."""
    # Media loads numpy and Pillow: paid by those who check or plan, not by every start of the program.
    from pipelines.media.read.probe import probe_video

    video = probe_video(request.input_video[0])
    height, width = nearest_bucket(WAN_BUCKETS[request.resolution], video.height, video.width)
    per_frame = PixelShape(height, width, 1).latent.tokens_per_frame
    segments = [
        Segment(
            num_tokens=per_frame * piece.num_latent_frames,
            num_steps=request.num_inference_steps,
            calls_per_step=1,
            latent_frames=piece.num_latent_frames,
            new_frames=piece.new_frames,
        )
        for piece in single_shot_pieces(request.duration)
    ]
    cost = make_plan(
        SINGLE_SHOT_EXTENSION.network.in_profile(request.profile),
        height=height,
        width=width,
        fps=MODEL_FPS,
        segments=segments,
        encoded_frames=SINGLE_CONDITION_FRAMES * len(segments),
    )
    return replace(cost, parts=trn("{count} piece", "{count} pieces", len(segments)), used=video_used(request))


SINGLE_SHOT_EXTENSION = TaskSpec(
    name="single_shot_extension",
    hint=mark("A video goes on without a cut for 5 to 30 seconds"),
    family="v2v",
    components=("transformer", "text_encoder", "tokenizer", "vae"),
    network=WAN_14B,
    request_type=SingleShotExtension,
    entry="pipelines.families.v2v.generate:generate_single_shot",
    plan=plan,
    key="f3",
    key_label=mark("Single shot"),
    key_help=mark("Form of single-shot extension"),
    condition_word=mark("tail"),
    demo={"prompt": "The camera keeps moving slowly", "input_video": ("clip.mp4",)},
    bench=(BenchCase("v2v 540P 5 s", "v2v", 544, 960, 40, 7, condition_stays=True),),
)
