"""Shows each step as the job's own autoencoder would decode it, where that costs next to nothing; knows no model."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from pipelines.front.progress import PreviewStrip
from pipelines.sampling.preview import preview_strip

SHARE = 0.02
"""Most of a step's time that its preview may take."""
TRIES = 2
"""Decodes after which their cost is known: the first one pays for warming up."""
LONGEST = 384
"""Pixels of a picture's longer side: more than a terminal shows, little enough to hand round."""

DecodeFrame = Callable[[Tensor], Tensor | None]
"""Normalised latents of one frame [1, 16, 1, h, w] -> pixels [1, 3, 1, H, W] in [-1, 1]; None where that cannot be."""


class StepPreview:
    """Decodes the first frame of the estimate, which is exact, and one from the middle where two cost little enough.

    What decodes is timed at first. Where one frame takes more than `SHARE` of a step, or memory does not allow it, the
    linear pictures of `preview_strip` stand in for the rest of the job. Reads the estimate and draws no random number,
    so the video is the same with and without it.
    """

    def __init__(self, decode: DecodeFrame | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Without `decode` every picture is a linear one."""
        self._decode, self._clock = decode, clock
        self._frame_s: float | None = None
        self._tries = 0

    def __call__(self, x0: Tensor, began_s: float) -> PreviewStrip:
        """Make the strip of `x0`, [1, 16, F, h, w], after a step that began at `began_s` of the clock."""
        return self._decoded(x0, began_s) or preview_strip(x0)

    def _decoded(self, x0: Tensor, began_s: float) -> PreviewStrip | None:
        if self._decode is None:
            return None
        if x0.is_cuda:
            # The step is over when the device says so.
            torch.cuda.synchronize(x0.device)
        start_s = self._clock()
        allowed_s = SHARE * (start_s - began_s)
        two = self._tries >= TRIES and self._frame_s is not None and 2 * self._frame_s <= allowed_s
        frames = tuple(dict.fromkeys((0, x0.shape[2] // 2))) if two else (0,)
        try:
            decoded = [self._decode(x0[:, :, frame : frame + 1]) for frame in frames]
        except torch.OutOfMemoryError:
            self._decode = None
            return None
        strip = strip_of([picture for picture in decoded if picture is not None], frames)
        if strip is not None:
            self._tries += 1
            self._frame_s = (self._clock() - start_s) / len(frames)
            if self._tries >= TRIES and self._frame_s > allowed_s:
                self._decode = None
        return strip


def strip_of(pictures: list[Tensor], frames: tuple[int, ...]) -> PreviewStrip | None:
    """Pictures [1, 3, 1, H, W] in [-1, 1], made small enough to be handed round; None where one is missing."""
    if len(pictures) < len(frames):
        return None
    height, width = pictures[0].shape[-2:]
    scale = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = torch.nn.functional.interpolate(torch.cat([one[:, :, 0] for one in pictures]).float(), size, mode="area")
    bytes_ = ((small.nan_to_num(-1.0).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    rgb = bytes_.permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes()
    return PreviewStrip(width=size[1], height=size[0], frames=frames, rgb=rgb)
