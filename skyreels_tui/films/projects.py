"""Names of films, and of projects: folders below the result folder for all that is made from a film."""

from __future__ import annotations

from pathlib import PurePosixPath

from pipelines.front.language import tr

NAME_BYTES = 200
"""Of one folder's name; file systems take 255."""


def film_name_problem(name: str) -> str:
    """Why no film can be called so, or ''."""
    return "" if name.strip() and name.isprintable() else tr("a film needs a name of letters that can be shown")


def project_problem(project: str) -> str:
    """Why this cannot be a project, or ''."""
    if not project:
        return ""
    parts = project.split("/")
    if not project.isprintable() or "\\" in project:
        return tr("a project is a word, or a path below the result folder, of letters that can be shown")
    if PurePosixPath(project).is_absolute() or any(part in ("", ".", "..") or part.startswith(".") for part in parts):
        return tr("a project is a word, or a path below the result folder: no part of it is empty or begins with a dot")
    if any(len(part.encode()) > NAME_BYTES for part in parts):
        return tr("a part of this project's name is too long: {most} bytes at most", most=NAME_BYTES)
    return ""
