"""bfloat16 numbers in two thirds of their bytes, without loss; knows numbers, not files or networks.

A number's lower byte is noise, its upper one (sign and exponent) takes few values. A block is all lower bytes as they
are, then all upper ones compressed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PACKED_KEY = "packed"
"""In a safetensors file's metadata: JSON, name -> {"shape": [...], "blocks": [bytes of each block]}."""
BLOCK_NUMBERS = 8 << 20
"""In a block; the last one of a tensor may have fewer."""
FEWEST_NUMBERS = 4096
"""Of a tensor that is packed."""
MOST_BLOCK_BYTES = 2 * BLOCK_NUMBERS + BLOCK_NUMBERS // 128 + 1024
"""Of a block whose upper bytes are noise too."""


def pack(numbers: NDArray[np.uint16]) -> bytes:
    """One block of at most `BLOCK_NUMBERS` bit patterns."""
    # Whoever only looks for prepared files, as every start does, needs no library.
    from zstandard import ZstdCompressor

    planes = numbers.astype("<u2", copy=False).view(np.uint8).reshape(-1, 2)
    packed: bytes = ZstdCompressor(level=1, write_checksum=True).compress(planes[:, 1].tobytes())
    return planes[:, 0].tobytes() + packed


def unpack_upper(packed: memoryview, upper: memoryview) -> None:
    """Write the upper bytes of all of a block's numbers, from what follows its lower ones. Raises ValueError."""
    from zstandard import ZstdDecompressor, ZstdError

    found = 0
    try:
        with ZstdDecompressor().stream_reader(packed) as reader:
            while found < len(upper) and (count := reader.readinto(upper[found:])):
                found += count
            # The check of what was found stands behind the last byte.
            found += len(reader.read(1))
    except ZstdError as error:
        raise ValueError(str(error)) from error
    if found != len(upper):
        raise ValueError(f"{found} != {len(upper)}")
