"""Which files each released checkpoint holds, its ids, sizes and licence; reads and fetches nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a checkpoint: its files and what they weigh."""

    name: str
    patterns: tuple[str, ...]
    """Globs relative to the checkpoint folder (`*` never crosses a folder)."""
    num_bytes: int
    tasks: tuple[str, ...]
    """Tasks that need it."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One released checkpoint."""

    family: str
    repo_ids: tuple[str, ...]
    """Tried in order: the public id, then the name in the published script."""
    components: tuple[Component, ...]
    licence: str
    licence_url: str

    @property
    def num_bytes(self) -> int:
        """Bytes of all components."""
        return sum(component.num_bytes for component in self.components)

    @property
    def title(self) -> str:
        """Its public name."""
        return self.repo_ids[0].split("/")[-1]

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that it serves."""
        return tuple(dict.fromkeys(task for component in self.components for task in component.tasks))

    def components_for(self, task: str) -> tuple[Component, ...]:
        """The components that one task needs."""
        return tuple(component for component in self.components if task in component.tasks)


_LICENCE = ("Skywork Community License", "https://huggingface.co/{}/blob/main/LICENSE")
_R2V = ("reference_to_video",)
_SINGLE, _SHOT = ("single_shot_extension",), ("shot_switching_extension",)
_A2V = ("talking_avatar",)
_WAN_VAE = "Wan2.1_VAE.pth"
_WAN_T5 = "models_t5_umt5-xxl-enc-bf16.pth"
_WAN_CLIP = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
_TOKENIZER = ("google/umt5-xxl/*",)

CHECKPOINTS: Mapping[str, Checkpoint] = {
    "r2v": Checkpoint(
        family="r2v",
        repo_ids=("Skywork/SkyReels-V3-R2V-14B", "Skywork/SkyReels-V3-Reference2Video"),
        components=(
            Component("transformer", ("transformer/*",), 28_580_000_000, _R2V),
            Component("text_encoder", ("text_encoder/*",), 22_730_000_000, _R2V),
            Component("tokenizer", ("tokenizer/*",), 21_000_000, _R2V),
            Component("vae", ("vae/*",), 507_600_000, _R2V),
        ),
        licence=_LICENCE[0],
        licence_url=_LICENCE[1].format("Skywork/SkyReels-V3-R2V-14B"),
    ),
    "v2v": Checkpoint(
        family="v2v",
        repo_ids=("Skywork/SkyReels-V3-V2V-14B", "Skywork/SkyReels-V3-Video-Extension"),
        components=(
            Component("transformer", ("transformer/*",), 28_580_000_000, _SINGLE),
            Component("shot_transformer", ("shot_transformer/*",), 28_580_000_000, _SHOT),
            Component("text_encoder", (_WAN_T5,), 11_361_900_000, _SINGLE + _SHOT),
            Component("tokenizer", _TOKENIZER, 21_000_000, _SINGLE + _SHOT),
            Component("vae", (_WAN_VAE,), 507_609_880, _SINGLE + _SHOT),
        ),
        licence=_LICENCE[0],
        licence_url=_LICENCE[1].format("Skywork/SkyReels-V3-V2V-14B"),
    ),
    "a2v": Checkpoint(
        family="a2v",
        repo_ids=("Skywork/SkyReels-V3-A2V-19B", "Skywork/SkyReels-V3-TalkingAvatar"),
        components=(
            Component(
                "transformer",
                ("config.json", "*.safetensors", "*.safetensors.index.json"),
                37_764_100_000,
                _A2V,
            ),
            Component("text_encoder", (_WAN_T5,), 11_361_900_000, _A2V),
            Component("tokenizer", _TOKENIZER, 21_000_000, _A2V),
            Component("image_encoder", (_WAN_CLIP,), 4_772_000_000, _A2V),
            Component("audio_encoder", ("chinese-wav2vec2-base/*",), 380_200_000, _A2V),
            Component("vae", (_WAN_VAE,), 507_609_880, _A2V),
        ),
        licence=_LICENCE[0],
        licence_url=_LICENCE[1].format("Skywork/SkyReels-V3-A2V-19B"),
    ),
}
"""Family -> checkpoint. Bytes follow from the tensor counts; files of unknown size are rounded up."""
