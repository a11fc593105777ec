"""The clock of one attempt: how long it, each step and each stage take; monotonic."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pipelines.front.progress import Progress, Stage

_KEPT_STEPS = 120


class AttemptClock:
    """Fed with every report of an attempt; `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._began = now()
        self._stage: Stage | None = None
        self._stage_began = self._began
        self._step_began = self._began
        self._steps: deque[float] = deque(maxlen=_KEPT_STEPS)
        self._stages: dict[Stage, float] = {}
        self._last = (-1, -1)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the attempt began."""
        return self._now() - self._began

    @property
    def step_seconds(self) -> tuple[float, ...]:
        """Durations of the finished denoising steps, oldest first."""
        return tuple(self._steps)

    @property
    def stage_seconds(self) -> tuple[tuple[str, float], ...]:
        """Seconds of each stage that was left, summed over segments, in order of first appearance."""
        return tuple((stage.value, seconds) for stage, seconds in self._stages.items())

    def see(self, progress: Progress) -> bool:
        """Take in a report; True when it says something that the row must hold: a new stage or step."""
        now = self._now()
        changed = progress.stage != self._stage
        if changed:
            if self._stage is not None:
                self._stages[self._stage] = self._stages.get(self._stage, 0.0) + now - self._stage_began
            self._stage, self._stage_began = progress.stage, now
        if progress.stage == Stage.DENOISE:
            place = (progress.segment, progress.step)
            if not changed and place[0] == self._last[0] and place[1] > self._last[1]:
                self._steps.append((now - self._step_began) / (place[1] - self._last[1]))
            changed = changed or place != self._last
            if place != self._last:
                self._step_began = now
            self._last = place
        return changed
