"""Speech to one stack of vectors a video frame, with wav2vec2; knows nothing of videos beyond their frame rate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

from pipelines.checkpoints.keymap import KeyMap

WAV2VEC2 = KeyMap(
    title="wav2vec2, bare or as saved from the pre-training class",
    heads=tuple(
        (f"wav2vec2.{part}", part)
        for part in ("masked_spec_embed", "feature_extractor", "feature_projection", "encoder")
    ),
    parts=(
        ("conv.weight_g", "conv.parametrizations.weight.original0"),
        ("conv.weight_v", "conv.parametrizations.weight.original1"),
    ),
    ignored=("quantizer", "project_q", "project_hid"),
)
"""Both forms of the positional convolution's weights: `weight_g`, `weight_v` and the parametrised ones."""


@dataclass(frozen=True, slots=True)
class SpeechFeatures:
    """What the encoder hears in one recording, and its stages on the way."""

    embedding: Tensor
    """[frames, layers, channels]: the output of every encoder layer."""
    waveform: Tensor
    """[samples] as it enters the network."""
    convolved: Tensor
    """[1, about 50 a second, C] after the convolutions."""
    interpolated: Tensor
    """[1, frames, C], one vector a video frame."""
    first_input: Tensor
    """[1, frames, channels]: what enters the first encoder layer; not part of the embedding."""


class AudioEncoder(nn.Module):
    """A wav2vec2 whose features are stretched to the video's frame rate before its transformer."""

    def __init__(self, config: Wav2Vec2Config, *, do_normalize: bool) -> None:
        """Build the network; `do_normalize` comes from the checkpoint's preprocessor_config.json."""
        super().__init__()
        if config.do_stable_layer_norm:
            raise ValueError("do_stable_layer_norm: this layer order is not the one the avatar was trained on")
        self.do_normalize = do_normalize
        # Full attention over up to 5000 frames: the eager form would hold 1.2 GB of scores a layer.
        config._attn_implementation = "sdpa"
        self.model = Wav2Vec2Model(config)

    @torch.inference_mode()
    def forward(self, waveform: Tensor, num_frames: int) -> SpeechFeatures:
        """Encode a mono 16 kHz waveform [samples] to `num_frames` video frames, the whole clip at once."""
        if self.do_normalize:
            variance, mean = torch.var_mean(waveform, correction=0)
            waveform = (waveform - mean) / torch.sqrt(variance + 1e-7)
        convolved = self.model.feature_extractor(waveform[None])  # [1, C, about 50 per second]
        interpolated = F.interpolate(convolved, size=num_frames, mode="linear", align_corners=True)
        hidden, _ = self.model.feature_projection(interpolated.transpose(1, 2))
        inputs, outputs = self._layer_states(hidden)
        return SpeechFeatures(
            embedding=torch.stack([state[0] for state in outputs], dim=1),
            waveform=waveform,
            convolved=convolved.transpose(1, 2),
            interpolated=interpolated.transpose(1, 2),
            first_input=inputs[0],
        )

    def _layer_states(self, hidden: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Run the encoder and return the input of its first layer and the output of each layer."""
        inputs: list[Tensor] = []
        outputs: list[Tensor] = []
        layers = self.model.encoder.layers
        hooks = [layers[0].register_forward_pre_hook(partial(_keep_input, inputs))]
        hooks += [layer.register_forward_hook(partial(_keep_output, outputs)) for layer in layers]
        try:
            self.model.encoder(hidden)
        finally:
            for hook in hooks:
                hook.remove()
        return inputs, outputs


def _keep_input(kept: list[Tensor], _module: nn.Module, args: tuple[Tensor, ...]) -> None:
    kept.append(args[0])


def _keep_output(kept: list[Tensor], _module: nn.Module, _args: object, output: Tensor | tuple) -> None:
    kept.append(output[0] if isinstance(output, tuple) else output)
