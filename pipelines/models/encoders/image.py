"""A picture to 257 feature vectors with the CLIP vision tower; knows nothing of videos."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.front.progress import Report, ignore_progress
from pipelines.loading.keymap import KeyMap, clip_without_last_block
from pipelines.loading.load import Precision, load_network, stored_shapes
from pipelines.models.library import CLIPVisionConfig, CLIPVisionModel

NUM_HEADS = 16
"""Stands in no file of the checkpoint."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
SPREAD = (0.26862954, 0.26130258, 0.27577711)


class ImageEncoder(nn.Module):
    """The vision tower without its last block and its final norm: features for a video network."""

    def __init__(self, model: CLIPVisionModel) -> None:
        super().__init__()
        self.model = model

    @torch.inference_mode()
    def forward(self, frame: Tensor) -> Tensor:
        """Encode one frame [1, 3, H, W] in -1..1, float32, to [1, 257, C] in the network's dtype."""
        pixels = self.preprocess(frame).to(self.model.dtype)
        return self.model(pixel_values=pixels).last_hidden_state

    def preprocess(self, frame: Tensor) -> Tensor:
        """Squeeze the frame to the tower's square and shift its colours.

        No antialiasing and no crop: the network that reads the features was trained on them this way.
        """
        size = self.model.config.image_size
        square = F.interpolate(frame, size=(size, size), mode="bicubic", align_corners=False)
        mean, spread = (frame.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, SPREAD))
        return (square * 0.5 + 0.5 - mean) / spread


def load_image_encoder(
    path: Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    report: Report = ignore_progress,
) -> ImageEncoder:
    """Load the vision half of a CLIP `.pth`; the text half is never read from the disk."""
    shapes = stored_shapes([path])
    keymap = clip_without_last_block(shapes)
    config = clip_config(shapes, keymap)

    def build() -> CLIPVisionModel:
        model = CLIPVisionModel(config)
        # Not a stored tensor, so nothing would ever bring it back from the meta device.
        model.embeddings.position_ids = torch.arange(model.embeddings.num_positions, device=torch.device(device))[None]
        return model

    network = load_network(build, [path], keymap=keymap, precision=Precision(dtype), device=device, report=report)
    return ImageEncoder(network)


def clip_config(shapes: Mapping[str, tuple[int, ...]], keymap: KeyMap) -> CLIPVisionConfig:
    """Read the sizes of the network from the shapes of the stored tensors that `keymap` takes."""
    hidden_size, _, _, patch_size = shapes["visual.patch_embedding.weight"]
    num_tokens = shapes["visual.pos_embedding"][1]
    return CLIPVisionConfig(
        hidden_size=hidden_size,
        intermediate_size=shapes["visual.transformer.0.mlp.0.weight"][0],
        num_hidden_layers=sum(name.endswith(".norm1.weight") and keymap.rename(name) != () for name in shapes),
        num_attention_heads=NUM_HEADS,
        image_size=isqrt(num_tokens - 1) * patch_size,
        patch_size=patch_size,
        hidden_act="gelu",
        layer_norm_eps=1e-5,
    )
