"""Decodes sound to mono samples and measures its loudness (ITU-R BS.1770)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def decode_mono(path: str | Path, rate: int = 16000) -> NDArray[np.float32]:
    """Return the channel mean resampled with SoX HQ: ceil(n * rate / source rate) samples."""
    raise NotImplementedError


def loudness(samples: NDArray[np.floating], rate: int) -> float:
    """Return the integrated loudness of mono `samples` in LUFS; -inf for silence or less than 0.4 s."""
    raise NotImplementedError


def normalise_loudness(samples: NDArray[np.float32], rate: int, target: float = -23.0) -> NDArray[np.float32]:
    """Scale mono `samples` to `target` LUFS; silence comes back as it is. There is no limiter."""
    raise NotImplementedError


def waveform(path: str | Path, columns: int) -> list[float]:
    """Return the peak of each of `columns` equal stretches of time, 0 to 1, for a strip in a form."""
    raise NotImplementedError
