"""Fetches one input file from an http or https address into a folder; opens nothing but what was asked for."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import socket
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO

from pipelines.front.documents import plain_number
from pipelines.front.durable import make_folder, put_in_place
from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.front.sizes import size
from pipelines.media.files import need_room, plain_line
from pipelines.media.read import probe
from pipelines.media.remote.address import PART_PREFIX, PART_SUFFIX, Media, encoded, host_of, kept_name
from pipelines.media.remote.link import open_link

BytesListener = Callable[[int, int | None], None]
"""Called with the bytes that came and those that will come, None while nobody says; may raise to stop."""

LIMITS: dict[Media, int] = {"image": 64 << 20, "video": 2 << 30, "audio": 512 << 20}
"""Most bytes a file may have. 100 megapixels, the most a picture may hold, are below 64 MiB as JPEG; 512 MiB hold
200 s of any recording; 2 GiB hold minutes of camera footage, of which a task reads the last second."""
SILENCE_S = 20.0
"""A server that says nothing for this long, or whose answer has not begun by then, is given up."""
BLOCK = 1 << 16
AGENT = "skyreels-tui"


def fetch(
    address: str,
    media: Media,
    folder: Path,
    progress: BytesListener = lambda done, total: None,
    *,
    limit: int | None = None,
    silence_s: float = SILENCE_S,
) -> Path:
    """Fetch a file of one kind and return its path in `folder`, named by its content.

    The content decides: what arrives is probed as every other input file is, and removed when it is no such file.
    Raises MediaError in words, DiskFull, or whatever `progress` raises; nothing is left behind then.
    """
    limit = LIMITS[media] if limit is None else limit
    request = urllib.request.Request(encoded(address), headers={"User-Agent": AGENT, "Accept": f"{media}/*, */*;q=0.5"})
    make_folder(folder)
    _remove_left(folder)
    with _part(folder) as stream:
        part = Path(stream.name)
        try:
            with _in_words(host_of(address), silence_s), open_link(request, silence_s) as response:
                digest = _receive(response, stream, address, media, limit, progress)
            stream.flush()
            _probed(part, address, media)
            final = folder / kept_name(address, digest)
            put_in_place(part, final)
            return final
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _in_words(host: str, silence_s: float) -> Iterator[None]:
    """Turn what a network can do into a MediaError."""
    try:
        yield
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise MediaError(_words(host, error, silence_s)) from error


def _words(host: str, error: Exception, silence_s: float) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return _status_words(host, error.code)
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return tr("{host}: no answer for {seconds:g} s", host=host, seconds=silence_s)
    if isinstance(cause, socket.gaierror):
        return tr("{host}: no server of this name can be reached", host=host)
    if isinstance(cause, ConnectionRefusedError):
        return tr("{host}: the server refuses the connection", host=host)
    if isinstance(cause, ssl.SSLError):
        reason = plain_line(getattr(cause, "verify_message", "") or cause.reason or "", 80)
        return tr("{host}: no safe connection: {reason}", host=host, reason=reason)
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return tr("{host}: the disk is full", host=host)
    reason = plain_line(tr(getattr(cause, "strerror", None) or type(cause).__name__), 80)
    return tr("{host}: the connection broke: {reason}", host=host, reason=reason)


def _status_words(host: str, code: int) -> str:
    if 300 <= code < 400:
        return tr("{host}: leads on to what is neither http nor https, or round in circles", host=host)
    if code in (401, 403, 407):
        return tr("{host}: the file may not be read without a login ({code})", host=host, code=code)
    if code in (404, 410):
        return tr("{host}: there is no such file ({code})", host=host, code=code)
    return tr("{host}: the server answered with error {code}", host=host, code=code)


def _receive(
    response: HTTPResponse, stream: IO[bytes], address: str, media: Media, limit: int, progress: BytesListener
) -> str:
    """Write the answer to `stream`, at most `limit` bytes of it; returns its sha256."""
    promised = response.headers.get("Content-Length", "")
    total = plain_number(promised)
    too_big = tr("{host}: the file is larger than {size}", host=host_of(address), size=size(limit))
    if total is not None:
        if total > limit:
            raise MediaError(too_big)
        need_room(Path(stream.name).parent, total)
    digest, done = hashlib.sha256(), 0
    progress(0, total)
    while block := response.read1(BLOCK):
        done += len(block)
        if done > limit:
            raise MediaError(too_big)
        stream.write(block)
        digest.update(block)
        progress(done, total)
    if total is not None and done < total:
        raise MediaError(tr("{host}: the transfer broke off; try again", host=host_of(address)))
    return digest.hexdigest()


def _probed(path: Path, address: str, media: Media) -> None:
    """Raise MediaError when the content is no readable file of that kind."""
    try:
        {"image": probe.probe_image, "video": probe.probe_video, "audio": probe.probe_audio}[media](path)
    except MediaError as error:
        with path.open("rb") as stream:
            page = re.match(rb"\s*<(!doctype html|html|head)", stream.read(200).lower()) is not None
        if page:
            words = tr("{host}: the address gives a web page, not a file", host=host_of(address))
        else:
            reason = str(error).removeprefix(f"{path.name}: ")
            words = tr("{host}: the file cannot be used: {reason}", host=host_of(address), reason=reason)
        raise MediaError(words) from error


def _part(folder: Path) -> IO[bytes]:
    """Open a new part file that is locked for as long as it is open."""
    while True:
        stream = tempfile.NamedTemporaryFile(dir=folder, prefix=PART_PREFIX, suffix=PART_SUFFIX, delete=False)  # noqa: SIM115
        with suppress(OSError):
            # A filesystem without locks keeps what a crash leaves until the sweep of the queue.
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        if os.fstat(stream.fileno()).st_nlink:
            return stream
        # Another transfer took it for left, in the instant before the lock.
        stream.close()


def _remove_left(folder: Path) -> None:
    """Remove the parts that nobody writes: a transfer holds its lock until it ends, however it ends."""
    for part in folder.glob(f"{PART_PREFIX}*{PART_SUFFIX}"):
        with suppress(OSError), part.open("rb") as stream:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
