"""Whether the model that a request names can serve a task, told from names and headers; loads no weight."""

from __future__ import annotations

from pathlib import Path

from pipelines.checkpoints.inventory import Part, inspect
from pipelines.checkpoints.locate import hub_cache, is_repo_id, lacks, neither, snapshots
from pipelines.checkpoints.registry import CHECKPOINTS, Checkpoint
from pipelines.checkpoints.shelf import families_in
from pipelines.checkpoints.verify import content_problem
from pipelines.front.language import tr
from pipelines.front.places import as_folder, is_folder, is_there, matching


def why_unusable(family: str, model: str, task: str) -> str:
    """Return why a job of `task` that takes `model` (a folder or a repository id) could only fail, or ''.

    A released checkpoint that is not here, or not yet whole, can still be downloaded before the job's turn.
    """
    checkpoint, folder = CHECKPOINTS[family], as_folder(model)
    if is_folder(folder):
        return _folder_problem(folder.absolute(), checkpoint, task)
    if _is_file(folder):
        return tr(
            "{file} is one file: {task} needs the folder of a whole model, as skyreels-tui models list shows",
            file=folder,
            task=task,
        )
    if not is_repo_id(model):
        return neither(model)
    return _repository_problem(model, checkpoint, task)


def _repository_problem(repo_id: str, checkpoint: Checkpoint, task: str) -> str:
    owners = [other.family for other in CHECKPOINTS.values() if repo_id in other.repo_ids]
    if checkpoint.family in owners:
        return ""
    if owners:
        return _of_another(repo_id, owners[0], checkpoint, task)
    found = snapshots(repo_id, hub_cache())
    problems = [_folder_problem(folder, checkpoint, task) for folder in found]
    if not found:
        return tr(
            "{repo} is not in {cache}, and only the released models are downloaded here: "
            "fetch it with another tool, or give its folder",
            repo=repo_id,
            cache=hub_cache(),
        )
    return "" if "" in problems else problems[0]


def _folder_problem(folder: Path, checkpoint: Checkpoint, task: str) -> str:
    parts = inspect(folder, checkpoint.components_for(task))
    absent = lacks(folder, checkpoint, task)
    if not absent:
        return _damage(folder, parts)
    others = [family for family in families_in(folder) if family != checkpoint.family]
    if others:
        return _of_another(str(folder), others[0], checkpoint, task)
    inner = sorted(path for path in matching(folder, "snapshots/*") if is_folder(path))
    if inner:
        return tr("{folder} is a folder of the shared cache around its files: give {inner}", folder=folder,
                  inner=inner[-1])  # fmt: skip
    if not any(part.files for part in parts):
        return tr(
            "{folder} holds no {parts}: it is no {family} model",
            folder=folder,
            family=checkpoint.family,
            parts=", ".join(part.component.name for part in parts),
        )
    return absent


def _of_another(model: str, found: str, checkpoint: Checkpoint, task: str) -> str:
    return tr(
        "{model} is {found}, and {task} needs {family}",
        model=model,
        found=CHECKPOINTS[found].title,
        task=task,
        family=checkpoint.title,
    )


def _damage(folder: Path, parts: tuple[Part, ...]) -> str:
    for part in parts:
        for path in part.files:
            if detail := content_problem(path):
                name = path.relative_to(folder).as_posix()
                return tr("{folder} cannot be used: {file}: {why}", folder=folder, file=name, why=detail)
    return ""


def _is_file(path: Path) -> bool:
    try:
        return is_there(path)
    except (OSError, ValueError):
        return False
