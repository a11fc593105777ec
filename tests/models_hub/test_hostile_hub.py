"""A hub that sends something else than it should: nothing more than was agreed is kept, and all of it is said in words.

Every case is a real server and the real client.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.checkpoints.download import client, fetch
from pipelines.checkpoints.download.errors import Changed, DownloadError
from pipelines.checkpoints.download.fetch import download
from pipelines.checkpoints.download.hub import PART, DownloadPlan, plan_download
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front.errors import Cancelled, PipelineError
from tests.models_hub.conftest import COMMIT, FakeHub, Repo, _sibling, r2v_files

R2V = CHECKPOINTS["r2v"]
PUBLIC = R2V.repo_ids[0]
VAE = "vae/diffusion_pytorch_model.safetensors"
FILES = r2v_files(20_000)


@dataclass
class Wild:
    """A server whose answers are functions, and what was asked of it."""

    endpoint: str = ""
    listing: Callable[[Any], None] | None = None
    """Answers the request for the list; None: as a hub does."""
    file: Callable[[Any, bytes, int], None] | None = None
    """Answers a request for a file's bytes from an offset on."""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    """(path, Range, Authorization) of every request."""
    stop: threading.Event = field(default_factory=threading.Event)


def good_listing() -> dict[str, Any]:
    repo = Repo(FILES)
    return {"id": PUBLIC, "sha": COMMIT, "siblings": [_sibling(repo, name) for name in FILES]}


@pytest.fixture
def wild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wild]:
    made = Wild()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            made.asked.append((self.path, wanted, self.headers.get("Authorization", "")))
            try:
                if self.path.startswith("/api/"):
                    (made.listing or (lambda h: whole(h, json.dumps(good_listing()).encode())))(self)
                    return
                content = FILES[self.path.split(f"/resolve/{COMMIT}/")[1]]
                start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                (made.file or (lambda h, body, at: whole(h, body[at:], 206 if at else 200)))(self, content, start)
            except OSError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    made.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", made.endpoint)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("NO_PROXY", "*")
    yield made
    made.stop.set()
    server.shutdown()
    server.server_close()


def whole(handler: Any, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def without_length(handler: Any, body: bytes, status: int = 200) -> None:
    handler.send_response(status)
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(body)


def chunked(handler: Any, body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


def endless(handler: Any, stop: threading.Event) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while not stop.is_set():
        handler.wfile.write(bytes(1 << 16))


def stored(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.rglob("*") if path.is_file() and not path.is_symlink())


def quiet(_: object) -> None:
    """Hear nothing."""


BODIES: dict[str, Callable[[Wild, Any, bytes, int], None]] = {
    "a bigger body": lambda _w, h, body, _at: whole(h, body * 40),
    "a bigger body without a length": lambda _w, h, body, _at: without_length(h, body * 40),
    "one byte more without a length": lambda _w, h, body, _at: without_length(h, body + b"x"),
    "a bigger body in chunks": lambda _w, h, body, _at: chunked(h, body + bytes(1 << 20)),
    "a body without an end": lambda w, h, _body, _at: endless(h, w.stop),
    "a smaller body": lambda _w, h, body, _at: whole(h, body[:-1]),
    "nothing": lambda _w, h, _body, _at: whole(h, b""),
    "a page in its place": lambda _w, h, _body, _at: whole(h, b"<html>log in</html>", Content_Type="text/html"),
    "other bytes": lambda _w, h, body, _at: whole(h, bytes(len(body))),
    "a gzip bomb": lambda _w, h, _body, _at: whole(h, gzip.compress(bytes(30_000_000)), Content_Encoding="gzip"),
    "packed twice": lambda _w, h, body, _at: whole(h, gzip.compress(body), Content_Encoding="gzip, gzip"),
    "a range nobody asked for": lambda _w, h, body, _at: whole(
        h, body, 206, Content_Range=f"bytes 5-{len(body) + 4}/{len(body) + 5}"
    ),
    "no content": lambda _w, h, _body, _at: whole(h, b"", 204),
    "an endless refusal": lambda w, h, _body, _at: (h.send_response(404), h.end_headers(), endless(h, w.stop)),
    "gone": lambda _w, h, _body, _at: whole(h, b"", 404, X_Error_Code="EntryNotFound"),
    "passed on to a file": lambda _w, h, _body, _at: whole(h, b"", 302, Location="file:///etc/passwd"),
    "passed on to itself": lambda _w, h, _body, _at: whole(h, b"", 302, Location=h.path),
    "passed on to no host": lambda _w, h, _body, _at: whole(h, b"", 302, Location=f"http://{'a' * 70}/x"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_never_more_than_was_agreed_is_kept(wild: Wild, tmp_path: Path, kind: str) -> None:
    plan = plan_download(R2V)
    wild.file = lambda handler, body, at: BODIES[kind](wild, handler, body, at)
    begun = time.monotonic()
    with pytest.raises(DownloadError) as refusal:
        download(plan, quiet)
    assert time.monotonic() - begun < 30
    assert "unforeseen" not in str(refusal.value)
    assert stored(tmp_path / "cache") <= plan.missing_bytes
    assert not plan.folder.exists() or not any(path.is_file() for path in plan.folder.rglob("*"))
    wild.file = None
    for _ in plan.contents:
        # Bytes of a hub that lied are found by their checksum, file by file.
        with suppress(DownloadError):
            download(plan.as_here(), quiet)
    assert all((plan.folder / entry.file.path).read_bytes() == FILES[entry.file.path] for entry in plan.files)


def test_the_token_stays_with_the_hub(wild: Wild) -> None:
    """Large files lie elsewhere; whoever keeps them is not told who asks."""
    plan = plan_download(R2V)
    elsewhere = wild.endpoint.replace("127.0.0.1", "localhost")
    wild.file = lambda handler, body, at: (
        whole(handler, body[at:])
        if handler.headers["Host"].startswith("localhost")
        else whole(handler, b"", 302, Location=elsewhere + handler.path)
    )
    download(plan, quiet)
    tokens = {token for path, _, token in wild.asked if "/resolve/" in path}
    assert tokens == {"Bearer hf_secret", ""}
    assert len(wild.asked) == 1 + 2 * len(plan.contents)


def begun(wild: Wild, have: int) -> DownloadPlan:
    """A plan of which one file has come in part."""
    plan = plan_download(R2V)
    largest = max(plan.files, key=lambda entry: entry.file.num_bytes).file
    plan.blobs.mkdir(parents=True)
    (plan.blobs / f"{largest.etag}{PART}").write_bytes(FILES[largest.path][:have])
    return plan_download(R2V)


RESTS: dict[str, Callable[[Any, bytes, int], None]] = {
    "all of it again": lambda h, body, at: whole(h, body),
    "another range": lambda h, body, at: whole(
        h, body[at:] if not at else body[:-at], 206, Content_Range=f"bytes 0-{len(body) - at - 1}/{len(body)}"
    ),
    "a range of something larger": lambda h, body, at: whole(
        h, body[at:], 206, Content_Range=f"bytes {at}-{len(body) - 1}/{len(body) * 3}"
    ),
    "too much of it": lambda h, body, at: whole(h, body[at:] + b"x", 206),
    "other bytes": lambda h, body, at: whole(h, bytes(len(body) - at), 206),
    "no rest": lambda h, body, at: whole(h, b"", 416),
}


@pytest.mark.parametrize("kind", RESTS)
def test_a_rest_that_is_not_the_rest(wild: Wild, tmp_path: Path, kind: str) -> None:
    plan = begun(wild, 5000)
    assert plan.num_bytes - plan.missing_bytes == 5000
    wild.file = lambda handler, body, at: RESTS[kind](handler, body, at) if at else whole(handler, body)
    with pytest.raises(DownloadError):
        download(plan, quiet)
    assert stored(tmp_path / "cache") <= plan.num_bytes
    wild.file = None
    download(plan_download(R2V), quiet)
    assert all((plan.folder / entry.file.path).read_bytes() == FILES[entry.file.path] for entry in plan.files)


def test_what_has_changed_asks_again(wild: Wild) -> None:
    plan = plan_download(R2V)
    wild.file = lambda handler, body, _at: whole(handler, body * 2)
    with pytest.raises(Changed, match=r"differently from what was agreed .*: ask it again"):
        download(plan, quiet)


def test_a_line_that_only_drips_is_given_up(wild: Wild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "GIVE_UP_S", 0.2)
    monkeypatch.setattr(fetch, "SILENCE_S", 0.1)
    plan = plan_download(R2V)

    def drip(handler: Any, body: bytes, _at: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        for place in range(len(body)):
            if wild.stop.wait(0.02):
                return
            handler.wfile.write(body[place : place + 1])

    wild.file = drip
    with pytest.raises(DownloadError, match="sends hardly anything"):
        download(plan, quiet)


def test_a_head_that_never_ends_can_be_stopped(wild: Wild, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "SILENCE_S", 0.1)
    plan = plan_download(R2V)

    def letters(handler: Any, *_: object) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not wild.stop.wait(0.02):
            handler.wfile.write(b"X-A: b\r\n")

    wild.file = letters

    def stop(_: object) -> None:
        raise Cancelled

    begun = time.monotonic()
    with pytest.raises(Cancelled):
        download(plan, stop)
    assert time.monotonic() - begun < 5


def listing(**changes: object) -> bytes:
    return json.dumps({**good_listing(), **changes}).encode()


def with_file(**changes: object) -> bytes:
    """The list with one needed file that is odd."""
    siblings = good_listing()["siblings"]
    at = next(place for place, entry in enumerate(siblings) if entry["rfilename"] == VAE)
    return listing(siblings=[*siblings[:at], {**siblings[at], **changes}, *siblings[at + 1 :]])


def with_more(name: object, size: object = 3) -> bytes:
    return listing(siblings=[*good_listing()["siblings"], {"rfilename": name, "size": size, "blobId": "a" * 40}])


LISTS: dict[str, bytes] = {
    "no object": b"[]",
    "a number": b"5",
    "null": b"null",
    "not JSON": b"<html>",
    "not text": b"\xff\xfe\x00",
    "nothing": b"",
    "cut": listing()[:-20],
    "deep": b"[" * 200_000,
    "a long number": listing(sha=0).replace(b'"sha": 0', b'"sha": ' + b"9" * 6000),
    "files are a word": listing(siblings="no"),
    "files are numbers": listing(siblings=[1, 2]),
    "files are lists": listing(siblings=[[], None]),
    "no files": listing(siblings=None),
    "no revision": listing(sha=None),
    "revision is a number": listing(sha=5),
    "revision is a path": listing(sha="../../../../" + "a" * 28),
    "revision is short": listing(sha="abc"),
    "a file without a name": listing(siblings=[{"size": 3}]),
    "a name that is a number": with_more(7),
    "above the folder": with_more("vae/.."),
    "here": with_more("vae/./x.safetensors"),
    "a control character": with_more("vae/\x1b]0;pwned\x07.safetensors"),
    "a new line": with_more("vae/a\nb"),
    "a NUL": with_more("vae/a\0b"),
    "a backslash": with_more("vae/..\\..\\x"),
    "an empty folder name": with_more("vae//x.safetensors"),
    "half a letter": with_more("vae/\ud800"),
    "turned text": with_more("vae/\u202egpj.exe"),
    "a long name": with_more("vae/" + "x" * 300),
    "the same file twice": with_more(VAE),
    "negative size": with_file(lfs={"size": -5, "sha256": "a" * 64}),
    "a size beyond any disk": with_file(lfs={"size": 10**30, "sha256": "a" * 64}),
    "a size that is a word": with_file(lfs={"size": "7", "sha256": "a" * 64}),
    "a size that is true": with_file(lfs={"size": True, "sha256": "a" * 64}),
    "half a byte": with_file(lfs={"size": 7.5, "sha256": "a" * 64}),
    "no size": with_file(lfs={"sha256": "a" * 64}),
    "a checksum that is a path": with_file(lfs={"size": 7, "sha256": "../" * 20}),
    "a checksum that is a list": with_file(lfs={"size": 7, "sha256": []}),
    "large file data that is a word": with_file(lfs="yes"),
    "no checksum": with_file(lfs=None, blobId=None),
    "one content of two sizes": with_more("vae/again.safetensors", 3).replace(
        json.dumps({"rfilename": "vae/again.safetensors", "size": 3, "blobId": "a" * 40}).encode(),
        json.dumps(
            {"rfilename": "vae/again.safetensors", "size": 3, "lfs": {**_sibling(Repo(FILES), VAE)["lfs"], "size": 3}}  # type: ignore[dict-item]
        ).encode(),
    ),
    "thousands of files": listing(
        siblings=[{"rfilename": f"vae/f{n}", "size": 3, "blobId": f"{n:040x}"} for n in range(20_000)]
    ),
    "more text than a list has": b" " * (client.LIST_BYTES + 1) + listing(),
}  # fmt: skip


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_that_makes_no_sense_is_said(wild: Wild, tmp_path: Path, kind: str) -> None:
    wild.listing = lambda handler: whole(handler, LISTS[kind])
    with pytest.raises(DownloadError, match="gave nonsense about") as refusal:
        plan_download(R2V)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 600
    assert not (tmp_path / "cache").exists()


def test_odd_files_that_nobody_needs_are_nobody_s_business(wild: Wild) -> None:
    for name in ("../evil.txt", "/etc/evil", "transformer/../../evil", "a\nb", "x" * 5000, ""):
        wild.listing = lambda handler, name=name: whole(handler, with_more(name, -4))
        assert len(plan_download(R2V).files) == 9


def test_a_server_that_we_are_passed_on_to_and_does_not_answer_is_named(wild: Wild) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        other = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        wild.listing = lambda handler: whole(handler, b"", 302, Location=f"{other}/x")
        with pytest.raises(DownloadError, match=f"^{other} does not answer"):
            plan_download(R2V)


@pytest.mark.parametrize(
    "answer",
    [
        lambda w, h: endless(h, w.stop),
        lambda w, h: whole(h, gzip.compress(b" " * 30_000_000 + listing()), Content_Encoding="gzip"),
        lambda w, h: whole(h, b"", 302, Location=h.path),
        lambda w, h: whole(h, b"", 302, Location="ftp://localhost/x"),
        lambda w, h: whole(h, b"", 304),
        lambda w, h: whole(h, listing(), 500),
        lambda w, h: (h.send_response(404), h.end_headers(), endless(h, w.stop)),
        lambda w, h: h.wfile.write(b"nonsense\r\n\r\n"),
        lambda w, h: h.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: -7\r\n\r\n"),
        lambda w, h: h.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n"),
        lambda w, h: h.connection.close(),
    ],
    ids=["endless", "bomb", "loop", "ftp", "304", "500", "endless 404", "no HTTP", "length", "head", "closed"],
)  # fmt: skip
def test_a_list_that_does_not_come(wild: Wild, answer: Callable[[Wild, Any], None]) -> None:
    wild.listing = lambda handler: (setattr(handler, "close_connection", True), answer(wild, handler))
    begun = time.monotonic()
    with pytest.raises(PipelineError) as refusal:
        plan_download(R2V)
    assert time.monotonic() - begun < 20
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("body", [True, False], ids=["body", "head"])
def test_a_list_that_drips_is_not_waited_for(wild: Wild, monkeypatch: pytest.MonkeyPatch, body: bool) -> None:
    monkeypatch.setattr(client, "LIST_S", 0.5)

    def drip(handler: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if body else b""))
        while not wild.stop.wait(0.02):
            handler.wfile.write(b" " if body else b"X-A: b\r\n")

    wild.listing = drip
    begun = time.monotonic()
    with pytest.raises(DownloadError, match="takes too long to list"):
        plan_download(R2V)
    assert time.monotonic() - begun < 5


SETUPS = {
    "no certificates": ({"SSL_CERT_FILE": "/nonexistent"}, b"hf_x", r"cannot be set up: No such .*SSL_CERT_FILE"),
    "certificates that are none": ({"SSL_CERT_FILE": "/etc/passwd"}, b"hf_x", r"cannot be set up: .*SSL_CERT_FILE"),
    "a proxy of another kind": ({"HTTP_PROXY": "ftp://u:word@x"}, b"hf_x", r"cannot be set up: .*HTTP_PROXY"),
    "a proxy that needs more": ({"ALL_PROXY": "socks5://u:word@x:1"}, b"hf_x", r"cannot be set up: .*ALL_PROXY"),
    "a token in bytes": ({}, b"\xff\xfe", "token of the hub cannot be read"),
    "a token that is a folder": ({}, None, "token of the hub cannot be read .Is a directory"),
    "a token with accents": ({}, "hf_\xe9".encode(), "token of the hub holds characters"),
    "a token with a bell": ({}, b"hf_\x07", "token of the hub holds characters"),
}


@pytest.mark.parametrize("kind", SETUPS)
def test_a_client_that_cannot_be_set_up_says_why(kind: str, wild: Wild, tmp_path: Path) -> None:
    """In a process of its own: the client keeps what it has read of its surroundings."""
    env, token, words = SETUPS[kind]
    file = tmp_path / "hf" / "token"
    file.parent.mkdir()
    if token is None:
        file.mkdir()
    else:
        file.write_bytes(token)
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith(("_proxy", "_token"))}
    places = {"HF_HOME": str(file.parent), "HF_TOKEN_PATH": str(file), "SKYREELS_TUI_HOME": str(tmp_path)}
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "skyreels_tui", "models", "download", "r2v"],
        env={**plain, **places, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert re.search(words, done.stderr), done.stderr
    assert "Traceback" not in done.stderr and "word" not in done.stderr and time.monotonic() - begun < 30


@pytest.mark.parametrize("address", ["", "hub", "ftp://x", "http://", "http://[::1", "http://x:99999", "http://x\n"])
def test_an_endpoint_that_is_none(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(DownloadError, match="HF_ENDPOINT is no address of a hub"):
        plan_download(R2V, cache=tmp_path)


@pytest.mark.parametrize("address", ["http://[::1", "http://x]", "http://x:99999"])
def test_an_endpoint_that_is_none_from_the_start(address: str, tmp_path: Path) -> None:
    """In a process that has not met the hub's client, which reads the address when it is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "skyreels_tui", "models", "download", "r2v"],
        env={**os.environ, "HF_ENDPOINT": address, "SKYREELS_TUI_HOME": str(tmp_path), "HF_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode and "HF_ENDPOINT is no address of a hub" in done.stderr and "Traceback" not in done.stderr


def test_a_finished_file_that_was_cut_is_fetched_again(hub: FakeHub) -> None:
    hub.repos[PUBLIC] = Repo(FILES)
    folder = download(plan_download(R2V), quiet)
    (folder / VAE).resolve().write_bytes(FILES[VAE][:-3])
    plan = plan_download(R2V)
    assert plan.missing_bytes == len(FILES[VAE])
    download(plan, quiet)
    assert (folder / VAE).read_bytes() == FILES[VAE]
