"""A web server on this machine that answers each path as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers by path; one that never ends goes on until the other side has gone or the test is over."""

    answers: dict[str, Answer]
    over: threading.Event

    def do_GET(self) -> None:
        self.answers[self.path](self)

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def whole(body: bytes, kind: str = "application/octet-stream") -> Answer:
    return lambda handler: handler.reply(200, body, Content_Length=str(len(body)), Content_Type=kind)


def redirect(where: str) -> Answer:
    return lambda handler: handler.reply(302, Location=where)


@contextmanager
def serving() -> Iterator[Callable[[str, Answer], str]]:
    """`web(path, answer)` serves the answer and returns its address."""
    over = threading.Event()
    handler = type("OwnHandler", (Handler,), {"answers": {}, "over": over})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def serve(path: str, answer: Answer) -> str:
        handler.answers[path] = answer
        return f"http://127.0.0.1:{server.server_port}{path}"

    try:
        yield serve
    finally:
        over.set()
        server.shutdown()
        server.server_close()
