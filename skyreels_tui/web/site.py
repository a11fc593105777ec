"""The web site: one page, its files, one websocket; each request passes the door first.

Knows nothing of queues and settings: it shows the app, which is a process of its own.
"""

from __future__ import annotations

import asyncio
import html
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from aiohttp import web

from pipelines.front.language import tr
from skyreels_tui.web.door import Door
from skyreels_tui.web.tab import BadMessage, Patience, Tab, cell_count

MESSAGE_BYTES = 256 << 10
"""The longest thing that can be pasted at once."""
HEAD_BYTES = 8190
"""The longest line of a request."""
FIRST_REQUEST_S = 20.0
"""A connection that has not asked for anything by then is closed."""
KEEP_ALIVE_S = 15.0
ACCEPTED_AT_ONCE = 16
"""By so many may the limit of connections be passed for a moment: they count once they stand."""
HEARTBEAT_S = 15.0
"""A tab that does not answer for so long has gone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of this machine browsers may take."""

    tabs: int = 8
    """Each is a process of the app."""
    connections: int = 64
    patience: Patience = field(default_factory=Patience)
    first_request_s: float = FIRST_REQUEST_S


HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Server": "skyreels-tui",
}
"""Of every answer; the content policy names the address as well."""

PAGE = """<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<title>skyreels-tui</title>
<link rel="stylesheet" href="/static/css/xterm.css">
<style>
@font-face {{ font-family: "Roboto Mono"; src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf"); }}
html, body {{ margin: 0; height: 100%; overflow: hidden; background: #0c181f; color: #eee;
  font-family: "Roboto Mono", monospace; }}
.textual-terminal {{ width: 100vw; height: 100vh; overflow: hidden; }}
#ended {{ display: none; position: absolute; inset: 0; z-index: 20; background: #0c181f;
  align-items: center; justify-content: center; }}
body.-closed #ended {{ display: flex; }}
a {{ color: #8ad; }}
</style>
<script src="/static/js/textual.js"></script>
</head>
<body>
<div id="ended"><p>{ended} <a href="/">{again}</a></p></div>
<div id="terminal" class="textual-terminal" data-session-websocket-url="{socket}" data-font-size="16"></div>
</body>
</html>
"""


class Site:
    """Serves one command behind one door."""

    def __init__(self, door: Door, command: Sequence[str], limits: Limits, say: Callable[[str], None]) -> None:
        self._door, self._command, self._limits, self._say = door, command, limits, say
        self._sockets: set[web.WebSocketResponse] = set()
        self._tabs = 0
        self._unasked: dict[Any, asyncio.TimerHandle] = {}
        """Connections that have asked for nothing yet."""

    def application(self, statics: Path) -> web.Application:
        """The routes and what stands before all of them."""
        app = web.Application(middlewares=[self._guard], client_max_size=HEAD_BYTES)
        app.add_routes([web.get("/", self._index), web.get("/ws", self._socket)])
        app.router.add_static("/static", statics)
        app.on_response_prepare.append(self._harden)
        app.on_shutdown.append(self._close)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        """Who may not come in learns nothing, also not which paths there are."""
        if (timer := self._unasked.pop(request.protocol, None)) is not None:
            timer.cancel()
        door, headers = self._door, request.headers
        local = request.transport.get_extra_info("sockname") if request.transport is not None else None
        is_socket = request.path == "/ws" or "upgrade" in headers.get("Connection", "").lower()
        if door.refusal(
            headers.getall("Host", []),
            headers.getall("Origin", []),
            str(local[0]) if local else "",
            wants_origin=is_socket,
        ):
            raise web.HTTPForbidden(text=tr("This address is not one that serve answers to."))
        # Browsers tell whose page asks; ours is the only one that may ask for more than the page itself.
        if request.path != "/" and headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            raise web.HTTPForbidden(text=tr("This address is not one that serve answers to."))
        if request.path == "/" and "token" in request.query:
            if not door.opens(request.query["token"]):
                raise web.HTTPForbidden(text=_no_token())
            # The token leaves the address bar, and so what a person may copy or show.
            entered = web.HTTPSeeOther("/")
            entered.set_cookie(
                door.cookie_name, door.cookie, path="/", httponly=True, samesite="Strict", secure=door.secure
            )
            raise entered
        if not door.knows(request.cookies.get(door.cookie_name, "")):
            raise web.HTTPForbidden(text=_no_token())
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _harden(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        # A refused Host is no text for a header.
        host = "" if response.status == web.HTTPForbidden.status_code else f" {self._socket_origin(request)}"
        response.headers["Content-Security-Policy"] = (
            f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            f"font-src 'self'; connect-src 'self'{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def _socket_origin(self, request: web.Request) -> str:
        return f"{'wss' if self._door.secure else 'ws'}://{request.host}"

    async def _index(self, request: web.Request) -> web.Response:
        words = {
            "language": "en",
            "ended": tr("The session has ended."),
            "again": tr("Open it again"),
            "socket": f"{self._socket_origin(request)}/ws",
        }
        text = PAGE.format(**{name: html.escape(word) for name, word in words.items()})
        return web.Response(text=text, content_type="text/html")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        try:
            width = cell_count(int(request.query.get("width", "80")))
            height = cell_count(int(request.query.get("height", "24")))
        except (ValueError, BadMessage):
            raise web.HTTPBadRequest(text="width, height") from None
        if self._tabs >= self._limits.tabs:
            raise web.HTTPServiceUnavailable(text=tr("{count} tabs are open: close one first", count=self._limits.tabs))
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES, compress=False)
        self._tabs += 1
        try:
            await socket.prepare(request)
            self._sockets.add(socket)
            tab = Tab(self._command, socket, self._limits.patience)
            await tab.run(width, height)
            if tab.exit_code > 0 and tab.complaint:
                self._say(tab.complaint)
        finally:
            self._sockets.discard(socket)
            self._tabs -= 1
        return socket

    async def _close(self, _app: web.Application) -> None:
        await asyncio.gather(*(socket.close() for socket in list(self._sockets)), return_exceptions=True)

    def connection(self, server: web.Server, loop: asyncio.AbstractEventLoop) -> asyncio.BaseProtocol:
        """Answer a new connection, or hang up when there are too many; one that asks for nothing is closed."""
        if len(server.connections) >= self._limits.connections:
            return _HangUp()
        handler = server()

        def late() -> None:
            if self._unasked.pop(handler, None) is not None:
                handler.force_close()

        self._unasked[handler] = loop.call_later(self._limits.first_request_s, late)
        return handler


class _HangUp(asyncio.Protocol):
    """Closes what connects."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close without a word."""
        transport.close()


async def serve(
    site: Site, host: str, port: int, tls: ssl.SSLContext | None, stop: asyncio.Event, ready: Callable[[], None]
) -> None:
    """Serve until `stop` is set; every tab's process has ended then. Raises OSError when the port is taken."""
    loop = asyncio.get_running_loop()
    with as_file(files("textual_serve") / "static") as statics:
        runner = web.AppRunner(
            site.application(statics),
            access_log=None,
            keepalive_timeout=KEEP_ALIVE_S,
            max_line_size=HEAD_BYTES,
            max_field_size=HEAD_BYTES,
        )
        await runner.setup()
        try:
            web_server = runner.server
            assert web_server is not None
            listening = await loop.create_server(
                lambda: site.connection(web_server, loop), host, port, ssl=tls, backlog=ACCEPTED_AT_ONCE
            )
            ready()
            await stop.wait()
            listening.close()
        finally:
            await runner.cleanup()


def _no_token() -> str:
    return tr("This needs the whole address that serve has printed, with its token.")
