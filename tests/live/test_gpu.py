from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from skyreels_tui.monitors.gpu import RETRY_READINGS, GpuSensor
from tests.live.fake_nvml import GIB, FakeNvml, Refusal, machine, spark

ALL_ERRORS = sorted(
    getattr(pynvml, name) for name in dir(pynvml) if name.startswith("NVML_ERROR_") and name != "NVML_ERROR_LAST"
)


def sensor(fake: FakeNvml) -> GpuSensor:
    return GpuSensor(lambda: fake, owner_pid=lambda: 4321)


def test_discrete_gpu_gives_every_figure() -> None:
    reading = sensor(FakeNvml(machine())).read()
    assert (reading.name, reading.util_percent, reading.sm_clock_mhz) == ("NVIDIA H200", 98, 1755)
    assert (reading.temperature_c, reading.power_w, reading.power_limit_w) == (62, 512.3, 700.0)
    assert (reading.memory_used_bytes, reading.memory_total_bytes) == (60 * GIB, 141 * GIB)
    assert reading.process_bytes == 44 * GIB, "without the 8 GiB of another process"
    assert reading.clock_events == 4
    assert not reading.unified
    assert not reading.problem


def test_spark_without_memory_info_is_a_unified_pool() -> None:
    reading = sensor(FakeNvml(spark())).read()
    assert reading.unified
    assert reading.memory_total_bytes is None
    assert reading.power_limit_w is None
    assert reading.process_bytes == 44 * GIB
    assert reading.power_w == 92.4


def test_spark_whose_driver_answers_the_memory_query_is_still_unified() -> None:
    answers = spark()
    answers["nvmlDeviceGetMemoryInfo"] = SimpleNamespace(total=119 * GIB, used=60 * GIB, free=59 * GIB)
    assert sensor(FakeNvml(answers)).read().unified


def test_a_zero_total_counts_as_not_supported() -> None:
    answers = spark()
    answers["nvmlDeviceGetMemoryInfo"] = SimpleNamespace(total=0, used=0, free=0)
    reading = sensor(FakeNvml(answers)).read()
    assert reading.memory_total_bytes is None
    assert reading.unified


def test_process_without_a_figure_of_memory_is_unknown_not_zero() -> None:
    answers = spark(nvmlDeviceGetComputeRunningProcesses=[SimpleNamespace(pid=4321, usedGpuMemory=None)])
    assert sensor(FakeNvml(answers)).read().process_bytes is None


def test_missing_binding_is_said_in_words() -> None:
    def load() -> object:
        raise ImportError("No module named 'pynvml'")

    assert GpuSensor(load).read().problem == "the NVIDIA library nvidia-ml-py is not installed"


def test_no_gpu_in_the_machine() -> None:
    assert sensor(FakeNvml({}, count=0)).read().problem == "the driver sees no NVIDIA GPU"


@pytest.mark.parametrize("number", ALL_ERRORS)
def test_every_error_at_the_start_becomes_words(number: int) -> None:
    reading = sensor(FakeNvml(machine(), start=number)).read()
    assert reading.problem
    assert "Traceback" not in reading.problem


@pytest.mark.parametrize("call", [name for name in machine() if name != "nvmlDeviceGetName"])
def test_each_call_may_be_refused_on_its_own(call: str) -> None:
    gone = {pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_UNINITIALIZED, pynvml.NVML_ERROR_RESET_REQUIRED}
    for number in ALL_ERRORS:
        if number in gone:
            continue
        reading = sensor(FakeNvml(machine(**{call: Refusal(number)}))).read()
        assert not reading.problem, number
        figures = [reading.util_percent, reading.sm_clock_mhz, reading.temperature_c, reading.power_w]
        assert sum(figure is not None for figure in figures) >= 3


def test_a_gpu_that_falls_off_the_bus_is_named_and_found_again() -> None:
    fake = FakeNvml(machine())
    gpu = sensor(fake)
    assert gpu.read().util_percent == 98
    fake.answers["nvmlDeviceGetTemperature"] = Refusal(pynvml.NVML_ERROR_GPU_IS_LOST)
    lost = gpu.read()
    assert "no longer answers" in lost.problem
    assert "reboot" in lost.problem
    assert lost.name == "NVIDIA H200"
    assert "shutdown" in fake.calls

    fake.answers["nvmlDeviceGetTemperature"] = 60
    readings = [gpu.read() for _ in range(RETRY_READINGS + 1)]
    assert all(reading.problem for reading in readings[:-1])
    assert readings[-1].temperature_c == 60


def test_drivers_before_535_name_the_clock_events_otherwise() -> None:
    answers = machine(nvmlDeviceGetCurrentClocksThrottleReasons=0x40)
    del answers["nvmlDeviceGetCurrentClocksEventReasons"]
    assert sensor(FakeNvml(answers)).read().clock_events == 0x40
