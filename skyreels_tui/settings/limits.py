"""How far an approximate video may be from the exact one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """How far an approximate video may be from the exact one."""

    velocity: float
    """Largest relative L2 of the first step's velocity: later steps start from different latents."""
    psnr_db: float
    ssim: float
