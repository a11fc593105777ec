"""The transformer's interface: segments, per-frame timesteps, dtypes and what diffusers offers around it."""

import pytest
import torch
from peft import LoraConfig

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.models.transformer.attention import LIBRARY, attention
from pipelines.models.transformer.load import load_transformer
from pipelines.models.transformer.rope import rope_tables
from pipelines.models.transformer.transformer import SkyReelsTransformer


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def network(cache):
    return load_transformer(demo_checkpoint("v2v", cache) / "shot_transformer")


@pytest.fixture
def inputs():
    draw = torch.Generator().manual_seed(3)
    return torch.randn(1, 16, 4, 4, 6, generator=draw), torch.randn(1, 512, 32, generator=draw)


@torch.inference_mode()
def test_equal_timesteps_for_every_frame_are_one_timestep(network, inputs):
    latents, prompt = inputs
    context = network.encode_context(prompt)
    once = network(latents, torch.tensor(700), context)
    rows = torch.tensor([0, 1, 1, 0])
    twice = network(latents, torch.tensor([700, 700]), context, frame_index=rows)
    assert torch.allclose(once, twice, atol=1e-6)
    mixed = network(latents, torch.tensor([0, 700]), context, frame_index=rows)
    assert (mixed - once).abs().max() > 0.01
    with pytest.raises(ValueError, match="frame_index"):
        network(latents, torch.tensor([0, 700]), context)


@torch.inference_mode()
def test_only_the_asked_frames_come_out(network, inputs):
    latents, prompt = inputs
    context, time = network.encode_context(prompt), torch.tensor([700])
    whole = network(latents, time, context)
    assert torch.allclose(network(latents, time, context, num_output_frames=2), whole[:, :, :2], atol=1e-6)
    with_prefix = network(latents[:, :, :3], time, context, prefix=latents[:, :, 3:])
    assert with_prefix.shape == (1, 16, 3, 4, 6)
    # A prefix sits at temporal positions from 1024 on, so it is not the same as one more frame.
    assert (with_prefix - whole[:, :, :3]).abs().max() > 1e-4


@torch.inference_mode()
def test_a_batch_equals_its_parts(network, inputs):
    latents, prompt = inputs
    other = prompt.flip(1)
    both = network.encode_context(torch.cat((prompt, other)))
    batch = network(latents.repeat(2, 1, 1, 1, 1), torch.tensor(10), both)
    for row, text in zip(batch, (prompt, other), strict=True):
        alone = network(latents, torch.tensor(10), network.encode_context(text))[0]
        assert torch.allclose(row, alone, atol=1e-5)


@torch.inference_mode()
def test_audio_and_pictures_change_the_result(cache):
    network = load_transformer(demo_checkpoint("a2v", cache))
    draw = torch.Generator().manual_seed(3)
    latents = torch.randn(1, 36, 3, 4, 6, generator=draw)
    context = network.encode_context(torch.zeros(1, 512, 24), torch.randn(1, 257, 64, generator=draw))
    silence = network.encode_audio(torch.zeros(1, 9, 5, 3, 24))
    sound = network.encode_audio(torch.randn(1, 9, 5, 3, 24, generator=draw))
    quiet, loud = (network(latents, torch.tensor(500.0), context, audio=a) for a in (silence, sound))
    assert quiet.shape == (1, 16, 3, 4, 6)
    assert (quiet - loud).abs().max() > 0.01
    speakers = network.encode_audio(torch.randn(2, 9, 5, 3, 24, generator=draw))
    with pytest.raises(ValueError, match="speaker_masks"):
        network(latents, torch.tensor(500.0), context, audio=speakers)


def test_norms_and_time_stay_float32(cache):
    network = load_transformer(demo_checkpoint("r2v", cache) / "transformer", dtype=torch.bfloat16)
    kept = {name for name, value in network.named_parameters() if value.dtype == torch.float32}
    assert kept == {name for name, _ in network.named_parameters() if is_kept(name)}
    assert len(kept) == 14


def is_kept(name):
    return any(part in name for part in ("time_embedder", "scale_shift_table", "norm2"))


def test_saving_and_reloading_as_a_diffusers_model(network, inputs, tmp_path):
    latents, prompt = inputs
    network.save_pretrained(tmp_path)
    again = SkyReelsTransformer.from_pretrained(tmp_path)
    with torch.inference_mode():
        first, second = (n(latents, torch.tensor(5), n.encode_context(prompt)) for n in (network, again))
    assert torch.equal(first, second)


def test_an_adapter_changes_the_result(network, inputs):
    latents, prompt = inputs
    with torch.inference_mode():
        plain = network(latents, torch.tensor(5), network.encode_context(prompt))
    network.add_adapter(LoraConfig(r=2, target_modules=["to_q", "ffn.net.0.proj"], init_lora_weights=False))
    with torch.inference_mode():
        adapted = network(latents, torch.tensor(5), network.encode_context(prompt))
        network.disable_adapters()
        again = network(latents, torch.tensor(5), network.encode_context(prompt))
    assert (adapted - plain).abs().max() > 1e-3
    assert torch.allclose(again, plain, atol=1e-6)


def test_unsupported_configs_are_refused():
    with pytest.raises(ValueError, match="qk_norm"):
        SkyReelsTransformer(num_layers=1, qk_norm="layer")


def test_the_math_kernel_is_not_offered_on_cuda():
    assert torch.nn.attention.SDPBackend.MATH not in LIBRARY.values()
    q = torch.randn(1, 5, 2, 8)
    assert attention(q, q[:, :3], q[:, :3]).shape == q.shape


def test_rotary_tables_are_computed_once():
    first = rope_tables(16, (0, 1, 1024), 2, 3, torch.device("cpu"))
    assert rope_tables(16, (0, 1, 1024), 2, 3, torch.device("cpu"))[0] is first[0]
    assert first[0].shape == (18, 8)
    assert first[0].dtype == torch.float32
