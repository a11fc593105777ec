"""Reads one NVIDIA GPU through NVML; knows nothing of panels, and takes every refusal as a missing figure."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Callable
from typing import Any

from pipelines.front.language import tr
from skyreels_tui.monitors.sample import GpuReading, Read
from skyreels_tui.monitors.surroundings import Surroundings

UNIFIED_NAMES = ("GB10", "Thor", "Orin", "Tegra")
"""Parts of the names of devices that share one pool of memory with the CPU."""

RETRY_READINGS = 30
"""Readings between two attempts to find a GPU that did not answer: drivers come back after a reload."""


def load_nvml() -> Any:
    """Import the NVML binding; ImportError when the package is not installed."""
    return importlib.import_module("pynvml")


class GpuSensor:
    """Reads the GPU with `index`; calls of one instance must come from one thread.

    `nvml` returns the binding, `owner_pid` the process whose GPU memory counts as ours (None: unknown).
    """

    def __init__(
        self,
        nvml: Callable[[], Any] = load_nvml,
        index: int = 0,
        owner_pid: Callable[[], int | None] = os.getpid,
    ) -> None:
        self._load, self._index, self._owner_pid = nvml, index, owner_pid
        self._nvml: Any = None
        self._handle: Any = None
        self._name = ""
        self._count: int | None = None
        self._problem = ""
        self._wait = 0

    def read(self) -> GpuReading:
        """Return the figures of this moment; `problem` says why there are none."""
        if self._handle is None and not self._attach():
            return GpuReading(problem=self._problem, name=self._name)
        nvml, handle = self._nvml, self._handle
        try:
            nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)
        except nvml.NVMLError as error:
            if self._is_gone(error):
                self._give_up(tr("the GPU no longer answers ({error}): reboot the machine", error=_words(error)))
                return GpuReading(problem=self._problem, name=self._name)
        used, total = self._memory()
        utilisation = self._ask("nvmlDeviceGetUtilizationRates", handle)
        power_mw = self._ask("nvmlDeviceGetPowerUsage", handle)
        limit_mw = self._ask("nvmlDeviceGetEnforcedPowerLimit", handle)
        return GpuReading(
            name=self._name,
            count=self._count,
            util_percent=None if utilisation is None else int(utilisation.gpu),
            sm_clock_mhz=self._ask("nvmlDeviceGetClockInfo", handle, nvml.NVML_CLOCK_SM),
            max_sm_clock_mhz=self._ask("nvmlDeviceGetMaxClockInfo", handle, nvml.NVML_CLOCK_SM),
            temperature_c=self._ask("nvmlDeviceGetTemperature", handle, nvml.NVML_TEMPERATURE_GPU),
            power_w=None if power_mw is None else power_mw / 1000,
            power_limit_w=None if limit_mw is None else limit_mw / 1000,
            clock_events=self._clock_events(),
            memory_used_bytes=used,
            memory_total_bytes=total,
            process_bytes=self._process_bytes(),
            unified=total is None or any(part in self._name for part in UNIFIED_NAMES),
        )

    @property
    def name(self) -> str:
        """Name of the GPU, '' while none has answered."""
        return self._name

    def close(self) -> None:
        """Release NVML."""
        if self._nvml is not None:
            self._ask("nvmlShutdown")
        self._nvml = self._handle = None

    def _attach(self) -> bool:
        if self._wait > 0:
            self._wait -= 1
            return False
        try:
            nvml = self._load()
        except ImportError:
            self._give_up(tr("the NVIDIA library nvidia-ml-py is not installed"))
            return False
        try:
            nvml.nvmlInit()
            self._count = nvml.nvmlDeviceGetCount()
            if self._count <= self._index:
                self._give_up(tr("the driver sees no NVIDIA GPU"))
                return False
            handle = nvml.nvmlDeviceGetHandleByIndex(self._index)
        except nvml.NVMLError as error:
            self._give_up(_start_problem(nvml, error))
            return False
        self._nvml, self._handle, self._problem = nvml, handle, ""
        name = self._ask("nvmlDeviceGetName", handle)
        self._name = name.decode(errors="replace") if isinstance(name, bytes) else (name or "NVIDIA GPU")
        return True

    def _give_up(self, problem: str) -> None:
        self._problem, self._wait = problem, RETRY_READINGS
        self.close()

    def _is_gone(self, error: Any) -> bool:
        nvml = self._nvml
        gone = {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_UNINITIALIZED, nvml.NVML_ERROR_RESET_REQUIRED}
        return getattr(error, "value", None) in gone

    def _ask(self, name: str, *arguments: Any) -> Any:
        """Call one NVML function; None when this device, driver or binding does not offer it."""
        function = getattr(self._nvml, name, None)
        if function is None:
            return None
        try:
            return function(*arguments)
        except self._nvml.NVMLError:
            return None

    def _memory(self) -> tuple[int | None, int | None]:
        info = self._ask("nvmlDeviceGetMemoryInfo", self._handle)
        # A total of zero is how some drivers spell "not supported" without raising.
        return (None, None) if info is None or not info.total else (int(info.used), int(info.total))

    def _process_bytes(self) -> int | None:
        owner = self._owner_pid()
        processes = self._ask("nvmlDeviceGetComputeRunningProcesses", self._handle) or ()
        ours = [p.usedGpuMemory for p in processes if p.pid == owner and p.usedGpuMemory is not None]
        return sum(ours) if ours else None

    def _clock_events(self) -> int | None:
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons", self._handle)
        if bits is None:
            # The name of the same call in drivers before 535.
            bits = self._ask("nvmlDeviceGetCurrentClocksThrottleReasons", self._handle)
        return None if bits is None else int(bits)


def sensor(of: Surroundings) -> Read:
    """Read the GPU; memory of the process with the engine counts as ours."""
    gpu = GpuSensor(owner_pid=of.owner_pid)
    of.closing.callback(gpu.close)
    return lambda _: gpu.read()


@functools.cache
def _first_look() -> GpuReading:
    sensor = GpuSensor()
    reading = sensor.read()
    sensor.close()
    return reading


def gpu_name() -> str:
    """Name of the first GPU, '' when there is none; asked once a process."""
    return _first_look().name


def gpu_count() -> int:
    """GPUs that the driver sees; asked once a process."""
    return _first_look().count or 0


def _words(error: Any) -> str:
    return str(error).strip() or type(error).__name__


def _start_problem(nvml: Any, error: Any) -> str:
    """Say why NVML did not start, and what mends it."""
    known = {
        nvml.NVML_ERROR_LIBRARY_NOT_FOUND: tr("no NVIDIA driver on this machine"),
        nvml.NVML_ERROR_DRIVER_NOT_LOADED: tr("the NVIDIA driver is installed but not loaded: reboot"),
        nvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: tr("the NVIDIA driver was updated under us: reboot"),
        nvml.NVML_ERROR_NO_PERMISSION: tr("no permission to ask the NVIDIA driver"),
        nvml.NVML_ERROR_GPU_IS_LOST: tr("the GPU fell off the bus: reboot the machine"),
        nvml.NVML_ERROR_NOT_FOUND: tr("the driver sees no NVIDIA GPU"),
    }
    return known.get(
        getattr(error, "value", None), tr("the NVIDIA driver does not answer: {error}", error=_words(error))
    )
