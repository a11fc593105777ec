"""A hub on this machine: speaks as much of the real one's API as downloads need, and misbehaves on request."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """One repository: its files and how it answers."""

    files: dict[str, bytes]
    status: int = 200
    """What every request gets instead of an answer, such as 404, 401 or 503."""
    error_code: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    """Sizes that are claimed for files, whatever their bytes are."""
    large_from: int = 64
    """Files of this size or more are large files, with a sha256."""


@dataclass
class FakeHub:
    """The server, its repositories and what it has seen."""

    endpoint: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    chunk: int = 1 << 16
    pause_s: float = 0.0
    """Between two chunks: a slow line."""
    trickle_from: int = 0
    """From so many bytes in all the line all but stops; 0 never."""
    answers: threading.Event = field(default_factory=threading.Event)
    """Cleared: the list of files is not given before it is set."""
    nonsense: bytes = b""
    """What is given instead of a list of files."""
    flows: threading.Event = field(default_factory=threading.Event)
    """Cleared: no byte of a file is given before it is set."""
    cut_after: int = 0
    """Bytes after which the connection breaks, once for each entry of `cuts`."""
    cuts: int = 0
    corrupt: set[str] = field(default_factory=set)
    """Files whose bytes arrive damaged."""
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(path, Range header) of every file request."""
    tokens: set[str] = field(default_factory=set)
    """What stood in the Authorization headers of requests for repositories and files."""
    sent: int = 0
    """Bytes of files that went out."""
    headers: dict[str, str] = field(default_factory=dict)
    """Sent with every refusal besides what belongs there."""
    moving: threading.Event = field(default_factory=threading.Event)
    """Set once the first chunk of a file is out."""


def object_id(content: bytes) -> str:
    """The git id of a small file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def make_handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    """Build the request handler of one hub."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            api = re.fullmatch(r"/api/models/([^/]+/[^/?]+)(?:/revision/\w+)?(?:\?.*)?", self.path)
            file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path)
            if api or file:
                hub.tokens.add(self.headers.get("Authorization", ""))
            repo = hub.repos.get(api[1] if api else file[1] if file else "")
            if api and hub.nonsense:
                self._body(hub.nonsense)
            elif repo is None:
                self._refuse(404, "RepoNotFound")
            elif repo.status != 200:
                self._refuse(repo.status, repo.error_code)
            elif api:
                hub.answers.wait(30)
                self._json({"id": api[1], "sha": COMMIT, "siblings": [_sibling(repo, name) for name in repo.files]})
            elif file and file[3] in repo.files:
                self._file(file[3], repo.files[file[3]])
            else:
                self._refuse(404, "EntryNotFound")

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            for name, value in hub.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _json(self, value: object) -> None:
            self._body(json.dumps(value).encode())

        def _body(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _file(self, name: str, content: bytes) -> None:
            wanted = self.headers.get("Range", "")
            hub.requests.append((name, wanted))
            hub.flows.wait(30)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if name in hub.corrupt:
                content = content[:-1] + bytes((content[-1] ^ 1,))
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self._send(content, start)

        def _send(self, content: bytes, start: int) -> None:
            begin = start
            while begin < len(content):
                if hub.cuts and begin - start >= hub.cut_after:
                    hub.cuts -= 1
                    self.close_connection = True
                    self.connection.shutdown(2)
                    return
                trickles = 0 < hub.trickle_from <= hub.sent
                piece = content[begin : begin + (16 if trickles else hub.chunk)]
                begin += len(piece)
                try:
                    self.wfile.write(piece)
                except OSError:
                    self.close_connection = True
                    return
                hub.sent += len(piece)
                hub.moving.set()
                if hub.pause_s or trickles:
                    time.sleep(0.05 if trickles else hub.pause_s)

    return Handler


def _sibling(repo: Repo, name: str) -> dict[str, object]:
    content = repo.files[name]
    num_bytes = repo.sizes.get(name, len(content))
    entry: dict[str, object] = {"rfilename": name, "size": num_bytes, "blobId": object_id(content)}
    if num_bytes >= repo.large_from:
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": digest, "size": num_bytes, "pointerSize": 130}
    return entry


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A running hub that commands and functions find through the environment, and a cache of its own."""
    fake = FakeHub()
    fake.answers.set()
    fake.flows.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(fake))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    fake.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", fake.endpoint)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield fake
    server.shutdown()
    server.server_close()


def safetensors(num_bytes: int, name: str = "w") -> bytes:
    """A valid file of one tensor."""
    header = json.dumps({name: {"dtype": "U8", "shape": [num_bytes], "data_offsets": [0, num_bytes]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(index * 7 % 251 for index in range(num_bytes))


def r2v_files(shard_bytes: int = 3000) -> dict[str, bytes]:
    """The released layout of the reference-to-video checkpoint, tiny, and files that nobody needs."""
    shards = [
        "diffusion_pytorch_model-00001-of-00002.safetensors",
        "diffusion_pytorch_model-00002-of-00002.safetensors",
    ]
    index = json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}).encode()
    return {
        "README.md": b"read me" * 30,
        "assets/demo.mp4": b"film" * 5000,
        "transformer/config.json": b"{}",
        "transformer/diffusion_pytorch_model.safetensors.index.json": index,
        f"transformer/{shards[0]}": safetensors(shard_bytes, "a"),
        f"transformer/{shards[1]}": safetensors(shard_bytes + 1, "b"),
        "text_encoder/config.json": b"{ }",
        "text_encoder/model.safetensors": safetensors(shard_bytes + 2),
        "tokenizer/tokenizer.json": b'{"version": "1.0"}',
        "vae/config.json": b"{  }",
        "vae/diffusion_pytorch_model.safetensors": safetensors(shard_bytes + 3),
        "transformer/old/other.safetensors": b"not needed" * 20,
    }


V2V_FILES: dict[str, bytes] = {
    "transformer/config.json": b"{}",
    "transformer/model.safetensors": safetensors(100),
    "shot_transformer/config.json": b"{ }",
    "shot_transformer/model.safetensors": safetensors(101),
    "models_t5_umt5-xxl-enc-bf16.pth": b"PK-not-a-zip" * 20,
    "google/umt5-xxl/tokenizer.json": b"{}",
    "Wan2.1_VAE.pth": b"old container" * 20,
}
