"""One denoising pass of the avatar, from given frames to velocities; knows nothing of files or pieces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from pipelines.families.a2v.conditions import condition_pixels, speech_windows, with_mask
from pipelines.families.a2v.windows import WindowPlan
from pipelines.models.encoders.image import ImageEncoder
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.transformer.transformer import AudioContext, NetworkCall, SkyReelsTransformer, TextContext
from pipelines.models.vae.vae import encode_mean, normalise
from pipelines.sampling.schedulers import NoiseSchedule

Trace = Callable[[str, Tensor], None]
"""Told the name and value of a stage's tensors; parity compares them."""


def no_trace(_name: str, _value: Tensor) -> None:
    """A `Trace` for everyone else."""


@dataclass(frozen=True, slots=True)
class AvatarGuidance:
    """How strongly text and voice pull; 1 or less is off."""

    guidance_scale: float = 1.0
    audio_guidance_scale: float = 1.0

    @property
    def uses_text(self) -> bool:
        """Whether the negative prompt is needed."""
        return self.guidance_scale > 1

    @property
    def uses_audio(self) -> bool:
        """Whether a call without voice is needed."""
        return self.audio_guidance_scale > 1


@dataclass(frozen=True, slots=True)
class Networks:
    """The models that every pass calls."""

    transformer: SkyReelsTransformer
    vae: AutoencoderKLWan
    image_encoder: ImageEncoder


@dataclass(frozen=True, slots=True)
class Avatar:
    """Everything that stays the same from pass to pass."""

    networks: Networks
    plan: WindowPlan
    schedule: NoiseSchedule
    guidance: AvatarGuidance
    picture: Tensor
    """[1, 3, 1, H, W] float32 in -1..1."""
    prompt_embeds: Tensor
    """[1, 512, C]: the user's words, heard in the reference pass only."""
    connection_prompt_embeds: Tensor
    """[1, 512, C]: the fixed sentence of every window."""
    negative_prompt_embeds: Tensor | None
    """[1, 512, C]; needed only when the text guides."""
    embedding: Tensor
    """[frames, layers, channels] speech, mirrored at its end as far as the windows reach."""
    second_embedding: Tensor | None = None
    """The same of the second speaker, who may be silent; None where the whole picture is one speaker's."""
    speaker_masks: Tensor | None = None
    """[3, h, w] 0/1 of latents: speaker 1, speaker 2, background; with a second speaker alone."""

    @property
    def embeddings(self) -> tuple[Tensor, ...]:
        """The speech of every speaker."""
        return (self.embedding,) if self.second_embedding is None else (self.embedding, self.second_embedding)


class AvatarPass:
    """One pass: its condition, its contexts and the velocity that the scheduler asks for."""

    def __init__(
        self,
        avatar: Avatar,
        index: int,
        known: Tensor,
        key_frame: Tensor | None,
        generator: torch.Generator,
        trace: Trace = no_trace,
    ) -> None:
        """Encode what the pass is given; draws nothing yet.

        Args:
            avatar: what all passes share.
            index: 0 is the reference pass, k + 1 is window k.
            known: [1, 3, n, H, W] first frames, float32 in -1..1: the portrait or the last motion frames.
            key_frame: [1, 3, 1, H, W] that a window ends at.
            generator: on the CPU, so that a seed means the same video on every device.
            trace: told every stage's tensors.
        """
        self._avatar, self._index, self._generator, self._trace = avatar, index, generator, trace
        self._calls = 0
        picture = avatar.networks.image_encoder(known[:, :, 0])  # [1, 257, C]
        self._tell("clip_context", picture)
        self._condition = self._encode_frames(known, key_frame)  # [1, 20, T, h, w]
        encode = avatar.networks.transformer.encode_context
        self._context: TextContext = encode(
            avatar.prompt_embeds if index == 0 else avatar.connection_prompt_embeds, picture
        )
        self._negative_context: TextContext | None = None
        if avatar.guidance.uses_text and avatar.negative_prompt_embeds is not None:
            self._negative_context = encode(avatar.negative_prompt_embeds, picture)
        self._voice, self._silence = self._encode_speech()

    def _encode_frames(self, known: Tensor, key_frame: Tensor | None) -> Tensor:
        num_frames, networks = self._avatar.plan.window_frames, self._avatar.networks
        pixels = condition_pixels(known, key_frame, num_frames)
        latents = normalise(networks.vae, encode_mean(networks.vae, pixels))  # [1, 16, T, h, w]
        condition = with_mask(latents, known.shape[2], key_frame is not None, num_frames)
        condition = condition.to(networks.transformer.compute_dtype)
        self._tell("y", condition)
        return condition

    def _encode_speech(self) -> tuple[AudioContext, AudioContext | None]:
        transformer, plan = self._avatar.networks.transformer, self._avatar.plan
        start, around = plan.audio_start(self._index), transformer.config.audio_window
        heard = [speech_windows(one, start, plan.window_frames, around) for one in self._avatar.embeddings]
        windows = torch.cat(heard)  # [speakers, frames, window, layers, channels]
        self._tell("audio", windows)
        voice = transformer.encode_audio(windows)
        if not self._avatar.guidance.uses_audio:
            return voice, None
        # No sound at all is one speaker's, whoever else there is.
        return voice, transformer.encode_audio(torch.zeros_like(windows[:1]))

    def noise(self) -> Tensor:
        """Draw the pass's first latents, [1, 16, T, h, w] float32, with the motion frames held."""
        latents = self.hold_motion(self._draw(self._avatar.plan.latent_frames), 0)
        self._tell("latent0", latents)
        return latents

    def after_step(self, latents: Tensor, step: int) -> Tensor:
        """Hold the motion frames again after `step` finished steps."""
        latents = self.hold_motion(latents, step)
        self._tell(f"latent{step}", latents)
        return latents

    def hold_motion(self, latents: Tensor, step: int) -> Tensor:
        """Overwrite the first latent frames of a later window with its motion frames at the step's noise.

        The noise is drawn anew every time, after the last step too, where it counts for nothing.
        """
        if self._index <= 1:
            return latents
        count, sigma = self._avatar.plan.motion_latent_frames, self._avatar.schedule.sigmas[step]
        motion = self._condition[:, 4:, :count].float()
        held = (1 - sigma) * motion + sigma * self._draw(count)
        return torch.cat([held, latents[:, :, count:]], dim=2)

    def _draw(self, num_frames: int) -> Tensor:
        height, width = self._condition.shape[3:]
        noise = torch.randn(1, 16, num_frames, height, width, generator=self._generator)
        self._trace("draw", noise)
        return noise.to(self._condition.device)

    def velocity(self, latents: Tensor, timestep: float) -> Tensor:
        """Velocity of latents [1, 16, T, h, w] with the guidance asked for: one to three calls."""
        negative, silence = self._negative_context, self._silence
        heard = [(self._context, self._voice)]
        if negative is not None:
            heard.append((negative, self._voice))
        if silence is not None:
            heard.append((negative or self._context, silence))
        full, *others = self._avatar.networks.transformer.each([self._call(latents, timestep, *each) for each in heard])
        self._tell(f"velocity{self._calls}", full)
        self._calls += 1
        guidance = self._avatar.guidance
        text_scale, audio_scale = guidance.guidance_scale, guidance.audio_guidance_scale
        if len(others) == 2:
            no_text, nothing = others
            return nothing + text_scale * (full - no_text) + audio_scale * (no_text - nothing)
        if others:
            return others[0] + (audio_scale if negative is None else text_scale) * (full - others[0])
        return full

    def _call(self, latents: Tensor, timestep: float, context: TextContext, audio: AudioContext) -> NetworkCall:
        moment = torch.tensor(timestep, device=latents.device)
        options = {"audio": audio, "speaker_masks": self._avatar.speaker_masks}
        return NetworkCall(
            (torch.cat([latents.to(self._condition.dtype), self._condition], dim=1), moment, context), options
        )

    def _tell(self, name: str, value: Tensor) -> None:
        self._trace(f"pass{self._index}.{name}", value)
