"""One browser tab and the process of the app behind it: started with the tab, ended with it.

Speaks the packets of Textual's web driver; knows nothing of pages and of who may come in.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from pipelines.front.documents import read_json
from skyreels_tui.settings.served import SERVED

PRELUDE = b"__GANGLION__\n"
"""The web driver says this when it begins to draw."""
PACKET_BYTES = 16 << 20
"""No picture of a terminal is larger."""
WORST_CELLS = 1000
"""A terminal has no more columns or lines."""
COMPLAINT_BYTES = 4096
"""So much of what a process that failed wrote to stderr is kept."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a tab may be quiet, and how long its process may take to end."""

    idle_s: float = 12 * 3600.0
    """Without a key or a move of the mouse."""
    leave_s: float = 10.0
    """To leave by itself once the tab has gone, before it is told to stop at the step edge."""
    stop_s: float = 20.0
    """To reach the step edge, before it is told to stop at once."""
    give_up_s: float = 5.0
    """To stop at once, before it is killed."""


class BadMessage(Exception):
    """A browser sent what our page never sends."""


class Tab:
    """A websocket and a process, each of which ends the other."""

    def __init__(self, command: Sequence[str], socket: web.WebSocketResponse, patience: Patience) -> None:
        self._command, self._socket, self._patience = command, socket, patience
        self.exit_code = 0
        """How the process ended; a negative number is a signal."""
        self.complaint = ""
        """The end of what the process wrote to stderr."""

    async def run(self, width: int, height: int) -> None:
        """Show the app until the tab, the app or the person's patience ends; the process has ended then."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(os.environ, width, height),
            # A group of its own: Ctrl+C in the terminal of the server is answered by the server alone.
            start_new_session=True,
        )
        complaints = asyncio.create_task(self._keep_complaint(process))
        both = [asyncio.create_task(self._draw(process)), asyncio.create_task(self._listen(process))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # Also when the server is cancelled: a process without a tab would go on with the queue.
            await _whatever_comes(self._end(process, [*both, complaints]))

    async def _draw(self, process: asyncio.subprocess.Process) -> None:
        """Hand what the app draws to the browser, until it exits."""
        assert process.stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
            while (line := await process.stdout.readline()) != PRELUDE:
                if not line:
                    return
            while True:
                head = await process.stdout.readexactly(5)
                size = int.from_bytes(head[1:], "big")
                if size > PACKET_BYTES:
                    return
                payload = await process.stdout.readexactly(size)
                if head[:1] == b"D":
                    await self._socket.send_bytes(payload)
                elif head[:1] == b"M" and read_json(payload).get("type") == "exit":
                    return

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Hand what the browser sends to the app, until the tab closes or nobody has touched it for long."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError, BadMessage, ConnectionError):
            async with asyncio.timeout(self._patience.idle_s) as limit:
                async for message in self._socket:
                    if message.type is not WSMsgType.TEXT:
                        return
                    packet = packet_of(message.data)
                    if packet is None:
                        await self._socket.send_json(["pong", ""])
                        continue
                    limit.reschedule(loop.time() + self._patience.idle_s)
                    await _write(process, packet)

    async def _keep_complaint(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        kept = b""
        while data := await process.stderr.read(4096):
            kept = (kept + data)[-COMPLAINT_BYTES:]
            self.complaint = kept.decode("utf-8", "replace")

    async def _end(self, process: asyncio.subprocess.Process, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Ask, tell, and at last kill; close the tab too."""
        *both, complaints = tasks
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        closing = asyncio.create_task(self._socket.close())
        draining = asyncio.create_task(_drain(process))
        patience = self._patience
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(_write(process, _packet(b"M", {"type": "quit"})), patience.leave_s)
        # The first SIGTERM stops a job at its step edge, the second at once.
        ways = ((patience.leave_s, signal.SIGTERM), (patience.stop_s, signal.SIGTERM),
                (patience.give_up_s, signal.SIGKILL))  # fmt: skip
        for wait_s, then in ways:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), wait_s)
            if process.returncode is not None:
                break
            _send(process, then)
        self.exit_code = await process.wait()
        for task in (draining, complaints):
            task.cancel()
        await asyncio.gather(draining, closing, complaints, return_exceptions=True)


def environment(base: Mapping[str, str], width: int, height: int) -> dict[str, str]:
    """What tells the app that it draws for a browser, and how large that is."""
    return {
        **base,
        SERVED: str(os.getpid()),
        "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "TERM_PROGRAM": "textual",
        "COLUMNS": str(width),
        "ROWS": str(height),
    }


def cell_count(value: object) -> int:
    """A number of columns or lines; raises BadMessage."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= WORST_CELLS:
        raise BadMessage
    return value


def packet_of(text: str) -> bytes | None:
    """What a message of the page means to the app; None for one that only asks whether we live.

    Raises BadMessage.
    """
    try:
        message = read_json(text)
    except ValueError as error:
        raise BadMessage from error
    match message:
        case ["stdin", str(typed)]:
            return _framed(b"D", typed.encode("utf-8", "replace"))
        case ["resize", {"width": width, "height": height}]:
            return _packet(b"M", {"type": "resize", "width": cell_count(width), "height": cell_count(height)})
        case ["focus"] | ["blur"]:
            return _packet(b"M", {"type": message[0]})
        case ["ping", _]:
            return None
    raise BadMessage


async def _whatever_comes(ending: Coroutine[Any, Any, None]) -> None:
    """Wait for the end also while being cancelled, and be cancelled then."""
    task = asyncio.create_task(ending)
    cancelled = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _packet(kind: bytes, content: Mapping[str, Any]) -> bytes:
    return _framed(kind, json.dumps(content).encode())


def _framed(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "big") + payload


async def _write(process: asyncio.subprocess.Process, packet: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(packet)
    await process.stdin.drain()


async def _drain(process: asyncio.subprocess.Process) -> None:
    """A process that ends must not wait for a reader of its last words."""
    assert process.stdout is not None
    while await process.stdout.read(1 << 16):
        pass


def _send(process: asyncio.subprocess.Process, what: signal.Signals) -> None:
    """Signal the process; a killed one takes what it started with it."""
    with contextlib.suppress(ProcessLookupError):
        if what is signal.SIGKILL:
            os.killpg(process.pid, what)
        else:
            process.send_signal(what)
