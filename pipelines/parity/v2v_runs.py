"""Replays whole video extensions: preprocessing, conditions, noise, every denoising step, bytes."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipelines.families.v2v.condition_frames import Frames, fit_bucket, stretch
from pipelines.families.v2v.networks import (
    SHOT_SWITCHING_FOLDER,
    SINGLE_SHOT_FOLDER,
    VAE_FILE,
    load_transformer,
)
from pipelines.families.v2v.steps import (
    continuing_velocity,
    decode_bytes,
    encode_frames,
    seeded_noise,
    switching_velocity,
)
from pipelines.front.shapes import (
    SHOT_CONDITION_FRAMES,
    SINGLE_CONDITION_FRAMES,
    PixelShape,
    reference_frames,
    single_shot_pieces,
)
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.transformer.transformer import SkyReelsTransformer, TextContext
from pipelines.models.vae.vae import load_vae
from pipelines.parity.components import load_text
from pipelines.parity.golden import Comparison, Golden, absent, close, exact, relative
from pipelines.parity.tolerance import few_levels, padded_rows, stated
from pipelines.parity.v2v_transformer import round_float32_weights, weights_dtype
from pipelines.sampling.denoise import Hooks, Predict, denoise
from pipelines.sampling.schedulers import FlowUniPC, NoiseSchedule, extension_schedule

NOISE_ATOL = 1e-6
"""Processors may round a normal number differently in its last bit."""

TEXT_BFLOAT16 = 0.04
"""Relative: in bfloat16 two orders of the text encoder's operations lie up to 0.03 apart on tiny weights."""


@dataclass(frozen=True, slots=True)
class ExtensionRun:
    """A golden's task and the networks it needs."""

    golden: Golden
    vae: AutoencoderKLWan
    transformer: SkyReelsTransformer
    context: TextContext
    schedule: NoiseSchedule

    @property
    def is_single_shot(self) -> bool:
        """Single shot; else shot switching."""
        return _is_single_shot(self.golden)

    @property
    def num_condition_frames(self) -> int:
        """Last input frames that the first piece follows."""
        duration = self.golden.args["duration"]
        return SINGLE_CONDITION_FRAMES if self.is_single_shot else SHOT_CONDITION_FRAMES[duration]

    @property
    def new_latent_frames(self) -> list[int]:
        """New latent frames of every piece."""
        duration = self.golden.args["duration"]
        if self.is_single_shot:
            return [piece.new_latent_frames for piece in single_shot_pieces(duration)]
        return [PixelShape(0, 0, reference_frames(duration)).latent.num_frames]


def replay_pipeline(golden: Golden) -> Iterator[Comparison]:
    """A whole task from source frames, with the stored noise: every piece's stages, then all output frames."""
    args, dtype = golden.args, weights_dtype(golden)
    text = load_text(golden, dtype)(args["prompt"])
    yield from _text_checks(golden, text)
    schedule = extension_schedule(args["steps"], args["shift"])
    yield exact("timesteps", torch.tensor(schedule.timesteps), golden.stored("timesteps"))
    yield close("sigmas", torch.tensor(schedule.sigmas), golden.stored("sigmas"), 0.0)
    folder = golden.checkpoint()
    task_folder = SINGLE_SHOT_FOLDER if _is_single_shot(golden) else SHOT_SWITCHING_FOLDER
    transformer = load_transformer(folder / task_folder, dtype=dtype)
    if dtype == torch.bfloat16:
        round_float32_weights(transformer)
    golden.ranks.lead(transformer)
    context = transformer.encode_context(text)
    run = ExtensionRun(golden, load_vae(folder / VAE_FILE), transformer, context, schedule)
    condition, pieces = _first_condition(run), []
    for index, new_latent_frames in enumerate(run.new_latent_frames):
        decoded = yield from _replay_piece(run, index, condition, new_latent_frames)
        pieces.append(decoded[SINGLE_CONDITION_FRAMES:] if run.is_single_shot else decoded)
        condition = decoded[-SINGLE_CONDITION_FRAMES:]
    yield _bytes_check(golden, "output_frames", np.concatenate(pieces))


def _first_condition(run: ExtensionRun) -> Frames:
    """The last input frames stretched to the bucket, or the stored ones where the input is not held."""
    golden = run.golden
    if "input_frames" not in golden:
        return golden["s0.prefix_video_uint8"].numpy()
    source = golden["input_frames"].numpy()[-run.num_condition_frames :]
    size = fit_bucket({key: tuple(value) for key, value in golden.args["table"].items()}, source)
    return stretch(source, *size)


def _is_single_shot(golden: Golden) -> bool:
    return str(golden.args["task"]) == "single_shot_extension"


def _replay_piece(
    run: ExtensionRun, index: int, condition: Frames, new_latent_frames: int
) -> Generator[Comparison, None, Frames]:
    """Compare the stages of one piece and return all the frames it decodes."""
    golden = run.golden
    name = f"s{index}.prefix_video_uint8"
    if index == 0:
        yield exact(name, torch.from_numpy(condition), golden.stored(name))
    else:
        yield _bytes_check(golden, name, condition)
    prefix = encode_frames(run.vae, condition)
    yield _latents_check(golden, f"s{index}.prefix_latents", index, prefix)
    noise = seeded_noise(golden.args["seed"], new_latent_frames, *prefix.shape[-2:])
    yield close(f"s{index}.noise", noise[0], golden.stored(f"s{index}.noise"), NOISE_ATOL)
    if f"s{index}.noise" in golden:
        # Processors may differ in a normal number's last bit; what follows starts from the same one.
        noise = golden[f"s{index}.noise"][None]
    make_velocity = continuing_velocity if run.is_single_shot else switching_velocity
    velocities: list[Tensor] = []
    samples: list[Tensor] = []

    def keep_sample(latents: Tensor, _step: int) -> Tensor:
        samples.append(latents)
        return latents

    predict = _keeping(velocities, make_velocity(run.transformer, run.context, prefix))
    latents = denoise(noise, FlowUniPC(run.schedule), predict, Hooks(after_step=keep_sample))
    for step, velocity in enumerate(velocities):
        if (name := f"s{index}.velocity.{step}") in golden:
            yield _latents_check(golden, name, index, velocity)
    for step, sample in enumerate(samples):
        yield _latents_check(golden, f"s{index}.latents.{step}", index, sample)
    for name in (f"s{index}.latents", f"s{index}.latents.last"):
        if name in golden:
            yield _latents_check(golden, name, index, samples[-1])
    whole = torch.cat((prefix, latents), dim=2) if run.is_single_shot else latents
    return np.concatenate(list(decode_bytes(run.vae, whole, run.golden.ranks.decode)))


def _keeping(velocities: list[Tensor], predict: Predict) -> Predict:
    def call(latents: Tensor, timestep: float) -> Tensor:
        velocities.append(predict(latents, timestep))
        return velocities[-1]

    return call


def _text_checks(golden: Golden, text: Tensor) -> Iterator[Comparison]:
    if weights_dtype(golden) == torch.float32:
        yield from padded_rows(golden, "context", text, stated(golden, "first segment latents", "latents"))
        return
    if "context" not in golden:
        yield absent("context")
        return
    rows = golden["context"]
    yield relative("context", text[:, : rows.shape[1]].float(), rows, TEXT_BFLOAT16)


def _latents_check(golden: Golden, name: str, index: int, actual: Tensor) -> Comparison:
    """Later pieces follow decoded bytes, so the file states a wider tolerance for them."""
    if name not in golden:
        return absent(name)
    if weights_dtype(golden) != torch.float32:
        return relative(name, actual, golden.stored(name), stated(golden, "relative"))
    if index == 0:
        return close(name, actual, golden.stored(name), stated(golden, "first segment latents", "latents"))
    what = name.split(".")[1]
    words = ("second segment prefix_latents",) if what == "prefix_latents" else ()
    return close(name, actual, golden.stored(name), stated(golden, *words, "second segment latents", "latents"))


def _bytes_check(golden: Golden, name: str, frames: Frames) -> Comparison:
    if name not in golden:
        return absent(name)
    made, stored = torch.from_numpy(frames), golden[name]
    if weights_dtype(golden) == torch.float32:
        return few_levels(name, made, stored, golden.tolerance["output_frames"])
    limit = stated(golden, "bytes")
    if made.shape != stored.shape:
        return close(name, made, stored, 0.0)
    mean = float((made.int() - stored.int()).abs().double().mean())
    return Comparison(name, mean, f"mean {limit:g} levels", mean <= limit)
