"""Who may come in, without a network: names, origins, tokens."""

from __future__ import annotations

import pytest

from skyreels_tui.web.door import LOOPBACK_NAMES, Door, is_loopback

DOOR = Door(8765)
TLS = Door(443, secure=True, names=LOOPBACK_NAMES | {"box.lan", "films.example:9000"})


def refusal(door: Door, hosts: list[str], origins: list[str], local: str = "127.0.0.1", socket: bool = True) -> str:
    return door.refusal(hosts, origins, local, wants_origin=socket)


@pytest.mark.parametrize(
    ("door", "host", "origin", "local"),
    [
        (DOOR, "127.0.0.1:8765", "http://127.0.0.1:8765", "127.0.0.1"),
        (DOOR, "localhost:8765", "http://localhost:8765", "127.0.0.1"),
        (DOOR, "LOCALHOST:8765", "http://localhost:8765", "127.0.0.1"),
        (DOOR, "[::1]:8765", "http://[::1]:8765", "::1"),
        (DOOR, "10.0.0.7:8765", "http://10.0.0.7:8765", "10.0.0.7"),
        (DOOR, "10.0.0.7:8765", "http://10.0.0.7:8765", "::ffff:10.0.0.7"),
        (TLS, "localhost", "https://localhost", "127.0.0.1"),
        (TLS, "box.lan:443", "https://box.lan", "10.0.0.7"),
        (TLS, "films.example:9000", "https://films.example:9000", "10.0.0.7"),
    ],
)
def test_our_own_page_comes_in(door: Door, host: str, origin: str, local: str) -> None:
    assert refusal(door, [host], [origin], local) == ""
    assert refusal(door, [host], [], local, socket=False) == ""


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8766", 
        "localhost.evil.example:8765",
        "127.0.0.1.nip.io:8765", "10.0.0.8:8765", "0.0.0.0:8765", "[::2]:8765", "", ":8765", "localhost:",
        "localhost.:8765",
        "localhost:8765@evil.example", "user@localhost:8765", "localhost:8765/", " localhost:8765", "localhost:999999",
        "локалхост:8765", "localhost:８７６５", "127.1:8765", "2130706433:8765", "0x7f.1:8765",
    ],
)  # fmt: skip
def test_a_name_that_is_not_ours_stays_out(host: str) -> None:
    assert refusal(DOOR, [host], [f"http://{host}"]) == "Host"
    assert refusal(DOOR, [host], [], socket=False) == "Host"


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1:8765", "evil.example"], ["127.0.0.1:8765", "127.0.0.1:8765"]])
def test_no_host_or_two_stay_out(hosts: list[str]) -> None:
    assert refusal(DOOR, hosts, ["http://127.0.0.1:8765"]) == "Host"


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:8766", "https://127.0.0.1:8765",
        "ws://127.0.0.1:8765", "file://", "http://localhost:8765", "http://127.0.0.1:8765.evil.example",
        "http://127.0.0.1:8765/", "http://evil.example/http://127.0.0.1:8765", "chrome-extension://abc",
        "127.0.0.1:8765",
    ],
)  # fmt: skip
def test_a_foreign_origin_stays_out(origin: str) -> None:
    assert refusal(DOOR, ["127.0.0.1:8765"], [origin]) == "Origin"
    assert refusal(DOOR, ["127.0.0.1:8765"], [origin], socket=False) == "Origin"


def test_a_socket_says_where_it_comes_from_and_only_once() -> None:
    assert refusal(DOOR, ["127.0.0.1:8765"], []) == "Origin"
    assert refusal(DOOR, ["127.0.0.1:8765"], ["http://127.0.0.1:8765", "http://evil.example"]) == "Origin"


def test_tokens_are_long_differ_and_are_compared_whole() -> None:
    other = Door(8765)
    assert len({DOOR.token, DOOR.cookie, other.token, other.cookie}) == 4
    assert len(DOOR.token) >= 43
    assert DOOR.opens(DOOR.token) and DOOR.knows(DOOR.cookie)
    for wrong in ("", DOOR.token[:-1], f"{DOOR.token}x", other.token, DOOR.cookie, "é", "\udcff"):
        assert not DOOR.opens(wrong)
    for wrong in ("", DOOR.token, other.cookie):
        assert not DOOR.knows(wrong)
    assert DOOR.token not in repr(DOOR) and DOOR.cookie not in repr(DOOR)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("localhost.evil.example", False)],
)  # fmt: skip
def test_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
