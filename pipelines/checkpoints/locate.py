"""Finds a checkpoint that is already on this machine; never touches the network."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pipelines.checkpoints.inventory import Part, Presence, inspect, presence_of
from pipelines.checkpoints.registry import CHECKPOINTS, Checkpoint
from pipelines.front.errors import CheckpointMissing
from pipelines.front.fields import Profile
from pipelines.front.language import tr
from pipelines.front.places import as_folder, is_folder, matching
from pipelines.front.sizes import size

_REPO_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def locate(family: str, model_id: str, profile: Profile, cache_dir: Path, task: str) -> Path:
    """Return the folder of the checkpoint that `task` needs.

    `model_id` is a folder, a repository id, or '' for the released checkpoint of `family` under any of its
    names. `cache_dir` is the program's own cache, where demo models are generated. Raises CheckpointMissing
    with the command that helps; always for the demo profile, whose models are made, not found.
    """
    if profile == "demo":
        raise CheckpointMissing(
            tr(
                "the demo models of {family} are made below {cache_dir}, not looked up: run skyreels-tui demo",
                family=family,
                cache_dir=cache_dir,
            )
        )
    checkpoint = CHECKPOINTS[family]
    if model_id and is_folder(as_folder(model_id)):
        return _complete(as_folder(model_id).absolute(), checkpoint, task)
    if model_id and not is_repo_id(model_id):
        raise CheckpointMissing(neither(model_id))
    repo_ids = (model_id,) if model_id else checkpoint.repo_ids
    cache = hub_cache()
    found = [folder for repo_id in repo_ids for folder in snapshots(repo_id, cache)]
    for folder in found:
        if not absent_parts(folder, checkpoint, task):
            return folder
    if found:
        return _complete(found[0], checkpoint, task)
    num_bytes = sum(component.num_bytes for component in checkpoint.components_for(task))
    raise CheckpointMissing(
        tr(
            "no model for {task} on this machine ({names} is not in {cache}). "
            "Download {size}: skyreels-tui models download {model} --task {task}. "
            "Or try the tiny built-in models: --profile demo",
            task=task,
            names=" / ".join(repo_ids),
            cache=cache,
            size=size(num_bytes),
            model=model_id or family,
        )
    )


def is_repo_id(text: str) -> bool:
    """Whether this could name a repository: owner/name."""
    return _REPO_ID.fullmatch(text) is not None


def neither(model_id: str) -> str:
    """Say that this names no model in any way."""
    return tr(
        "{model_id} is no folder on this machine and no repository id (owner/name): see skyreels-tui models list",
        model_id=model_id if len(model_id) <= 100 else f"{model_id[:100]}…",
    )


def hub_cache(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder where Hugging Face tools keep downloads, by the same variables as they read."""
    environ = os.environ if environ is None else environ
    if environ.get("HF_HUB_CACHE"):
        return Path(environ["HF_HUB_CACHE"]).expanduser()
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".cache")
    return Path(environ.get("HF_HOME") or Path(base) / "huggingface").expanduser() / "hub"


def repo_folder(repo_id: str, cache: Path) -> Path:
    """Return where the shared cache keeps a model repository."""
    return cache / f"models--{repo_id.replace('/', '--')}"


def snapshots(repo_id: str, cache: Path) -> list[Path]:
    """Return the downloaded snapshots of a repository: its main branch first, then by name, for dates say nothing.

    Another tool that asks for one small file moves the branch to a revision that holds nothing else: an older
    one may be whole.
    """
    repo = repo_folder(repo_id, cache)
    try:
        revision = (repo / "refs" / "main").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        revision = ""
    found = [path for path in matching(repo / "snapshots", "*") if is_folder(path)]
    return sorted(found, key=lambda path: (path.name != revision, path.name))


def absent_parts(folder: Path, checkpoint: Checkpoint, task: str) -> list[Part]:
    """Return the parts that `task` needs and `folder` lacks, in whole or in part."""
    parts = inspect(folder, checkpoint.components_for(task))
    return [part for part in parts if part.presence is not Presence.PRESENT]


def lacks(folder: Path, checkpoint: Checkpoint, task: str) -> str:
    """Say what `task` needs and `folder` lacks, and how to get it; '' when it is all there."""
    absent = absent_parts(folder, checkpoint, task)
    if not absent:
        return ""
    facts = {
        "folder": folder,
        "names": ", ".join(f"{part.component.name} ({', '.join(part.absent[:2])})" for part in absent),
        "family": checkpoint.family,
        "task": task,
    }
    if presence_of(absent) is Presence.MISSING:
        return tr("{folder} holds no {names}. Finish it: skyreels-tui models download {family} --task {task}", **facts)
    return tr(
        "{folder} is incomplete: {names}. Finish it: skyreels-tui models download {family} --task {task}", **facts
    )


def _complete(folder: Path, checkpoint: Checkpoint, task: str) -> Path:
    if words := lacks(folder, checkpoint, task):
        raise CheckpointMissing(words)
    return folder
