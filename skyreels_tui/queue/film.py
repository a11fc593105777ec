"""A film as the store gives it: scenes in order, each with the jobs made from it; plain data that runs nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from skyreels_tui.queue.model import Job, JobState


@dataclass(frozen=True, slots=True)
class Scene:
    """One place in a film, with at least one take: a job made from it."""

    takes: tuple[Job, ...]
    """Oldest first."""
    picked: int | None = None
    """The job that a person chose, whatever has become of it."""

    @property
    def chosen(self) -> Job | None:
        """The finished take that stands for the scene: the one a person chose, else the newest."""
        done = [take for take in self.takes if take.state is JobState.DONE]
        return next((take for take in done if take.id == self.picked), done[-1] if done else None)

    @property
    def shown(self) -> Job:
        """The take that tells where the scene stands: the chosen one, else the newest."""
        return self.chosen or self.takes[-1]


@dataclass(frozen=True, slots=True)
class Film:
    """A named list of scenes; where it stands follows from them."""

    name: str
    created_at: str
    """UTC, ISO 8601."""
    scenes: tuple[Scene, ...]

    @property
    def counts(self) -> Counter[JobState]:
        """How many scenes stand where."""
        return Counter(scene.shown.state for scene in self.scenes)
