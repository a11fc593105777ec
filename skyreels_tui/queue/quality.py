"""What this machine knows of the approximate ways to compute: figures of runs that compared one with the exact way."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.language import tr
from pipelines.front.request import Request
from skyreels_tui.settings.limits import QualityLimits

QUALITY_FILE = "quality.json"
"""Name of the file in the state folder."""
WAYS = ("fast", "fastest", "low_vram")
"""Approximate ways: 8-bit products, attention in 8 bits as well, and weights kept in 8 bits."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One comparison, with the same seed."""

    velocity: tuple[float, ...]
    """Relative L2 of the velocity, a step each; from the second step on the two runs' latents differ as well."""
    psnr_db: float
    ssim: float
    exact_s: float
    """Seconds of the denoising steps."""
    fast_s: float

    def beyond(self, limits: QualityLimits) -> list[str]:
        """What is beyond the limits, in words; empty when all is within."""
        found = []
        if not self.velocity or not self.velocity[0] <= limits.velocity:
            first = self.velocity[0] if self.velocity else math.nan
            found.append(tr("velocity {value:.4f}, at most {limit:g}", value=first, limit=limits.velocity))
        if not self.psnr_db >= limits.psnr_db:
            found.append(tr("PSNR {value:.1f} dB, at least {limit:g}", value=self.psnr_db, limit=limits.psnr_db))
        if not self.ssim >= limits.ssim:
            found.append(tr("SSIM {value:.4f}, at least {limit:g}", value=self.ssim, limit=limits.ssim))
        return found


def way_of(request: Request) -> str:
    """Which approximate way a request asks for, '' for the exact one."""
    return "low_vram" if request.low_vram else request.quality if request.quality in WAYS else ""


class QualityBook:
    """The figures by GPU, task and way, in one small file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, gpu: str, task: str, way: str) -> Figures | None:
        """What was found the last time; None where it was never tried."""
        entry = self._read().get(_key(gpu, task, way))
        try:
            values = dict(entry)  # type: ignore[call-overload]  # whatever the file holds
            velocity = tuple(float(value) for value in values.pop("velocity"))
            return Figures(velocity, **{name: float(value) for name, value in values.items()})
        except (TypeError, ValueError, KeyError, AttributeError):
            return None

    def keep(self, gpu: str, task: str, way: str, figures: Figures) -> None:
        """Remember a comparison."""
        entries = {**self._read(), _key(gpu, task, way): asdict(figures)}
        write_whole(self._path, json.dumps(entries, indent=1).encode())

    def warning(self, gpu: str, task: str, request: Request, limits: QualityLimits) -> str:
        """What a person should know before a job that is approximate; '' for one that is not, or has proved itself."""
        way = way_of(request)
        if not way or request.profile == "demo":
            return ""
        figures = self.get(gpu, task, way)
        if figures is None:
            return tr(
                "approximate, and never compared with the exact way on this machine: "
                "skyreels-tui quality --task_type {task} --way {way} does",
                task=task,
                way=way,
            )
        beyond = figures.beyond(limits)
        return tr("approximate beyond your limits: {what}", what=", ".join(beyond)) if beyond else ""

    def _read(self) -> dict[str, object]:
        with suppress(OSError, ValueError):
            content = read_json(self._path.read_text("utf-8"))
            if isinstance(content, dict):
                return content
        return {}


def _key(gpu: str, task: str, way: str) -> str:
    return f"{gpu} | {task} | {way}"
