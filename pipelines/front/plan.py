"""What a job will take, known before any model is loaded; plain figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece or window of a job: one denoising loop and one decode."""

    num_tokens: int
    """Tokens of one transformer call, condition included."""
    num_steps: int
    calls_per_step: int
    latent_frames: int
    """Latent frames that are decoded."""
    new_frames: int
    """Frames this segment adds to the result."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a request will cost, known before any model is loaded."""

    height: int
    width: int
    fps: int
    num_frames: int
    """Frames of new video in the result."""
    segments: tuple[Segment, ...]
    denoise_flops: float
    vae_flops: float
    weights_bytes: int
    """Weights that are resident at once while denoising."""
    text_bytes: int
    activation_bytes: int
    """Work memory on top of the weights at the worst moment."""
    output_bytes: int
    work_bytes: int
    """Disk for snapshots and finished pieces while the job runs."""
    denoise_bytes: int = 0
    """Work memory of one transformer call."""
    encode_bytes: int = 0
    """Work memory of encoding the condition, float32."""
    decode_bytes: int = 0
    """Work memory of decoding in half precision, chunk by chunk."""
    exact_decode_bytes: int = 0
    """The same in float32."""
    tiled_decode_bytes: int = 0
    """The same tile by tile, with the whole video's pixels, which come at once."""
    gpus: str = "1"
    """What the request says of the GPUs that share the work."""
    loras: tuple[str, ...] = ()
    """Names and strengths of the LoRA files that the request merges."""
    parts: str = ""
    """What the segments are, in words for a person; '' when there is one and nothing to say about it."""

    used: tuple[str, ...] = ()
    """What of an input is used and what is cut, in words; () where nothing is."""

    @property
    def num_tokens(self) -> int:
        """Tokens of the largest transformer call."""
        return max(segment.num_tokens for segment in self.segments)

    @property
    def transformer_calls(self) -> int:
        """Calls of the transformer in the whole job."""
        return sum(segment.num_steps * segment.calls_per_step for segment in self.segments)

    @property
    def peak_bytes(self) -> int:
        """Predicted peak memory."""
        return self.weights_bytes + self.text_bytes + self.activation_bytes
