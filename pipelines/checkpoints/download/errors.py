"""The hub's errors in words; knows what a person can do about each."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.front.errors import PipelineError
from pipelines.front.language import reason_of, tr


class DownloadError(PipelineError):
    """A download that cannot begin or go on, in words for a person."""


class NotHere(DownloadError):
    """One name of a checkpoint that the hub does not give us; another name may do."""


class Interrupted(DownloadError):
    """The line broke; trying again goes on where it was."""


@contextmanager
def explained(repo_id: str, endpoint: str) -> Iterator[None]:
    """Turn what the hub's client raises inside into DownloadError, NotHere or Interrupted."""
    # The client takes a moment to import and is needed only to talk to the hub.
    from huggingface_hub import errors
    from huggingface_hub.utils import logging

    # The client prints what a hub sends as a warning as it comes; a hub's text is not for the terminal.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # the client's function has no types
    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise DownloadError(tr("offline mode is on (HF_HUB_OFFLINE): unset it to download")) from None
    except errors.GatedRepoError:
        page = f"{endpoint}/{repo_id}"
        raise NotHere(
            tr("{repo} is gated: accept its terms at {page}, then log in with: hf auth login", repo=repo_id, page=page)
        ) from None
    except errors.RepositoryNotFoundError as error:
        raise NotHere(_not_found(repo_id, error.response.status_code)) from None
    except errors.HFValidationError:
        raise NotHere(tr("{repo} is no repository id (owner/name)", repo=repo_id)) from None
    except errors.LocalTokenNotFoundError:
        raise DownloadError(tr("no token on this machine: log in with: hf auth login")) from None
    except errors.HfHubHTTPError as error:
        raise _by_status(repo_id, endpoint, error.response.status_code) from error
    except errors.HTTPError as error:  # type: ignore[attr-defined]  # re-exported untyped
        kind = type(error).__name__
        raise Interrupted(
            tr("{endpoint} does not answer ({kind}): check the network", endpoint=endpoint, kind=kind)
        ) from error


def disk_error(error: OSError, path: Path) -> DownloadError:
    """Say in words why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(tr("disk full at {folder}: free some space, then start it again", folder=path.parent))
    return DownloadError(tr("{path} cannot be written: {why}", path=path, why=reason_of(error)))


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


def _by_status(repo_id: str, endpoint: str, status: int) -> DownloadError:
    if status == 401:
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
