"""Where every scene of a film stands: frames, held frames, narration; known before anything is written."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.front.errors import MediaError
from pipelines.front.language import tr, trn
from pipelines.media.read.frames import frame_times, frames_within
from pipelines.media.read.probe import VideoInfo, probe_audio, probe_video
from pipelines.tasks.film import FilmJoin, scene_words


@dataclass(frozen=True, slots=True)
class ScenePlace:
    """One scene on the film's clock of frames."""

    clip: VideoInfo
    label: str
    frames: int
    """Of the clip, at the film's rate."""
    held: int
    """Times that its last frame is shown again."""
    first_frame: int
    narration: Path | None
    narration_s: float
    words: str
    music: str
    """Path of the music under it, '' for none."""

    @property
    def num_frames(self) -> int:
        """Frames of the film that are this scene's, a cross-fade counted on both sides."""
        return self.frames + self.held


@dataclass(frozen=True, slots=True)
class FilmLayout:
    """The whole film before it is written."""

    width: int
    height: int
    fps: float
    scenes: tuple[ScenePlace, ...]
    copied: bool
    """The pictures of the clips are taken over as they are."""
    remarks: tuple[str, ...]
    """What a person should know beforehand."""

    @property
    def num_frames(self) -> int:
        """Frames of the film."""
        return self.scenes[-1].first_frame + self.scenes[-1].num_frames

    @property
    def seconds(self) -> float:
        """Length of the film."""
        return self.num_frames / self.fps


def lay_out(request: FilmJoin) -> FilmLayout:
    """Place the scenes; raises MediaError for clips that cannot be read and narrations that are refused."""
    clips = [probe_video(path) for path in request.clips]
    if not clips:
        raise MediaError(tr("no clip to join: choose at least one"))
    fps = Counter(round(clip.fps, 3) for clip in clips).most_common(1)[0][0]
    width, height = Counter((clip.width, clip.height) for clip in clips).most_common(1)[0][0]
    alike = len({(clip.coding, round(clip.fps, 3), clip.rotation) for clip in clips}) == 1
    copied = alike and clips[0].coding.startswith("h264") and not request.cross_fade
    remarks = [*_picture_remarks(request, clips, alike, width, height, fps)]
    places: list[ScenePlace] = []
    first = 0
    for number, clip in enumerate(clips):
        frames = clip.num_frames if copied else _frames_at(clip, fps)
        narration = request.of_clip(request.narrations, number)
        narration_s = probe_audio(narration).duration_s if narration else 0.0
        over_s = narration_s - frames / fps
        held = 0
        if over_s > 0.5 / fps:
            held = _hold(request, number, over_s, fps, remarks)
        places.append(
            ScenePlace(
                clip,
                request.of_clip(request.labels, number),
                frames,
                held,
                first,
                Path(narration) if narration else None,
                narration_s,
                request.of_clip(request.words, number),
                request.of_clip(request.music_of, number) or request.music,
            )
        )
        if request.cross_fade and frames + held < 2 * request.cross_fade + 1:
            raise MediaError(
                tr(
                    "scene {number} is too short for a cross-fade of {frames} frames",
                    number=number + 1,
                    frames=request.cross_fade,
                )
            )
        first += frames + held - request.cross_fade
    return FilmLayout(max(2, width // 2 * 2), max(2, height // 2 * 2), fps, tuple(places), copied, tuple(remarks))


def _picture_remarks(
    request: FilmJoin, clips: Sequence[VideoInfo], alike: bool, width: int, height: int, fps: float
) -> list[str]:
    if alike and request.cross_fade:
        return [tr("every picture is encoded again, for the cross-fades")]
    if alike:
        return []
    others = [clip for clip in clips if (clip.width, clip.height) != (width, height)]
    size = tr("every picture is encoded again: {width}x{height}, {fps:g} fps", width=width, height=height, fps=fps)
    if not others:
        return [size]
    bars = trn("{count} clip of another size gets bars", "{count} clips of another size get bars", len(others))
    return [f"{size}; {bars}"]


def _frames_at(clip: VideoInfo, fps: float) -> int:
    times = frame_times(clip.path)
    return frames_within(times[-1] - times[0] + clip.held_s, fps)


def _hold(request: FilmJoin, number: int, over_s: float, fps: float, remarks: list[str]) -> int:
    """How many frames a scene is held for its narration, with a remark."""
    where = scene_words(number + 1, request.of_clip(request.labels, number))
    is_last = number == len(request.clips) - 1
    if request.overlong == "refuse":
        raise MediaError(
            tr("{scene}: its narration is {seconds:.1f} s longer than its clip", scene=where, seconds=over_s)
        )
    if request.overlong == "run_on" and not is_last:
        remarks.append(
            tr("{scene}: its narration runs {seconds:.1f} s into the next scene", scene=where, seconds=over_s)
        )
        return 0
    remarks.append(tr("{scene}: its last frame is held for {seconds:.1f} s", scene=where, seconds=over_s))
    return math.ceil(over_s * fps - 1e-6)
