"""A picture to 257 feature vectors with the CLIP vision tower; knows nothing of files or videos."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

NUM_HEADS = 16
"""Stands in no file of the checkpoint."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
SPREAD = (0.26862954, 0.26130258, 0.27577711)


def clip_config(shapes: Mapping[str, tuple[int, ...]]) -> CLIPVisionConfig:
    """Read the sizes of the network from the shapes of its renamed tensors."""
    hidden_size, _, patch_size, _ = shapes["embeddings.patch_embedding.weight"]
    num_tokens = shapes["embeddings.position_embedding.weight"][0]
    return CLIPVisionConfig(
        hidden_size=hidden_size,
        intermediate_size=shapes["encoder.layers.0.mlp.fc1.weight"][0],
        num_hidden_layers=sum(name.endswith(".layer_norm1.weight") for name in shapes),
        num_attention_heads=NUM_HEADS,
        image_size=isqrt(num_tokens - 1) * patch_size,
        patch_size=patch_size,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
    )


class ImageEncoder(nn.Module):
    """The vision tower without its last block and its final norm: features for a video network."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.model = CLIPVisionModel(config)

    @torch.inference_mode()
    def forward(self, frame: Tensor) -> Tensor:
        """Encode one frame [1, 3, H, W] in -1..1, float32, to [1, 257, C] in the network's dtype."""
        pixels = self.preprocess(frame).to(self.model.dtype)
        return self.model(pixel_values=pixels).last_hidden_state

    def preprocess(self, frame: Tensor) -> Tensor:
        """Squeeze the frame to the tower's square and shift its colours.

        No antialiasing and no crop: the network that reads the features was trained on them this way.
        """
        size = self.config.image_size
        square = F.interpolate(frame, size=(size, size), mode="bicubic", align_corners=False)
        mean, spread = (frame.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, SPREAD))
        return (square * 0.5 + 0.5 - mean) / spread
