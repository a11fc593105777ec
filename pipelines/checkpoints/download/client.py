"""Asks the hub, and lets in no more of an answer than was asked for; knows nothing of checkpoints or folders."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from pipelines.checkpoints.download.errors import DownloadError, Interrupted, hub_refusal, nonsense
from pipelines.front.documents import read_json
from pipelines.front.language import reason_of, tr

SILENCE_S = 10.0
"""A line on which nothing comes for this long counts as broken."""
LIST_BYTES = 16 << 20
"""Most that is read of a list of files; one of ours takes a few kilobytes."""
LIST_S = 60.0
"""Longest wait for a whole list of files, however lively its line is."""
_READ_BY_THE_CLIENT = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"
)  # fmt: skip
HOPS = 5
"""Addresses that an answer may be passed on to: the hub keeps its large files elsewhere."""


class HubAnswer(Protocol):
    """An answer that has begun: its head is here, its body is read by the piece, as it was sent."""

    status_code: int

    @property
    def headers(self) -> Mapping[str, str]:
        """The fields of its head, in any case."""

    def iter_raw(self) -> Iterator[bytes]:
        """Yield the body in pieces of at most some 64 KiB."""


@contextmanager
def asked(url: str, repo_id: str, endpoint: str, headers: Mapping[str, str] | None = None) -> Iterator[HubAnswer]:
    """Ask for `url` and hand over the answer once it has begun and its head is one of a hub.

    The token goes to the endpoint alone. Raises DownloadError in words, NotHere or Interrupted; also for a line
    that breaks while the caller reads.
    """
    # The client reads the same variable when it is imported, and some addresses are errors of its own then.
    _check(endpoint)
    # The client takes a moment to import and is needed only to talk to the hub.
    from huggingface_hub import errors

    # Bytes are counted as they arrive: what must first be unpacked could be of any size. The client's own headers
    # would ask the hub for more than a person did, to tell it which program runs.
    sent = {"User-Agent": "skyreels-tui", "Accept-Encoding": "identity", **_authorization(), **(headers or {})}
    session = _session()
    server = endpoint
    try:
        with ExitStack() as kept:
            request = session.build_request("GET", url, headers=sent, timeout=SILENCE_S)
            for _ in range(HOPS):
                answer = session.send(request, stream=True, follow_redirects=False)
                kept.callback(answer.close)
                if answer.next_request is None:
                    break
                request = answer.next_request
                if request.url.scheme != "https" and request.url.scheme != urlsplit(endpoint).scheme:
                    raise nonsense(endpoint, repo_id, tr("passed on to {scheme}", scheme=request.url.scheme))
                server = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}"
            else:
                raise nonsense(endpoint, repo_id, tr("passed on without an end"))
            if answer.status_code not in (200, 206):
                raise hub_refusal(repo_id, endpoint, answer.status_code, answer.headers.get("X-Error-Code", ""))
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise nonsense(endpoint, repo_id, tr("packed, though it was asked not to be"))
            yield answer
    except errors.OfflineModeIsEnabled:
        raise DownloadError(tr("offline mode is on (HF_HUB_OFFLINE): unset it to download")) from None
    except errors.HTTPError as error:  # type: ignore[attr-defined]  # re-exported untyped
        kind = type(error).__name__
        raise Interrupted(
            tr("{endpoint} does not answer ({kind}): check the network", endpoint=server, kind=kind)
        ) from error
    except UnicodeError as error:
        # An address that it passed us on to names no possible host.
        raise nonsense(endpoint, repo_id, tr("passed on to no address")) from error


def listed(url: str, repo_id: str, endpoint: str) -> object:
    """Return the JSON value at `url`; raises DownloadError in words when it is too long, too slow or no JSON."""
    late = Interrupted(tr("{endpoint} takes too long to list the files of {repo}", endpoint=endpoint, repo=repo_id))
    found: list[bytes] = []
    refused: list[DownloadError] = []

    def read() -> None:
        try:
            with asked(url, repo_id, endpoint) as answer:
                found.append(_whole(answer, repo_id, endpoint, time.monotonic() + LIST_S, late))
        except DownloadError as error:
            refused.append(error)

    # A head that comes letter by letter never counts as silent: the thread is left to itself then.
    thread = threading.Thread(target=read, name="hub-list", daemon=True)
    thread.start()
    thread.join(LIST_S)
    if refused:
        raise refused[0]
    if not found:
        # A thread that has ended without either met what nobody foresaw, and the log has it.
        unforeseen = DownloadError(tr("{endpoint} could not be asked: the log says why", endpoint=endpoint))
        raise late if thread.is_alive() else unforeseen
    try:
        return read_json(found[0])
    except ValueError as error:
        raise nonsense(endpoint, repo_id, tr("no JSON")) from error


def _whole(answer: HubAnswer, repo_id: str, endpoint: str, until: float, late: DownloadError) -> bytes:
    body = bytearray()
    for piece in answer.iter_raw():
        body += piece
        if len(body) > LIST_BYTES:
            raise nonsense(endpoint, repo_id, tr("a list of files without an end"))
        if time.monotonic() > until:
            raise late
    return bytes(body)


def _authorization() -> dict[str, str]:
    """The head that carries the token, if there is one; raises DownloadError for a token that is none."""
    from huggingface_hub import get_token

    try:
        token = get_token()
    except (OSError, ValueError) as error:
        raise DownloadError(
            tr("the token of the hub cannot be read ({why}): log in with: hf auth login", why=_why(error))
        ) from error
    if not token:
        return {}
    if not (token.isascii() and token.isprintable()):
        raise DownloadError(
            tr("the token of the hub holds characters that no token has: log in again with: hf auth login")
        )
    return {"Authorization": f"Bearer {token}"}


def _session() -> Any:
    """The client, which reads certificates and proxies from the environment; raises DownloadError when it cannot."""
    from huggingface_hub.utils import get_session  # type: ignore[attr-defined]  # re-exported untyped

    try:
        return get_session()
    except (OSError, ValueError, ImportError) as error:
        # Their names alone: a proxy's address may hold a password.
        names = ", ".join(name for name in _READ_BY_THE_CLIENT if os.environ.get(name))
        raise DownloadError(
            tr("the connection to the hub cannot be set up: {why}. Read from: {names}", why=_why(error), names=names)
        ) from error


def _why(error: Exception) -> str:
    return reason_of(error) if isinstance(error, OSError) else str(error)


def _check(endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and endpoint.isprintable()
    except ValueError:
        good = False
    if not good:
        raise DownloadError(tr("HF_ENDPOINT is no address of a hub: {endpoint}", endpoint=endpoint))
