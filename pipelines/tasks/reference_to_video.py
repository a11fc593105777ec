"""Reference to video: one to four pictures and a prompt become a clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.front.cost import WAN_14B, make_plan
from pipelines.front.errors import Problem
from pipelines.front.fields import Files, Number, Text
from pipelines.front.language import mark
from pipelines.front.plan import Plan, Segment
from pipelines.front.request import Request, check_fields
from pipelines.front.shapes import MODEL_FPS, WAN_BUCKETS, PixelShape, nearest_bucket, reference_frames
from pipelines.tasks.spec import BenchCase, TaskSpec

REFERENCE_SLOTS = 4
"""Latent frames that the references always take, empty slots included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceToVideo(Request):
    """A request for the reference_to_video task."""

    ref_imgs: Annotated[
        tuple[str, ...],
        Files(
            label=mark("References"),
            media="image",
            minimum=1,
            maximum=4,
            help=mark("The first picture decides the shape of the video"),
        ),
    ] = ()
    duration: Annotated[int, Number(label=mark("Duration"), minimum=1, maximum=60, unit="s")] = 5
    num_inference_steps: Annotated[
        int,
        Number(label=mark("Steps"), minimum=1, maximum=200, advanced=True, help=mark("The model is distilled to 8")),
    ] = 8
    guidance_scale: Annotated[
        float,
        Number(
            label=mark("Text guidance"),
            minimum=1,
            maximum=20,
            decimals=2,
            advanced=True,
            help=mark("Above 1 a step takes three times as long"),
        ),
    ] = 1.0
    guidance_scale_img: Annotated[
        float,
        Number(
            label=mark("Picture guidance"),
            minimum=0,
            maximum=20,
            decimals=2,
            advanced=True,
            help=mark("Used only when text guidance is above 1"),
        ),
    ] = 1.0
    negative_prompt: Annotated[
        str,
        Text(label=mark("Negative prompt"), advanced=True, help=mark("Used only when text guidance is above 1")),
    ] = ""

    def check(self) -> list[Problem]:
        """Check every field and open every picture."""
        # Media loads numpy and Pillow: paid by those who check or plan, not by every start of the program.
        from pipelines.media.read.check import file_problems, image_problem

        return check_fields(self) + file_problems("ref_imgs", self.ref_imgs, image_problem)


def plan(request: ReferenceToVideo) -> Plan:
    """Cost of a valid request; the first picture decides the bucket."""
    from pipelines.media.read.probe import probe_image

    image = probe_image(request.ref_imgs[0])
    height, width = nearest_bucket(WAN_BUCKETS[request.resolution], image.height, image.width)
    latent = PixelShape(height, width, reference_frames(request.duration)).latent
    segment = Segment(
        num_tokens=latent.tokens_per_frame * (latent.num_frames + REFERENCE_SLOTS),
        num_steps=request.num_inference_steps,
        calls_per_step=3 if request.guidance_scale > 1 else 1,
        latent_frames=latent.num_frames,
        new_frames=latent.pixel_frames,
    )
    return make_plan(
        REFERENCE_TO_VIDEO.network.in_profile(request.profile),
        height=height,
        width=width,
        fps=MODEL_FPS,
        segments=[segment],
        encoded_frames=len(request.ref_imgs),
    )


REFERENCE_TO_VIDEO = TaskSpec(
    name="reference_to_video",
    hint=mark("One to four pictures and a prompt become a clip"),
    family="r2v",
    components=("transformer", "text_encoder", "tokenizer", "vae"),
    network=WAN_14B,
    request_type=ReferenceToVideo,
    entry="pipelines.families.r2v.generate:generate",
    plan=plan,
    key="f2",
    key_label=mark("Reference"),
    key_help=mark("Form of reference to video"),
    condition_word=mark("references"),
    demo={"prompt": "An astronaut lifts a cup of coffee and smiles", "ref_imgs": ("astronaut.jpg", "coffee.jpg")},
    bench=(BenchCase("r2v 540P 5 s", "r2v", 544, 960, 35, 4), BenchCase("r2v 720P 5 s", "r2v", 720, 1280, 35, 4)),
)
