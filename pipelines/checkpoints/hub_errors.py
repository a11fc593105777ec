"""The hub's errors in words; knows what a person can do about each."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import PipelineError


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
        raise DownloadError("offline mode is on (HF_HUB_OFFLINE): unset it to download") from None
    except errors.GatedRepoError:
        raise NotHere(
            f"{repo_id} is gated: accept its terms at {endpoint}/{repo_id}, then log in with: hf auth login"
        ) from None
    except errors.RepositoryNotFoundError as error:
        raise NotHere(_not_found(repo_id, error.response.status_code)) from None
    except errors.HFValidationError:
        raise NotHere(f"{repo_id} is no repository id (owner/name)") from None
    except errors.LocalTokenNotFoundError:
        raise DownloadError("no token on this machine: log in with: hf auth login") from None
    except errors.HfHubHTTPError as error:
        raise _by_status(repo_id, endpoint, error.response.status_code) from error
    except errors.HTTPError as error:  # type: ignore[attr-defined]  # re-exported untyped
        raise Interrupted(f"{endpoint} does not answer ({type(error).__name__}): check the network") from error


def disk_error(error: OSError, path: Path) -> DownloadError:
    """Say in words why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(f"disk full at {path.parent}: free some space, then run the same command to go on")
    return DownloadError(f"{path} cannot be written: {error.strerror or error}")


def _not_found(repo_id: str, status: int) -> str:
    if status == 401:
        return f"{repo_id} is not public or does not exist, or the token is refused (401): log in with: hf auth login"
    return f"{repo_id} does not exist on the hub ({status})"


def _by_status(repo_id: str, endpoint: str, status: int) -> DownloadError:
    if status == 401:
        return NotHere(_not_found(repo_id, status))
    if status == 403:
        return NotHere(f"{repo_id} is closed to this account (403): ask its owner, or log in with another token")
    if status == 404:
        return NotHere(f"{repo_id} lacks a file or revision that is needed (404)")
    if status == 429 or status >= 500:
        return Interrupted(f"{endpoint} is busy or down ({status}): try again later")
    return DownloadError(f"{endpoint} refused {repo_id} ({status})")
