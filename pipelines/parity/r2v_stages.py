"""Replayers of the single stages of reference to video."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
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
from pipelines.parity.golden import (
    ABSENT,
    LEVELS,
    Comparison,
    Golden,
    NotHeld,
    absent,
    close,
    each,
    exact,
    levels,
    mean_limit,
    number_in,
    relative,
    same_fields,
)
from pipelines.parity.network import NetworkRun
from pipelines.parity.record import Recorder
from pipelines.sampling.schedulers import NUM_TRAIN_TIMESTEPS, FlowUniPC, reference_schedule


def frame_levels(golden: Golden, name: str, actual: Tensor) -> Comparison:
    """Compare pictures at the levels that the golden's sentence about frames allows."""
    if name not in golden:
        return absent(name)
    words = golden.tolerance["frames"]
    return levels(name, actual, golden[name], number_in(words, LEVELS), mean_limit(words))


def buckets(golden: Golden) -> Iterator[Comparison]:
    """Choice of the video's size."""

    def row(row: dict[str, Any]) -> Iterator[Comparison]:
        width, height = row["image"]
        for resolution in (name for name in row if name in WAN_BUCKETS):
            table = WAN_BUCKETS[resolution]
            size = choose_size(table, [(width, height)])
            key = next(key for key, value in table.items() if value == size)
            ours = {"ratio_key": key, "height": size[0], "width": size[1]}
            yield same_fields(f"{width}x{height} {resolution}", ours, row[resolution])

    yield from each(golden.data["rows"], row)


def letterboxes(golden: Golden) -> Iterator[Comparison]:
    """Fitting a picture into the video's size."""
    fill = golden.args.get("fill", [255, 255, 255])

    def boxed_case(numbered: tuple[int, dict[str, Any]]) -> Iterator[Comparison]:
        i, case = numbered
        source, (width, height) = golden[f"src{i:02d}"], case["target"]
        boxed = letterbox(Image.fromarray(source.numpy()), height, width)
        yield levels(f"out{i:02d}", torch.from_numpy(boxed), golden.stored(f"out{i:02d}"), 0)
        # A black picture of the same size shows where the letterbox puts it.
        probe = letterbox(Image.new("RGB", (source.shape[1], source.shape[0])), height, width)
        ys, xs = np.nonzero((probe == 0).all(-1))
        placed = {
            "source": [source.shape[1], source.shape[0]],
            "resized_to": [int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1],
            "left_top": [int(xs.min()), int(ys.min())],
            "out_size": [boxed.shape[1], boxed.shape[0]],
        }
        yield same_fields(f"case {i} placement", placed, case)
        outside = probe[(probe != 0).any(-1)]
        yield exact(f"case {i} fill", bool((outside == np.array(fill)).all()), True)

    def extreme(numbered: tuple[int, dict[str, Any]]) -> Iterator[Comparison]:
        i, case = numbered
        (source_width, source_height), (width, height) = case["source"], case["target"]
        image = Image.new("RGB", (source_width, source_height))
        try:
            boxed = letterbox(image, height, width)
            outcome = [boxed.shape[1], boxed.shape[0]]
        except MediaError:
            outcome = []
        # A side that becomes 0 is refused with a message where the original stops with Pillow's error.
        yield exact(f"extreme {i}", outcome, case.get("ok", []))

    yield from each(enumerate(golden.data.get("cases", [])), boxed_case)
    yield from each(enumerate(golden.data.get("extreme", [])), extreme)


def images(golden: Golden) -> Iterator[Comparison]:
    """Reading of picture files."""

    def picture(case: dict[str, Any]) -> Iterator[Comparison]:
        name = case["name"]
        with tempfile.TemporaryDirectory(prefix="skyreels-parity-") as folder:
            path = Path(folder) / f"picture.{case['format'].lower()}"
            path.write_bytes(golden[f"{name}.file"].numpy().tobytes())
            with Image.open(path) as stored:
                facts = (stored.format, stored.mode)
                # The published script clips more than 8 bits to white; `load_image` keeps their tones.
                loaded = stored.convert("RGB") if stored.mode in DEEP else load_image(path)
        yield levels(f"{name}.rgb", torch.from_numpy(np.array(loaded)), golden.stored(f"{name}.rgb"), 0)
        ours = {"format": facts[0], "mode_on_disk": facts[1], "size_after": list(loaded.size)}
        yield same_fields(f"{name} format, mode, size", ours, case)

    yield from each(golden.data["cases"], picture)


def prompt_clean(golden: Golden) -> Iterator[Comparison]:
    """Cleaning of prompts."""

    def prompt(numbered: tuple[int, dict[str, Any]]) -> Iterator[Comparison]:
        i, case = numbered
        yield exact(f"case {i}", clean_prompt(case["raw"]), case.get("clean", ABSENT))

    yield from each(enumerate(golden.data["cases"]), prompt)


def text(golden: Golden) -> Iterator[Comparison]:
    """Tokens and text features."""
    folder = golden.checkpoint()
    encoder = load_prompt_encoder(folder / "text_encoder", folder / "tokenizer")
    length = golden.args.get("max_sequence_length", PROMPT_TOKENS)

    def prompt(numbered: tuple[int, dict[str, Any]]) -> Iterator[Comparison]:
        i, case = numbered
        cleaned = clean_prompt(case["prompt"])
        ids, mask = encoder.tokenize(cleaned, length)
        used = int(mask.sum())
        yield exact(f"prompt {i} cleaned", cleaned, case.get("clean", ABSENT))
        yield exact(f"prompt {i} tokens", used, case.get("tokens", ABSENT))
        yield exact(f"ids{i}", ids[0, :used].to(torch.int32), golden.stored(f"ids{i}"))
        yield exact(f"prompt {i} padding", bool(ids[0, used:].any()), False)
        features = encoder(case["prompt"], length)[0]
        rows = case.get("rows", "all")
        kept = features[:used] if rows == "all" else features[parse_slice(rows)]
        yield golden.close(f"embeds{i}", kept)
        yield exact(f"prompt {i} rows of padding", bool(features[used:].any()), False)
        if f"raw_hidden{i}" in golden:
            raw = encoder.hidden(ids, mask)[0]
            yield golden.close(f"raw_hidden{i}", raw[: golden[f"raw_hidden{i}"].shape[0]])

    yield from each(enumerate(golden.data["cases"]), prompt)


def parse_slice(words: str) -> slice:
    """'::8' -> slice(None, None, 8)."""
    return slice(*(int(part) if part.strip() else None for part in words.split(":")))


def scheduler(golden: Golden) -> Iterator[Comparison]:
    """Schedules, and the scheduler's recurrence on prescribed predictions."""
    facts = {"num_train_timesteps": NUM_TRAIN_TIMESTEPS, "solver_order": 2, "solver_type": "bh2"}
    yield exact("settings", facts, {name: golden.args.get(name, value) for name, value in facts.items()})
    shift = golden.args.get("flow_shift", 5.0)
    limits = (golden.tolerance["atol"], golden.tolerance.get("rtol", 0.0))
    for steps, table in golden.data.get("tables", {}).items():
        made = reference_schedule(int(steps), shift)
        yield exact(f"{steps} steps, timesteps", list(made.timesteps), table.get("timesteps", ABSENT))
        sigmas = torch.tensor(table["sigmas"], dtype=torch.float64) if "sigmas" in table else ABSENT
        yield close(f"{steps} steps, sigmas", torch.tensor(made.sigmas), sigmas, *limits)

    def recurrence(start: str) -> Iterator[Comparison]:
        prefix = start.removesuffix(".start")
        outputs, sample, after = golden[f"{prefix}.model_outputs"], golden[start], []
        scheduler = FlowUniPC(reference_schedule(len(outputs), shift))
        for output in outputs:
            sample = scheduler.step(output, sample)
            after.append(sample)
        yield golden.close_steps(f"{prefix}.latents", torch.stack(after))

    yield from each([name for name in golden.tensors if name.endswith(".start")], recurrence)


def vae(golden: Golden) -> Iterator[Comparison]:
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
        video = torch.cat(list(golden.ranks.decode(network, golden[name])), dim=2)
        yield golden.close(f"video{count}", video)
        yield frame_levels(golden, f"frames{count}", to_frames(video))
        if golden.ranks.size == 1:
            whole = network.decode(denormalise(network, golden[name])).sample
            yield close(f"{name} in one call", video, whole, 1e-6)
    if "tiled_mean" in golden:
        yield from _tiled_vae(golden, network)


def _tiled_vae(golden: Golden, network: Any) -> Iterator[Comparison]:
    words = golden.what("tiled_mean")
    tile, stride = re.search(rf"tile {TWO_SIDES}", words), re.search(rf"stride {TWO_SIDES}", words)
    if tile is None or stride is None:
        raise NotHeld("sizes of tiles and strides")
    tile_height, tile_width = _height_and_width(tile)
    stride_height, stride_width = _height_and_width(stride)
    network.enable_tiling(tile_height, tile_width, stride_height, stride_width)
    yield golden.close("tiled_mean", encode_mean(network, to_pixels(golden["tiled_image"][None])))
    video = torch.cat(list(decode_stream(network, golden["tiled_z"])), dim=2)
    yield golden.close("tiled_video", video)


TWO_SIDES = r"(\d+)(?: \((height|width)\))? ?x ?(\d+)(?: \((height|width)\))?"


def _height_and_width(sides: re.Match[str]) -> tuple[int, int]:
    """Two sides in the order that their words give, height first where they give none."""
    first, word, second, other = sides.groups()
    return (int(second), int(first)) if word == "width" or other == "height" else (int(first), int(second))


def condition(golden: Golden) -> Iterator[Comparison]:
    """Order of the random draws; the slots of the references."""
    args = golden.args
    network = load_vae(golden.checkpoint() / "vae")
    generator = torch.Generator(args.get("generator_device", "cpu")).manual_seed(args["generator_seed"])
    noise = draw_noise(network, PixelShape(args["height"], args["width"], args["num_frames"]), generator)
    yield golden.close("noise", noise)
    stored = [name for name in golden.tensors if re.fullmatch(r"ref\d+", name)]
    pictures = [golden[f"ref{number}"] for number in range(args.get("references", len(stored)))]
    with Recorder(network) as record:
        slots = encode_references(network, [picture.numpy() for picture in pictures], generator)
    for i, call in enumerate(record.calls["posterior_noise"]):
        yield golden.close(f"eps{i}", call.result)
    yield golden.close("condition", slots)


def transformer(golden: Golden) -> Iterator[Comparison]:
    """One call at each timestep with every intermediate."""
    if any(name.endswith(".output_bf16") for name in golden.tensors):
        yield from transformer_bf16(golden)
        return
    network = golden.ranks.lead(load_transformer(golden.checkpoint() / "transformer"))
    args, hidden, prompt = golden.args, golden["hidden_states"], golden["prompt_embeds"]
    yield exact("text tokens", prompt.shape[1], args.get("text_tokens", prompt.shape[1]))
    found = {name.split(".")[0] for name in golden.tensors if re.match(r"t\d+\.", name)}
    frames, rows, columns = hidden.shape[2], hidden.shape[3] // 2, hidden.shape[4] // 2
    cos, sin = rope_tables(
        network.config.attention_head_dim, frame_positions(frames), rows, columns, torch.device("cpu")
    )
    yield golden.close("rope_cos", cos)
    yield golden.close("rope_sin", sin)
    for timestep in args.get("timesteps", sorted(int(name[1:]) for name in found)):
        run = NetworkRun(network, hidden, prompt, timestep)
        start = f"t{timestep}."
        if f"t{timestep}" not in found:
            yield absent(f"t{timestep}")
        for name in sorted(name for name in golden.tensors if name.startswith(start)):
            # A stage that nobody knows stays uncompared, which the run says.
            with suppress(KeyError):
                yield golden.close(name, run.stage(name.removeprefix(start), golden.tensors[name]))


def transformer_bf16(golden: Golden) -> Iterator[Comparison]:
    """The same call in bfloat16: which tensors stay float32, and the result as a whole."""
    network = golden.ranks.lead(load_transformer(golden.checkpoint() / "transformer", dtype=torch.bfloat16))
    kept = sorted(name for name, value in network.named_parameters() if value.dtype == torch.float32)
    named_tensors = golden.data.get("float32_tensors")
    yield exact("float32 tensors", kept, ABSENT if named_tensors is None else sorted(named_tensors))
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
