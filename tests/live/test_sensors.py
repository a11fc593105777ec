from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_tui.monitors.disk import WALK_INTERVAL_S, DiskSensor, folder_bytes
from skyreels_tui.monitors.health import FAULT_READINGS, HealthSensor, clock_event_words, slow_words
from skyreels_tui.monitors.memory import MemorySensor
from skyreels_tui.monitors.sample import GpuReading, MemoryReading, Pool
from skyreels_tui.queue.events import EngineMemory

GIB = 2**30
KIB_PER_GIB = 2**20

MEMINFO = f"""MemTotal:       {120 * KIB_PER_GIB} kB
MemFree:        {40 * KIB_PER_GIB} kB
MemAvailable:   {55 * KIB_PER_GIB} kB
Buffers:        {KIB_PER_GIB} kB
Cached:         {3 * KIB_PER_GIB} kB
SReclaimable:   {KIB_PER_GIB} kB
Shmem:          {KIB_PER_GIB} kB
SwapTotal:      {16 * KIB_PER_GIB} kB
SwapFree:       {14 * KIB_PER_GIB} kB
HugePages_Total:       0
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "77").mkdir()
    (tmp_path / "77" / "status").write_text(f"Name:\tpython\nRssAnon:\t{2 * KIB_PER_GIB} kB\nRssShmem:\t0 kB\n")
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "memory").write_text(
        "some avg10=12.50 avg60=1.00 avg300=0.10 total=1\nfull avg10=3.00 avg60=0.00 avg300=0.00 total=1\n"
    )
    return tmp_path


def test_unified_pool_adds_gpu_and_host_memory_of_the_engine(proc: Path) -> None:
    engine = EngineMemory(30 * GIB, allocated_bytes=37 * GIB, reserved_bytes=40 * GIB, peak_bytes=50 * GIB)
    sensor = MemorySensor(proc, lambda: 77, lambda: engine)
    reading = sensor.read(GpuReading(name="NVIDIA GB10", unified=True, process_bytes=40 * GIB))
    assert reading.pool is Pool.UNIFIED
    assert (reading.total_bytes, reading.used_bytes) == (120 * GIB, 65 * GIB)
    assert reading.available_bytes == 55 * GIB
    assert reading.ours_bytes == 42 * GIB
    assert (reading.weights_bytes, reading.work_bytes, reading.others_bytes) == (30 * GIB, 9 * GIB, 23 * GIB)
    assert reading.spare_bytes == 3 * GIB
    assert reading.peak_bytes == 50 * GIB
    assert reading.page_cache_bytes == 4 * GIB
    assert (reading.swap_used_bytes, reading.swap_total_bytes) == (2 * GIB, 16 * GIB)
    assert reading.pressure_percent == 12.5


def test_the_allocator_speaks_where_nvml_does_not(proc: Path) -> None:
    engine = EngineMemory(weights_bytes=30 * GIB, reserved_bytes=41 * GIB)
    reading = MemorySensor(proc, lambda: 77, lambda: engine).read(GpuReading(name="GB10", unified=True))
    assert reading.ours_bytes == 43 * GIB


def test_discrete_card_shows_its_own_memory_and_the_systems(proc: Path) -> None:
    gpu = GpuReading(name="H200", process_bytes=44 * GIB, memory_total_bytes=141 * GIB, memory_used_bytes=60 * GIB)
    reading = MemorySensor(proc, lambda: 77).read(gpu)
    assert reading.pool is Pool.GPU
    assert (reading.total_bytes, reading.available_bytes) == (141 * GIB, 81 * GIB)
    assert (reading.ours_bytes, reading.others_bytes) == (44 * GIB, 16 * GIB)
    assert reading.system_available_bytes == 55 * GIB


def test_no_gpu_is_plain_system_memory(proc: Path) -> None:
    reading = MemorySensor(proc, lambda: 77).read(GpuReading(problem="no NVIDIA driver on this machine"))
    assert reading.pool is Pool.SYSTEM
    assert reading.ours_bytes == 2 * GIB


def test_a_system_without_proc_gives_none_and_no_error(tmp_path: Path) -> None:
    reading = MemorySensor(tmp_path, lambda: None).read(None)
    assert reading.total_bytes is None
    assert reading.pressure_percent is None
    assert reading.others_bytes is None


def test_disk_sums_folders_once_a_minute_and_free_space_always(tmp_path: Path) -> None:
    results, state, model = tmp_path / "result", tmp_path / "state", tmp_path / "model"
    for folder in (state, model / "blobs"):
        folder.mkdir(parents=True)
    (model / "blobs" / "a").write_bytes(bytes(3000))
    (model / "link").symlink_to(model / "blobs" / "a")
    now = [0.0]
    roles = {"results": results, "cache": tmp_path / "cache", "state": state}
    sensor = DiskSensor(roles, state / "jobs", lambda: {"R2V": model}, lambda: now[0])
    first = sensor.read()
    assert first.result_bytes == 0
    assert first.models[0][0] == "R2V"
    assert 3000 <= first.models[0][1] < 3200, "a link's target counts once"
    assert first.file_systems[0].roles == ("results", "cache", "state")
    assert first.holding("state") is not None

    results.mkdir()
    (results / "a.mp4").write_bytes(bytes(5000))
    assert sensor.read().result_bytes == 0
    now[0] = WALK_INTERVAL_S
    assert sensor.read().result_bytes == 5000


def test_a_folder_that_does_not_exist_holds_nothing(tmp_path: Path) -> None:
    assert folder_bytes(tmp_path / "nowhere") == 0


def test_clock_events_are_words_with_the_serious_first() -> None:
    assert clock_event_words(0x1) == []
    assert clock_event_words(0x2) == [("locked clocks", False)]
    assert clock_event_words(0x4) == [("power cap", False)]
    assert [word for word, _ in clock_event_words(0x48)] == ["hot: hardware slows the clocks"]
    assert clock_event_words(0x8) == [("hardware slowdown", True)]
    assert clock_event_words(0x84)[0] == ("power brake", True)
    assert clock_event_words(0x20)[0][1]


def test_power_delivery_fault_needs_ten_seconds_and_no_other_reason() -> None:
    slow = GpuReading(name="NVIDIA GB10", util_percent=96, sm_clock_mhz=850, clock_events=0)
    sensor = HealthSensor()
    judged = [sensor.judge(slow, None) for _ in range(FAULT_READINGS)]
    assert all(not reading.words for reading in judged[:-1])
    assert judged[-1].serious
    assert "unplug" in judged[-1].words[0]

    locked = GpuReading(name="NVIDIA GB10", util_percent=96, sm_clock_mhz=850, clock_events=0x2)
    sensor = HealthSensor()
    for _ in range(2 * FAULT_READINGS):
        reading = sensor.judge(locked, None)
    assert reading.words == ("locked clocks",)
    assert not reading.serious


def test_idle_low_clock_is_no_fault() -> None:
    idle = GpuReading(name="NVIDIA GB10", util_percent=0, sm_clock_mhz=208, clock_events=1)
    sensor = HealthSensor()
    assert all(not sensor.judge(idle, None).words for _ in range(2 * FAULT_READINGS))


def test_memory_near_the_floor_and_under_pressure_is_serious() -> None:
    memory = MemoryReading(Pool.UNIFIED, total_bytes=120 * GIB, system_available_bytes=6 * GIB, pressure_percent=22.0)
    reading = HealthSensor().judge(None, memory)
    assert reading.serious
    assert reading.words == ("memory low: 6 GiB left", "memory pressure 22 %")


def test_steps_are_compared_with_this_machines_own_history() -> None:
    assert slow_words([300, 150, 152], 100.0) == "steps 1.5x slower than usual here"
    assert slow_words([300, 101, 99], 100.0) == ""
    assert slow_words([300], 100.0) == "", "the first step pays for warming up"
    assert slow_words([300, 300], None) == ""
