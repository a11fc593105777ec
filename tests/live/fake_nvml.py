"""A stand-in for the NVML binding that plays recorded machines, with the binding's own error classes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pynvml

GIB = 2**30


class FakeNvml:
    """Answers from a table: a value, an error number to raise, or a callable; unlisted calls raise NotSupported."""

    NVMLError = pynvml.NVMLError

    def __init__(self, answers: dict[str, Any], *, start: int | None = None, count: int = 1) -> None:
        self.answers, self.start, self.count = answers, start, count
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("NVML_"):
            return getattr(pynvml, name)
        if not name.startswith("nvml"):
            raise AttributeError(name)
        return lambda *arguments: self._answer(name)

    def nvmlInit(self) -> None:
        if self.start is not None:
            raise pynvml.NVMLError(self.start)

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return f"handle {index}"

    def nvmlShutdown(self) -> None:
        self.calls.append("shutdown")

    def _answer(self, name: str) -> Any:
        self.calls.append(name)
        answer = self.answers.get(name, pynvml.NVML_ERROR_NOT_SUPPORTED)
        if isinstance(answer, Refusal):
            raise pynvml.NVMLError(answer.number)
        if name not in self.answers:
            raise pynvml.NVMLError(answer)
        return answer() if isinstance(answer, Callable) else answer


class Refusal:
    """A recorded error."""

    def __init__(self, number: int) -> None:
        self.number = number


def machine(**changes: Any) -> dict[str, Any]:
    """A discrete card; changes override single calls."""
    return {
        "nvmlDeviceGetName": "NVIDIA H200",
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=98, memory=40),
        "nvmlDeviceGetClockInfo": 1755,
        "nvmlDeviceGetMaxClockInfo": 1980,
        "nvmlDeviceGetTemperature": 62,
        "nvmlDeviceGetPowerUsage": 512_300,
        "nvmlDeviceGetEnforcedPowerLimit": 700_000,
        "nvmlDeviceGetCurrentClocksEventReasons": 0x4,
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=141 * GIB, used=60 * GIB, free=81 * GIB),
        "nvmlDeviceGetComputeRunningProcesses": [
            SimpleNamespace(pid=4321, usedGpuMemory=44 * GIB),
            SimpleNamespace(pid=99, usedGpuMemory=8 * GIB),
        ],
        **changes,
    }


def spark(**changes: Any) -> dict[str, Any]:
    """A DGX Spark whose driver refuses the memory query, the maximum power and the fan."""
    return machine(
        nvmlDeviceGetName="NVIDIA GB10",
        nvmlDeviceGetClockInfo=2412,
        nvmlDeviceGetMaxClockInfo=3003,
        nvmlDeviceGetTemperature=71,
        nvmlDeviceGetPowerUsage=92_400,
        nvmlDeviceGetEnforcedPowerLimit=Refusal(pynvml.NVML_ERROR_NOT_SUPPORTED),
        nvmlDeviceGetMemoryInfo=Refusal(pynvml.NVML_ERROR_NOT_SUPPORTED),
        nvmlDeviceGetCurrentClocksEventReasons=0,
        **changes,
    )
