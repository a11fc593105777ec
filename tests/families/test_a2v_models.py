"""The networks of a talking avatar: released names, both forms of speech weights, other people's checkpoints."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Wav2Vec2Config, Wav2Vec2Model

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.a2v.networks import AUDIO_FOLDER, IMAGE_FILE, avatar_config, load_transformer
from pipelines.front.errors import CheckpointMismatch, CheckpointMissing
from pipelines.loading.keymap import WAN_TRANSFORMER
from pipelines.models.encoders.audio import WAV2VEC2, load_audio_encoder
from pipelines.models.encoders.image import load_image_encoder
from pipelines.models.transformer.transformer import SkyReelsTransformer
from tests.parity.test_keymap import full_shapes, read_full, tensors_of

FULL = read_full("a2v")
WAVEFORM = torch.sin(torch.arange(9000) / 7) * torch.linspace(0, 0.3, 9000)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return demo_checkpoint("a2v", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def speech(checkpoint, tmp_path):
    """A copy of the speech encoder's folder that a test may change."""
    return Path(shutil.copytree(checkpoint / AUDIO_FOLDER, tmp_path / "wav2vec2"))


def table_of(word: str) -> dict[str, tuple[int, ...]]:
    return full_shapes(next(FULL[name] for name in FULL if word in name))


def test_the_released_transformer_has_our_networks_tensors(tmp_path):
    stored = table_of("diffusion transformer")
    (tmp_path / "config.json").write_text('{"_class_name": "WanModel", "text_len": 512}')
    with torch.device("meta"):
        network = SkyReelsTransformer(**avatar_config(tmp_path, stored))
    assert len(stored) == 1633
    renamed = {new: shape for name, shape in stored.items() for new in WAN_TRANSFORMER.rename(name)}
    assert renamed == tensors_of(network)
    assert sum(parameter.numel() for parameter in network.parameters()) == 18_882_046_784


def test_the_released_speech_encoder_has_our_networks_tensors():
    stored = table_of("wav2vec2")
    renamed = {new: shape for name, shape in stored.items() for new in WAV2VEC2.rename(name)}
    with torch.device("meta"):
        network = Wav2Vec2Model(Wav2Vec2Config(mask_time_prob=0.0, mask_feature_prob=0.0))
    assert renamed == tensors_of(network)


def test_both_forms_of_speech_weights_hear_the_same(checkpoint, speech):
    stored = load_file(speech / "model.safetensors")
    expected = load_audio_encoder(checkpoint / AUDIO_FOLDER)(WAVEFORM, 14).embedding
    bare = {new: value for name, tensor in stored.items() for new, value in WAV2VEC2.convert(name, tensor)}
    (speech / "model.safetensors").unlink()
    torch.save(bare, speech / "pytorch_model.bin")
    assert any("parametrizations" in name for name in bare)
    assert torch.equal(load_audio_encoder(speech)(WAVEFORM, 14).embedding, expected)


def test_half_precision_speech_weights_are_widened(speech):
    stored = load_file(speech / "model.safetensors")
    save_file({name: tensor.half() for name, tensor in stored.items()}, speech / "model.safetensors")
    assert load_audio_encoder(speech)(WAVEFORM, 14).embedding.dtype == torch.float32


def test_the_file_decides_whether_the_waveform_is_normalised(speech):
    settings = speech / "preprocessor_config.json"
    assert torch.equal(load_audio_encoder(speech)(WAVEFORM, 14).waveform, WAVEFORM)
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "do_normalize": True}))
    heard = load_audio_encoder(speech)(WAVEFORM, 14).waveform
    assert abs(float(heard.mean())) < 1e-6
    assert float(heard.std(correction=0)) == pytest.approx(1, abs=1e-4)
    settings.unlink()
    with pytest.raises(CheckpointMissing, match=r"preprocessor_config\.json"):
        load_audio_encoder(speech)


def test_a_speech_tensor_too_many_or_too_few_is_named(speech):
    stored = load_file(speech / "model.safetensors")
    lost = stored.pop("wav2vec2.encoder.layers.1.attention.k_proj.weight")
    save_file({**stored, "wav2vec2.encoder.surprise": lost}, speech / "model.safetensors")
    with pytest.raises(CheckpointMismatch) as caught:
        load_audio_encoder(speech)
    assert caught.value.missing == ["encoder.layers.1.attention.k_proj.weight"]
    assert caught.value.unexpected == ["encoder.surprise"]


def test_only_the_visual_half_of_the_picture_encoder_is_needed(checkpoint, tmp_path):
    stored = torch.load(checkpoint / IMAGE_FILE, weights_only=True)
    visual = {name: tensor for name, tensor in stored.items() if name.startswith("visual.")}
    assert len(visual) < len(stored)
    torch.save(visual, tmp_path / "clip.pth")
    frame = torch.linspace(-1, 1, 3 * 32 * 48).view(1, 3, 32, 48)
    whole = load_image_encoder(checkpoint / IMAGE_FILE)(frame)
    assert whole.shape == (1, 257, 64)
    assert torch.equal(load_image_encoder(tmp_path / "clip.pth")(frame), whole)
    visual.pop("visual.transformer.0.attn.to_qkv.weight")
    torch.save(visual, tmp_path / "clip.pth")
    with pytest.raises(CheckpointMismatch) as caught:
        load_image_encoder(tmp_path / "clip.pth")
    assert len(caught.value.missing) == 3


def test_another_models_checkpoint_is_refused_in_words(checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "other"))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "t2v"}))
    with pytest.raises(CheckpointMissing, match=r"no talking avatar.*model_type t2v"):
        load_transformer(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (file,) = folder.glob("*.safetensors")
    silent = {name: tensor for name, tensor in load_file(file).items() if not name.startswith("audio_proj")}
    save_file(silent, file)
    with pytest.raises(CheckpointMissing, match="no audio branch"):
        load_transformer(folder)


def test_shards_with_any_names_load_and_folders_below_are_left_alone(checkpoint, tmp_path):
    folder = Path(shutil.copytree(checkpoint, tmp_path / "sharded"))
    (file,) = folder.glob("*.safetensors")
    tensors = load_file(file)
    file.unlink()
    names = sorted(tensors)
    for part, chosen in enumerate((names[::2], names[1::2])):
        save_file({name: tensors[name] for name in chosen}, folder / f"part-{part}.safetensors")
    network, whole = load_transformer(folder), load_transformer(checkpoint)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), whole.parameters(), strict=True))
