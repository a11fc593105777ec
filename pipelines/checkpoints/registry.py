"""Which files each released checkpoint holds, its ids, sizes and licence; a task says which of them it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.tasks.spec import TaskSpec


PREPARED_FOLDER = "prepared"
"""Below the cache: weights that were prepared for use; whoever only counts its bytes loads nothing."""


def _tasks_of(family: str) -> tuple[TaskSpec, ...]:
    # Tasks load when one is asked for: whoever only looks for a folder, as a start does, needs none.
    from pipelines.tasks import tasks_of

    return tasks_of(family)


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a checkpoint: its files and what they weigh."""

    name: str
    patterns: tuple[str, ...]
    """Globs relative to the checkpoint folder (`*` never crosses a folder)."""
    num_bytes: int
    family: str
    """The checkpoint's."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the tasks that need it."""
        return tuple(task.name for task in _tasks_of(self.family) if self.name in task.components)


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
        """Names of the tasks that it serves."""
        return tuple(task.name for task in _tasks_of(self.family))

    def components_for(self, task: str) -> tuple[Component, ...]:
        """The components that one task needs; KeyError for a task that there is not."""
        from pipelines.tasks import task_named

        needed = task_named(task).components
        return tuple(component for component in self.components if component.name in needed)


_LICENCE = ("Skywork Community License", "https://huggingface.co/{}/blob/main/LICENSE")
_WAN_VAE = "Wan2.1_VAE.pth"
_WAN_T5 = "models_t5_umt5-xxl-enc-bf16.pth"
_WAN_CLIP = "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth"
_TOKENIZER = ("google/umt5-xxl/*",)

CHECKPOINTS: Mapping[str, Checkpoint] = {
    "r2v": Checkpoint(
        family="r2v",
        repo_ids=("Skywork/SkyReels-V3-R2V-14B", "Skywork/SkyReels-V3-Reference2Video"),
        components=(
            Component("transformer", ("transformer/*",), 28_580_000_000, "r2v"),
            Component("text_encoder", ("text_encoder/*",), 22_730_000_000, "r2v"),
            Component("tokenizer", ("tokenizer/*",), 21_000_000, "r2v"),
            Component("vae", ("vae/*",), 507_600_000, "r2v"),
        ),
        licence=_LICENCE[0],
        licence_url=_LICENCE[1].format("Skywork/SkyReels-V3-R2V-14B"),
    ),
    "v2v": Checkpoint(
        family="v2v",
        repo_ids=("Skywork/SkyReels-V3-V2V-14B", "Skywork/SkyReels-V3-Video-Extension"),
        components=(
            Component("transformer", ("transformer/*",), 28_580_000_000, "v2v"),
            Component("shot_transformer", ("shot_transformer/*",), 28_580_000_000, "v2v"),
            Component("text_encoder", (_WAN_T5,), 11_361_900_000, "v2v"),
            Component("tokenizer", _TOKENIZER, 21_000_000, "v2v"),
            Component("vae", (_WAN_VAE,), 507_609_880, "v2v"),
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
                "a2v",
            ),
            Component("text_encoder", (_WAN_T5,), 11_361_900_000, "a2v"),
            Component("tokenizer", _TOKENIZER, 21_000_000, "a2v"),
            Component("image_encoder", (_WAN_CLIP,), 4_772_000_000, "a2v"),
            Component("audio_encoder", ("chinese-wav2vec2-base/*",), 380_200_000, "a2v"),
            Component("vae", (_WAN_VAE,), 507_609_880, "a2v"),
        ),
        licence=_LICENCE[0],
        licence_url=_LICENCE[1].format("Skywork/SkyReels-V3-A2V-19B"),
    ),
}
"""Family -> checkpoint. Bytes follow from the tensor counts; files of unknown size are rounded up."""
