"""Replayers of the single stages of reference to video."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipelines.families.r2v.generate import choose_size, draw_noise, encode_references
from pipelines.front.errors import MediaError
from pipelines.front.prompts import PROMPT_TOKENS, clean_prompt
from pipelines.front.shapes import WAN_BUCKETS, PixelShape
from pipelines.media.read.images import letterbox, load_image
from pipelines.media.read.tones import DEEP
from pipelines.models.encoders.text import load_prompt_encoder
from pipelines.models.transformer.load import load_transformer
from pipelines.models.transformer.rope import frame_positions, rope_tables
from pipelines.models.vae.vae import (
    decode_stream,
    denormalise,
    encode_mean,
    encode_moments,
    encode_sample,
    load_vae,
    normalise,
    to_frames,
    to_pixels,
)
from pipelines.parity.golden import Check, Golden, close, exact, levels, numbers_in, relative
from pipelines.parity.network import NetworkRun
from pipelines.parity.record import Recorder
from pipelines.sampling.schedulers import NUM_TRAIN_TIMESTEPS, FlowUniPC, reference_timetable


def frame_levels(golden: Golden, name: str, actual: Tensor) -> Check:
    """Compare pictures at the levels that the golden's sentence about frames allows."""
    limits = numbers_in(golden.tolerance["frames"])
    return levels(name, actual, golden[name], *limits[:2])


def buckets(golden: Golden) -> Iterator[Check]:
    """Choice of the video's size."""
    for row in golden.data["rows"]:
        width, height = row["image"]
        for resolution, wanted in row.items():
            if resolution == "image":
                continue
            table = WAN_BUCKETS[resolution]
            size = choose_size(table, [(width, height)])
            key = next(key for key, value in table.items() if value == size)
            expected = (wanted["ratio_key"], wanted["height"], wanted["width"])
            yield exact(f"{width}x{height} {resolution}", (key, *size), expected)


def letterboxes(golden: Golden) -> Iterator[Check]:
    """Fitting a picture into the video's size."""
    fill = golden.args.get("fill", [255, 255, 255])
    for i, case in enumerate(golden.data["cases"]):
        source, (width, height) = golden[f"src{i:02d}"], case["target"]
        boxed = letterbox(Image.fromarray(source.numpy()), height, width)
        yield levels(f"out{i:02d}", torch.from_numpy(boxed), golden[f"out{i:02d}"], 0)
        # A black picture of the same size shows where the letterbox puts it.
        probe = letterbox(Image.new("RGB", (source.shape[1], source.shape[0])), height, width)
        ys, xs = np.nonzero((probe == 0).all(-1))
        placed = {
            "source": [source.shape[1], source.shape[0]],
            "resized_to": [int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1],
            "left_top": [int(xs.min()), int(ys.min())],
            "out_size": [boxed.shape[1], boxed.shape[0]],
        }
        yield exact(f"case {i} placement", placed, {name: case[name] for name in placed})
        outside = probe[(probe != 0).any(-1)]
        yield exact(f"case {i} fill", bool((outside == np.array(fill)).all()), True)

    for i, case in enumerate(golden.data.get("extreme", [])):
        (source_width, source_height), (width, height) = case["source"], case["target"]
        image = Image.new("RGB", (source_width, source_height))
        try:
            boxed = letterbox(image, height, width)
            outcome = [boxed.shape[1], boxed.shape[0]]
        except MediaError:
            outcome = []
        # A side that becomes 0 is refused with a message where the original stops with Pillow's error.
        yield exact(f"extreme {i}", outcome, case.get("ok", []))


def images(golden: Golden) -> Iterator[Check]:
    """Reading of picture files."""
    for case in golden.data["cases"]:
        name = case["name"]
        with tempfile.TemporaryDirectory(prefix="skyreels-parity-") as folder:
            path = Path(folder) / f"picture.{case['format'].lower()}"
            path.write_bytes(golden[f"{name}.file"].numpy().tobytes())
            with Image.open(path) as stored:
                facts = (stored.format, stored.mode)
                # The published script clips more than 8 bits to white; `load_image` keeps their tones.
                loaded = stored.convert("RGB") if stored.mode in DEEP else load_image(path)
        yield levels(f"{name}.rgb", torch.from_numpy(np.array(loaded)), golden[f"{name}.rgb"], 0)
        expected = (case["format"], case["mode_on_disk"], case["size_after"])
        yield exact(f"{name} format, mode, size", (*facts, list(loaded.size)), expected)


def prompt_clean(golden: Golden) -> Iterator[Check]:
    """Cleaning of prompts."""
    for i, case in enumerate(golden.data["cases"]):
        yield exact(f"case {i}", clean_prompt(case["raw"]), case["clean"])


def text(golden: Golden) -> Iterator[Check]:
    """Tokens and text features."""
    folder = golden.checkpoint()
    encoder = load_prompt_encoder(folder / "text_encoder", folder / "tokenizer")
    length = golden.args.get("max_sequence_length", PROMPT_TOKENS)
    for i, case in enumerate(golden.data["cases"]):
        cleaned = clean_prompt(case["prompt"])
        ids, mask = encoder.tokenize(cleaned, length)
        used = int(mask.sum())
        yield exact(f"prompt {i} cleaned", cleaned, case["clean"])
        yield exact(f"prompt {i} tokens", used, case["tokens"])
        yield exact(f"ids{i}", ids[0, :used].to(torch.int32), golden[f"ids{i}"])
        yield exact(f"prompt {i} padding", bool(ids[0, used:].any()), False)
        features = encoder(case["prompt"], length)[0]
        kept = features[:used] if case["rows"] == "all" else features[parse_slice(case["rows"])]
        yield golden.close(f"embeds{i}", kept)
        yield exact(f"prompt {i} rows of padding", bool(features[used:].any()), False)
        if f"raw_hidden{i}" in golden:
            raw = encoder.hidden(ids, mask)[0]
            yield golden.close(f"raw_hidden{i}", raw[: golden[f"raw_hidden{i}"].shape[0]])


def parse_slice(words: str) -> slice:
    """'::8' -> slice(None, None, 8)."""
    return slice(*(int(part) if part.strip() else None for part in words.split(":")))


def scheduler(golden: Golden) -> Iterator[Check]:
    """Timetables, and the solver's recurrence on prescribed predictions."""
    facts = {"num_train_timesteps": NUM_TRAIN_TIMESTEPS, "solver_order": 2, "solver_type": "bh2"}
    yield exact("settings", facts, {name: golden.args.get(name, value) for name, value in facts.items()})
    shift = golden.args.get("flow_shift", 5.0)
    limits = (golden.tolerance["atol"], golden.tolerance.get("rtol", 0.0))
    for steps, table in golden.data.get("tables", {}).items():
        made = reference_timetable(int(steps), shift)
        yield exact(f"{steps} steps, timesteps", list(made.timesteps), table["timesteps"])
        sigmas = torch.tensor(table["sigmas"], dtype=torch.float64)
        yield close(f"{steps} steps, sigmas", torch.tensor(made.sigmas), sigmas, *limits)
    starts = [name for name in golden.tensors if name.endswith(".start")]
    for start in starts:
        prefix = start.removesuffix(".start")
        outputs, sample, after = golden[f"{prefix}.model_outputs"], golden[start], []
        solver = FlowUniPC(reference_timetable(len(outputs), shift))
        for output in outputs:
            sample = solver.step(output, sample)
            after.append(sample)
        yield golden.close(f"{prefix}.latents", torch.stack(after))


def vae(golden: Golden) -> Iterator[Check]:
    """Encoding, sampling, normalising, decoding in a stream, bytes, tiling."""
    network = load_vae(golden.checkpoint() / "vae")
    if "image" in golden:
        image = golden["image"]
        size = [golden.args.get("height", image.shape[0]), golden.args.get("width", image.shape[1])]
        yield exact("image size", list(image.shape[:2]), size)
        pixels = to_pixels(image[None])
        generator = torch.Generator("cpu").manual_seed(golden.args["generator_seed"])
        mean, logvar = encode_moments(network, pixels)
        sample = encode_sample(network, pixels, generator)
        yield golden.close("pixels", pixels)
        yield golden.close("mean", mean)
        yield golden.close("logvar", logvar)
        yield golden.close("sample", sample)
        yield golden.close("normalised", normalise(network, sample))
    for name in sorted(name for name in golden.tensors if re.fullmatch(r"z\d+", name)):
        count = name.removeprefix("z")
        video = torch.cat(list(decode_stream(network, golden[name])), dim=2)
        yield golden.close(f"video{count}", video)
        yield frame_levels(golden, f"frames{count}", to_frames(video))
        whole = network.decode(denormalise(network, golden[name])).sample
        yield close(f"{name} in one call", video, whole, 1e-6)
    if "tiled_mean" in golden:
        yield from _tiled_vae(golden, network)


def _tiled_vae(golden: Golden, network: Any) -> Iterator[Check]:
    words = golden.data["tensors"]["tiled_mean"]["what"]
    found = re.search(r"tile (\d+)x(\d+), stride (\d+) \(height\) x (\d+) \(width\)", words)
    if found is None:
        raise ValueError(f"no tile sizes in {words!r}")
    tile_height, tile_width, stride_height, stride_width = map(int, found.groups())
    network.enable_tiling(tile_height, tile_width, stride_height, stride_width)
    yield golden.close("tiled_mean", encode_mean(network, to_pixels(golden["tiled_image"][None])))
    video = torch.cat(list(decode_stream(network, golden["tiled_z"])), dim=2)
    yield golden.close("tiled_video", video)


def condition(golden: Golden) -> Iterator[Check]:
    """Order of the random draws; the slots of the references."""
    args = golden.args
    network = load_vae(golden.checkpoint() / "vae")
    pictures = [golden[name] for name in sorted(golden.tensors) if re.fullmatch(r"ref\d+", name)]
    yield exact("references", len(pictures), args["references"])
    generator = torch.Generator(args["generator_device"]).manual_seed(args["generator_seed"])
    with Recorder(network) as record:
        noise = draw_noise(network, PixelShape(args["height"], args["width"], args["num_frames"]), generator)
        slots = encode_references(network, [picture.numpy() for picture in pictures], generator)
    yield golden.close("noise", noise)
    for i, call in enumerate(record.calls["posterior_noise"]):
        yield golden.close(f"eps{i}", call.result)
    yield golden.close("condition", slots)


def transformer(golden: Golden) -> Iterator[Check]:
    """One call at each timestep with every intermediate."""
    if any(name.endswith(".output_bf16") for name in golden.tensors):
        yield from transformer_bf16(golden)
        return
    network = load_transformer(golden.checkpoint() / "transformer")
    args, hidden, prompt = golden.args, golden["hidden_states"], golden["prompt_embeds"]
    yield exact("text tokens", prompt.shape[1], args.get("text_tokens", prompt.shape[1]))
    found = {name.split(".")[0] for name in golden.tensors if re.match(r"t\d+\.", name)}
    yield exact("timesteps", sorted(found), sorted(f"t{t}" for t in args["timesteps"]))
    frames, rows, columns = hidden.shape[2], hidden.shape[3] // 2, hidden.shape[4] // 2
    cos, sin = rope_tables(
        network.config.attention_head_dim, frame_positions(frames), rows, columns, torch.device("cpu")
    )
    yield golden.close("rope_cos", cos)
    yield golden.close("rope_sin", sin)
    for timestep in args["timesteps"]:
        run = NetworkRun(network, hidden, prompt, timestep)
        start = f"t{timestep}."
        for name in sorted(name for name in golden.tensors if name.startswith(start)):
            yield golden.close(name, run.stage(name.removeprefix(start), golden[name]))


def transformer_bf16(golden: Golden) -> Iterator[Check]:
    """The same call in bfloat16: which tensors stay float32, and the result as a whole."""
    network = load_transformer(golden.checkpoint() / "transformer", dtype=torch.bfloat16)
    kept = sorted(name for name, value in network.named_parameters() if value.dtype == torch.float32)
    yield exact("float32 tensors", kept, sorted(golden.data["float32_tensors"]))
    source = golden
    if "hidden_states" not in golden:
        named = re.search(r"`(\w+)`", golden.args.get("inputs", ""))
        source = golden.sibling(named[1] if named else golden.path.stem.replace("_bf16", ""))
    hidden, prompt = source["hidden_states"].bfloat16(), source["prompt_embeds"].bfloat16()
    limit = golden.tolerance["relative_l2"]
    for name in sorted(golden.tensors):
        if found := re.fullmatch(r"t(\d+)\.output_bf16", name):
            run = NetworkRun(network, hidden, prompt, int(found[1]))
            yield relative(name, run.stage("output", golden[name]), golden[name], limit)
