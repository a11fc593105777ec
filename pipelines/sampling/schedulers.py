"""Schedulers of flow matching; the state of each can be stored and put back bit for bit.

Knows nothing about models: it is fed velocities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

NUM_TRAIN_TIMESTEPS = 1000

STORED_PREFIX = "solver"
"""Under which snapshots keep a scheduler's state; work folders on disks hold it."""


@dataclass(frozen=True, slots=True)
class NoiseSchedule:
    """Timesteps for the model and sigmas for the scheduler, one of each a step; `sigmas` has a final 0 more."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]
    """float32 values."""

    @property
    def num_steps(self) -> int:
        """Denoising steps."""
        return len(self.timesteps)


def reference_schedule(num_steps: int, shift: float = 5.0) -> NoiseSchedule:
    """Schedule of reference to video: a ramp of 1 - linspace(1, 0.001), shifted; integer timesteps."""
    ramp = (1 - np.linspace(1, 1 / NUM_TRAIN_TIMESTEPS, num_steps + 1))[::-1][:-1]
    return _integer_schedule(ramp, shift)


def extension_schedule(num_steps: int, shift: float = 8.0) -> NoiseSchedule:
    """Schedule of video extension: a ramp from float32 0.999 to 0, shifted; integer timesteps."""
    return _integer_schedule(np.linspace(float(np.float32(0.999)), 0.0, num_steps + 1)[:-1], shift)


def avatar_schedule(num_steps: int, shift: float = 11.0) -> NoiseSchedule:
    """Schedule of the talking avatar: 1000 down to 1 and 0, shifted in float32; fractional timesteps."""
    ramp = np.linspace(NUM_TRAIN_TIMESTEPS, 1, num_steps, dtype=np.float32)
    u = np.append(ramp, np.float32(0)) / np.float32(NUM_TRAIN_TIMESTEPS)
    sigmas = np.float32(shift) * u / (1 + np.float32(shift - 1) * u)
    times = (np.float32(NUM_TRAIN_TIMESTEPS) * sigmas).astype(np.float32)
    return NoiseSchedule(tuple(map(float, times[:-1])), tuple(map(float, times / np.float32(1000))))


def _integer_schedule(ramp: npt.NDArray[np.float64], shift: float) -> NoiseSchedule:
    sigmas = shift * ramp / (1 + (shift - 1) * ramp)
    timesteps = (NUM_TRAIN_TIMESTEPS * sigmas).astype(np.int64)
    stored = np.append(sigmas, 0.0).astype(np.float32)
    return NoiseSchedule(tuple(map(int, timesteps)), tuple(map(float, stored)))


class Scheduler(Protocol):
    """One step of integration at a time, from `sigmas[0]` to 0."""

    timesteps: tuple[float, ...]
    sigmas: tuple[float, ...]
    step_index: int
    """Finished steps."""
    x0: Tensor | None
    """Estimate of the clean latents from the last step."""

    def step(self, velocity: Tensor, sample: Tensor) -> Tensor:
        """Advance float32 latents by one step."""
        ...

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values from which `restore` continues with identical bytes."""
        ...

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Take the place of the scheduler whose `state` these are."""
        ...


class FlowEuler:
    """The straight line: x + (sigma_next - sigma) * velocity."""

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.timesteps, self.sigmas, self.step_index = schedule.timesteps, schedule.sigmas, 0
        self.x0: Tensor | None = None

    def step(self, velocity: Tensor, sample: Tensor) -> Tensor:
        """Advance float32 latents by one step."""
        sigma, next_sigma = self.sigmas[self.step_index : self.step_index + 2]
        velocity = velocity.float()
        self.x0 = sample - sigma * velocity
        self.step_index += 1
        return sample + (next_sigma - sigma) * velocity

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The step count is all there is."""
        return {}, {"step_index": self.step_index}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Continue after the stored number of steps."""
        self.step_index = int(values["step_index"])


class FlowUniPC:
    """UniPC of order 2 with B(h) = expm1(-h) on the x0 estimates of a flow; order 1 at both ends.

    Coefficients are float64, tensors float32.
    """

    def __init__(self, schedule: NoiseSchedule) -> None:
        self.timesteps, self.sigmas, self.step_index = schedule.timesteps, schedule.sigmas, 0
        self.x0: Tensor | None = None
        self._before: Tensor | None = None
        """The x0 estimate of the step before the last."""
        self._corrected: Tensor | None = None
        """The sample that the last prediction started from."""

    def step(self, velocity: Tensor, sample: Tensor) -> Tensor:
        """Advance float32 latents by one step: correct the sample, then predict the next."""
        i, sigmas = self.step_index, self.sigmas
        estimate = sample - sigmas[i] * velocity.float()
        if i > 0:
            sample = self._correct(i, estimate)
        self._before, self.x0, self._corrected = self.x0, estimate, sample
        self.step_index += 1
        if sigmas[i + 1] == 0:
            return estimate
        return self._predict(i, sample)

    def _correct(self, i: int, estimate: Tensor) -> Tensor:
        """Repeat the last prediction, now knowing the estimate at its end."""
        assert self.x0 is not None and self._corrected is not None
        sigmas, last = self.sigmas, self.x0
        h = _log_snr(sigmas[i]) - _log_snr(sigmas[i - 1])
        b = math.expm1(-h)
        base = sigmas[i] / sigmas[i - 1] * self._corrected - (1 - sigmas[i]) * b * last
        if self._order(i - 1) == 1:
            return base - (1 - sigmas[i]) * b * 0.5 * (estimate - last)
        assert self._before is not None
        r = (_log_snr(sigmas[i - 2]) - _log_snr(sigmas[i - 1])) / h
        phi2 = b / -h - 1
        phi3 = phi2 / -h - 0.5
        rho_old, rho_new = _solve_pair(r, phi2 / b, 2 * phi3 / b)
        bend = rho_old / r * (self._before - last) + rho_new * (estimate - last)
        return base - (1 - sigmas[i]) * b * bend

    def _predict(self, i: int, sample: Tensor) -> Tensor:
        assert self.x0 is not None
        sigmas, estimate = self.sigmas, self.x0
        h = _log_snr(sigmas[i + 1]) - _log_snr(sigmas[i])
        b = math.expm1(-h)
        base = sigmas[i + 1] / sigmas[i] * sample - (1 - sigmas[i + 1]) * b * estimate
        if self._order(i) == 1:
            return base
        assert self._before is not None
        r = (_log_snr(sigmas[i - 1]) - _log_snr(sigmas[i])) / h
        return base - (1 - sigmas[i + 1]) * b * 0.5 / r * (self._before - estimate)

    def _order(self, i: int) -> int:
        """Order of the prediction at step i."""
        return min(2, len(self.timesteps) - i, i + 1)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The last two x0 estimates, the sample predicted from, and the step count."""
        named = {"x0": self.x0, "before": self._before, "corrected": self._corrected}
        tensors = {f"{STORED_PREFIX}.{name}": value for name, value in named.items() if value is not None}
        return tensors, {"step_index": self.step_index}

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> None:
        """Continue from a stored state; the tensors must be on the device of the latents."""
        self.step_index = int(values["step_index"])
        self.x0 = tensors.get(f"{STORED_PREFIX}.x0")
        self._before = tensors.get(f"{STORED_PREFIX}.before")
        self._corrected = tensors.get(f"{STORED_PREFIX}.corrected")


def _log_snr(sigma: float) -> float:
    return math.log(1 - sigma) - math.log(sigma)


def _solve_pair(r: float, b1: float, b2: float) -> Sequence[float]:
    """Solve x + y = b1, r x + y = b2."""
    x = (b1 - b2) / (1 - r)
    return x, b1 - x
