"""Decoding a video by rows: every rank decodes a band, neighbours exchange the rows that convolutions reach into.

Exact up to rounding: no tiles, no seams. Knows nothing of jobs or of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.models.vae.decoder import DecoderWeights, StreamingDecoder
from pipelines.parallel.gang import Gang, split


@dataclass(frozen=True, slots=True)
class RowBand:
    """A `Band`: the ranks' bands lie from top to bottom."""

    gang: Gang
    rows: tuple[int, ...]
    """Latent rows on every rank."""

    @property
    def latent_rows(self) -> int:
        """Latent rows of this band."""
        return self.rows[self.gang.rank]

    def fill_edges(self, frames: Tensor) -> None:
        rank, size = self.gang.rank, self.gang.size
        above, below = rank > 0, rank + 1 < size
        sent = torch.stack([row for row, is_wanted in ((frames[:, 1], above), (frames[:, -2], below)) if is_wanted])
        counts = [int(abs(other - rank) == 1) for other in range(size)]
        arrived = self.gang.exchange(sent, counts, counts)  # [1 or 2, T, W, C]
        frames[:, 0] = arrived[0] if above else 0
        frames[:, -1] = arrived[-1] if below else 0

    def gather(self, x: Tensor) -> Tensor:
        scale = x.shape[1] // self.latent_rows
        return self.gang.gather(x, [scale * rows for rows in self.rows], dim=1).contiguous()


def decode_rows(gang: Gang, weights: DecoderWeights, latents: Tensor) -> Iterator[Tensor | None]:
    """Decode raw latents [T, 16, h, w], the same on every rank, frame by frame.

    Yields on rank 0 what `StreamingDecoder.decode` gives for each latent frame, and None elsewhere. Works on as many
    latent frames at a time as there are ranks.
    """
    band = RowBand(gang, split(latents.shape[2], gang.size))
    if not band.latent_rows:
        raise ValueError(f"{latents.shape[2]} latent rows are too few for {gang.size} ranks")
    decoder = StreamingDecoder(weights, torch.float32, band)
    rows = gang.slice_of(latents, band.rows, dim=2)
    # A message costs much the same however large it is. So many frames of a band are as much work as one whole frame.
    for chunk in (rows[:1], *(rows[1:].split(gang.size) if len(rows) > 1 else ())):
        gang.go_on()
        pixels = decoder.decode(chunk)  # [m, 3, 8 * rows, 8 * w]
        scale = pixels.shape[2] // chunk.shape[2]
        whole = gang.gather_to_leader(pixels, [scale * size for size in band.rows], dim=2)
        for frame in range(len(chunk)):
            yield None if whole is None else whole.tensor_split(len(chunk))[frame]
    # Whoever leaves early says so at the next word, also after the last frame.
    gang.go_on()
