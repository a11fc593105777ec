"""Replays single calls of the talking avatar's transformer: float32, bfloat16 and two speakers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import torch
from torch import Tensor

from pipelines.families.a2v.networks import load_transformer
from pipelines.front.prompts import PROMPT_TOKENS
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.parity.golden import Comparison, Golden, close, number_in, relative
from pipelines.parity.ranks import alone, is_led
from pipelines.parity.record import Recorder

INPUTS = ("x", "y", "clip_fea", "audio", "context_rows", "ref_target_masks")

BLOCK_MODULES = {
    "self_attn": "blocks.{}.attn1.to_out.0",
    "cross_attn": "blocks.{}.attn2.to_out.0",
    "audio_attn": "blocks.{}.audio_cross_attn.proj",
    "ffn": "blocks.{}.ffn",
    "out": "blocks.{}",
}
"""Stored stage of a block -> the module whose output it is."""

BLOCK_NORMS = ("norm3", "norm_x")
"""Affine norms of a block in the order of their calls."""

SPEAKER_CALLS = {
    "attn_map": "speaker_map",
    "query_positions": "query_positions",
    "key_positions": "key_positions",
}
"""Stored stage of a block -> the function whose result it is."""

WHOLE_MODULES = {
    "text_tokens": "condition_embedder.text_embedder",
    "image_tokens": "condition_embedder.image_embedder",
    "audio_tokens": "audio_proj",
    "head": "proj_out",
}

Compare = Callable[[str, Tensor, Tensor], Comparison]


class CallStages:
    """One recorded call of the network on a golden's inputs; stages go by the golden's names."""

    def __init__(self, network: SkyReelsTransformer, golden: Golden, timestep: float) -> None:
        self._network = network
        self._latents = torch.cat([golden["x"][None], golden["y"]], dim=1)
        self._timestep = torch.tensor(timestep, dtype=torch.float32)
        text = torch.zeros(1, PROMPT_TOKENS, golden["context_rows"].shape[1])
        text[0, : len(golden["context_rows"])] = golden["context_rows"]
        modules = [name.format(block) for block in range(len(network.blocks)) for name in BLOCK_MODULES.values()]
        with_masks = "ref_target_masks" in {**golden.data.get("tensors", {}), **golden.tensors}
        masks = golden["ref_target_masks"] if with_masks else None
        self._recorder = Recorder(network, [*modules, *WHOLE_MODULES.values()])
        with self._recorder, alone(network):
            context = network.encode_context(text, golden["clip_fea"])
            audio = network.encode_audio(golden["audio"])
            whole = network(self._latents, self._timestep, context, audio=audio, speaker_masks=masks)
        if is_led(network):
            whole = network(self._latents, self._timestep, context, audio=audio, speaker_masks=masks)
        self.output = whole[0]

    def __getitem__(self, name: str) -> Tensor:
        """The value of a stage, float32. Raises KeyError for a name that no stage has."""
        if name == "time_embedding":
            return self._network.embed_time(self._timestep.reshape(1))[0]
        if name == "time_projection":
            return self._network.embed_time(self._timestep.reshape(1))[1].flatten(1)
        if name == "tokens":
            return self._network.embed_patches(self._latents).float()
        if found := re.fullmatch(r"(\w+)_first(\d+)", name):
            return self[found[1]][:, : int(found[2])]
        if name in WHOLE_MODULES:
            return self._recorder.output(WHOLE_MODULES[name]).float()
        found = re.fullmatch(r"block(\d+)\.(\w+)", name)
        if found is None:
            raise KeyError(f"no stage is called {name}")
        block, stage = int(found[1]), found[2]
        if stage in BLOCK_MODULES:
            return self._recorder.output(BLOCK_MODULES[stage].format(block)).float()
        if stage in BLOCK_NORMS:
            # The embedders' norms are called before those of the blocks.
            calls = self._recorder.calls["layer_norm_affine"][-len(BLOCK_NORMS) * len(self._network.blocks) :]
            return calls[len(BLOCK_NORMS) * block + BLOCK_NORMS.index(stage)].result.float()
        value: Tensor = self._recorder.calls[SPEAKER_CALLS[stage]][block].result
        return value.repeat(self._latents.shape[2]) if stage == "key_positions" else value


def replay_avatar_transformer(golden: Golden) -> Iterator[Comparison]:
    """One call with its stages, and the same call at another time, without sound and without audio attention."""
    atol = number_in(golden.tolerance["suggested"], "atol #")
    network = golden.ranks.lead(load_transformer(golden.checkpoint()))

    def compare(name: str, actual: Tensor, expected: Tensor) -> Comparison:
        return close(name, actual, expected, atol)

    timestep = golden.data["timestep"]
    yield from _compare_stages(golden, CallStages(network, golden, timestep), compare)
    yield compare("output", CallStages(network, golden, timestep).output, golden["output"])
    for name in (name for name in golden.tensors if name.startswith("output_")):
        with suppress(KeyError):
            # Nobody knows how to make some: they stay uncompared, which the run says.
            yield compare(name, _variant(network, golden, name), golden[name])


def _variant(network: SkyReelsTransformer, golden: Golden, name: str) -> Tensor:
    """The output under the change that a stored output is named after."""
    timestep = golden.data["timestep"]
    if name == "output_zero_audio":
        with _replaced(golden, "audio", torch.zeros_like(golden["audio"])) as silent:
            return CallStages(network, silent, timestep).output
    if name == "output_audio_module_off":
        with _audio_attention_off(network):
            without = CallStages(golden.ranks.lead(network), golden, timestep).output
        golden.ranks.lead(network)
        return without
    if name.startswith("output_t"):
        described = re.search(r"timestep ([\d.]+)", golden.what(name))
        try:
            stated = float(described[1].rstrip(".")) if described else float(name.removeprefix("output_t"))
        except ValueError:
            raise KeyError(name) from None
        return CallStages(network, golden, stated).output
    raise KeyError(f"no way to make {name}")


@contextmanager
def _replaced(golden: Golden, name: str, value: Tensor) -> Iterator[Golden]:
    yield replace(golden, tensors={**golden.tensors, name: value}, seen=set())


@contextmanager
def _audio_attention_off(network: SkyReelsTransformer) -> Iterator[None]:
    """Zero what the audio attention adds, for as long as the context lasts."""
    parameters = [parameter for name, parameter in network.named_parameters() if ".audio_cross_attn.proj." in name]
    kept = [parameter.clone() for parameter in parameters]
    for parameter in parameters:
        parameter.zero_()
    try:
        yield
    finally:
        for parameter, value in zip(parameters, kept, strict=True):
            parameter.copy_(value)


def replay_two_speakers(golden: Golden) -> Iterator[Comparison]:
    """One call with two voices: the map and positions that tell the speakers apart, and the stages."""
    atol = number_in(golden.tolerance["suggested"], "atol #")
    stages = CallStages(golden.ranks.lead(load_transformer(golden.checkpoint())), golden, golden.data["timestep"])

    def compare(name: str, actual: Tensor, expected: Tensor) -> Comparison:
        # A class without a token has no mean: there both must be undefined.
        if not torch.equal(actual.isnan(), expected.isnan()):
            return Comparison(f"{name}: undefined in other places", float("inf"), "equal", False)
        return close(name, actual.nan_to_num(), expected.nan_to_num(), atol)

    yield from _compare_stages(golden, stages, compare)
    yield compare("output", stages.output, golden["output"])


def replay_bfloat16(golden: Golden) -> Iterator[Comparison]:
    """The released precision within the noise of bfloat16; float32 within float32's."""
    words = golden.tolerance["suggested"]
    limit = number_in(words, r"output_bf16[^;]*below #", "below #")
    limit_to_float32 = number_in(words, r"output_float32[^;]*below #", "below #")
    atol = number_in(words, "atol #")
    folder, timestep = golden.checkpoint(), golden.data["timestep"]
    half = CallStages(golden.ranks.lead(load_transformer(folder, dtype=torch.bfloat16)), golden, timestep)

    def compare(name: str, actual: Tensor, expected: Tensor) -> Comparison:
        return relative(name, actual, expected, limit)

    yield from _compare_stages(golden, half, compare)
    yield compare("output_bf16", half.output, golden["output_bf16"])
    full = golden.stored("output_float32")
    yield relative("output_bf16 from float32", half.output, full, limit_to_float32)
    single = CallStages(golden.ranks.lead(load_transformer(folder)), golden, timestep)
    yield close("output_float32", single.output, full, atol)


def _compare_stages(golden: Golden, stages: CallStages, compare: Compare) -> Iterator[Comparison]:
    """Compare every stored tensor that is neither an input nor an output."""
    for name in golden.tensors:
        if name in INPUTS or name.startswith("output"):
            continue
        try:
            actual = stages[name]
        except LookupError:
            # Nobody knows this stage: it stays uncompared, which the run says.
            continue
        yield compare(name, actual, golden[name])
