"""How loud a sound is, measured by another's hand."""

import numpy as np


def integrated_loudness(sound: np.ndarray, rate: int) -> float:
    """In LUFS, as pyloudnorm has it."""
    # It brings scipy's filters, a second that most workers of a run need not spend.
    import pyloudnorm

    return float(pyloudnorm.Meter(rate).integrated_loudness(sound))
