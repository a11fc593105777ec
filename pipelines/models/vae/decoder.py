"""Streaming decoder of the Wan VAE over the library class's weights: channels last, fused norms.

Decodes the same function as `AutoencoderKLWan.decode`; it knows nothing about latents' normalisation or bytes.
"""

from __future__ import annotations

from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.models.transformer.fused import fused_kernels

CACHED_FRAMES = 2
"""Frames of history that a causal convolution of temporal width 3 needs."""


class Band(Protocol):
    """The rows of every frame that one of several devices decodes; frames are [T, H, W, C]."""

    def fill_edges(self, frames: Tensor) -> None:
        """Write each neighbour's nearest row into the first and the last row; zeros where the picture ends."""

    def gather(self, x: Tensor) -> Tensor:
        """All rows of frames of which x is the band."""


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
        x = F.linear(x, w.matrices["post_quant_conv"], w.biases["post_quant_conv"])
        stream = self._causal_conv("decoder.conv_in", x).to(self._stream_dtype)
        stream = self._resnet("decoder.mid_block.resnets.0", stream)
        stream = self._attention("decoder.mid_block.attentions.0", stream)
        stream = self._resnet("decoder.mid_block.resnets.1", stream)
        for block in range(w.num_blocks):
            name = f"decoder.up_blocks.{block}"
            for index in range(w.resnets_per_block):
                stream = self._resnet(f"{name}.resnets.{index}", stream)
            if f"{name}.upsamplers.0.resample.1" in w.kernels:
                stream = self._upsample(f"{name}.upsamplers.0", stream)
        x = _norm_silu_padded(stream, w.gammas["decoder.norm_out"], w.dtype, self._edge)
        x = self._conv_padded("decoder.conv_out", x)
        self._started = True
        return x.permute(0, 3, 1, 2).float().clamp_(-1, 1)

    def _resnet(self, name: str, stream: Tensor) -> Tensor:
        w = self._weights
        x = _norm_silu_padded(stream, w.gammas[f"{name}.norm1"], w.dtype, self._edge)
        x = self._conv_padded(f"{name}.conv1", x)
        x = _norm_silu_padded(x, w.gammas[f"{name}.norm2"], w.dtype, self._edge)
        x = self._conv_padded(f"{name}.conv2", x)
        shortcut = w.matrices.get(f"{name}.conv_shortcut")
        if shortcut is not None:
            stream = F.linear(stream.to(w.dtype), shortcut, w.biases[f"{name}.conv_shortcut"])
            stream = stream.to(self._stream_dtype)
        return stream.add_(x)

    def _attention(self, name: str, stream: Tensor) -> Tensor:
        w = self._weights
        frames, height, width, channels = stream.shape
        x = F.normalize(stream.float(), dim=-1) * (channels**0.5 * w.gammas[f"{name}.norm"].float())
        qkv = F.linear(x.to(w.dtype), w.matrices[f"{name}.to_qkv"], w.biases[f"{name}.to_qkv"])
        q, k, v = qkv.view(frames, 1, height * width, 3 * channels).chunk(3, dim=-1)
        if self._band is not None:
            everyones = self._band.gather(qkv[..., channels:])
            k, v = everyones.view(frames, 1, -1, 2 * channels).chunk(2, dim=-1)
        x = F.scaled_dot_product_attention(q, k, v).view(frames, height, width, channels)
        x = F.linear(x, w.matrices[f"{name}.proj"], w.biases[f"{name}.proj"])
        return stream + x.to(stream.dtype)

    def _upsample(self, name: str, stream: Tensor) -> Tensor:
        w = self._weights
        x = stream.to(w.dtype)
        # The first latent frame stands for one frame only and leaves no history for the temporal doubling.
        if f"{name}.time_conv" in w.kernels and self._started:
            x = self._causal_conv(f"{name}.time_conv", x)
            frames, height, width, channels = x.shape
            x = x.view(frames, height, width, 2, channels // 2).permute(0, 3, 1, 2, 4)
            x = x.reshape(2 * frames, height, width, channels // 2)
        kernel = f"{name}.resample.1"
        if self._band is None:
            x = F.interpolate(x.permute(0, 3, 1, 2), scale_factor=2.0, mode="nearest")
        else:
            x = _doubled_padded(x)
            self._band.fill_edges(x)
            x = x.permute(0, 3, 1, 2)
        x = F.conv2d(x, w.kernels[kernel], w.biases[kernel], padding=(1 - self._edge, 1))
        return x.permute(0, 2, 3, 1).contiguous().to(self._stream_dtype)

    def _causal_conv(self, name: str, x: Tensor) -> Tensor:
        edge = min(self._edge, self._weights.kernels[name].shape[-2] // 2)
        padded = _padded(x, x.dtype, edge)
        _inside(padded, edge).copy_(x)
        return self._conv_padded(name, padded)

    def _conv_padded(self, name: str, padded: Tensor) -> Tensor:
        """Convolve [2 + T, H, W, C], whose first two frames are filled here from the history.

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
        x = F.conv3d(x, kernel, self._weights.biases[name], padding=(0, rows, columns))
        return x.squeeze(0).permute(1, 2, 3, 0).contiguous()


class DecoderWeights:
    """The decoder's weights, cast once and laid out for channels-last convolutions."""

    def __init__(self, vae: nn.Module, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.kernels: dict[str, Tensor] = {}
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
            layout = torch.channels_last_3d if value.ndim == 5 else torch.channels_last
            self.kernels[owner] = value.to(self.dtype).to(memory_format=layout)


_WEIGHTS: WeakKeyDictionary[nn.Module, DecoderWeights] = WeakKeyDictionary()


def decoder_weights(vae: nn.Module, dtype: torch.dtype) -> DecoderWeights:
    """The decoder's weights in `dtype`, cast once for as long as `vae` lives and another dtype is not asked for."""
    if vae not in _WEIGHTS or _WEIGHTS[vae].dtype != dtype:
        _WEIGHTS[vae] = DecoderWeights(vae, dtype)
    return _WEIGHTS[vae]


def _padded(x: Tensor, dtype: torch.dtype, edge: int) -> Tensor:
    """Room for x [T, H, W, C] with the history in front and `edge` rows above and below; nothing is written."""
    frames, height, width, channels = x.shape
    size = (frames + CACHED_FRAMES, height + 2 * edge, width, channels)
    return torch.empty(size, dtype=dtype, device=x.device)


def _inside(padded: Tensor, edge: int) -> Tensor:
    """Where `_padded` has room for x itself."""
    return padded[CACHED_FRAMES:, edge : padded.shape[1] - edge]


def _norm_silu_padded(x: Tensor, gamma: Tensor, dtype: torch.dtype, edge: int) -> Tensor:
    """Silu of the channel RMS norm of x [T, H, W, C], with room for the history in front and for edge rows."""
    out = _padded(x, dtype, edge)
    inside = _inside(out, edge)
    kernels = fused_kernels(x)
    if kernels is not None:
        kernels.rms_silu(x, gamma, inside)
    else:
        inside.copy_(F.silu(F.normalize(x.float(), dim=-1) * (x.shape[-1] ** 0.5 * gamma)))
    return out


def _doubled_padded(x: Tensor) -> Tensor:
    """x [T, H, W, C] with every pixel twice in both directions, and room for one edge row above and below."""
    frames, height, width, channels = x.shape
    out = torch.empty((frames, 2 * height + 2, 2 * width, channels), dtype=x.dtype, device=x.device)
    pixels = out[:, 1:-1].unflatten(1, (height, 2)).unflatten(3, (width, 2))
    pixels.copy_(x[:, :, None, :, None].expand_as(pixels))
    return out
