"""A tab and its process: what may be sent, and how a process ends that does not want to."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from skyreels_tui.web.tab import BadMessage, Patience, Tab, environment, packet_of

BEGIN = "import os, signal, sys, time\nos.write(1, b'__GANGLION__\\n' + b'D' + (2).to_bytes(4, 'big') + b'on')\n"
READS = "while sys.stdin.buffer.read1(): pass\n"
SHORT = Patience(idle_s=60, leave_s=0.5, stop_s=0.5, give_up_s=0.5)


@pytest.mark.parametrize(
    "message",
    ["", "{", "[]", "1", "null", "{}", '["stdin"]', '["stdin", 1]', '["stdin", null]', '["stdin", ["x"]]',
     '["resize", {"width": 10}]', '["resize", {"width": -1, "height": 5}]', '["resize", {"width": 0, "height": 5}]',
     '["resize", {"width": 100000, "height": 5}]', '["resize", {"width": true, "height": 5}]',
     '["resize", {"width": 1e999, "height": 5}]', '["resize", {"width": "9", "height": 5}]', '["unknown", 1]',
     '["deliver_chunk_request", {"key": "x", "size": 1}]', "[" * 100000, "\\ud800"],
    ids=lambda text: text[:24],
)  # fmt: skip
def test_what_our_page_never_sends_is_no_packet(message: str) -> None:
    with pytest.raises(BadMessage):
        packet_of(message)


@pytest.mark.parametrize(
    ("message", "packet"),
    [
        ('["stdin", "é"]', b"D\0\0\0\2\xc3\xa9"),
        ('["stdin", "\\ud800"]', b"D\0\0\0\1?"),
        ('["focus"]', b'M\0\0\0\x11{"type": "focus"}'),
        ('["ping", "1"]', None),
    ],
)
def test_what_our_page_sends(message: str, packet: bytes | None) -> None:
    assert packet_of(message) == packet


def test_the_app_is_told_that_a_browser_shows_it() -> None:
    assert environment({"X": "1"}, 80, 24)["SKYREELS_TUI_SERVED"] == str(os.getpid())


async def tab_of(program: str, patience: Patience, leave: bool) -> int:
    """Run a tab over a program of a few lines; returns the process's exit code."""
    codes: list[int] = []

    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        tab = Tab([sys.executable, "-c", BEGIN + program], socket, patience)
        try:
            await tab.run(80, 24)
        finally:
            # A handler whose client has gone may be cancelled: the process ends all the same.
            codes.append(tab.exit_code)
        return socket

    app = web.Application()
    app.router.add_get("/ws", handle)
    async with TestClient(TestServer(app)) as client:
        async with client.ws_connect("/ws") as socket:
            assert (await socket.receive(timeout=20)).data == b"on"
            if not leave:
                while (await socket.receive(timeout=20)).type is not aiohttp.WSMsgType.CLOSED:
                    pass
        async with asyncio.timeout(20):
            while not codes:
                await asyncio.sleep(0.01)
    return codes[0]


FIVE = "sys.stdin.buffer.read(5)\nsys.exit(5)\n"
SLEEPS = "signal.pause()\n"
STUBBORN = "signal.signal(signal.SIGTERM, lambda *_: None)\nwhile True: time.sleep(1)\n"
SECOND = "seen = []\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(7) if seen else seen.append(1))\n" + (
    "while True: time.sleep(0.05)\n"
)
LOUD = (
    "signal.signal(signal.SIGTERM, lambda *_: None)\n"
    "for _ in range(200): os.write(1, b'D' + (9999).to_bytes(4, 'big') + b'x' * 9999)\nsys.exit(3)\n"
)


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("sys.stdin.buffer.read(5); sys.exit(4)\n", 4),
        (SLEEPS, -signal.SIGTERM),
        (SECOND, 7),
        (STUBBORN, -signal.SIGKILL),
        ("os.close(0)\n" + SLEEPS, -signal.SIGTERM),
        (LOUD, 3),
    ],
    ids=["asked", "told", "told twice", "stubborn", "deaf", "loud"],
)
async def test_a_process_ends_with_its_tab(program: str, code: int) -> None:
    assert await tab_of(program, SHORT, leave=True) == code


@pytest.mark.parametrize(
    "program",
    [
        "sys.exit(5)\n",
        "os.write(1, b'M' + (16).to_bytes(4, 'big') + b'{\"type\": \"exit\"}')\n" + FIVE,
        "os.write(1, b'D' + b'\\xff' * 4)\n" + FIVE,
        "os.write(1, b'M' + (3).to_bytes(4, 'big') + b'{x}')\n" + FIVE,
    ],
    ids=["ended", "exit", "too much", "no JSON"],
)
async def test_a_tab_ends_with_its_process(program: str) -> None:
    assert await tab_of(program, SHORT, leave=False) == 5


async def test_a_tab_that_nobody_touches_ends() -> None:
    began = time.monotonic()
    assert await tab_of(READS, Patience(idle_s=0.3, leave_s=0.5, stop_s=0.5, give_up_s=0.5), leave=False) in (0, -15)
    assert time.monotonic() - began < 15
