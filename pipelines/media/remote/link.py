"""Opens http and https addresses until the answer begins, within a time; knows nothing of what is fetched."""

from __future__ import annotations

import io
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection, HTTPMessage, HTTPResponse
from typing import IO, Any

from pipelines.media.remote.address import is_address

Seconds = Callable[[], float]


def open_link(request: urllib.request.Request, silence_s: float, now: Seconds = time.monotonic) -> HTTPResponse:
    """Return the answer once its header is here; raises OSError and HTTPException as urllib does.

    All headers together, those of redirections too, come within `silence_s`, else TimeoutError; of the body, each
    block does.
    """
    until = now() + silence_s

    def left_s() -> float:
        return until - now()

    opener = urllib.request.OpenerDirector()
    # urllib's handlers of file, ftp and data addresses are left out.
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(left_s),
        _Https(left_s),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _OnlyWeb(),
    ):
        opener.add_handler(handler)
    response: HTTPResponse = opener.open(request, timeout=silence_s)
    return response


class _OnlyWeb(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https alone."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        if not is_address(newurl):
            raise urllib.error.HTTPError(req.full_url, code, msg, headers, fp)
        # urllib would read the body to its end, and it may have none.
        fp.close()
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Punctual(urllib.request.AbstractHTTPHandler):
    """Lets every connection read its header with a deadline."""

    def __init__(self, left_s: Seconds) -> None:
        super().__init__()
        self._left_s = left_s

    def do_open(self, http_class: Any, req: urllib.request.Request, **http_conn_args: Any) -> HTTPResponse:
        """Open as usual, with responses of our own."""

        def connection(host: str, **arguments: Any) -> HTTPConnection:
            made: HTTPConnection = http_class(host, **arguments)
            made.response_class = partial(_Response, left_s=self._left_s)  # type: ignore[assignment]  # called as one
            return made

        return super().do_open(connection, req, **http_conn_args)


class _Http(_Punctual, urllib.request.HTTPHandler):
    pass


class _Https(_Punctual, urllib.request.HTTPSHandler):
    pass


class _Response(HTTPResponse):
    """Each read of the header waits no longer than the deadline allows; the body is read as usual."""

    def __init__(self, sock: socket.socket, *arguments: Any, left_s: Seconds, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self._arrival = _Arrival(sock, self.fp, left_s)
        self.fp = io.BufferedReader(self._arrival)

    def begin(self) -> None:
        """Read the header."""
        super().begin()
        self._arrival.begun()


class _Arrival(io.RawIOBase):
    """The bytes of a socket as they come, in the time that is left until `begun`."""

    def __init__(self, sock: socket.socket, stream: io.BufferedIOBase, left_s: Seconds) -> None:
        self._sock, self._stream = sock, stream
        self._left_s: Seconds | None = left_s
        self._silence_s = sock.gettimeout()

    def begun(self) -> None:
        """From here on each read has the socket's own time."""
        self._left_s = None
        self._sock.settimeout(self._silence_s)

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Take what has come; TimeoutError when no time is left."""
        if self._left_s is not None:
            left_s = self._left_s()
            if left_s <= 0:
                raise TimeoutError
            self._sock.settimeout(left_s)
        return self._stream.readinto1(buffer)

    def close(self) -> None:
        """The socket itself ends when its last stream does."""
        self._stream.close()
        super().close()
