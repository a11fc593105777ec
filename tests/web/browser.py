"""A real headless browser, driven through its debugging port."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.tmux import socket_folder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
)  # fmt: skip
WAIT_S = 40.0


class Browser:
    """Pages of one profile."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._ids = socket, itertools.count(1)

    async def call(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        await self._socket.send_json(message)
        while True:
            answer = await self._socket.receive_json(timeout=WAIT_S)
            if answer.get("id") == number:
                # A page that is being loaded has no scripts yet: nothing is its answer.
                return dict(answer.get("result", {}))

    async def open(self, address: str) -> tuple[str, str]:
        """Open a page; returns its target and its session."""
        target = (await self.call("Target.createTarget", url=address))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        return target, session

    async def close(self, target: str) -> None:
        await self.call("Target.closeTarget", targetId=target)

    async def value(self, session: str, script: str) -> Any:
        """What a script in the page gives."""
        answer = await self.call("Runtime.evaluate", session, expression=script, returnByValue=True, awaitPromise=True)
        return answer.get("result", {}).get("value")

    async def until(self, session: str, script: str) -> Any:
        """Wait until a script in the page gives something."""
        deadline = time.monotonic() + WAIT_S
        while not (found := await self.value(session, script)):
            assert time.monotonic() < deadline, f"waited in vain for {script}"
            await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def browsing(*flags: str) -> AsyncIterator[Browser]:
    """Run the browser with an empty profile until the block ends."""
    assert CHROMIUM is not None
    # It keeps sockets there.
    profile = socket_folder()
    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(profile)},
    )  # fmt: skip
    try:
        port_file = profile / "DevToolsActivePort"
        deadline = time.monotonic() + WAIT_S
        while not port_file.exists() or len(port_file.read_text().splitlines()) < 2:
            assert time.monotonic() < deadline and process.poll() is None, "the browser did not start"
            await asyncio.sleep(0.05)
        port, path = port_file.read_text().splitlines()[:2]
        address = f"ws://127.0.0.1:{port}{path}"
        async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(WAIT_S)
        shutil.rmtree(profile, ignore_errors=True)


def as_script(value: object) -> str:
    return json.dumps(value)
