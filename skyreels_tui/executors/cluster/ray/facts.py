"""What must be equal on all machines of a cluster, and what each has: gathered on a machine, compared here."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

import pynvml

from pipelines.checkpoints.locate import locate
from pipelines.front.errors import CheckpointMissing
from pipelines.front.language import tr
from pipelines.tasks import TASKS
from skyreels_tui.files.folders import find_folders
from skyreels_tui.files.installed import version_line
from skyreels_tui.settings.reading import load

PACKAGES = ("torch", "ray", "diffusers", "transformers")
"""Whose versions change numbers, or what is said over the wire."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One machine."""

    versions: Mapping[str, str]
    """Of the program, Python, the driver and the packages above; '' for what is not there."""
    tasks: tuple[str, ...]
    """Tasks whose checkpoint is there."""


def gather_facts() -> NodeFacts:
    """Those of this machine, without importing any of the packages."""
    versions = {"skyreels-tui": version_line().partition(" ")[2], "python": platform.python_version(), "driver": ""}
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        versions["driver"] = str(pynvml.nvmlSystemGetDriverVersion())
    for name in PACKAGES:
        versions[name] = ""
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    folders = find_folders()
    own = load(folders.settings_file).settings.models
    tasks = []
    for task in TASKS:
        with suppress(CheckpointMissing):
            locate(task.family, own.get(task.family, ""), "full", folders.cache, task.name)
            tasks.append(task.name)
    return NodeFacts(versions, tuple(tasks))


def machine_differences(mine: NodeFacts, theirs: NodeFacts) -> list[str]:
    """What differs from this machine, a sentence each."""
    return [
        tr(
            "{name} is {theirs} there and {mine} here",
            name=name,
            theirs=theirs.versions.get(name) or "-",
            mine=own or "-",
        )
        for name, own in mine.versions.items()
        if theirs.versions.get(name, "") != own
    ]
