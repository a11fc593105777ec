"""How a recording becomes windows: frames, starts, key frames, masks as plain numbers; no tensors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.front.shapes import AVATAR_FPS, TEMPORAL_STRIDE
from pipelines.tasks.talking_avatar import DROPPED_FRAMES, MAX_SECONDS, MOTION_FRAMES, WINDOW_FRAMES

TARGET_LUFS = -23.0
MAX_FRAMES = round(MAX_SECONDS * AVATAR_FPS)
SHIFT = 11.0
"""How far the schedule is pushed towards noise; the distilled weights expect this value."""
KEY_FRAME_REPEAT = 5
"""How many frames at the end of a window are held to its key frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """The passes of one avatar: pass 0 is the reference pass, pass k + 1 is window k."""

    num_frames: int
    """Frames of the result."""
    window_frames: int = WINDOW_FRAMES
    """Frames of every pass; one more than a multiple of 4."""
    motion_frames: int = MOTION_FRAMES
    """Last frames of a window that the next one starts from."""
    dropped_frames: int = DROPPED_FRAMES
    """Frames thrown away at the end of every window but the last."""
    max_frames: int = MAX_FRAMES

    @property
    def step(self) -> int:
        """Frames from one window's start to the next one's."""
        return self.window_frames - self.motion_frames - self.dropped_frames

    @property
    def num_windows(self) -> int:
        """Windows after the reference pass; 0 when the reference pass alone is long enough."""
        if self.num_frames < self.window_frames:
            return 0
        return 1 + math.ceil((self.num_frames - self.window_frames) / self.step)

    @property
    def num_passes(self) -> int:
        """Denoising loops of the whole job."""
        return 1 + self.num_windows

    @property
    def padded_frames(self) -> int:
        """Frames of speech that the windows cover; at least `num_frames`."""
        return self.window_frames + max(0, self.num_windows - 1) * self.step

    @property
    def mirrored_frames(self) -> int:
        """Length that speech is mirrored to; a clip of one pass repeats its last vector instead."""
        return self.padded_frames if self.num_windows else self.num_frames

    @property
    def latent_frames(self) -> int:
        """Latent frames of one pass."""
        return (self.window_frames - 1) // TEMPORAL_STRIDE + 1

    @property
    def motion_latent_frames(self) -> int:
        """Latent frames that the motion frames fill at the start of a window."""
        return 1 + (self.motion_frames - 1) // TEMPORAL_STRIDE

    def known_frames(self, index: int) -> int:
        """Frames at the start of pass `index` that are given: the portrait, or the last motion frames."""
        return 1 if index <= 1 else self.motion_frames

    def audio_start(self, index: int) -> int:
        """First frame of speech that pass `index` hears."""
        return 0 if index == 0 else (index - 1) * self.step

    def usable_frames(self, index: int) -> int:
        """Decoded frames of pass `index` before the dropped end."""
        is_last = index in (0, self.num_windows)
        return self.window_frames - (0 if is_last else self.dropped_frames)

    def new_frames(self, index: int) -> tuple[int, int]:
        """First and one past the last of the decoded frames of pass `index` that enter the result."""
        if index == 0 and self.num_windows:
            return 0, 0
        first = self.known_frames(index) if index > 1 else 0
        return first, min(self.usable_frames(index), self.num_frames - self.audio_start(index))

    def key_frame(self, index: int) -> int:
        """Frame of the reference video that ends pass `index` >= 1: the pass's end mapped onto its length."""
        last = self.window_frames - 1
        top = min(self.max_frames, self.padded_frames) - 1
        position = round(min(last + self.audio_start(index), top) * last / top)
        return min(max(position, 0), last)

    def draws(self, index: int, num_steps: int) -> Iterator[int]:
        """Latent frames of every random draw of pass `index`, in order: the noise, then the motion noise."""
        yield self.latent_frames
        if index > 1:
            yield from [self.motion_latent_frames] * (num_steps + 1)


def known_mask(window_frames: int, known_frames: int, tail_frames: int) -> list[list[int]]:
    """Mask channels of a condition, [4][T]: 1 where a frame is given; the first frame fills four places."""
    frames = [int(n < known_frames or n >= window_frames - tail_frames) for n in range(window_frames)]
    places = [frames[0]] * (TEMPORAL_STRIDE - 1) + frames
    return [places[channel::TEMPORAL_STRIDE] for channel in range(TEMPORAL_STRIDE)]
