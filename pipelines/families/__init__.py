"""The model families: one folder here, one checkpoint, one set of demo weights each; imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Family:
    """One family: its name is that of its folder here, of its checkpoint and of its goldens."""

    name: str
    network: Mapping[str, int] = field(default_factory=dict)
    """Options of its full-size SkyReelsTransformer that differ from the defaults."""


FAMILIES: tuple[Family, ...] = (
    Family("r2v"),
    Family("v2v"),
    Family(
        "a2v",
        {"in_channels": 36, "image_dim": 1280, "added_kv_proj_dim": 5120, "audio_feature_dim": 12 * 768},
    ),
)


def family_named(name: str) -> Family:
    """Return the family called `name`; KeyError names the ones there are."""
    for family in FAMILIES:
        if family.name == name:
            return family
    raise KeyError(f"no family {name!r}: there are {', '.join(one.name for one in FAMILIES)}")
