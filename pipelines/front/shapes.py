"""Frame sizes and frame arithmetic of the three model families; pure numbers, no tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BucketTable = Mapping[str, tuple[int, int]]
"""Printed height/width ratio -> (height, width); the printed key decides, never the entry's true ratio."""

TEMPORAL_STRIDE = 4
SPATIAL_STRIDE = 8
PATCH = 2


@dataclass(frozen=True, slots=True)
class PixelShape:
    """Size of a video in pixels; height and width are multiples of 16."""

    height: int
    width: int
    num_frames: int

    @property
    def latent(self) -> LatentShape:
        """The latent size the causal VAE gives: one latent frame, then one for every four frames."""
        return LatentShape(
            self.height // SPATIAL_STRIDE,
            self.width // SPATIAL_STRIDE,
            (self.num_frames - 1) // TEMPORAL_STRIDE + 1,
        )


@dataclass(frozen=True, slots=True)
class LatentShape:
    """Size of a latent video."""

    height: int
    width: int
    num_frames: int

    @property
    def tokens_per_frame(self) -> int:
        """Transformer tokens of one latent frame."""
        return (self.height // PATCH) * (self.width // PATCH)

    @property
    def num_tokens(self) -> int:
        """Transformer tokens of the whole latent video."""
        return self.tokens_per_frame * self.num_frames

    @property
    def pixel_frames(self) -> int:
        """Frames that decoding gives."""
        return TEMPORAL_STRIDE * (self.num_frames - 1) + 1


def nearest_bucket(table: BucketTable, height: int, width: int) -> tuple[int, int]:
    """Return (height, width) of the entry whose key is nearest to height/width, the first on a tie."""
    ratio = height / width
    key = min(table, key=lambda name: abs(float(name) - ratio))
    return table[key]


WAN_BUCKETS: Mapping[str, BucketTable] = {
    "480P": {
        "0.38": (384, 1040),
        "0.43": (416, 976),
        "0.48": (432, 912),
        "0.50": (448, 896),
        "0.53": (464, 880),
        "0.54": (464, 864),
        "0.56": (480, 848),
        "0.62": (496, 800),
        "0.67": (512, 784),
        "0.75": (544, 736),
        "1.00": (640, 640),
        "1.33": (736, 544),
        "1.50": (784, 512),
        "1.78": (848, 480),
        "1.89": (880, 464),
        "2.00": (896, 448),
        "2.08": (912, 432),
    },
    "540P": {
        "0.34": (416, 1216),
        "0.38": (464, 1216),
        "0.40": (464, 1152),
        "0.43": (496, 1152),
        "0.48": (496, 1024),
        "0.50": (512, 1024),
        "0.53": (512, 960),
        "0.57": (544, 960),
        "0.60": (544, 912),
        "0.63": (576, 912),
        "0.67": (576, 864),
        "0.72": (624, 864),
        "0.75": (624, 832),
        "0.79": (656, 832),
        "0.84": (656, 784),
        "0.92": (720, 784),
        "1.00": (720, 720),
        "1.09": (784, 720),
        "1.26": (784, 624),
        "1.33": (832, 624),
        "1.40": (832, 592),
        "1.49": (880, 592),
        "1.62": (880, 544),
        "1.78": (960, 544),
        "1.88": (960, 512),
        "2.00": (1024, 512),
        "2.13": (1024, 480),
    },
    "720P": {
        "0.38": (576, 1568),
        "0.43": (624, 1456),
        "0.48": (656, 1376),
        "0.50": (672, 1344),
        "0.53": (688, 1312),
        "0.54": (704, 1296),
        "0.56": (720, 1280),
        "0.62": (752, 1200),
        "0.67": (784, 1168),
        "0.75": (832, 1104),
        "1.00": (960, 960),
        "1.33": (1104, 832),
        "1.50": (1168, 784),
        "1.78": (1280, 720),
        "1.89": (1312, 688),
        "2.00": (1344, 672),
        "2.08": (1376, 656),
    },
    "128P": {
        "0.50": (96, 192),
        "0.56": (96, 160),
        "0.75": (96, 128),
        "1.00": (128, 128),
        "1.33": (128, 96),
        "1.78": (160, 96),
        "2.00": (192, 96),
    },
}
"""Reference-to-video and video extension. '128P' belongs to the demo models."""

AVATAR_BUCKETS: Mapping[str, BucketTable] = {
    "480P": {
        "0.26": (320, 1216),
        "0.38": (384, 1024),
        "0.50": (448, 896),
        "0.577": (480, 832),
        "0.67": (512, 768),
        "0.82": (576, 704),
        "1.00": (640, 640),
        "1.22": (704, 576),
        "1.50": (768, 512),
        "1.86": (832, 448),
        "1.73": (832, 480),
        "2.00": (896, 448),
        "2.50": (960, 384),
        "2.83": (1088, 384),
        "3.60": (1152, 320),
        "3.80": (1216, 320),
        "4.00": (1280, 320),
    },
    "720P": {
        "0.22": (448, 2048),
        "0.29": (512, 1792),
        "0.36": (576, 1600),
        "0.45": (640, 1408),
        "0.55": (704, 1280),
        "0.56": (720, 1280),
        "0.63": (768, 1216),
        "0.76": (832, 1088),
        "0.88": (896, 1024),
        "1.00": (960, 960),
        "1.14": (1024, 896),
        "1.31": (1088, 832),
        "1.50": (1152, 768),
        "1.58": (1216, 768),
        "1.82": (1280, 704),
        "1.78": (1280, 720),
        "1.91": (1344, 704),
        "2.20": (1408, 640),
        "2.30": (1472, 640),
        "2.67": (1536, 576),
        "2.89": (1664, 576),
        "3.62": (1856, 512),
        "3.75": (1920, 512),
    },
    "128P": {
        "0.58": (96, 160),
        "0.75": (96, 128),
        "1.00": (128, 128),
        "1.33": (128, 96),
        "1.73": (160, 96),
    },
}
"""Talking avatar: 540P does not exist for this model. '128P' belongs to the demo models."""

MODEL_FPS = 24
"""Frames a second of reference-to-video and video extension."""

AVATAR_FPS = 25
"""Frames a second of the talking avatar."""


def reference_frames(duration_s: int) -> int:
    """Frames of a reference-to-video clip: 24 a second and one."""
    return duration_s * MODEL_FPS + 1


SHOT_CONDITION_FRAMES: Mapping[int, int] = {2: 9, 3: 17, 4: 25, 5: 33}
"""Shot switching: seconds -> how many of the last input frames condition the new shot."""

SINGLE_CONDITION_FRAMES = 25
"""Single shot: how many of the last frames condition every piece."""


@dataclass(frozen=True, slots=True)
class ExtensionPiece:
    """One piece of a single-shot extension."""

    condition_latent_frames: int
    new_latent_frames: int

    @property
    def num_latent_frames(self) -> int:
        """Condition and new latent frames together."""
        return self.condition_latent_frames + self.new_latent_frames

    @property
    def new_frames(self) -> int:
        """Frames this piece adds to the video."""
        return TEMPORAL_STRIDE * self.new_latent_frames


def single_shot_pieces(duration_s: int, condition_latent_frames: int = 7) -> tuple[ExtensionPiece, ...]:
    """Split a single-shot extension in pieces of at most 5 s.

    Every piece has a multiple of 8 latent frames in all; what rounding up adds is a surplus that later
    pieces pay back, so the sum depends on the order of the pieces.
    """
    pieces, surplus, left = [], 0, duration_s
    while left > 0:
        seconds = min(5, left)
        left -= seconds
        new = 6 * seconds
        rest = (new + condition_latent_frames) % 8
        if rest > surplus:
            surplus += 8 - rest
            new += 8 - rest
        else:
            surplus -= rest
            new -= rest
        pieces.append(ExtensionPiece(condition_latent_frames, new))
        condition_latent_frames = 7
    return tuple(pieces)
