"""Replays the goldens of the shared components in the original layout: VAE, text encoder, prompt cleaning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from pipelines.families.v2v.networks import TEXT_FILE, TOKENIZER_FOLDER, VAE_FILE
from pipelines.families.v2v.steps import truncate_to_bytes
from pipelines.front.prompts import clean_prompt
from pipelines.loading.keymap import WAN_VAE
from pipelines.models.encoders.text import PromptEncoder, load_prompt_encoder, load_tokenizer
from pipelines.models.vae.vae import decode_stream, denormalise, encode_mean, load_vae, normalise
from pipelines.parity.golden import ABSENT, Comparison, Golden, Replayer, close, each, exact
from pipelines.parity.record import Recorder
from pipelines.parity.tolerance import few_levels, fitting_arguments, padded_rows, stated

TINY_MANIFEST = "manifests/v2v.json"
"""For goldens that name none."""


def replay_vae(golden: Golden) -> Iterator[Comparison]:
    """Encoding or decoding, by what the golden starts from."""
    decoded = any(name.startswith(("decoder.", "frames", "unscaled", "conv2")) for name in golden.tensors)
    return replay_vae_decode(golden) if decoded else replay_vae_encode(golden)


def replay_vae_encode(golden: Golden) -> Iterator[Comparison]:
    """Every layer of the first two chunks, moments, latents, and latents of shortened videos."""
    vae = load_vae(golden.checkpoint() / VAE_FILE)
    atol = stated(golden, "latents")
    video = golden["video"]
    yield from fitting_arguments(golden, dict(zip(("frames", "height", "width"), video.shape[2:], strict=True)))
    layers = _stored_layers(golden, vae)
    with Recorder(vae, [*set(layers.values()), "quant_conv"]) as recorder:
        mean = encode_mean(vae, video)
    for name, layer in layers.items():
        yield close(name, recorder.output(layer, _chunk(name)), golden.stored(name), atol)
    encoder_out = torch.cat([args[0] for args in recorder.inputs["quant_conv"]], dim=2)
    yield close("encoder_out", encoder_out, golden.stored("encoder_out"), atol)
    moments = torch.cat(recorder.outputs["quant_conv"], dim=2)
    yield close("moments", moments, golden.stored("moments"), atol)
    yield close("mean", mean, golden.stored("mean"), atol)
    yield close("latents", normalise(vae, mean), golden.stored("latents"), atol)
    for name in golden.tensors:
        if found := re.fullmatch(r"latents_first(\d+)", name):
            shortened = video[:, :, : int(found[1])]
            yield close(name, normalise(vae, encode_mean(vae, shortened)), golden.stored(name), atol)


def replay_vae_decode(golden: Golden) -> Iterator[Comparison]:
    """Every layer of the first two chunks, frames before and after the clamp, bytes."""
    vae = load_vae(golden.checkpoint() / VAE_FILE)
    atol = stated(golden, "frames")
    latents = golden["latents"]
    sizes = ("latent_frames", "latent_height", "latent_width")
    yield from fitting_arguments(golden, dict(zip(sizes, latents.shape[2:], strict=True)))
    layers = _stored_layers(golden, vae)
    with Recorder(vae, [*set(layers.values()), "post_quant_conv", "decoder"]) as recorder:
        frames = torch.cat(list(decode_stream(vae, latents)), dim=2)
    if golden.ranks.size > 1:
        frames = torch.cat(list(golden.ranks.decode(vae, latents)), dim=2)
    yield close("unscaled", denormalise(vae, latents), golden.stored("unscaled"), atol)
    yield close("conv2", torch.cat(recorder.outputs["post_quant_conv"], dim=2), golden.stored("conv2"), atol)
    for name, layer in layers.items():
        yield close(name, recorder.output(layer, _chunk(name)), golden.stored(name), atol)
    unclamped = torch.cat(recorder.outputs["decoder"], dim=2)
    yield close("frames_unclamped", unclamped, golden.stored("frames_unclamped"), atol)
    yield close("frames", frames, golden.stored("frames"), atol)
    first = torch.cat(list(golden.ranks.decode(vae, latents[:, :, :1])), dim=2)
    yield close("frames_first_latent_only", first, golden.stored("frames_first_latent_only"), atol)
    made = torch.from_numpy(truncate_to_bytes(frames))
    yield few_levels("frames_uint8", made, golden.stored("frames_uint8"), golden.tolerance["bytes"])


def _stored_layers(golden: Golden, vae: nn.Module) -> dict[str, str]:
    """Stored tensor name of a layer's output in a chunk -> the layer's name in the network, for layers that it has."""
    modules = {name for name, _ in vae.named_modules()}
    return {
        name: layer
        for name in golden.tensors
        if (found := re.fullmatch(r"((?:en|de)coder\..+)\.chunk\d+", name))
        and (layer := WAN_VAE.rename(found[1])[0]) in modules
    }


def _chunk(name: str) -> int:
    return int(name.rpartition(".chunk")[2])


def replay_text(golden: Golden) -> Iterator[Comparison]:
    """Token ids, masks, features of every prompt, block outputs, and the buckets of all distances."""
    encoder = load_text(golden)
    length = int(golden.args.get("text_len", 512))
    atol = stated(golden, "context")
    blocks = [f"encoder.encoder.block.{i}" for i in range(encoder.encoder.config.num_layers)]

    def compared(numbered: tuple[int, str]) -> Iterator[Comparison]:
        number, prompt = numbered
        ids, mask = encoder.tokenize(clean_prompt(prompt), length)
        yield exact(f"ids.{number}", ids, golden.stored(f"ids.{number}"))
        yield exact(f"mask.{number}", mask, golden.stored(f"mask.{number}"))
        outputs = _BlockOutputs(encoder, blocks)
        with outputs:
            features = encoder(prompt, length)
        yield from padded_rows(golden, f"context.{number}", features, atol)
        used = int(mask.sum())
        for block, result in enumerate(outputs.results):
            if (name := f"block{block}.{number}") in golden:
                yield close(name, result[:, :used], golden.stored(name), atol)

    yield from each(enumerate(golden.args["prompts"]), compared)
    if "bucket_of_distance" in golden:
        yield exact("bucket_of_distance", _buckets(encoder, golden), golden.stored("bucket_of_distance"))


def load_text(golden: Golden, dtype: torch.dtype = torch.float32) -> PromptEncoder:
    """The text encoder of a golden's tiny checkpoint."""
    folder = golden.checkpoint()
    return load_prompt_encoder(folder / TEXT_FILE, folder / TOKENIZER_FOLDER, dtype=dtype)


class _BlockOutputs:
    """Context manager that keeps the hidden state each encoder block returns."""

    def __init__(self, network: nn.Module, names: list[str]) -> None:
        self.results: list[Tensor] = []
        self._modules = [network.get_submodule(name) for name in names]

    def __enter__(self) -> None:
        self._hooks = [module.register_forward_hook(self._keep) for module in self._modules]

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _keep(self, _module: nn.Module, _args: Any, result: Any) -> None:
        self.results.append(result[0] if isinstance(result, tuple) else result)


def _buckets(encoder: PromptEncoder, golden: Golden) -> Tensor:
    """Bucket of every distance (key position - query position), ascending and centred on 0."""
    reach = len(golden.tensors["bucket_of_distance"]) // 2
    attention: Any = encoder.encoder.encoder.block[0].layer[0].SelfAttention
    looked_up: list[Tensor] = []
    hook = attention.relative_attention_bias.register_forward_pre_hook(lambda _, given: looked_up.append(given[0]))
    with hook:
        attention.compute_bias(2 * reach + 1, 2 * reach + 1)
    # [query, key]: the query in the middle has every distance.
    return looked_up[0][reach]


def replay_prompt_cleaning(golden: Golden) -> Iterator[Comparison]:
    """Cleaned prompts and their token ids, the padding included."""
    manifest = golden.data.get("manifest", TINY_MANIFEST)
    tokenizer = load_tokenizer(golden.find_checkpoint(manifest, golden.seed) / TOKENIZER_FOLDER)

    def compared(case: dict[str, Any]) -> Iterator[Comparison]:
        clean = clean_prompt(case["raw"])
        yield exact(f"clean {case['raw']!r}", clean, case.get("clean", ABSENT))
        ids = tokenizer(clean, padding="max_length", max_length=512, truncation=True).input_ids
        expected = case["ids"] + [0] * (512 - len(case["ids"]))
        yield exact(f"ids {case['raw']!r}", ids, expected)

    yield from each(golden.data["cases"], compared)


REPLAYERS = (
    Replayer("vae", replay_vae),
    Replayer("text", replay_text),
    Replayer("prompt_clean", replay_prompt_cleaning),
)
