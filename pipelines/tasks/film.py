"""Joining a film: its clips in order become one video with narration, music, chapters and subtitles; no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.front.cost import NetworkSize
from pipelines.front.errors import MediaError, Problem
from pipelines.front.fields import Choice, Files, Number, Text
from pipelines.front.language import mark, tr
from pipelines.front.plan import Plan, Segment
from pipelines.front.request import Request, check_fields
from pipelines.tasks.spec import TaskSpec

MOST_CLIPS = 10_000
NOTHING = NetworkSize(0, 0, 0, 0, 0, 0, 0, 0.0)
_FLOPS_PER_FRAME = 1e8
"""As if a frame were computed: the book of times learns what joining takes here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmJoin(Request):
    """A request for the films task; `narrations`, `words`, `music_of` and `labels` have one entry a clip."""

    prompt: Annotated[str, Text(label=mark("Prompt"), advanced=True)] = ""
    film: Annotated[str, Text(label=mark("Film"))] = ""
    title: Annotated[str, Text(label=mark("Title"))] = ""
    clips: Annotated[tuple[str, ...], Files(label=mark("Clips"), media="video", maximum=MOST_CLIPS)] = ()
    labels: tuple[str, ...] = ()
    narrations: tuple[str, ...] = ()
    """Paths of sound files, '' for none."""
    words: tuple[str, ...] = ()
    """What is said, for subtitles."""
    music_of: tuple[str, ...] = ()
    """Paths of the music under one scene alone, '' for that of the film."""
    music: Annotated[str, Text(label=mark("Music"))] = ""
    music_percent: Annotated[int, Number(label=mark("Music"), minimum=0, maximum=100, unit="%")] = 28
    overlong: Annotated[
        str,
        Choice(
            label=mark("Narration longer than its clip"),
            options=(
                ("hold", mark("the last frame is held")),
                ("run_on", mark("runs on into the next scene")),
                ("refuse", mark("is refused")),
            ),
        ),
    ] = "hold"
    cross_fade: Annotated[int, Number(label=mark("Cross-fade"), minimum=0, maximum=48, unit=mark("frames"))] = 0

    def check(self) -> list[Problem]:
        """Check the fields, open every clip and measure every sound."""
        problems = [problem for problem in check_fields(self) if problem.field != "clips" or self.clips]
        if problems:
            return problems
        # Media loads numpy and Pillow: paid by those who check or plan, not by every start of the program.
        from pipelines.media.read.check import file_problems
        from pipelines.media.read.probe import probe_audio, probe_video

        def why(path: str, *, is_sound: bool) -> str:
            try:
                _ = probe_audio(path) if is_sound else probe_video(path)
            except MediaError as error:
                return str(error)
            return ""

        sounds = tuple(path for path in dict.fromkeys((*self.narrations, *self.music_of, self.music)) if path)
        return [
            *file_problems("clips", self.clips, lambda path: why(path, is_sound=False)),
            *file_problems("narrations", sounds, lambda path: why(path, is_sound=True)),
        ]

    def of_clip(self, values: tuple[str, ...], place: int) -> str:
        """One entry of the tuples beside `clips`; '' where none was given."""
        return values[place] if place < len(values) else ""


def scene_words(number: int, label: str) -> str:
    """Return 'scene 4 (opening)', or 'scene 4' without a label; `number` is from 1."""
    if label:
        return tr("scene {number} ({label})", number=number, label=label)
    return tr("scene {number}", number=number)


def plan(request: FilmJoin) -> Plan:
    """Cost of a valid request: disk for pieces, sound and the film."""
    from pipelines.media.read.probe import probe_video

    clips = [probe_video(path) for path in request.clips]
    if not clips:
        raise MediaError(tr("no clip to join: choose at least one"))
    frames = sum(clip.num_frames for clip in clips)
    seconds = sum(clip.duration_s for clip in clips)
    num_bytes = sum(clip.path.stat().st_size for clip in clips)
    flops = _FLOPS_PER_FRAME * frames
    return Plan(
        height=clips[0].height,
        width=clips[0].width,
        fps=max(1, round(clips[0].fps)),
        num_frames=frames,
        segments=(Segment(num_tokens=1, num_steps=1, calls_per_step=1, latent_frames=1, new_frames=frames),),
        denoise_flops=flops,
        vae_flops=flops,
        weights_bytes=0,
        text_bytes=0,
        activation_bytes=0,
        # Raw sound of three tracks besides the pictures.
        output_bytes=2 * num_bytes,
        work_bytes=2 * num_bytes + round(seconds * 48_000 * 8 * 4),
    )


FILM = TaskSpec(
    name="films",
    hint=mark("The clips of a film become one video with sound"),
    family="film",
    components=(),
    network=NOTHING,
    request_type=FilmJoin,
    entry="pipelines.joining.join:generate",
    plan=plan,
)
