"""Shot switching: a new shot of 2 to 5 seconds that follows the video after a cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pipelines.front.cost import WAN_14B, make_plan
from pipelines.front.fields import Choice, Number
from pipelines.front.language import mark, tr
from pipelines.front.plan import Plan, Segment
from pipelines.front.shapes import (
    MODEL_FPS,
    SHOT_CONDITION_FRAMES,
    WAN_BUCKETS,
    PixelShape,
    nearest_bucket,
    reference_frames,
)
from pipelines.tasks.extension import ExtensionRequest, video_used
from pipelines.tasks.spec import TaskSpec

CUTS: tuple[tuple[str, str], ...] = (
    ("", mark("as the prompt says")),
    ("[ZOOM_IN_CUT]", mark("cut in (closer)")),
    ("[ZOOM_OUT_CUT]", mark("cut out (wider)")),
    ("[SHOT_REVERSE_SHOT]", mark("shot / reverse shot")),
    ("[MULTI_ANGLE]", mark("another angle")),
    ("[CUT_AWAY]", mark("cut away")),
)
"""Prompt prefix -> shown word. The prefix is ordinary prompt text to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotSwitchingExtension(ExtensionRequest):
    """A request for the shot_switching_extension task."""

    cut: Annotated[
        str,
        Choice(label=mark("Cut"), options=CUTS, help=mark("Puts its tag before the prompt unless the prompt has one")),
    ] = ""
    duration: Annotated[int, Number(label=mark("Duration"), minimum=2, maximum=5, unit="s")] = 5

    @property
    def condition_frames(self) -> int:
        """Last input frames that condition the new shot, by duration."""
        return SHOT_CONDITION_FRAMES[self.duration]

    @property
    def typed_cut(self) -> str:
        """The known tag that the prompt begins with, in any case of letters, or ''."""
        prompt = self.prompt.strip().upper()
        return next((tag for tag, _ in CUTS if tag and prompt.startswith(tag)), "")

    @property
    def full_prompt(self) -> str:
        """The prompt as the model reads it: a tag typed by hand wins over the chosen cut."""
        prompt = self.prompt.strip()
        return prompt if self.typed_cut or not self.cut else f"{self.cut} {prompt}"


def plan(request: ShotSwitchingExtension) -> Plan:
    """Cost of a valid request: one segment; only the new latent frames are decoded."""
    # Media loads numpy and Pillow: paid by those who check or plan, not by every start of the program.
    from pipelines.media.read.probe import probe_video

    video = probe_video(request.input_video[0])
    height, width = nearest_bucket(WAN_BUCKETS[request.resolution], video.height, video.width)
    new = PixelShape(height, width, reference_frames(request.duration)).latent
    condition = PixelShape(height, width, request.condition_frames).latent
    segment = Segment(
        num_tokens=new.num_tokens + condition.num_tokens,
        num_steps=request.num_inference_steps,
        calls_per_step=1,
        latent_frames=new.num_frames,
        new_frames=new.pixel_frames,
    )
    cost = make_plan(
        SHOT_SWITCHING_EXTENSION.network.in_profile(request.profile),
        height=height,
        width=width,
        fps=MODEL_FPS,
        segments=[segment],
        encoded_frames=request.condition_frames,
    )
    return replace(cost, parts=_cut_in_words(request), used=video_used(request))


def _cut_in_words(request: ShotSwitchingExtension) -> str:
    """Say which tag the model will read."""
    if request.typed_cut:
        return tr("cut {tag} as typed", tag=request.typed_cut)
    return tr("cut {cut}", cut=request.cut) if request.cut else tr("no cut tag")


SHOT_SWITCHING_EXTENSION = TaskSpec(
    name="shot_switching_extension",
    hint=mark("A new shot of 2 to 5 seconds follows the video after a cut"),
    family="v2v",
    components=("shot_transformer", "text_encoder", "tokenizer", "vae"),
    network=WAN_14B,
    request_type=ShotSwitchingExtension,
    entry="pipelines.families.v2v.generate:generate_shot_switching",
    plan=plan,
    key="f4",
    key_label=mark("Shot switching"),
    key_help=mark("Form of shot switching"),
    condition_word=mark("tail"),
    demo={"prompt": "A closer look", "input_video": ("clip.mp4",), "cut": "[ZOOM_IN_CUT]", "duration": 2},
)
