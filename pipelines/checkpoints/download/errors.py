"""The hub's refusals and nonsense in words; knows what a person can do about each, and sends nothing."""

from __future__ import annotations

import errno
from pathlib import Path

from pipelines.front.errors import PipelineError
from pipelines.front.language import reason_of, tr


class DownloadError(PipelineError):
    """A download that cannot begin or go on, in words for a person."""


class NotHere(DownloadError):
    """One name of a checkpoint that the hub does not give us; another name may do."""


class Interrupted(DownloadError):
    """The line broke; trying again goes on where it was."""


class Changed(DownloadError):
    """What the hub gives is not what a person agreed to fetch: they have to be asked again."""


def nonsense(endpoint: str, repo_id: str, what: str) -> DownloadError:
    """Say that an answer is not one that a hub gives."""
    return DownloadError(
        tr("{endpoint} gave nonsense about {repo} ({what}): is it a hub?", endpoint=endpoint, repo=repo_id, what=what)
    )


def disk_error(error: OSError, path: Path) -> DownloadError:
    """Say in words why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(tr("disk full at {folder}: free some space, then start it again", folder=path.parent))
    return DownloadError(tr("{path} cannot be written: {why}", path=path, why=reason_of(error)))


def hub_refusal(repo_id: str, endpoint: str, status: int, code: str) -> DownloadError:
    """Say why the hub refused: its HTTP status, and the word that it sends as `X-Error-Code`, or ''."""
    if code == "GatedRepo":
        page = f"{endpoint}/{repo_id}"
        return NotHere(
            tr("{repo} is gated: accept its terms at {page}, then log in with: hf auth login", repo=repo_id, page=page)
        )
    if status == 401 or code == "RepoNotFound":
        return NotHere(_not_found(repo_id, status))
    if status == 403:
        return NotHere(
            tr("{repo} is closed to this account (403): ask its owner, or log in with another token", repo=repo_id)
        )
    if status == 404:
        return NotHere(tr("{repo} lacks a file or revision that is needed (404)", repo=repo_id))
    if status == 429 or status >= 500:
        return Interrupted(
            tr("{endpoint} is busy or down ({status}): try again later", endpoint=endpoint, status=status)
        )
    return DownloadError(tr("{endpoint} refused {repo} ({status})", endpoint=endpoint, repo=repo_id, status=status))


def _not_found(repo_id: str, status: int) -> str:
    if status != 401:
        return tr("{repo} does not exist on the hub ({status})", repo=repo_id, status=status)
    from huggingface_hub import get_token

    if get_token() is None:
        return tr(
            "{repo} is not public or does not exist, and this machine has no token (401): log in with: hf auth login",
            repo=repo_id,
        )
    return tr(
        "{repo} is not public or does not exist, or the token is refused (401): log in with: hf auth login",
        repo=repo_id,
    )
