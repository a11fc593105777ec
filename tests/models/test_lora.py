"""LoRA files: merged they are what peft's own adapters are, in every spelling, exactly nothing at strength 0."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from diffusers.loaders.lora_conversion_utils import (
    _convert_musubi_wan_lora_to_diffusers,
    _convert_non_diffusers_wan_lora_to_diffusers,
)
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.a2v.networks import load_transformer as load_avatar
from pipelines.families.v2v.networks import load_transformer as load_extension
from pipelines.front.lora import Lora, LoraRefused
from pipelines.loading.lora import LoraMerge, lora_key
from pipelines.models.transformer.load import changeable_shapes, load_transformer
from pipelines.models.transformer.transformer import SkyReelsTransformer
from tests.models.lora_files import SPELLINGS, Spelling, comfy, kohya, original, random_factors, write_lora

PARTS = ("attn1.to_", "attn2.", "ffn.", "audio_cross_attn", "text_embedder", "time_proj", "proj_out")
LIMIT = 1e-5


@dataclass(frozen=True)
class Family:
    name: str
    folder: str
    load: Callable[..., SkyReelsTransformer]
    channels: int = 16


FAMILIES = (
    Family("r2v", "transformer", load_transformer),
    Family("v2v", "transformer", load_extension),
    Family("v2v", "shot_transformer", load_extension),
    Family("a2v", ".", load_avatar, 36),
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def folder_of(family: Family, cache: Path) -> Path:
    return demo_checkpoint(family.name, cache) / family.folder


def merged(family: Family, folder: Path, *loras: Lora, partial: bool = False, **options: object) -> SkyReelsTransformer:
    with LoraMerge(loras, changeable_shapes(folder), partial=partial) as merge:
        merge.check_values()
        return family.load(folder, loras=merge, **options)


def plain_state(family: Family, folder: Path) -> dict[str, Tensor]:
    return family.load(folder).state_dict()


@torch.inference_mode()
def predict(network: SkyReelsTransformer) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    latents = torch.randn(1, network.config.in_channels, 3, 4, 6, generator=draw)
    prompt = torch.randn(1, 512, network.config.text_dim, generator=draw)
    image = None
    if network.config.image_dim:
        image = torch.randn(1, 257, network.config.image_dim, generator=draw)
    audio = None
    if network.audio_proj is not None:
        features = network.config.audio_feature_dim
        audio = network.encode_audio(torch.randn(1, 9, network.config.audio_window, features, 1, generator=draw))
    context = network.encode_context(prompt, image)
    return network(latents, torch.tensor(700), context, audio=audio)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.name}-{family.folder}")
def test_merged_is_what_peft_s_adapter_does_in_every_spelling(family: Family, cache: Path, tmp_path: Path) -> None:
    folder = folder_of(family, cache)
    adapted = family.load(folder)
    factors = random_factors(adapted, *PARTS)
    assert len(factors) > 20
    rank = len(next(iter(factors.values()))[0])
    adapted.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(factors)))
    for layer, (down, up) in factors.items():
        module = adapted.get_submodule(layer)
        module.lora_A["default"].weight.data.copy_(down)
        module.lora_B["default"].weight.data.copy_(up)
    targets = {}
    for layer in factors:
        module = adapted.get_submodule(layer)
        targets[layer] = module.base_layer.weight + module.get_delta_weight("default")
    # Some layers' weights are multiplied by the network itself, past the adapter's own call.
    adapted.fuse_lora()
    wanted = predict(adapted)
    before = predict(family.load(folder))
    assert (wanted - before).abs().max() > 0.01, "the adapter changes the picture"
    for spelling in SPELLINGS:
        file = write_lora(tmp_path / f"{spelling.__name__}.safetensors", factors, spelling)
        network = merged(family, folder, Lora(file))
        for layer, want in targets.items():
            got = network.get_submodule(layer).weight
            assert (got - want).abs().max() < LIMIT, (spelling.__name__, layer)
        assert (predict(network) - wanted).abs().max() < 2e-4 * wanted.abs().max(), spelling.__name__


@pytest.mark.parametrize("strength", [0.5, -1.0, 2.0])
def test_strength_is_peft_s_scale(strength: float, cache: Path, tmp_path: Path) -> None:
    family = FAMILIES[0]
    folder = folder_of(family, cache)
    factors = random_factors(family.load(folder), "attn1.to_q")
    file = write_lora(tmp_path / "a.safetensors", factors)
    plain, network = plain_state(family, folder), merged(family, folder, Lora(file, strength)).state_dict()
    for layer, (down, up) in factors.items():
        want = plain[f"{layer}.weight"] + strength * (up @ down)
        assert (network[f"{layer}.weight"] - want).abs().max() < LIMIT


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.name}-{family.folder}")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_strength_0_is_none_bit_by_bit(family: Family, dtype: torch.dtype, cache: Path, tmp_path: Path) -> None:
    folder = folder_of(family, cache)
    plain = family.load(folder, dtype=dtype).state_dict()
    file = write_lora(tmp_path / "a.safetensors", random_factors(family.load(folder), *PARTS))
    network = merged(family, folder, Lora(file, 0.0), dtype=dtype).state_dict()
    assert plain.keys() == network.keys()
    assert all(torch.equal(value, network[name]) for name, value in plain.items())
    assert lora_key([Lora(file, 0.0)]) == lora_key([]) == (), "the pool knows them as one"


def test_what_no_file_names_stays_as_it_is(cache: Path, tmp_path: Path) -> None:
    family = FAMILIES[1]
    folder = folder_of(family, cache)
    factors = random_factors(family.load(folder), "blocks.1.attn1.to_q")
    assert len(factors) == 1
    plain = plain_state(family, folder)
    network = merged(family, folder, Lora(write_lora(tmp_path / "a.safetensors", factors))).state_dict()
    changed = [name for name, value in plain.items() if not torch.equal(value, network[name])]
    assert changed == ["blocks.1.attn1.to_q.weight"]


def test_two_files_in_either_order_are_one_network(cache: Path, tmp_path: Path) -> None:
    family = FAMILIES[1]
    folder = folder_of(family, cache)
    network = family.load(folder)
    one = Lora(write_lora(tmp_path / "one.safetensors", random_factors(network, *PARTS, seed=1)), 0.7)
    two = Lora(write_lora(tmp_path / "two.safetensors", random_factors(network, *PARTS, seed=2), comfy), 0.4)
    here, there = (merged(family, folder, *pair).state_dict() for pair in ((one, two), (two, one)))
    assert all(torch.allclose(value, there[name], rtol=0, atol=1e-6) for name, value in here.items())
    alone = merged(family, folder, one).state_dict()
    name = "blocks.0.attn1.to_q.weight"
    assert not torch.allclose(here[name], alone[name], atol=1e-3), "both count"
    assert lora_key([one, two]) == lora_key([two, one]) != lora_key([one])


def test_biases_norms_and_tables_are_changed_as_they_are(cache: Path, tmp_path: Path) -> None:
    family = FAMILIES[1]
    folder = folder_of(family, cache)
    plain = plain_state(family, folder)
    changed = {
        "diffusion_model.blocks.0.self_attn.q.diff_b": "blocks.0.attn1.to_q.bias",
        "diffusion_model.blocks.0.self_attn.norm_q.diff": "blocks.0.attn1.norm_q.weight",
        "diffusion_model.blocks.1.norm3.diff": "blocks.1.norm2.weight",
        "diffusion_model.blocks.1.norm3.diff_b": "blocks.1.norm2.bias",
        "diffusion_model.blocks.0.modulation.diff": "blocks.0.scale_shift_table",
        "diffusion_model.head.modulation.diff": "scale_shift_table",
        "diffusion_model.patch_embedding.diff": "patch_embedding.weight",
        "diffusion_model.patch_embedding.diff_b": "patch_embedding.bias",
        "diffusion_model.head.head.diff_b": "proj_out.bias",
    }
    draw = torch.Generator().manual_seed(5)
    deltas = {stored: torch.randn(plain[name].shape, generator=draw) for stored, name in changed.items()}
    file = tmp_path / "a.safetensors"
    save_file(deltas, file)
    network = merged(family, folder, Lora(file, 0.5)).state_dict()
    for stored, name in changed.items():
        assert torch.allclose(network[name], plain[name] + 0.5 * deltas[stored], atol=LIMIT), name
    others = set(plain) - set(changed.values())
    assert all(torch.equal(plain[name], network[name]) for name in others)


def test_factors_of_the_patch_embedding_are_those_of_a_convolution(cache: Path, tmp_path: Path) -> None:
    family = FAMILIES[0]
    folder = folder_of(family, cache)
    network = family.load(folder)
    rank = 3
    network.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=["patch_embedding"]))
    module = network.patch_embedding
    torch.nn.init.normal_(module.lora_B["default"].weight)
    file = tmp_path / "a.safetensors"
    save_file(
        {
            "transformer.patch_embedding.lora_A.weight": module.lora_A["default"].weight.data.contiguous(),
            "transformer.patch_embedding.lora_B.weight": module.lora_B["default"].weight.data.contiguous(),
        },
        file,
    )
    want = module.base_layer.weight + module.get_delta_weight("default")
    assert (merged(family, folder, Lora(file)).patch_embedding.weight - want).abs().max() < LIMIT


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({"r": 4, "lora_alpha": 8}, 2.0),
        ({"r": 4, "lora_alpha": 4}, 1.0),
        ({"r": 4, "lora_alpha": 8, "use_rslora": True}, 4.0),
        ({"r": 4, "lora_alpha": 8, "alpha_pattern": {"attn1.to_q": 2}}, 0.5),
        ({"r": 8, "lora_alpha": 8, "rank_pattern": {"attn1.to_q": 4}}, 2.0),
    ],
)
@pytest.mark.parametrize("beside", [False, True])
def test_alpha_of_the_trainer_s_settings_counts(
    settings: dict[str, object], scale: float, beside: bool, cache: Path, tmp_path: Path
) -> None:
    family = FAMILIES[0]
    folder = folder_of(family, cache)
    factors = random_factors(family.load(folder), "blocks.0.attn1.to_q")
    ((layer, (down, up)),) = factors.items()
    file = write_lora(tmp_path / "adapter_model.safetensors", factors)
    if beside:
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
    else:
        written = json.dumps({f"transformer.{key}": value for key, value in settings.items()})
        save_file(load_file(file), file, {"lora_adapter_metadata": written})
    want = plain_state(family, folder)[f"{layer}.weight"] + scale * (up @ down)
    got = merged(family, folder, Lora(file)).state_dict()[f"{layer}.weight"]
    assert (got - want).abs().max() < LIMIT


@pytest.mark.parametrize(
    ("spelling", "convert"),
    [(comfy, _convert_non_diffusers_wan_lora_to_diffusers), (kohya, _convert_musubi_wan_lora_to_diffusers)],
)
def test_the_table_agrees_with_diffusers_converters(
    spelling: Spelling, convert: Callable[[dict[str, Tensor]], dict[str, Tensor]], cache: Path, tmp_path: Path
) -> None:
    family = FAMILIES[1]
    folder = folder_of(family, cache)
    # These converters want every layer of a kind, and know no other.
    factors = random_factors(family.load(folder), "attn1.to_", "attn2.to_", "ffn.")
    file = write_lora(tmp_path / "theirs.safetensors", factors, spelling)
    converted = convert(load_file(file))
    assert converted
    save_file({name: value.contiguous() for name, value in converted.items()}, tmp_path / "converted.safetensors")
    ours = merged(family, folder, Lora(file)).state_dict()
    theirs = merged(family, folder, Lora(tmp_path / "converted.safetensors")).state_dict()
    assert all((value - theirs[name]).abs().max() < LIMIT for name, value in ours.items())


def test_fp8_weights_are_rounded_after_the_merge(cache: Path, tmp_path: Path) -> None:
    family = FAMILIES[1]
    folder = folder_of(family, cache)
    factors = random_factors(family.load(folder), *PARTS)
    file = write_lora(tmp_path / "a.safetensors", factors)
    exact = merged(family, folder, Lora(file))
    rounded = merged(family, folder, Lora(file), float8=True)
    plain = family.load(folder, float8=True)
    layer = "blocks.0.ffn.net.2"
    close = (rounded.get_submodule(layer).weight - exact.get_submodule(layer).weight).abs().max()
    far = (plain.get_submodule(layer).weight - exact.get_submodule(layer).weight).abs().max()
    assert close < 0.1 * far


def test_a_file_that_fits_in_part_is_taken_only_when_asked(cache: Path, tmp_path: Path) -> None:
    family = FAMILIES[1]
    folder = folder_of(family, cache)
    factors = random_factors(family.load(folder), "attn1.to_q")
    extra = {"diffusion_model.blocks.0.cross_attn.k_img.lora_down.weight": torch.ones(4, 32)}
    file = write_lora(tmp_path / "a.safetensors", factors, comfy, **extra)
    with pytest.raises(LoraRefused, match=r"1 of its \d+ tensors fit no layer.*k_img.*--lora_partial"):
        merged(family, folder, Lora(file))
    whole = merged(family, folder, Lora(write_lora(tmp_path / "b.safetensors", factors, comfy))).state_dict()
    part = merged(family, folder, Lora(file), partial=True).state_dict()
    assert all(torch.equal(value, part[name]) for name, value in whole.items())


def test_every_layer_has_four_spellings_of_its_own(cache: Path) -> None:
    from pipelines.checkpoints.lora.names import layer_of, layer_spellings

    for family in FAMILIES:
        layers = {layer_of(name) for name in changeable_shapes(folder_of(family, cache))}
        found = layer_spellings(layers)
        assert set(found.values()) == layers
        for layer in layers:
            for name in (layer, original(layer), layer.replace(".", "_"), original(layer).replace(".", "_")):
                assert found[name] == layer


def test_the_key_of_a_set_follows_its_files(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"1")
    link = tmp_path / "link.safetensors"
    link.symlink_to(file)
    first = lora_key([Lora(file)])
    assert lora_key([Lora(link)]) == first != lora_key([Lora(file, 0.5)])
    file.write_bytes(b"22")
    assert lora_key([Lora(file)]) != first
    with pytest.raises(LoraRefused):
        lora_key([Lora(tmp_path / "gone.safetensors")])
