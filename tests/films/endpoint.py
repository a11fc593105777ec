"""A small real server that speaks the chat-completions interface on loopback, well or badly."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-very-secret-0123456789"


def answer(text: object) -> bytes:
    """The body of a good answer."""
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


PACKED = gzip.compress(answer("x" * (8 << 20)))


@dataclass
class Served:
    """What the server was asked, and what it does."""

    kind: str = "good"
    text: str = "A woman walks at night, rain on glass"
    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    let_go: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(kind: str = "good", **values: str) -> Iterator[Served]:
    """Serve until the end of the block."""
    served = Served(kind, **values)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            return

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            served.asked.append(json.loads(body))
            served.keys.append(self.headers.get("Authorization", ""))
            served.paths.append(self.path)
            try:
                self._answer(served.kind)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST

        def _answer(self, kind: str) -> None:
            match kind:
                case "slow":
                    served.let_go.wait(60)
                    self.close_connection = True
                case "drips":
                    self._head(200, "application/json", None)
                    while not served.let_go.wait(0.05):
                        self._chunk(b" ")
                case "huge":
                    self._head(200, "application/json", None)
                    while not served.let_go.is_set():
                        self._chunk(b"x" * (1 << 16))
                case "huge when unpacked":
                    self._head(200, "application/json", None, ("Content-Encoding", "gzip"))
                    self._chunk(PACKED)
                    self.wfile.write(b"0\r\n\r\n")
                case "hangs up":
                    self.close_connection = True
                case "redirect":
                    self._head(302, "text/plain", 0, ("Location", f"{served.address}/elsewhere"))
                case "status":
                    self._send(b'{"error": "' + (self.headers.get("Authorization") or "").encode() + b'"}', 401)
                case "echoes the key":
                    self._send(answer(f"walk {self.headers.get('Authorization')}"))
                case "no json":
                    self._send(b"<html>hello</html>")
                case "deep":
                    self._send(b"[" * 200_000)
                case "other shape":
                    self._send(b'{"choices": []}')
                case "no text":
                    self._send(answer({"a": 1}))
                case "empty":
                    self._send(answer(" \n "))
                case "long":
                    self._send(answer("word " * 10_000))
                case _:
                    self._send(answer(served.text))

        def _head(self, status: int, kind: str, length: int | None, *more: tuple[str, str]) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            if length is None:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(length))
            for name, value in more:
                self.send_header(name, value)
            self.end_headers()

        def _chunk(self, data: bytes) -> None:
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

        def _send(self, body: bytes, status: int = 200) -> None:
            self._head(status, "application/json", len(body))
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()
