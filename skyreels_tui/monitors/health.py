"""Says in words what is wrong with the machine; pure functions over readings."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.front.language import mark, tr
from skyreels_tui.monitors.sample import GpuReading, HealthReading, MemoryReading, Read, Sample
from skyreels_tui.monitors.surroundings import MEMORY_FLOOR_BYTES, Surroundings
from skyreels_tui.words.sizes import size

THERMAL, BRAKE, HARDWARE, DRIVER_THERMAL = 0x40, 0x80, 0x8, 0x20
SLOWED = THERMAL | BRAKE | HARDWARE | DRIVER_THERMAL
"""Bits of heat or a power fault; a power cap (0x4) is how such cards run."""

CLOCK_EVENTS: tuple[tuple[int, str, bool], ...] = (
    (THERMAL, mark("hot: hardware slows the clocks"), True),
    (DRIVER_THERMAL, mark("hot: driver slows the clocks"), True),
    (BRAKE, mark("power brake"), True),
    (HARDWARE, mark("hardware slowdown"), True),
    (0x4, mark("power cap"), False),
    (0x2, mark("locked clocks"), False),
)
"""(bit, words, costs speed). Idle (0x1) is no news; sync boost and display settings do not concern us."""

FAULT_CLOCK_MHZ = 1400
FAULT_LOAD_PERCENT = 90
FAULT_READINGS = 10
"""Seconds of load at a low clock before we call it a fault: clocks ramp up within one or two."""

PRESSURE_PERCENT = 10.0
SLOW_FACTOR = 1.25


def clock_event_words(bits: int) -> list[tuple[str, bool]]:
    """Decode NVML's clock-event bits: (words, costs speed), the most serious first."""
    if bits & (THERMAL | BRAKE):
        # They also set the general hardware bit: say it once.
        bits &= ~HARDWARE
    return [(tr(words), serious) for bit, words, serious in CLOCK_EVENTS if bits & bit]


class HealthSensor:
    """Judges readings; remembers how long the clock has been low under load."""

    def __init__(self, memory_floor_bytes: int = MEMORY_FLOOR_BYTES) -> None:
        self._floor_bytes = memory_floor_bytes
        self._slow_readings = 0

    def judge(
        self,
        gpu: GpuReading | None,
        memory: MemoryReading | None,
        step_seconds: Sequence[float] = (),
        usual_step_s: float | None = None,
    ) -> HealthReading:
        """Return what is wrong now.

        `step_seconds` are the running job's steps so far, `usual_step_s` what this machine usually takes.
        """
        words: list[tuple[str, bool]] = []
        if gpu is not None and not gpu.problem:
            words += self._gpu_words(gpu)
        if memory is not None:
            words += self._memory_words(memory)
        slower = slow_words(step_seconds, usual_step_s)
        if slower:
            words.append((slower, True))
        words.sort(key=lambda entry: not entry[1])
        return HealthReading(tuple(word for word, _ in words), any(serious for _, serious in words))

    def _gpu_words(self, gpu: GpuReading) -> list[tuple[str, bool]]:
        words = clock_event_words(gpu.clock_events or 0)
        loaded = gpu.util_percent is not None and gpu.util_percent > FAULT_LOAD_PERCENT
        low = gpu.sm_clock_mhz is not None and gpu.sm_clock_mhz < FAULT_CLOCK_MHZ
        explained = any(serious for _, serious in words) or (gpu.clock_events or 0) & 0x6
        self._slow_readings = self._slow_readings + 1 if loaded and low and not explained else 0
        if "GB10" in gpu.name and self._slow_readings >= FAULT_READINGS:
            words.insert(0, (tr("low clock under load: unplug the power supply for a minute"), True))
        return words

    def _memory_words(self, memory: MemoryReading) -> list[tuple[str, bool]]:
        words = []
        available, total = memory.system_available_bytes, memory.total_bytes
        if available is not None and total is not None and available < min(self._floor_bytes, total // 8):
            words.append((tr("memory low: {free} left", free=size(available)), True))
        if memory.pressure_percent is not None and memory.pressure_percent >= PRESSURE_PERCENT:
            words.append((tr("memory pressure {percent:.0f} %", percent=memory.pressure_percent), True))
        return words


def sensor(of: Surroundings) -> Read:
    """Judge what was read of GPU and memory, and how the running job goes."""
    health = HealthSensor(of.memory_floor_bytes)

    def read(before: Sample) -> HealthReading:
        progress = of.progress()
        if progress is None:
            return health.judge(before.gpu, before.memory)
        return health.judge(before.gpu, before.memory, progress.step_seconds, of.usual_step_s())

    return read


def slow_words(step_seconds: Sequence[float], usual_step_s: float | None) -> str:
    """Compare the last steps with this machine's own history; '' when there is nothing to say."""
    if usual_step_s is None or usual_step_s <= 0 or len(step_seconds) < 2:
        return ""
    # The first step also pays for warming up.
    factor = _middle(step_seconds[1:][-3:]) / usual_step_s
    return tr("steps {factor:.1f}x slower than usual here", factor=factor) if factor >= SLOW_FACTOR else ""


def _middle(seconds: Sequence[float]) -> float:
    """The median of at least one."""
    # The library's module of statistics loads decimals and fractions, which a lone panel has no room for.
    ranked = sorted(seconds)
    return (ranked[(len(ranked) - 1) // 2] + ranked[len(ranked) // 2]) / 2
