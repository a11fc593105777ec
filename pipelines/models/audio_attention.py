"""How a transformer hears: speech to audio tokens, and the attention of picture tokens to them.

Tensor names are the released ones. Knows nothing of files, sampling or the rest of the transformer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.models.attention import attention

SPEAKER_SPANS = ((0.0, 4.0), (20.0, 24.0))
"""Range of the positions of picture tokens that belong to speaker 1 and to speaker 2."""
BACKGROUND_POSITION = 12.0
VOICE_POSITIONS = (2.0, 22.0)
"""Position of all audio tokens of speaker 1 and of speaker 2: the middles of their spans."""
ROTARY_BASE = 10000.0


@dataclass(frozen=True, slots=True)
class AudioConfig:
    """Sizes of the audio branch; read from config.json and from tensor shapes."""

    features: int
    """Speech layers times their channels: numbers of one video frame's speech vector stack."""
    window: int = 5
    """Video frames of speech around each frame."""
    temporal_stride: int = 4
    """Video frames of one latent frame."""
    hidden_dim: int = 512
    token_dim: int = 768
    tokens_per_frame: int = 32
    norm_output: bool = True
    eps: float = 1e-6
    """Of the norm before the audio attention; the projector's own is 1e-5."""


class AudioProjector(nn.Module):
    """Turns the speech around every latent frame into a few audio tokens."""

    def __init__(self, config: AudioConfig) -> None:
        super().__init__()
        self.config = config
        later = config.window + config.temporal_stride - 1
        self.proj1 = nn.Linear(config.window * config.features, config.hidden_dim)
        self.proj1_vf = nn.Linear(later * config.features, config.hidden_dim)
        self.proj2 = nn.Linear(config.hidden_dim, config.hidden_dim)
        self.proj3 = nn.Linear(config.hidden_dim, config.tokens_per_frame * config.token_dim)
        self.norm = nn.LayerNorm(config.token_dim, eps=1e-5) if config.norm_output else nn.Identity()

    def forward(self, speech: Tensor) -> Tensor:
        """Project speech [P, F, window, layers, channels] of P speakers to tokens [P, T, tokens, token_dim].

        The first latent frame hears its own window. Every later one covers four video frames and hears the
        eight of the first one's past to the last one's future: F = 4 (T - 1) + 1.
        """
        stride, middle = self.config.temporal_stride, self.config.window // 2
        first = speech[:, :1].flatten(2)  # [P, 1, window * features]
        groups = speech[:, 1:].unflatten(1, (-1, stride))  # [P, T - 1, 4, window, layers, channels]
        later = torch.cat(
            [groups[:, :, 0, : middle + 1], groups[:, :, 1:-1, middle], groups[:, :, -1, middle:]], dim=2
        )
        hidden = torch.cat([self.proj1(first), self.proj1_vf(later.flatten(2))], dim=1).relu()
        tokens = self.proj3(self.proj2(hidden).relu())
        return self.norm(tokens.unflatten(-1, (self.config.tokens_per_frame, self.config.token_dim)))


class AudioCrossAttention(nn.Module):
    """Lets the tokens of each latent frame attend to that frame's audio tokens only."""

    def __init__(self, dim: int, num_heads: int, token_dim: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q_linear = nn.Linear(dim, dim)
        self.kv_linear = nn.Linear(token_dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def keys_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Project audio tokens [T, tokens, token_dim] once for all denoising steps: two [T, tokens, H, D]."""
        keys, values = self.kv_linear(tokens).unflatten(-1, (2, self.num_heads, -1)).unbind(-3)
        return keys, values

    def forward(
        self, x: Tensor, keys_values: tuple[Tensor, Tensor], positions: Tensor | None = None
    ) -> Tensor:
        """Attend from picture tokens x [1, N, dim], N = T * tokens of a frame, to `keys_values`.

        Args:
            x: normed hidden state, frame by frame.
            keys_values: what `keys_values` returned; with two speakers, both speakers' tokens of a frame.
            positions: [N] speaker position of every picture token, only with two speakers.
        """
        keys, values = keys_values
        num_frames = keys.shape[0]
        queries = self.q_linear(x).unflatten(-1, (self.num_heads, -1)).reshape(
            num_frames, -1, self.num_heads, keys.shape[-1]
        )  # [T, N / T, H, D]
        if positions is not None:
            queries = rotate(queries, positions.view(num_frames, -1))
            keys = rotate(keys, voice_positions(keys.shape[1], keys.device).expand(num_frames, -1))
        heard = attention(queries, keys, values)  # [T, N / T, H, D]
        return self.proj(heard.reshape(x.shape))


def join_speakers(tokens: Tensor) -> Tensor:
    """Put the audio tokens [P, T, tokens, C] of all speakers side by side: [T, P * tokens, C]."""
    return tokens.transpose(0, 1).flatten(1, 2)


def token_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """Reduce speaker masks [3, h, w] to the token grid: 0 or 1, [3, height * width]."""
    return F.interpolate((masks > 0).float()[None], size=(height, width), mode="nearest")[0].flatten(1)


def speaker_map(queries: Tensor, keys: Tensor, masks: Tensor) -> Tensor:
    """How much each token attends to each class's part of the first latent frame, [3, N] float32.

    Args:
        queries: [1, N, H, D] of the self-attention, normed and rotated.
        keys: [1, N, H, D] likewise; only the first frame's are used.
        masks: [3, tokens of a frame] from `token_masks`.
    """
    num_heads, head_dim = queries.shape[2:]
    weights = (masks / masks.sum(dim=1, keepdim=True)).T  # [tokens of a frame, 3]
    total = torch.zeros(queries.shape[1], len(masks), device=queries.device)
    for head in range(num_heads):  # One head at a time: all at once need tens of gigabytes at 720P.
        scores = queries[0, :, head].float() @ keys[0, : masks.shape[1], head].float().T
        total += torch.softmax(scores * head_dim**-0.5, dim=-1) @ weights
    return (total / num_heads).T


def speaker_positions(class_map: Tensor) -> Tensor:
    """Position [N] of every token from its [3, N] map: within its speaker's span, or the background's."""
    lowest, highest = class_map.aminmax(dim=1, keepdim=True)
    share = (class_map - lowest) / (highest - lowest + 1e-8)
    places = [share[i] * (end - start) + start for i, (start, end) in enumerate(SPEAKER_SPANS)]
    places.append(torch.full_like(share[0], BACKGROUND_POSITION))
    return torch.stack(places).gather(0, class_map.argmax(dim=0, keepdim=True))[0]


def voice_positions(num_tokens: int, device: torch.device) -> Tensor:
    """Positions of the joined audio tokens of one frame, [num_tokens]: first half speaker 1, then speaker 2."""
    return torch.tensor(VOICE_POSITIONS, device=device).repeat_interleave(num_tokens // len(VOICE_POSITIONS))


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Rotate neighbouring pairs of x [B, n, H, D] by their position [B, n], in float32."""
    head_dim = x.shape[-1]
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=x.device) / head_dim
    angles = (positions.float()[..., None] * ROTARY_BASE**-exponents)[:, :, None]  # [B, n, 1, D / 2]
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).to(x.dtype)
