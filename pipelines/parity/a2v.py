"""Replays the goldens of the talking avatar: its encoders, colours and tables here, the rest next door."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.families.a2v import networks as models
from pipelines.families.a2v.portrait import crop_picture, signed_picture, to_bytes
from pipelines.front.crop import fill_crop
from pipelines.front.prompts import PROMPT_TOKENS, clean_prompt
from pipelines.media.read.audio import loudness, normalise_loudness
from pipelines.models.encoders.audio import load_audio_encoder
from pipelines.models.encoders.image import ImageEncoder, load_image_encoder
from pipelines.models.encoders.text import load_prompt_encoder
from pipelines.models.vae.vae import encode_mean, load_vae, normalise
from pipelines.parity.a2v_runs import replay_run, wav_samples
from pipelines.parity.a2v_tables import replay_tables
from pipelines.parity.a2v_transformer import replay_avatar_transformer, replay_bfloat16, replay_two_speakers
from pipelines.parity.golden import (
    ABSENT,
    LEVELS,
    PERCENT,
    Comparison,
    Golden,
    Replayer,
    absent,
    close,
    each,
    exact,
    number_in,
    same_fields,
)
from pipelines.sampling.colors import match_colors, rgb_to_lab
from pipelines.tasks.talking_avatar import SAMPLE_RATE, audio_frames


def replay_audio(golden: Golden) -> Iterator[Comparison]:
    """Sound as read from a file, its loudness, and every stage of the speech encoder."""
    words = golden.tolerance["suggested"]
    resampled_atol, loudness_atol = number_in(words, "resampled atol #", "resampled #"), number_in(words, "loudness #")
    atol = number_in(words, "rest atol #", "rest #")
    encoder = load_audio_encoder(golden.checkpoint() / models.AUDIO_FOLDER)
    yield exact("do_normalize", encoder.do_normalize, golden.data.get("do_normalize", ABSENT))

    def compared(named: tuple[str, dict[str, Any]]) -> Iterator[Comparison]:
        clip, facts = named
        heard = wav_samples(golden[f"{clip}.input"], facts["sample_rate"])
        normalised = normalise_loudness(heard, SAMPLE_RATE)
        frames = audio_frames(len(heard))
        features = encoder(torch.from_numpy(normalised), frames)
        stages: dict[str, tuple[Tensor, float]] = {
            "resampled": (torch.from_numpy(heard), resampled_atol),
            "normalised": (torch.from_numpy(normalised), atol),
            "encoder_input": (features.waveform, atol),
            "hidden0": (features.first_input, atol),
            "conv": (features.convolved, atol),
            "interpolated": (features.interpolated, atol),
            "embedding": (features.embedding, atol),
        }
        for stage, (value, limit) in stages.items():
            if f"{clip}.{stage}" in golden:
                yield close(f"{clip}.{stage}", value, golden[f"{clip}.{stage}"], limit)
        if f"{clip}.sum_wav" in golden:
            levels = torch.from_numpy(np.clip(np.floor(normalised.astype(np.float64) * 32768), -32768, 32767))
            yield close(f"{clip}.sum_wav", levels, golden.stored(f"{clip}.sum_wav"), 1.0)
        yield from _audio_facts(clip, facts, heard, normalised, loudness_atol)
        counts = {"samples_16k": len(heard), "frames": frames, "conv_frames": features.convolved.shape[1]}
        for name, count_of in counts.items():
            yield exact(f"{clip}.{name}", count_of, facts.get(name, ABSENT))

    yield from each(golden.data["clips"].items(), compared)


def _audio_facts(
    clip: str, facts: dict[str, Any], heard: np.ndarray, normalised: np.ndarray, atol: float
) -> Iterator[Comparison]:
    measured, expected = loudness(heard, SAMPLE_RATE), facts.get("loudness_lufs", ABSENT)
    if expected is ABSENT or np.isinf(float(expected)):
        yield exact(f"{clip}.loudness", measured, expected if expected is ABSENT else float(expected))
    else:
        yield close(f"{clip}.loudness", torch.tensor(measured), torch.tensor(float(expected)), atol)
    if "gain" in facts:
        scaled = heard if facts["gain"] is None else heard * facts["gain"]
        yield close(f"{clip}.gain", torch.from_numpy(normalised), torch.from_numpy(scaled).float(), atol)
    if "peak_after" in facts:
        peak = torch.tensor(float(np.abs(normalised).max()))
        yield close(f"{clip}.peak_after", peak, torch.tensor(facts["peak_after"]), atol)


def replay_image(golden: Golden) -> Iterator[Comparison]:
    """Scaling, cropping and normalising of pictures, exactly."""

    def compared(named: tuple[str, dict[str, Any]]) -> Iterator[Comparison]:
        case, facts = named
        pixels = golden[f"{case}.input"].numpy()
        crop = fill_crop(pixels.shape[0], pixels.shape[1], tuple(facts["target"]))
        yield exact(f"{case}.resized", list(crop.resized), facts.get("resized", ABSENT))
        yield same_fields(f"{case}.crop", {"crop_top": crop.top, "crop_left": crop.left}, facts)
        cropped = crop_picture(Image.fromarray(pixels), crop)
        stored = torch.from_numpy(cropped.transpose(2, 0, 1).copy())
        yield exact(f"{case}.cropped", stored, golden.stored(f"{case}.cropped"))
        if f"{case}.normalised" in golden:
            yield close(f"{case}.normalised", signed_picture(cropped), golden[f"{case}.normalised"], 0.0)

    yield from each(golden.data["cases"].items(), compared)


def replay_clip(golden: Golden) -> Iterator[Comparison]:
    """The picture encoder's pixels, its first stages and its features."""
    atol = number_in(golden.tolerance["suggested"], "atol #")
    encoder = load_image_encoder(golden.checkpoint() / models.IMAGE_FILE)
    numbers = sorted({int(found[1]) for name in golden.tensors if (found := re.match(r"im(\d+)\.", name))})

    def compared(index: int) -> Iterator[Comparison]:
        frame = signed_picture(golden[f"im{index}.input"].numpy())[:, :, 0]
        stages = _clip_stages(encoder, frame)
        for name in (name for name in golden.tensors if name.startswith(f"im{index}.")):
            stage = name.split(".")[1]
            if stage == "input":
                continue
            what, _, cut = stage.rpartition("_") if "_first" in stage or "_every" in stage else (stage, "", "")
            number = int("".join(filter(str.isdigit, cut)) or 0)
            if what not in stages:
                # Nobody knows this stage: it stays uncompared, which the run says.
                continue
            value = stages[what]
            if cut.startswith("every"):
                value = value[:, ::number, ::number]
            elif cut.startswith("first"):
                value = value[:, :number]
            yield close(name, value, golden[name], atol)

    yield from each(numbers, compared)


def _clip_stages(encoder: ImageEncoder, frame: Tensor) -> dict[str, Tensor]:
    """Every stage that a golden may name: pixels, the first norm, each block and the output."""
    stages: dict[str, Tensor] = {"pixels": encoder.preprocess(frame)[0]}

    def keep(name: str) -> Any:
        def hook(_module: object, _args: object, output: Any) -> None:
            stages[name] = output[0] if isinstance(output, tuple) else output

        return hook

    hooks = [encoder.model.pre_layrnorm.register_forward_hook(keep("after_pre_norm"))]
    for index, layer in enumerate(encoder.model.encoder.layers):
        hooks.append(layer.register_forward_hook(keep(f"after_block{index}")))
    stages["output"] = encoder(frame)
    for hook in hooks:
        hook.remove()
    return stages


def replay_color(golden: Golden) -> Iterator[Comparison]:
    """Lab, colour matching at every stored strength, flat frames and bytes."""
    words = golden.tolerance["suggested"]
    atol, most_levels, most_percent = (number_in(words, phrase) for phrase in ("atol #", LEVELS, PERCENT))
    source, reference = golden["source"], golden["reference"]
    matched = match_colors(source, reference)
    yield close("lab", rgb_to_lab((source[0].transpose(0, 1) + 1) / 2), golden["lab"], atol)
    yield close("matched", matched, golden.stored("matched"), atol)
    half = match_colors(source, reference, 0.5)
    yield close("matched_half", half, golden.stored("matched_half"), atol)
    yield close("strength 0", match_colors(source, reference, 0.0), source, 0.0)
    if "flat_source" in golden:
        flat = match_colors(golden["flat_source"], reference)
        yield close("flat_matched", flat, golden.stored("flat_matched"), atol)
    levels = torch.from_numpy(to_bytes(matched)).permute(3, 0, 1, 2)[None]
    if "uint8" not in golden:
        yield absent("uint8")
        return
    apart = (levels.int() - golden["uint8"].int()).abs()
    share = 100 * float((apart > 0).float().mean())
    yield Comparison("uint8", float(apart.max()), f"{most_levels:g} levels", float(apart.max()) <= most_levels)
    yield Comparison("uint8 differing", share, f"{most_percent:g} percent", share <= most_percent)


def replay_avatar_text(golden: Golden) -> Iterator[Comparison]:
    """Token ids, masks and text features; what lies beyond the stored rows must be padding and zeros."""
    atol = number_in(golden.tolerance["suggested"], "atol #")
    folder = golden.checkpoint()
    encoder = load_prompt_encoder(folder / models.TEXT_FILE, folder / models.TOKENIZER_FOLDER)
    lengths = golden.data.get("lengths", [])
    for row, prompt in enumerate(golden.data["prompts"]):
        our_ids, our_mask = encoder.tokenize(clean_prompt(prompt))
        features, length = encoder(prompt), int(our_mask.sum())
        for name, value in (("ids", our_ids), ("mask", our_mask)):
            stored = golden.stored(name)
            if stored is ABSENT:
                yield absent(name)
            else:
                yield exact(f"{name} {row}", value[0, : stored.shape[1]], stored[row])
        yield exact(f"length {row}", length, lengths[row] if row < len(lengths) else ABSENT)
        yield exact(f"features {row} rows", features.shape[1], PROMPT_TOKENS)
        context = golden.stored("context")
        if context is ABSENT:
            yield absent("context")
        else:
            yield close(f"context {row}", features[0, : context.shape[1]], context[row], atol)
        yield exact(f"context {row} beyond the prompt", int(features[0, length:].count_nonzero()), 0)


def replay_avatar_vae(golden: Golden) -> Iterator[Comparison]:
    """Encoding to normalised latents and decoding to pixels."""
    atol = number_in(golden.tolerance["suggested"], "atol #")
    vae = load_vae(golden.checkpoint() / models.VAE_FILE)

    def compared(source: str) -> Iterator[Comparison]:
        if source == "video":
            yield close("latent", normalise(vae, encode_mean(vae, golden["video"])), golden.stored("latent"), atol)
        else:
            decoded = torch.cat(list(golden.ranks.decode(vae, golden["z"][None])), dim=2)
            yield close("decoded", decoded, golden.stored("decoded"), atol)

    yield from each(("video", "z"), compared)


REPLAYERS = (
    Replayer("tables", replay_tables),
    Replayer("audio", replay_audio),
    Replayer("image", replay_image),
    Replayer("clip", replay_clip),
    Replayer("color", replay_color),
    Replayer("text", replay_avatar_text),
    Replayer("vae", replay_avatar_vae),
    Replayer("dit", replay_avatar_transformer),
    Replayer("dit_two_speakers", replay_two_speakers),
    Replayer("dit_bf16", replay_bfloat16),
    Replayer("e2e", replay_run),
)
