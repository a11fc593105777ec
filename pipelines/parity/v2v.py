"""Replays the goldens of video extension: tables and networks here, whole runs in v2v_runs, components besides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from pipelines.families.v2v.condition_frames import fit_bucket, source_indices, stretch
from pipelines.families.v2v.networks import (
    SHOT_SWITCHING_FOLDER,
    SINGLE_SHOT_FOLDER,
    load_transformer,
)
from pipelines.families.v2v.steps import to_signed
from pipelines.front.shapes import (
    MODEL_FPS,
    SHOT_CONDITION_FRAMES,
    SINGLE_CONDITION_FRAMES,
    WAN_BUCKETS,
    LatentShape,
    PixelShape,
    nearest_bucket,
    reference_frames,
    single_shot_pieces,
)
from pipelines.loading.float8 import dequantize_rows, quantize_linears, quantize_rows
from pipelines.loading.keymap import WAN_TRANSFORMER
from pipelines.models.transformer import ops
from pipelines.models.transformer.rope import axis_angles, axis_channels, frame_positions, rope_tables
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.parity import components
from pipelines.parity.golden import (
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
from pipelines.parity.tolerance import stated
from pipelines.parity.v2v_runs import replay_pipeline
from pipelines.parity.v2v_transformer import pad_context, replay_transformer, run_transformer
from pipelines.sampling.schedulers import FlowUniPC, extension_schedule


def replay_rope(golden: Golden) -> Iterator[Comparison]:
    """Tables of every stored head size, and vectors rotated with plain and with prefix positions."""
    table_atol, rotated_atol = stated(golden, "tables"), stated(golden, "rotated")
    positions = golden["positions"]
    for name in golden.tensors:
        kind, _, size = name.partition(".")
        if kind == "columns":
            pairs = torch.tensor(axis_channels(int(size))) // 2
            yield exact(name, pairs, golden.stored(name))
        elif kind in ("cos", "sin"):
            parts = [axis_angles(positions, channels) for channels in axis_channels(int(size))]
            angles = torch.cat(parts, dim=1)
            yield close(name, getattr(angles, kind)().float(), golden.stored(name), table_atol)
        elif grid := re.fullmatch(r"q_(?:plain|shot)_f(\d+)(?:p(\d+))?h(\d+)w(\d+)", name):
            frames, prefix, rows, columns = (int(number or 0) for number in grid.groups())
            q = golden["q"]
            where = frame_positions(frames, prefix)
            cos, sin = rope_tables(q.shape[-1], where, rows, columns, torch.device("cpu"))
            rotated = ops.rotate_pairs(q, cos[:, None], sin[:, None])
            yield close(name, rotated, golden.stored(name), rotated_atol)


def replay_scheduler(golden: Golden) -> Iterator[Comparison]:
    """Timesteps, sigmas and the samples of a synthetic velocity for every combination of steps and shift."""

    def combination(pair: tuple[int, float]) -> Iterator[Comparison]:
        steps, shift = pair
        ending = f"n{steps}_shift{shift:g}"
        schedule = extension_schedule(steps, shift)
        timesteps = torch.tensor(schedule.timesteps)
        yield exact(f"timesteps.{ending}", timesteps, golden.stored(f"timesteps.{ending}"))
        sigmas = torch.tensor(schedule.sigmas)
        yield golden_close(golden, f"sigmas.{ending}", sigmas, "sigmas")
        scheduler, sample, samples = FlowUniPC(schedule), golden["x0"], []
        for timestep in schedule.timesteps:
            sample = scheduler.step(_synthetic_velocity(sample, timestep), sample)
            samples.append(sample)
        limit = (stated(golden, "trajectory"), 0.0)
        yield golden.close_steps(f"trajectory.{ending}", torch.stack(samples), limit)

    yield from each(golden.args["combinations"], combination)


def golden_close(golden: Golden, name: str, actual: Tensor, *words: str) -> Comparison:
    """Compare with the stored tensor `name` at the tolerance stated for one of `words`."""
    if name not in golden:
        return absent(name)
    return close(name, actual, golden[name], stated(golden, *words))


def _synthetic_velocity(x: Tensor, timestep: float) -> Tensor:
    tau = timestep / 1000
    rolled = torch.roll(x, 1, dims=-1)
    return 0.7 * torch.tanh(x * (0.5 + tau)) + 0.3 * torch.sin(3 * rolled + 5 * tau) - 0.2 * x


def replay_preprocess(golden: Golden) -> Iterator[Comparison]:
    """Target sizes, condition frames, and the source indices of real pairs of sizes."""

    def case(numbered: tuple[int, dict[str, Any]]) -> Iterator[Comparison]:
        number, case = numbered
        frames = golden[f"frames.{number}"].numpy()[-case["keep_last"] :]
        size = fit_bucket({key: tuple(value) for key, value in case["table"].items()}, frames)
        yield exact(f"size.{number}", torch.tensor(size), golden.stored(f"size.{number}"))
        made = to_signed(stretch(frames, *size))
        yield golden_close(golden, f"prefix_video.{number}", made, "prefix_video")

    yield from each(enumerate(golden.args.get("cases", [])), case)
    for name in golden.tensors:
        if axis := re.fullmatch(r"map\.(\d+)to(\d+)", name):
            indices = torch.from_numpy(source_indices(int(axis[1]), int(axis[2])))
            yield exact(name, indices, golden[name].long())


def replay_buckets(golden: Golden) -> Iterator[Comparison]:
    """Every bucket of every resolution, and which of them sizes of real videos fall into."""
    for resolution, rows in golden.data.get("table", {}).items():
        ours = WAN_BUCKETS[resolution]
        yield exact(f"{resolution} keys", sorted(ours), sorted(row["key"] for row in rows))
        for row in (row for row in rows if row["key"] in ours):
            height, width = ours[row["key"]]
            made = {"height": height, "width": width, "nominal": [height, width]}
            nominal = [side - side % 16 for side in row["nominal"]] if "nominal" in row else None
            yield same_fields(f"{resolution} {row['key']}", made, row | ({"nominal": nominal} if nominal else {}))

    def case(case: dict[str, Any]) -> Iterator[Comparison]:
        table = WAN_BUCKETS[case["resolution"]]
        height, width = nearest_bucket(table, case["source_height"], case["source_width"])
        name = f"{case['resolution']} {case['source_height']}x{case['source_width']}"
        yield same_fields(name, {"height": height, "width": width}, case)
        yield exact(f"{name} key", table[case["bucket"]], (height, width))

    yield from each(golden.data.get("cases", []), case)


def replay_segments(golden: Golden) -> Iterator[Comparison]:
    """Pieces and frame counts of every duration of both tasks."""
    for row in golden.data.get("single_shot", []):
        made = _single_shot_row(row["duration"])
        for key, expected in row.items():
            if key in made:
                yield exact(f"single shot {row['duration']} s {key}", *same_shape(made[key], expected))
    for row in golden.data.get("shot_switching", []):
        made = _shot_switching_row(row["duration"])
        for key, expected in row.items():
            if key in made:
                yield exact(f"shot switching {row['duration']} s {key}", made[key], expected)


def same_shape(made: Any, expected: Any) -> tuple[Any, Any]:
    """Both values with those fields of each row alone that both hold; other values as they are."""
    if not (isinstance(made, list) and isinstance(expected, list) and len(made) == len(expected)):
        return made, expected
    pairs = [
        ({key: a[key] for key in a if key in b}, {key: b[key] for key in b if key in a})
        for a, b in zip(made, expected, strict=True)
        if isinstance(a, dict) and isinstance(b, dict)
    ]
    return ([a for a, _ in pairs], [b for _, b in pairs]) if len(pairs) == len(made) else (made, expected)


def _single_shot_row(duration: int) -> dict[str, Any]:
    pieces = single_shot_pieces(duration)
    output_frames = sum(piece.new_frames for piece in pieces)
    return {
        "duration": duration,
        "segments": [
            {
                "seconds": min(5, duration - 5 * index),
                "condition_latent_frames": piece.condition_latent_frames,
                "new_latent_frames": piece.new_latent_frames,
                "total_latent_frames": piece.num_latent_frames,
                "decoded_frames": LatentShape(0, 0, piece.num_latent_frames).pixel_frames,
                "new_frames": piece.new_frames,
            }
            for index, piece in enumerate(pieces)
        ],
        "output_frames": output_frames,
        "output_seconds_at_24fps": round(output_frames / MODEL_FPS, 4),
        "condition_frames": SINGLE_CONDITION_FRAMES,
    }


def _shot_switching_row(duration: int) -> dict[str, Any]:
    condition, requested = SHOT_CONDITION_FRAMES[duration], reference_frames(duration)
    prefix = PixelShape(0, 0, condition).latent.num_frames
    new = PixelShape(0, 0, requested).latent
    return {
        "duration": duration,
        "condition_frames": condition,
        "condition_latent_frames": prefix,
        "requested_frames": requested,
        "new_latent_frames": new.num_frames,
        "total_latent_frames": prefix + new.num_frames,
        "output_frames": new.pixel_frames,
    }


def replay_float8(golden: Golden) -> Iterator[Comparison]:
    """Codes, scales and dequantised weights of one layer, and the output of a wholly quantised transformer."""
    network = _transformer_for(golden)
    name = WAN_TRANSFORMER.rename(golden.args["tensor"])[0]
    weight = network.get_parameter(name)
    for dtype in (torch.float32, torch.bfloat16):
        ending = str(dtype).removeprefix("torch.")
        codes, scale = quantize_rows(weight.to(dtype))
        yield _codes(golden, f"codes.{ending}", codes.view(torch.uint8))
        yield golden_close(golden, f"scale.{ending}", scale.float(), "scale")
        made = dequantize_rows(codes, scale).float()
        yield golden_close(golden, f"dequantized.{ending}", made, "scale")
    context = pad_context(golden["context"])
    plain = run_transformer(network, golden, context)
    yield golden_close(golden, "out_unquantized", plain, "out")
    quantize_linears(network)
    golden.ranks.lead(network)
    yield golden_close(golden, "out", run_transformer(network, golden, context), "out")


def _transformer_for(golden: Golden) -> SkyReelsTransformer:
    folder = SHOT_SWITCHING_FOLDER if "prefix" in golden else SINGLE_SHOT_FOLDER
    return golden.ranks.lead(load_transformer(golden.checkpoint() / folder))


def _codes(golden: Golden, name: str, actual: Tensor) -> Comparison:
    """Codes as bytes: neighbours are allowed on a share of the entries that the file states."""
    if name not in golden:
        return absent(name)
    difference = (actual.int() - golden[name].int()).abs()
    share, allowed = 100 * float((difference > 0).double().mean()), number_in(golden.tolerance["codes"], PERCENT)
    largest = float(difference.max())
    return Comparison(name, largest, f"1 code on {allowed:g} %", largest <= 1 and share <= allowed)


REPLAYERS = (
    Replayer("rope", replay_rope),
    Replayer("scheduler", replay_scheduler),
    Replayer("preprocess", replay_preprocess),
    Replayer("buckets", replay_buckets),
    Replayer("segments", replay_segments),
    Replayer("float8", replay_float8),
    Replayer("transformer", replay_transformer),
    Replayer("pipeline", replay_pipeline),
    *components.REPLAYERS,
)
