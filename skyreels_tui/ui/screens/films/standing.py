"""Where films and scenes stand, in the few words that a row has room for; draws nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pipelines.front.language import tr
from skyreels_tui.queue.film import NOT_BEGUN, Film, Scene
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import reason_words

FRAME_S = 1 / 24
"""Less than this is no difference that a person sees."""


def film_words(film: Film) -> str:
    """Return '12/59, 1 failed, running 13'; what stands for nothing to do is left out."""
    counts = film.counts
    parts = [f"{counts[JobState.DONE]}/{len(film.scenes)}"]
    parts += [f"{counts[JobState.FAILED]} {tr(JobState.FAILED)}"] if counts[JobState.FAILED] else []
    running = next((number for number, scene in enumerate(film.scenes, 1) if _runs(scene)), None)
    parts += [tr("running {number}", number=running)] if running is not None else []
    return ", ".join(parts)


def scene_state(scene: Scene) -> str:
    """Where a scene stands, in one or two words."""
    return tr(NOT_BEGUN) if scene.state is None else tr(scene.state)


def scene_waits(scene: Scene) -> str:
    """What a scene waits for, or went wrong; ''."""
    take = scene.shown
    if take is None or take.state is JobState.DONE:
        return scene.facts.trouble
    return take.error or reason_words(take.reason) or scene.facts.trouble


def narration_words(scene: Scene, seconds: Mapping[str, float] = MappingProxyType({})) -> str:
    """What is heard with a scene: a file and its length against the clip's, words without a sound yet, or nothing.

    `seconds` has the lengths of files that have been measured.
    """
    if scene.facts.narration:
        spoken = seconds.get(scene.facts.narration)
        shown = seconds.get(scene.chosen.output) if scene.chosen is not None else None
        if spoken is None:
            return tr("narration")
        if shown is None:
            return tr("narration {spoken} s", spoken=f"{spoken:.1f}")
        return tr("narration {spoken}/{shown} s", spoken=f"{spoken:.1f}", shown=f"{shown:.1f}")
    if scene.facts.asked == "voice":
        return tr("voice")
    return tr("no sound yet") if scene.facts.words else ""


def is_overlong(scene: Scene, seconds: Mapping[str, float]) -> bool:
    """Whether a narration is longer than its clip."""
    if scene.chosen is None:
        return False
    shown = seconds.get(scene.chosen.output, 0.0)
    return bool(shown) and seconds.get(scene.facts.narration, 0.0) > shown + FRAME_S


def _runs(scene: Scene) -> bool:
    return any(take.state is JobState.RUNNING for take in _takes([scene]))


def _takes(scenes: Iterable[Scene]) -> list[Job]:
    return [take for scene in scenes for take in scene.takes]
