"""Streaming decoder of the Wan VAE over the library class's weights: channels last, fused norms.

Decodes the same function as `AutoencoderKLWan.decode`; it knows nothing about latents' normalisation or bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.models.transformer.fused import fused_kernels

CACHED_FRAMES = 2
"""Frames of history that a causal convolution of temporal width 3 needs."""


CHANNELS_TOGETHER = 64
"""What the fast convolution kernels take at a time: inputs of 96 channels compute faster as 128, the rest zeros."""


class Band(Protocol):
    """The rows of every frame that one of several devices decodes; frames are [T, H, W, C]."""

    def fill_edges(self, frames: Tensor) -> None:
        """Write each neighbour's nearest row into the first and the last row; zeros where the picture ends."""

    def gather(self, x: Tensor) -> Tensor:
        """All rows of frames of which x is the band."""


@dataclass(slots=True)
class _Sum:
    """Frames [T, H, W, C] as a sum whose last addition waits for the kernel that reads them next."""

    total: Tensor | None
    addend: Tensor | None = None
    bias: Tensor | None = None
    """Of the addend's convolution, [C]."""

    @property
    def given(self) -> Tensor:
        """One of the summands."""
        given = self.total if self.total is not None else self.addend
        assert given is not None
        return given

    def value(self, dtype: torch.dtype) -> Tensor:
        """The sum."""
        if self.addend is None or self.bias is None:
            return self.given.to(dtype)
        found = self.addend.float() + self.bias.float()
        return (found if self.total is None else self.total.float() + found).to(dtype)


class StreamingDecoder:
    """Decodes latent frames in order, keeping the causal history of every convolution between calls.

    Activations are [T, H, W, C] in `dtype`; the running sum of the residual blocks is kept in
    `stream_dtype`. One instance decodes one video, or one `band` of its rows: make a new one for the next.
    """

    def __init__(
        self, weights: DecoderWeights, stream_dtype: torch.dtype | None = None, band: Band | None = None
    ) -> None:
        self._weights, self._band = weights, band
        self._edge = 0 if band is None else 1
        """Rows above and below that a 3x3 convolution takes from the tensor itself instead of from its padding."""
        self._stream_dtype = stream_dtype or weights.dtype
        self._history: dict[str, Tensor] = {}
        self._started = False

    @torch.inference_mode()
    def decode(self, z: Tensor) -> Tensor:
        """Decode the next latent frames z [n, 16, h, w] to frames [m, 3, 8h, 8w] clamped to [-1, 1].

        The very first call decodes one frame to one frame, so z must hold one latent frame then; every later
        latent frame gives four frames.
        """
        if not self._started and z.shape[0] != 1:
            raise ValueError("the first call decodes exactly one latent frame")
        w = self._weights
        x = z.to(w.dtype).permute(0, 2, 3, 1)  # [T, h, w, 16]
        x = F.linear(x, w.matrices["post_quant_conv"], w.biases["post_quant_conv"]).contiguous()
        stream = _Sum(None, self._causal_conv("decoder.conv_in", _Sum(x)), w.biases["decoder.conv_in"])
        self._resnet("decoder.mid_block.resnets.0", stream)
        self._attention("decoder.mid_block.attentions.0", stream)
        self._resnet("decoder.mid_block.resnets.1", stream)
        for block in range(w.num_blocks):
            name = f"decoder.up_blocks.{block}"
            for index in range(w.resnets_per_block):
                self._resnet(f"{name}.resnets.{index}", stream)
            if f"{name}.upsamplers.0.resample.1" in w.kernels:
                stream = self._upsample(f"{name}.upsamplers.0", stream)
        x = self._conv_padded("decoder.conv_out", self._norm_silu("decoder.norm_out", "decoder.conv_out", stream))
        self._started = True
        return (x.float() + w.biases["decoder.conv_out"].float()).permute(0, 3, 1, 2).clamp_(-1, 1)

    def _resnet(self, name: str, stream: _Sum) -> None:
        """Let the stream be the sum of itself, or of its shortcut, and of what the block makes of it."""
        w = self._weights
        x = self._conv_padded(f"{name}.conv1", self._norm_silu(f"{name}.norm1", f"{name}.conv1", stream, keep=True))
        inner = _Sum(None, x, w.biases[f"{name}.conv1"])
        x = self._conv_padded(f"{name}.conv2", self._norm_silu(f"{name}.norm2", f"{name}.conv2", inner))
        shortcut = w.matrices.get(f"{name}.conv_shortcut")
        if shortcut is not None:
            short = F.linear(stream.value(w.dtype), shortcut, w.biases[f"{name}.conv_shortcut"])
            stream.total = short.to(self._stream_dtype)
        stream.addend, stream.bias = x, w.biases[f"{name}.conv2"]

    def _attention(self, name: str, stream: _Sum) -> None:
        w = self._weights
        whole = stream.value(self._stream_dtype)
        frames, height, width, channels = whole.shape
        x = F.normalize(whole.float(), dim=-1) * (channels**0.5 * w.gammas[f"{name}.norm"].float())
        qkv = F.linear(x.to(w.dtype), w.matrices[f"{name}.to_qkv"], w.biases[f"{name}.to_qkv"])
        q, k, v = qkv.view(frames, 1, height * width, 3 * channels).chunk(3, dim=-1)
        if self._band is not None:
            everyones = self._band.gather(qkv[..., channels:])
            k, v = everyones.view(frames, 1, -1, 2 * channels).chunk(2, dim=-1)
        x = F.scaled_dot_product_attention(q, k, v).view(frames, height, width, channels)
        x = F.linear(x, w.matrices[f"{name}.proj"], w.biases[f"{name}.proj"])
        stream.total, stream.addend, stream.bias = whole + x.to(whole.dtype), None, None

    def _upsample(self, name: str, stream: _Sum) -> _Sum:
        w, parts = self._weights, 1
        # The first latent frame stands for one frame only and leaves no history for the temporal doubling.
        if f"{name}.time_conv" in w.kernels and self._started:
            x = self._causal_conv(f"{name}.time_conv", stream)
            stream, parts = _Sum(None, x, w.biases[f"{name}.time_conv"]), 2
        x = _doubled(stream, w.dtype, self._edge, parts)
        if self._band is not None:
            self._band.fill_edges(x)
        kernel = f"{name}.resample.1"
        x = F.conv2d(x.permute(0, 3, 1, 2), w.kernels[kernel], padding=(1 - self._edge, 1))
        return _Sum(None, x.permute(0, 2, 3, 1).contiguous(), w.biases[kernel])

    def _norm_silu(self, norm: str, conv: str, frames: _Sum, *, keep: bool = False) -> Tensor:
        """The input of convolution `conv`: silu of the channel RMS norm `norm` of frames, with room for the history.

        `keep`: what was still to be added to `frames` has been added then.
        """
        w = self._weights
        summed = None
        if keep and frames.addend is not None:
            summed = frames.total
            if summed is None:
                summed = torch.empty_like(frames.addend, dtype=self._stream_dtype)
        out = _padded(frames.given, w.kernels[conv].shape[1], w.dtype, self._edge)
        _sum_norm_silu(frames, w.gammas[norm], _inside(out, self._edge), summed)
        if summed is not None:
            frames.total, frames.addend, frames.bias = summed, None, None
        return out

    def _causal_conv(self, name: str, frames: _Sum) -> Tensor:
        kernel = self._weights.kernels[name]
        edge = min(self._edge, kernel.shape[-2] // 2)
        padded = _padded(frames.given, kernel.shape[1], self._weights.dtype, edge)
        _sum_norm_silu(frames, None, _inside(padded, edge), None)
        return self._conv_padded(name, padded)

    def _conv_padded(self, name: str, padded: Tensor) -> Tensor:
        """Convolve [2 + T, H, W, C], whose first two frames are filled here from the history; the bias is left out.

        With a band H counts the two edge rows, where the kernel needs them; they are filled here too.
        """
        kernel = self._weights.kernels[name]
        rows, columns = kernel.shape[-2] // 2, kernel.shape[-1] // 2
        if self._band is not None and rows:
            self._band.fill_edges(padded[CACHED_FRAMES:])
            rows = 0
        history = self._history.get(name)
        if history is None:
            padded[:CACHED_FRAMES].zero_()
        else:
            padded[:CACHED_FRAMES] = history
        self._history[name] = padded[-CACHED_FRAMES:].clone()
        x = padded.permute(3, 0, 1, 2).unsqueeze(0)  # [1, C, 2+T, H, W], channels last in memory
        x = F.conv3d(x, kernel, padding=(0, rows, columns))
        return x.squeeze(0).permute(1, 2, 3, 0).contiguous()


class DecoderWeights:
    """The decoder's weights, cast once and laid out for channels-last convolutions."""

    def __init__(self, vae: nn.Module, dtype: torch.dtype, channels_together: int = CHANNELS_TOGETHER) -> None:
        self.dtype = dtype
        self._channels_together = channels_together
        self.kernels: dict[str, Tensor] = {}
        """Those over time take a whole multiple of `channels_together` inputs, unless there are fewer."""
        self.matrices: dict[str, Tensor] = {}
        """1x1(x1) convolutions as matrices."""
        self.biases: dict[str, Tensor] = {}
        self.gammas: dict[str, Tensor] = {}
        decoder: Any = vae.decoder
        self.num_blocks = len(decoder.up_blocks)
        self.resnets_per_block = len(decoder.up_blocks[0].resnets)
        for name, parameter in vae.named_parameters():
            if name.startswith(("decoder.", "post_quant_conv.")):
                self._take(name, parameter.detach())

    def _take(self, name: str, value: Tensor) -> None:
        owner, kind = name.rsplit(".", 1)
        if kind == "gamma":
            self.gammas[owner] = value.flatten().float()
        elif kind == "bias":
            self.biases[owner] = value.to(self.dtype)
        elif value.shape[2:].numel() == 1:
            self.matrices[owner] = value.flatten(1).to(self.dtype)
        else:
            layout = torch.channels_last
            if value.ndim == 5:
                layout = torch.channels_last_3d
                if value.shape[1] > self._channels_together:
                    value = F.pad(value, (0, 0) * 3 + (0, -value.shape[1] % self._channels_together))
            self.kernels[owner] = value.to(self.dtype).to(memory_format=layout)


_WEIGHTS: WeakKeyDictionary[nn.Module, DecoderWeights] = WeakKeyDictionary()


def decoder_weights(vae: nn.Module, dtype: torch.dtype) -> DecoderWeights:
    """The decoder's weights in `dtype`, cast once for as long as `vae` lives and another dtype is not asked for."""
    if vae not in _WEIGHTS or _WEIGHTS[vae].dtype != dtype:
        _WEIGHTS[vae] = DecoderWeights(vae, dtype)
    return _WEIGHTS[vae]


def _padded(x: Tensor, channels: int, dtype: torch.dtype, edge: int) -> Tensor:
    """Room for x [T, H, W, C] with the history in front and `edge` rows above and below; nothing is written."""
    frames, height, width, _ = x.shape
    size = (frames + CACHED_FRAMES, height + 2 * edge, width, channels)
    return torch.empty(size, dtype=dtype, device=x.device)


def _inside(padded: Tensor, edge: int) -> Tensor:
    """Where `_padded` has room for x itself."""
    return padded[CACHED_FRAMES:, edge : padded.shape[1] - edge]


def _sum_norm_silu(frames: _Sum, gamma: Tensor | None, out: Tensor, summed: Tensor | None) -> None:
    """Write silu of the channel RMS norm of frames to `out`, whose further channels become 0, and frames to `summed`.

    Without gamma `out` gets the frames themselves.
    """
    kernels = fused_kernels(frames.given)
    if kernels is not None:
        kernels.sum_rms_silu(frames.total, frames.addend, frames.bias, gamma, out, summed)
        return
    x = frames.value(torch.float32)
    if summed is not None:
        summed.copy_(x)
    channels = x.shape[-1]
    out[..., channels:] = 0
    out[..., :channels] = x if gamma is None else F.silu(F.normalize(x, dim=-1) * (channels**0.5 * gamma))


def _doubled(frames: _Sum, dtype: torch.dtype, edge: int, parts: int) -> Tensor:
    """Frames with every pixel twice in both directions, and `edge` rows of room above and below.

    Each of so many parts of the channels becomes a frame of its own.
    """
    num_frames, height, width, channels = frames.given.shape
    size = (parts * num_frames, 2 * height + 2 * edge, 2 * width, channels // parts)
    out = torch.empty(size, dtype=dtype, device=frames.given.device)
    inside = out[:, edge : out.shape[1] - edge]
    kernels = fused_kernels(out)
    if kernels is not None:
        kernels.double_pixels(frames.total, frames.addend, frames.bias, inside, parts)
        return out
    x = frames.value(dtype).unflatten(-1, (parts, -1)).permute(0, 3, 1, 2, 4).flatten(0, 1)
    pixels = inside.unflatten(1, (height, 2)).unflatten(3, (width, 2))
    pixels.copy_(x[:, :, None, :, None].expand_as(pixels))
    return out
