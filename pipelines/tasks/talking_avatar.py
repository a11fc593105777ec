"""Talking avatar: a portrait speaks a recording of up to 200 seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated

from pipelines.front.cost import AVATAR_19B, make_plan
from pipelines.front.crop import Crop, fill_crop
from pipelines.front.errors import MediaError, Problem
from pipelines.front.fields import Choice, Files, Number, Regions, Text
from pipelines.front.language import mark, tr, trn
from pipelines.front.plan import Plan, Segment
from pipelines.front.regions import RegionsRefused, box_texts, parse_boxes, speaker_grid
from pipelines.front.request import Request, check_fields
from pipelines.front.shapes import AVATAR_BUCKETS, AVATAR_FPS, PixelShape, nearest_bucket
from pipelines.front.trim import CHANNEL, END, MIX, START, Trim, channel_field, end_field, start_field
from pipelines.tasks.spec import BenchCase, TaskSpec

WINDOW_FRAMES = 81
MOTION_FRAMES = 5
DROPPED_FRAMES = 12
SAMPLE_RATE = 16000
"""Samples a second of the sound that the model hears."""
MIN_SECONDS = 0.4
MAX_SECONDS = 200.0
EXPERIMENTAL = mark("speakers by regions are experimental: the published weights were released for one speaker")
TOGETHER = "together"
_VOICE_FIELDS = {
    "input_audio": (START, END, CHANNEL),
    "second_audio": ("second_start", "second_end", "second_channel"),
}
_SPEAKERS = {"input_image", "resolution", "regions", *_VOICE_FIELDS, *chain.from_iterable(_VOICE_FIELDS.values())}
"""Fields that say together who speaks where."""
NO_540P = mark("this model was not trained at 540P: choose 480P or 720P")


@dataclass(frozen=True, slots=True)
class VoiceInput:
    """A recording, what of it is spoken and which channel is heard."""

    field: str
    files: tuple[str, ...]
    trim: Trim
    channel: str

    @property
    def path(self) -> str:
        """Its file."""
        return self.files[0]

    @property
    def fields(self) -> tuple[str, ...]:
        """The request's fields that say this."""
        return (self.field, *_VOICE_FIELDS[self.field])

    def named(self, field: str) -> str:
        """What the request calls the start, the end or the channel of this recording."""
        return dict(zip((START, END, CHANNEL), _VOICE_FIELDS[self.field], strict=True)).get(field, field)


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkingAvatar(Request):
    """A request for the talking_avatar task; `input_image` and `input_audio` hold one path each."""

    prompt: Annotated[
        str,
        Text(
            label=mark("Prompt"),
            multiline=True,
            required=True,
            help=mark("Shapes the look in the first piece only; after 3.2 s the voice alone leads"),
        ),
    ] = ""
    input_image: Annotated[
        tuple[str, ...],
        Files(label=mark("Portrait"), media="image", help=mark("Turned upright; cropped to the shape of the video")),
    ] = ()
    input_audio: Annotated[
        tuple[str, ...],
        Files(label=mark("Voice"), media="audio", help=mark("0.4 to 200 s; the sound of a video works too")),
    ] = ()
    trim_start: Annotated[float, start_field("input_audio")] = 0.0
    trim_end: Annotated[float, end_field("input_audio")] = 0.0
    voice_channel: Annotated[str, channel_field("input_audio")] = MIX
    resolution: Annotated[
        str,
        Choice(
            label=mark("Resolution"),
            options=(("480P", "480P"), ("720P", "720P")),
            demo_options=(("128P", "128P"),),
            help=mark("This model was not trained at 540P"),
        ),
    ] = "720P"
    num_inference_steps: Annotated[
        int,
        Number(label=mark("Steps"), minimum=1, maximum=100, advanced=True, help=mark("The model is distilled to 4")),
    ] = 4
    guidance_scale: Annotated[
        float, Number(label=mark("Text guidance"), minimum=1, maximum=20, decimals=2, advanced=True)
    ] = 1.0
    audio_guidance_scale: Annotated[
        float, Number(label=mark("Voice guidance"), minimum=1, maximum=20, decimals=2, advanced=True)
    ] = 1.0
    negative_prompt: Annotated[
        str,
        Text(
            label=mark("Negative prompt"),
            advanced=True,
            help=mark("Empty: the model's own; used only with text guidance above 1"),
        ),
    ] = ""

    second_audio: Annotated[
        tuple[str, ...],
        Files(
            label=mark("Second voice"),
            media="audio",
            minimum=0,
            help=mark("Experimental: of a second person in the portrait; needs two regions"),
            advanced=True,
        ),
    ] = ()
    second_start: Annotated[float, start_field("second_audio", mark("Second from"))] = 0.0
    second_end: Annotated[float, end_field("second_audio", mark("Second to"))] = 0.0
    second_channel: Annotated[str, channel_field("second_audio", mark("Second channel"))] = MIX
    speaking: Annotated[
        str,
        Choice(
            label=mark("Two voices"),
            options=(("turns", mark("one after the other")), (TOGETHER, mark("at the same time"))),
            help=mark("The second voice follows the first, or both start together"),
            unsaid="turns",
            advanced=True,
        ),
    ] = "turns"
    regions: Annotated[
        str,
        Regions(
            label=mark("Speakers"),
            of="input_image",
            maximum=2,
            help=mark(
                "Who speaks: left,top,width,height in per cent of the portrait, one box a voice; empty: all of it"
            ),
            advanced=True,
        ),
    ] = ""

    @property
    def voices(self) -> tuple[VoiceInput, ...]:
        """What is said, in the order of the speakers."""
        first = VoiceInput("input_audio", self.input_audio, Trim(self.trim_start, self.trim_end), self.voice_channel)
        second = Trim(self.second_start, self.second_end)
        given = (first, VoiceInput("second_audio", self.second_audio, second, self.second_channel))
        return tuple(voice for voice in given if voice.files)

    def together(self) -> list[Problem]:
        """A second voice needs two regions, and two regions a second voice."""
        if not isinstance(self.regions, str) or not isinstance(self.second_audio, tuple):
            return []
        given = len(box_texts(self.regions))
        if self.second_audio and given < 2:
            return [
                Problem(
                    "regions",
                    tr("two voices need two regions, the first for the first voice; {given} given", given=given),
                )
            ]
        if given == 2 and not self.second_audio:
            return [Problem("second_audio", tr("two regions need two voices: add the second one, or leave one region"))]
        return []

    def check(self) -> list[Problem]:
        """Check every field, open the portrait and measure the voice."""
        # Media loads numpy and Pillow: paid by those who check or plan, not by every start of the program.
        from pipelines.media.read.check import file_problems, image_problem

        problems = [
            Problem("resolution", tr(NO_540P))
            if problem.field == "resolution" and self.resolution == "540P"
            else problem
            for problem in check_fields(self)
        ]
        found = problems + file_problems("input_image", self.input_image, image_problem)
        wrong = {problem.field for problem in problems}
        for voice in self.voices:
            found += _voice_problems(voice) if not wrong & {*voice.fields} else []
        if any(problem.field in _SPEAKERS for problem in found):
            return found
        return found + _speakers_problems(self)


def _voice_problems(voice: VoiceInput) -> list[Problem]:
    """Why a recording, or what is wanted of it, cannot be spoken."""
    from pipelines.media.read.check import audio_problem, audio_stretch_problems, file_problems

    longest = MAX_SECONDS if voice.trim.is_whole else math.inf
    unread = file_problems(voice.field, voice.files, lambda path: audio_problem(path, MIN_SECONDS, longest))
    if unread:
        return unread
    problems = audio_stretch_problems(voice.files, voice.trim, voice.channel, MIN_SECONDS, MAX_SECONDS)
    return [replace(problem, field=voice.named(problem.field)) for problem in problems]


def _speakers_problems(request: TalkingAvatar) -> list[Problem]:
    """What the files say of two voices and of regions, each of them usable."""
    problems = []
    try:
        if request.input_audio and request.second_audio and (seconds := spoken_seconds(request)) > MAX_SECONDS:
            words = tr("both voices one after the other last {seconds:.1f} s: at most {max_s:g} s; cut them, or let "
                       "them speak at the same time", seconds=seconds, max_s=MAX_SECONDS)  # fmt: skip
            problems.append(Problem("second_audio", words))
        if request.input_image and (boxes := parse_boxes(request.regions)):
            speaker_grid(boxes, portrait_crop(request))
    except RegionsRefused as error:
        problems.append(Problem("regions", str(error)))
    except MediaError as error:
        problems.append(Problem("input_image", str(error)))
    return problems


def portrait_crop(request: TalkingAvatar) -> Crop:
    """How the portrait fills the video. Raises MediaError."""
    from pipelines.media.read.probe import probe_image

    image = probe_image(request.input_image[0])
    return fill_crop(
        image.height, image.width, nearest_bucket(AVATAR_BUCKETS[request.resolution], image.height, image.width)
    )


def spoken_seconds(request: TalkingAvatar) -> float:
    """How long the voices take together. Raises MediaError."""
    lengths = [round(_seconds(voice) * SAMPLE_RATE) for voice in request.voices]
    starts = voice_starts(request, lengths)
    return max(start + length for start, length in zip(starts, lengths, strict=True)) / SAMPLE_RATE


def _seconds(voice: VoiceInput) -> float:
    from pipelines.media.read.probe import probe_audio

    sound = probe_audio(voice.path)
    if voice.trim.is_whole:
        return sound.duration_s
    first, stop = voice.trim.samples(sound.sample_rate, round(sound.duration_s * sound.sample_rate))
    return (stop - first) / sound.sample_rate


def voice_starts(request: TalkingAvatar, lengths: Sequence[int]) -> list[int]:
    """The sample at which each voice of so many samples begins."""
    return [0, 0 if request.speaking == TOGETHER else lengths[0]][: len(lengths)]


def num_windows(num_frames: int) -> int:
    """Windows after the reference pass; 0 when the audio is shorter than one window."""
    if num_frames < WINDOW_FRAMES:
        return 0
    step = WINDOW_FRAMES - MOTION_FRAMES - DROPPED_FRAMES
    return 1 + math.ceil((num_frames - WINDOW_FRAMES) / step)


def audio_frames(num_samples: int) -> int:
    """Video frames of `num_samples` at 16 kHz; the published order of operations, in double precision."""
    return math.ceil(num_samples / SAMPLE_RATE * AVATAR_FPS)


def plan(request: TalkingAvatar) -> Plan:
    """Cost of a valid request: the reference pass is segment 0, every window one more."""
    height, width = portrait_crop(request).target
    num_frames = min(audio_frames(round(spoken_seconds(request) * SAMPLE_RATE)), round(MAX_SECONDS * AVATAR_FPS))
    latent = PixelShape(height, width, WINDOW_FRAMES).latent
    guided = (request.guidance_scale > 1) + (request.audio_guidance_scale > 1)
    window = Segment(
        num_tokens=latent.num_tokens,
        num_steps=request.num_inference_steps,
        calls_per_step=1 + guided,
        latent_frames=latent.num_frames,
        new_frames=WINDOW_FRAMES - MOTION_FRAMES - DROPPED_FRAMES,
    )
    segments = [window] * (1 + num_windows(num_frames))
    cost = make_plan(
        TALKING_AVATAR.network.in_profile(request.profile),
        height=height,
        width=width,
        fps=AVATAR_FPS,
        segments=segments,
        encoded_frames=WINDOW_FRAMES * len(segments),
        num_frames=num_frames,
    )
    parts = trn("{count} piece", "{count} pieces", len(segments))
    if said := speakers_words(request):
        parts = f"{parts}, {said}"
    return replace(cost, parts=parts, used=voices_used(request))


def voices_used(request: TalkingAvatar) -> tuple[str, ...]:
    """What of a valid request's recordings is used and what is cut; () for all of them."""
    from pipelines.media.read.used import used_of_sound

    said: list[str] = []
    for voice in request.voices:
        used = used_of_sound(voice.path, voice.trim, voice.channel)
        words = used.words() if used else ()
        said += [tr("second voice {words}", words=one) if voice.field == "second_audio" else one for one in words]
    return tuple(said)


def speakers_words(request: TalkingAvatar) -> str:
    """Who speaks, in words; '' for the one voice of the whole portrait."""
    if request.second_audio and request.speaking == TOGETHER:
        return tr("two voices at the same time (experimental)")
    if request.second_audio:
        return tr("two voices one after the other (experimental)")
    return tr("one face of several speaks (experimental)") if request.regions.strip() else ""


TALKING_AVATAR = TaskSpec(
    name="talking_avatar",
    hint=mark("A portrait speaks a recording of up to 200 seconds"),
    family="a2v",
    components=("transformer", "text_encoder", "tokenizer", "image_encoder", "audio_encoder", "vae"),
    network=AVATAR_19B,
    request_type=TalkingAvatar,
    entry="pipelines.families.a2v.generate:generate",
    plan=plan,
    crop=portrait_crop,
    key="f5",
    key_label=mark("Avatar"),
    key_help=mark("Form of the talking avatar"),
    condition_word=mark("portrait"),
    demo={
        "prompt": "A person speaks to the camera",
        "input_image": ("astronaut.jpg",),
        "input_audio": ("voice.*",),
    },
    bench=(BenchCase("a2v 480P window", "a2v", 480, 832, 21), BenchCase("a2v 720P window", "a2v", 720, 1280, 21)),
)
