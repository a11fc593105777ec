"""Speech to one stack of vectors a video frame, with wav2vec2; knows nothing of videos."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipelines.front.documents import read_json
from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr
from pipelines.front.progress import Report, ignore_progress
from pipelines.loading.keymap import KeyMap
from pipelines.loading.load import load_network, read_config, tensor_files
from pipelines.models.library import Wav2Vec2Config, Wav2Vec2Model

WAV2VEC2 = KeyMap(
    title="wav2vec2, bare or as saved from the pre-training class",
    heads=tuple((f"wav2vec2.{part}", part) for part in ("feature_extractor", "feature_projection", "encoder")),
    parts=(
        ("conv.weight_g", "conv.parametrizations.weight.original0"),
        ("conv.weight_v", "conv.parametrizations.weight.original1"),
    ),
    ignored=("quantizer", "project_q", "project_hid", "masked_spec_embed", "wav2vec2.masked_spec_embed"),
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

    def __init__(self, model: Wav2Vec2Model, *, do_normalize: bool) -> None:
        """Take the network; `do_normalize` comes from the checkpoint's preprocessor_config.json."""
        super().__init__()
        self.model, self.do_normalize = model, do_normalize

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


def load_audio_encoder(
    folder: Path, *, device: str | torch.device = "cpu", report: Report = ignore_progress
) -> AudioEncoder:
    """Load a wav2vec2 folder in float32: safetensors or `pytorch_model.bin`, old or new weight names."""
    config = Wav2Vec2Config(**read_config(folder))
    if config.do_stable_layer_norm:
        raise CheckpointMissing(tr("{folder} holds another kind of wav2vec2: download the model again", folder=folder))
    # SpecAugment is for training: without it the network has no `masked_spec_embed` that a file may lack.
    config.mask_time_prob = config.mask_feature_prob = 0.0
    # Full attention over up to 5000 frames: the eager form would hold 1.2 GB of scores a layer.
    config._attn_implementation = "sdpa"
    pickled = folder / "pytorch_model.bin"
    stored = any(folder.glob("*.safetensors"))
    model = load_network(
        lambda: Wav2Vec2Model(config),
        [pickled] if pickled.is_file() and not stored else tensor_files(folder),
        keymap=WAV2VEC2,
        device=device,
        report=report,
    )
    return AudioEncoder(model, do_normalize=_normalizes(folder))


def _normalizes(folder: Path) -> bool:
    """Whether the waveform is brought to zero mean and unit variance; yes unless the file says no."""
    path = folder / "preprocessor_config.json"
    try:
        return bool(read_json(path.read_text("utf-8")).get("do_normalize", True))
    except (OSError, ValueError) as error:
        raise CheckpointMissing(
            tr("cannot read {path}: {error}. Download the model again.", path=path, error=error)
        ) from error
