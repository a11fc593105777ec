from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
from textual.app import ComposeResult

from skyreels_tui.monitors.disk import DiskSensor
from skyreels_tui.monitors.gpu import GpuSensor
from skyreels_tui.monitors.health import HealthSensor
from skyreels_tui.monitors.memory import MemorySensor
from skyreels_tui.monitors.monitor import Monitor
from skyreels_tui.monitors.sample import Read
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.panels.disk import DiskPanel
from skyreels_tui.ui.panels.gpu import GpuPanel
from skyreels_tui.ui.panels.live import LivePanel
from skyreels_tui.ui.panels.memory import MemoryPanel
from tests.live.fake_nvml import GIB, FakeNvml, Refusal, machine, spark

LIES = ("N/A", "0/0", "None", "Traceback", "nan", "-1")
ERRORS = sorted({getattr(pynvml, name) for name in dir(pynvml) if name.startswith("NVML_ERROR_")})
ENGINE = EngineMemory(30 * GIB, allocated_bytes=37 * GIB, reserved_bytes=40 * GIB, peak_bytes=50 * GIB)


class ThreePanels(HubApp):
    def compose(self) -> ComposeResult:
        yield from (GpuPanel(), MemoryPanel(), DiskPanel())


def library_missing() -> Any:
    raise ImportError("No module named 'pynvml'")


def refusing(number: int) -> FakeNvml:
    return FakeNvml({name: Refusal(number) for name in machine() if name != "nvmlDeviceGetName"} | machine_name())


def _same(fake: Any) -> Any:
    return fake


def machine_name() -> dict[str, str]:
    return {"nvmlDeviceGetName": "NVIDIA GB10"}


def falls_off() -> FakeNvml:
    fake = FakeNvml(spark())
    temperatures = iter([71, 71])

    def temperature() -> int:
        for value in temperatures:
            return value
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    fake.answers["nvmlDeviceGetTemperature"] = temperature
    return fake


CASES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "discrete": (lambda: FakeNvml(machine()), ["98 %", "62 °C", "power cap", "GPU 141.0 GiB", "model 30.0"]),
    "GB10 without memory": (lambda: FakeNvml(spark()), ["98 %", "71 °C", "unified 120.0 GiB", "model 30.0"]),
    "GB10 with memory": (
        lambda: FakeNvml(spark() | {"nvmlDeviceGetMemoryInfo": SimpleNamespace(total=120 * GIB, used=60 * GIB)}),
        ["unified 120.0 GiB", "65.0/120.0", "peak 50.0"],
    ),
    "no library": (library_missing, ["nvidia-ml-py is not installed", "system 120.0 GiB", "65.0/120.0"]),
    "no driver": (lambda: FakeNvml({}, start=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND), ["no NVIDIA driver", "65.0/120.0"]),
    "no gpu": (lambda: FakeNvml({}, count=0), ["the driver sees no NVIDIA GPU", "65.0/120.0"]),
    "off the bus": (falls_off, ["no longer answers", "reboot", "65.0/120.0"]),
    **{
        f"every call raises {number}": (lambda number=number: refusing(number), ["120.0 GiB", "65.0/120.0"])
        for number in ERRORS
    },
    **{
        f"start raises {number}": (lambda number=number: FakeNvml({}, start=number), ["work without one", "65.0/120.0"])
        for number in ERRORS
        if number
    },
}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    figures = {"MemTotal": 120, "MemAvailable": 55, "Cached": 3, "Buffers": 0, "SwapTotal": 16, "SwapFree": 16}
    (tmp_path / "meminfo").write_text("".join(f"{name}: {gib * 2**20} kB\n" for name, gib in figures.items()))
    return tmp_path


@pytest.mark.parametrize("size", [(38, 24), (100, 50)], ids=str)
async def test_every_panel_speaks_true_words_whatever_nvml_does(proc: Path, size: tuple[int, int]) -> None:
    app = ThreePanels()
    async with app.run_test(size=size) as pilot:
        panels = list(app.query(LivePanel))
        for name, (loader, expected) in CASES.items():
            fake = library_missing if loader is library_missing else partial(_same, loader())
            gpu = GpuSensor(fake, owner_pid=lambda: 4321)
            memory = MemorySensor(proc, lambda: 4321, lambda: ENGINE)
            disk, health = DiskSensor({"results": proc}), HealthSensor()
            sensors: list[tuple[str, Read]] = [
                ("gpu", lambda _, gpu=gpu: gpu.read()),  # type: ignore[misc]
                ("memory", lambda before, memory=memory: memory.read(before.gpu)),  # type: ignore[misc]
                ("disk", lambda _, disk=disk: disk.read()),  # type: ignore[misc]
                ("health", lambda before, health=health: health.judge(before.gpu, before.memory)),  # type: ignore[misc]
            ]
            monitor = Monitor(sensors, app.publish_sample)
            for _ in range(3):
                reading = monitor.sample()
                assert not reading.errors, (name, reading.errors)
                app.publish_sample(reading)
                await pilot.pause()
            bodies = [f"{panel.border_title} {panel.render().plain}" for panel in panels]
            folded = [panel.line(80).plain for panel in panels]
            text = " ".join(" ".join(bodies).split())
            for words in expected if size[0] > 60 else ():
                assert words in text, (name, words, text)
            for lie in LIES:
                assert lie not in text and lie not in " ".join(folded), (name, lie, text, folded)
            assert all(line.strip() for line in folded), (name, folded)
