"""Fetching an input from a web address: what comes in, what is refused in words, and what is left behind."""

from __future__ import annotations

import fcntl
import os
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.demo import checkpoints
from pipelines.front.errors import Cancelled, MediaError
from pipelines.media.read.probe import probe_audio, probe_image, probe_video
from pipelines.media.remote.address import host_of, is_address
from pipelines.media.remote.fetch import LIMITS, fetch
from pipelines.media.remote.link import open_link
from tests.media.web import Answer, Handler, redirect, serving, whole

SAMPLES = Path(checkpoints.__file__).parent / "samples"
PICTURE = (SAMPLES / "astronaut.jpg").read_bytes()


def endless(handler: Handler) -> None:
    handler.reply(200)
    try:
        while not handler.over.is_set():
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        return


def first_bytes_then_silence(handler: Handler) -> None:
    handler.reply(200, PICTURE[:1000], Content_Length=str(len(PICTURE)))
    handler.over.wait(20)


def slow_header(handler: Handler) -> None:
    """A header that never ends, a few letters at a time: no single wait is long."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: ")
        while not handler.over.wait(0.02):
            handler.wfile.write(b"image")
    except OSError:
        return


def redirect_with_endless_body(handler: Handler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/there.jpg")
    handler.end_headers()
    try:
        while not handler.over.is_set():
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        return


@pytest.fixture
def web() -> Iterator[Callable[[str, Answer], str]]:
    with serving() as serve:
        yield serve


def test_a_picture_a_video_and_a_sound_are_fetched_and_named_by_their_content(web, tmp_path):
    seen: list[tuple[int, int | None]] = []
    picture = fetch(web("/a%20cat.jpg?size=1", whole(PICTURE)), "image", tmp_path, lambda *at: seen.append(at))
    assert picture.read_bytes() == PICTURE
    assert picture.name.startswith("a-cat-") and picture.suffix == ".jpg"
    assert probe_image(picture).width == 512
    assert seen[0] == (0, len(PICTURE)) and seen[-1] == (len(PICTURE), len(PICTURE))
    film = fetch(web("/clip.mp4", whole((SAMPLES / "clip.mp4").read_bytes(), "text/plain")), "video", tmp_path)
    assert probe_video(film).num_frames > 0
    voice = fetch(web("/get.php", whole((SAMPLES / "voice.mp3").read_bytes())), "audio", tmp_path)
    assert probe_audio(voice).duration_s > 0
    again = fetch(web("/elsewhere/a%20cat.jpg", whole(PICTURE)), "image", tmp_path)
    assert again == picture, "the same content under the same name is one file"
    assert len(list(tmp_path.iterdir())) == 3


def test_redirects_lead_to_http_and_https_alone(web, tmp_path):
    target = web("/there.jpg", whole(PICTURE))
    assert fetch(web("/here", redirect(target)), "image", tmp_path).read_bytes() == PICTURE
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(PICTURE)
    for where in (secret.as_uri(), "ftp://127.0.0.1/x.jpg", "data:image/png;base64,AAAA", "gopher://127.0.0.1/"):
        with pytest.raises(MediaError, match="neither http nor https"):
            fetch(web("/out", redirect(where)), "image", tmp_path / "in")
    with pytest.raises(MediaError, match="round in circles"):
        fetch(web("/round", redirect("/round")), "image", tmp_path / "in")
    assert list((tmp_path / "in").iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda handler: handler.reply(404), "there is no such file (404)"),
        (lambda handler: handler.reply(403), "may not be read without a login (403)"),
        (lambda handler: handler.reply(500), "answered with error 500"),
        (whole(b"<!DOCTYPE html><html>no</html>", "image/jpeg"), "gives a web page, not a file"),
        (whole((SAMPLES / "voice.mp3").read_bytes(), "image/png"), "the file cannot be used"),
        (whole(b"", "image/png"), "0 bytes"),
        (lambda handler: handler.reply(200, PICTURE[:900], Content_Length=str(len(PICTURE))), "broke off"),
        (lambda handler: handler.reply(200, Content_Length=str(LIMITS["image"] + 1)), "larger than 64 MiB"),
        (lambda handler: handler.wfile.write(b"no http at all\r\n\r\n"), "the connection broke"),
        (lambda handler: handler.reply(200, b"5\r\nab", Transfer_Encoding="chunked"), "the connection broke"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_words_and_leaves_nothing(web, tmp_path, answer, words):
    with pytest.raises(MediaError) as refused:
        fetch(web("/x.jpg", answer), "image", tmp_path)
    assert words in str(refused.value) and str(refused.value).startswith("127.0.0.1: ")
    assert list(tmp_path.iterdir()) == []


def test_an_endless_stream_stops_at_the_limit(web, tmp_path):
    most = 0

    def watch(done: int, total: int | None) -> None:
        nonlocal most
        assert total is None
        most = max(most, done)

    with pytest.raises(MediaError, match="larger than 3 MiB"):
        fetch(web("/endless.png", endless), "image", tmp_path, watch, limit=3 << 20)
    assert 2 << 20 < most <= 3 << 20
    assert list(tmp_path.iterdir()) == []


def test_a_slow_transfer_is_stopped_by_its_watcher_and_a_silent_one_by_the_clock(web, tmp_path):
    def stop(done: int, total: int | None) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        fetch(web("/slow.jpg", first_bytes_then_silence), "image", tmp_path, stop)
    with pytest.raises(MediaError, match=r"no answer for 0\.2 s"):
        fetch(web("/silent.jpg", first_bytes_then_silence), "image", tmp_path, silence_s=0.2)
    assert list(tmp_path.iterdir()) == []


def test_a_header_that_trickles_is_cut_by_the_clock(web, tmp_path):
    began = time.monotonic()
    with pytest.raises(MediaError, match=r"no answer for 0\.4 s"):
        fetch(web("/x.jpg", slow_header), "image", tmp_path, silence_s=0.4)
    assert 0.4 <= time.monotonic() - began < 10, "the header alone would go on for ever"
    web("/slow.jpg", slow_header)
    with pytest.raises(MediaError, match=r"no answer for 0\.4 s"):
        fetch(web("/here", redirect("/slow.jpg")), "image", tmp_path, silence_s=0.4)
    assert list(tmp_path.iterdir()) == []


def test_the_body_has_all_the_time_it_needs(web):
    clock = [0.0]
    request = urllib.request.Request(web("/x.jpg", whole(PICTURE)))
    with open_link(request, 20, now=lambda: clock[0]) as response:
        clock[0] = 3600.0
        assert response.read() == PICTURE


def test_the_body_of_a_redirect_is_not_read(web, tmp_path):
    web("/there.jpg", whole(PICTURE))
    assert fetch(web("/here", redirect_with_endless_body), "image", tmp_path).read_bytes() == PICTURE


def test_servers_that_are_not_there(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
    with pytest.raises(MediaError, match="refuses the connection"):
        fetch(f"http://127.0.0.1:{port}/x.png", "image", tmp_path)
    with pytest.raises(MediaError, match="no server of this name"):
        fetch("http://nowhere.invalid/x.png", "image", tmp_path)


@pytest.mark.parametrize(
    "address",
    ["http://", "http:///x.png", "https://[::1/x", "http://a:b@127.0.0.1/x", "http://127.0.0.1:x/", "ftp://x/y",
     "http://" + "a" * 300 + "/", "file:///etc/passwd"],
)  # fmt: skip
def test_what_is_no_address_never_reaches_the_network(tmp_path, address):
    with pytest.raises(MediaError):
        fetch(address, "image", tmp_path)


def test_messages_never_hold_passwords_and_names_never_steer(web, tmp_path):
    assert host_of("http://me:secret@h.example/x?token=1") == "h.example"
    assert is_address("  HTTPS://x.example/a") and not is_address("/data/http://x") and not is_address("file:///x")
    path = fetch(web("/..%2F%1b%5B31m%E2%80%AE.jpg", whole(PICTURE)), "image", tmp_path)
    assert path.parent == tmp_path and path.name.isascii() and path.name.isprintable()


@pytest.mark.parametrize("dated_s", [0.0, 365 * 86400.0, -365 * 86400.0])
def test_parts_that_a_crash_left_go_and_those_of_a_transfer_stay_whatever_their_date(
    web: Callable[[str, Answer], str], tmp_path: Path, dated_s: float
) -> None:
    left, running = tmp_path / ".fetch-left.part", tmp_path / ".fetch-running.part"
    with running.open("wb") as stream:
        # As every transfer holds its own, in whatever process.
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        left.write_bytes(b"half")
        for part in (left, running):
            os.utime(part, (time.time() + dated_s,) * 2)
        during: list[set[str]] = []

        def others_begin(_done: int, _total: int | None) -> None:
            if not during:
                during.append({part.name for part in tmp_path.glob(".fetch-*.part")})
                fetch(web("/other.jpg", whole(PICTURE[:-1] + b"x")), "image", tmp_path)

        kept = fetch(web("/a.jpg", whole(PICTURE)), "image", tmp_path, others_begin)
        assert not left.exists() and running.exists() and len(during[0]) == 2
    assert kept.read_bytes() == PICTURE, "a second transfer took nothing from the first"
