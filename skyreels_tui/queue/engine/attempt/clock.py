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
        self._units: tuple[float, int] | None = None
        self._unit_seconds: float | None = None

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

    @property
    def unit_seconds(self) -> float | None:
        """Measured seconds a unit of the running stage: of the last step, of all pieces or bytes of this segment."""
        return self._unit_seconds

    def see(self, progress: Progress) -> bool:
        """Take in a report; True when it says something that the row must hold: a new stage or step."""
        now = self._now()
        changed = progress.stage != self._stage
        if changed:
            if self._stage is not None:
                self._stages[self._stage] = self._stages.get(self._stage, 0.0) + now - self._stage_began
            self._stage, self._stage_began = progress.stage, now
        self._measure(progress, now, changed=changed)
        if progress.stage == Stage.DENOISE:
            place = (progress.segment, progress.step)
            if not changed and place[0] == self._last[0] and place[1] > self._last[1]:
                self._steps.append((now - self._step_began) / (place[1] - self._last[1]))
            changed = changed or place != self._last
            if place != self._last:
                self._step_began = now
            self._last = place
        return changed

    def _measure(self, progress: Progress, now: float, *, changed: bool) -> None:
        """Time the units of the stage that runs; what ran before it says nothing about them."""
        done = progress.bytes_done if progress.stage is Stage.LOAD else progress.step
        if changed or self._units is None or done < self._units[1]:
            self._units, self._unit_seconds = (now, done), None
        elif done > self._units[1]:
            self._unit_seconds = (now - self._units[0]) / (done - self._units[1])
            if progress.stage is Stage.DENOISE:
                self._units = (now, done)
