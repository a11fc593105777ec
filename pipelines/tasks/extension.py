"""Video extension: what single-shot extension and shot switching ask for in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pipelines.front.errors import Problem
from pipelines.front.fields import Choice, Files, Flag, Number
from pipelines.front.language import mark
from pipelines.front.request import Request, check_fields
from pipelines.front.trim import END, START, Trim, end_field, start_field

ExtensionOutput = Choice(
    label=mark("Output"),
    options=(("joined", mark("input and new part in one file")), ("new", mark("only the new part"))),
    help=mark("Joined keeps the input's sound"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRequest(Request):
    """The fields of both extension tasks; `input_video` holds exactly one path."""

    input_video: Annotated[
        tuple[str, ...], Files(label=mark("Video"), media="video", help=mark("The clip that goes on"))
    ] = ()
    trim_start: Annotated[float, start_field("input_video")] = 0.0
    trim_end: Annotated[float, end_field("input_video")] = 0.0
    output: Annotated[str, ExtensionOutput] = "joined"
    raw_frames: Annotated[
        bool,
        Flag(
            label=mark("Match the published script"),
            help=mark("Take the raw last frames, whatever their rate; default is resampling to 24 fps"),
            advanced=True,
        ),
    ] = False
    num_inference_steps: Annotated[
        int, Number(label=mark("Steps"), minimum=4, maximum=50, advanced=True, help=mark("The model is distilled to 8"))
    ] = 8

    @property
    def trim(self) -> Trim:
        """What of the video goes on; the rest is cut."""
        return Trim(self.trim_start, self.trim_end)

    @property
    def condition_frames(self) -> int:
        """How many of the last input frames the task needs."""
        return 25

    def check(self) -> list[Problem]:
        """Check every field and probe the video."""
        # Media loads numpy and Pillow: paid by those who check or plan, not by every start of the program.
        from pipelines.media.read.check import file_problems, video_problem, video_trim_problems

        problems = check_fields(self)
        if any(problem.field in ("duration", START, END) for problem in problems):
            return problems
        needed, raw = self.condition_frames, self.raw_frames
        unread = file_problems(
            "input_video", self.input_video, lambda path: video_problem(path, needed, raw_frames=raw)
        )
        if unread or self.trim.is_whole:
            return problems + unread
        return problems + video_trim_problems(self.input_video, self.trim, needed, raw_frames=raw)


def video_used(request: ExtensionRequest) -> tuple[str, ...]:
    """What of a valid request's video is used and what is cut; () for all of it."""
    if request.trim.is_whole:
        return ()
    # Media loads numpy and Pillow: paid by those who check or plan, not by every start of the program.
    from pipelines.media.read.used import used_of_video

    used = used_of_video(request.input_video[0], request.trim)
    return used.words() if used else ()
