"""The web door against plain clients and a real browser: without the token nothing is served and nothing is started."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest

from skyreels_tui.queue.store.opening import open_store
from skyreels_tui.settings.reading import load
from tests.web.browser import CHROMIUM, as_script, browsing
from tests.web.served import WAIT_S, Served, processes, serving, until

ROUTES = ("/", "/ws", "/ws?width=80&height=24", "/static/js/textual.js", "/static/css/xterm.css", "/static/",
          "/download/x", "/favicon.ico", "/nothing", "/static/../../../etc/passwd", "//evil.example/")  # fmt: skip
ATTACKERS = ("plain", *(("browser",) if CHROMIUM else ()))


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as one:
        yield one


def ask(served: Served, path: str, *, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
    """One request of a plain client; header names are written with _ for -."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=WAIT_S)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in named, skip_accept_encoding=True)
    for name, value in named.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    connection.close()
    return answer


def cookie(served: Served) -> str:
    """What a browser holds after the printed address."""
    given = ask(served, f"/?token={served.token}").getheader("Set-Cookie") or ""
    return given.partition(";")[0]


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13",
           "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("upgrade", [False, True])
def test_without_the_cookie_every_route_is_shut(served: Served, path: str, upgrade: bool) -> None:
    extra = {**UPGRADE, "Origin": served.origin} if upgrade else {}
    name = cookie(served).partition("=")[0]
    for cookies in ({}, {"Cookie": f"{name}=wrong"}, {"Cookie": f"{name}={served.token}"}, {"Cookie": f"{name}="},
                    {"Cookie": f"other={cookie(served).partition('=')[2]}"}):  # fmt: skip
        answer = ask(served, path, **extra, **cookies)
        assert answer.status == 403, (path, cookies)
        assert b"textual" not in answer.body and served.token.encode() not in answer.body  # type: ignore[attr-defined]
    assert served.apps() == []


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "wrong",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": "127.0.0.1.evil.example:{port}"},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:{port}"},
        {"Origin": "http://localhost:{port}"},
        {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    ],
    ids=str,
)
def test_even_the_right_cookie_opens_nothing_to_others(served: Served, path: str, wrong: dict[str, str]) -> None:
    headers = {name: value.format(port=served.port) for name, value in wrong.items()}
    for extra in ({}, {**UPGRADE, "Origin": served.origin}):
        answer = ask(served, path, **{"Cookie": cookie(served), **extra, **headers})
        assert answer.status == 403
    assert ask(served, f"/?token={served.token}", **headers).status == 403
    assert served.apps() == []


def test_a_socket_without_an_origin_is_refused(served: Served) -> None:
    assert ask(served, "/ws", Cookie=cookie(served), **UPGRADE).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_files_are_for_our_own_page_alone(served: Served, site: str) -> None:
    own = cookie(served)
    assert ask(served, "/static/js/textual.js", Cookie=own, Sec_Fetch_Site=site).status == 403
    assert ask(served, "/static/js/textual.js", Cookie=own, Sec_Fetch_Site="same-origin").status == 200


def test_the_token_becomes_a_cookie_and_leaves_the_address(served: Served) -> None:
    answer = ask(served, f"/?token={served.token}")
    assert (answer.status, answer.getheader("Location")) == (303, "/")
    given = answer.getheader("Set-Cookie") or ""
    assert "HttpOnly" in given and "SameSite=Strict" in given and served.token not in given
    page = ask(served, "/", Cookie=cookie(served))
    assert page.status == 200
    text = page.body.decode()  # type: ignore[attr-defined]
    assert served.token not in text and "//fonts.g" not in text
    for wrong in ("", "x", served.token[:-1], served.token + "x", "%ff"):
        assert ask(served, f"/?token={wrong}").status == 403


@pytest.mark.parametrize("path", ["/", "/static/js/textual.js", "/nothing", "/ws"])
@pytest.mark.parametrize("known", [True, False])
def test_every_answer_is_hardened(served: Served, path: str, known: bool) -> None:
    answer = ask(served, path, **({"Cookie": cookie(served)} if known else {}))
    policy = answer.getheader("Content-Security-Policy") or ""
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert answer.getheader("Referrer-Policy") == "no-referrer"
    assert answer.getheader("Cache-Control") == "no-store"
    assert answer.getheader("X-Frame-Options") == "DENY"
    assert answer.getheader("X-Content-Type-Options") == "nosniff"
    assert "aiohttp" not in (answer.getheader("Server") or "")
    assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_only_reading_is_answered(served: Served, method: str) -> None:
    assert ask(served, "/", method=method, Cookie=cookie(served)).status == 405
    assert ask(served, "/", method=method).status == 403


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/" + "x" * 20000, {}), ("/", {"X_Long": "x" * 20000}), ("/", {"Cookie": "a=" + "b" * 20000})],
)
def test_a_request_of_any_size_is_refused_early(served: Served, path: str, headers: dict[str, str]) -> None:
    assert ask(served, path, **headers).status == 400


@pytest.mark.parametrize("size", ["0", "-1", "1001", "99999999999", "x", "1e3", ""])
def test_a_terminal_has_a_size_that_can_be(served: Served, size: str) -> None:
    path = f"/ws?width={size}&height=24"
    assert ask(served, path, Cookie=cookie(served), Origin=served.origin, **UPGRADE).status == 400


# A browser's tab, played by a client with the cookie


@asynccontextmanager
async def tab(served: Served, query: str = "width=100&height=30") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    headers = {"Origin": served.origin, "Cookie": cookie(served)}
    address = f"{served.origin}/ws?{query}"
    async with aiohttp.ClientSession() as client, client.ws_connect(address, headers=headers, max_msg_size=0) as one:
        yield one


async def screen(one: aiohttp.ClientWebSocketResponse, words: str) -> None:
    """Read until the app has drawn these words."""
    drawn = ""
    while words not in drawn:
        message = await one.receive(timeout=WAIT_S)
        assert message.type is aiohttp.WSMsgType.BINARY, (message, drawn[-500:])
        drawn = (drawn + re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", message.data.decode("utf-8", "replace")))[-100000:]


async def gone(served: Served) -> None:
    await asyncio.to_thread(until, lambda: not served.apps(), "the end of the app")


async def test_the_app_runs_as_long_as_its_tab(served: Served) -> None:
    async with tab(served) as one:
        await screen(one, "Settings")
        assert len(served.apps()) == 1
    await gone(served)


async def test_a_tab_that_breaks_off_ends_the_app(served: Served) -> None:
    """The line goes dead without a word, as when a laptop is shut."""
    async with tab(served) as one:
        await screen(one, "Settings")
        transport = one._response.connection.transport  # type: ignore[union-attr]
        transport.abort()  # type: ignore[union-attr]
        await gone(served)


@pytest.mark.parametrize("message", ['["unknown", 1]', '["stdin", "' + "x" * 300000 + '"]'], ids=["unknown", "long"])
async def test_what_our_page_never_sends_ends_the_tab_alone(served: Served, message: str) -> None:
    async with tab(served) as one:
        await screen(one, "Settings")
        await one.send_str(message)
        while (await one.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.BINARY:
            pass
        await gone(served)
    assert served.process.poll() is None
    assert ask(served, "/", Cookie=cookie(served)).status == 200


async def test_there_are_only_so_many_tabs(served: Served) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(8):
            await stack.enter_async_context(tab(served))
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stack.enter_async_context(tab(served))
        assert refused.value.status == 503
    await gone(served)
    async with tab(served) as one:
        await screen(one, "Settings")
    await gone(served)


def test_there_are_only_so_many_connections(served: Served) -> None:
    """One who only connects takes no more than his share, and the next tab still gets in once he has gone."""
    held = []
    try:
        for _ in range(200):
            held.append(socket.create_connection(("127.0.0.1", served.port), timeout=WAIT_S))
        # The one that came last is hung up on, without an answer.
        with contextlib.suppress(ConnectionError):
            assert held[-1].recv(100) == b""
        connected = len(list(Path(f"/proc/{served.process.pid}/fd").iterdir()))
        assert connected < 64 + 3 * 16 + 20
    finally:
        for one in held:
            one.close()

    def answers() -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return ask(served, "/").status == 403
        return False

    until(answers, "an answer after the crowd")


async def test_the_end_of_serve_is_the_end_of_its_apps(tmp_path: Path) -> None:
    with serving(tmp_path) as own:
        async with tab(own) as one:
            await screen(one, "Settings")
            apps = own.apps()
            own.process.terminate()
            await asyncio.to_thread(own.process.wait, WAIT_S)
            assert apps
            left = {pid: state for pid, (state, _) in processes().items() if pid in apps and state != "Z"}
            assert left == {}


async def test_no_app_outlives_a_server_that_was_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as own:
        async with tab(own) as one:
            await screen(one, "Settings")
            apps = own.apps()
            own.process.kill()

            def ended() -> bool:
                return not any(pid in apps and state != "Z" for pid, (state, _) in processes().items())

            assert apps
            await asyncio.to_thread(until, ended, "the end of the app")


# A foreign web page


class Foreign(BaseHTTPRequestHandler):
    """A page of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!DOCTYPE html><title>foreign</title><body>foreign</body>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()
    thread.join()


ATTACK = """(async () => {
  const target = %s, result = {};
  result.socket = await new Promise(done => {
    const socket = new WebSocket(target.replace("http", "ws") + "/ws?width=140&height=50");
    socket.onopen = () => done("open"); socket.onerror = () => done("refused");
  });
  result.read = await fetch(target + "/", {credentials: "include"}).then(a => "read " + a.status, () => "refused");
  result.script = await new Promise(done => {
    const one = document.createElement("script"); one.src = target + "/static/js/textual.js";
    one.onload = () => done("loaded"); one.onerror = () => done("refused"); document.body.append(one);
  });
  result.frame = await new Promise(done => {
    const one = document.createElement("iframe"); one.src = target + "/"; document.body.append(one);
    one.onload = () => { try { done(one.contentDocument === null ? "refused" : "read"); } catch { done("refused"); } };
  });
  return result;
})()"""


@pytest.mark.parametrize("attacker", ATTACKERS)
@pytest.mark.parametrize("name", ["127.0.0.1:{foreign}", "localhost:{foreign}", "evil.example:{foreign}"])
async def test_a_foreign_page_reaches_nothing_while_the_owner_is_in(
    tmp_path: Path, served: Served, foreign: int, attacker: str, name: str
) -> None:
    """The owner has the app open in the same browser, so the cookie is there; the page tries all it can."""
    origin = f"http://{name.format(foreign=foreign)}"
    if attacker == "plain":
        async with aiohttp.ClientSession() as client:
            for cookies in ("", cookie(served)):
                headers = {"Origin": origin, "Cookie": cookies}
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await client.ws_connect(f"{served.origin}/ws?width=140&height=50", headers=headers)
        assert served.apps() == []
        return
    async with browsing("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
        target, owner = await browser.open(served.address)
        await browser.until(owner, "document.body?.className.includes('-first-byte')")
        assert await browser.value(owner, "location.href") == f"{served.origin}/"
        apps = served.apps()
        assert len(apps) == 1
        _, page = await browser.open(f"{origin}/")
        await browser.until(page, "document.title == 'foreign' && document.readyState == 'complete'")
        found = await browser.value(page, ATTACK % as_script(served.origin))
        assert found == dict.fromkeys(("socket", "read", "script", "frame"), "refused")
        assert served.apps() == apps
        await browser.close(target)
        await gone(served)


@pytest.mark.parametrize("attacker", ATTACKERS)
async def test_a_name_that_was_turned_to_this_machine_reaches_nothing(
    tmp_path: Path, served: Served, attacker: str
) -> None:
    """DNS rebinding: the page's own name leads to our port by now, so the browser calls us its own."""
    name = f"evil.example:{served.port}"
    if attacker == "plain":
        answer = ask(served, "/ws", Host=name, Origin=f"http://{name}", Cookie=cookie(served), **UPGRADE)
        assert answer.status == 403
        assert ask(served, "/", Host=name).status == 403
        return
    async with browsing("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser:
        for path in ("/", f"/?token={served.token}"):
            _, page = await browser.open(f"http://{name}{path}")
            text = await browser.until(page, "document.readyState == 'complete' && document.body?.innerText")
            assert "not one that serve answers to" in text
            found = await browser.value(
                page,
                "new Promise(d => { const s = new WebSocket(`ws://${location.host}/ws`);"
                " s.onopen = () => d('open'); s.onerror = () => d('refused'); })",
            )
            assert found == "refused"
    assert served.apps() == []


# What the owner himself may not do through a browser


async def test_no_command_is_set_through_a_browser(tmp_path: Path) -> None:
    """The keys that set a hook in a terminal leave the settings file as it was, also with the token."""
    with serving(tmp_path) as own:
        async with tab(own, "width=140&height=50") as one:
            await screen(one, "Settings")
            await one.send_json(["stdin", "S"])
            await screen(one, "Hook command")
            # Wherever the keys land, they set no command.
            for key in ("\t", "\t", "\t", "\t", "\t", "\t", "\t", "\t", f"touch {tmp_path}/pwned", "\x13"):
                await one.send_json(["stdin", key])
            await one.send_json(["resize", {"width": 139, "height": 50}])
            await screen(one, "cannot be changed in a browser")
        await gone(own)
    settings = load(tmp_path / "config" / "settings.toml").settings
    assert settings.hook == settings.webhook == ""
    assert open_store(tmp_path / "state" / "queue.db").list() == []


# TLS and other machines


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


async def test_with_a_certificate_all_is_encrypted(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with serving(tmp_path, "--cert", str(cert), "--key", str(key), "--host", "0.0.0.0", "--public") as own:
        assert own.address.startswith("https://")
        trust = ssl.create_default_context(cafile=str(cert))
        origin = f"https://127.0.0.1:{own.port}"
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as client:
            assert (await client.get(f"{origin}/")).status == 403
            entered = await client.get(f"{origin}/?token={own.token}", allow_redirects=False)
            given = entered.headers["Set-Cookie"]
            assert entered.status == 303 and "Secure" in given
            headers = {"Cookie": given.partition(";")[0]}
            assert (await client.get(f"{origin}/", headers=headers)).status == 200
            for wrong in (f"http://127.0.0.1:{own.port}", "null", "https://evil.example"):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await client.ws_connect(f"{origin}/ws", headers={**headers, "Origin": wrong})
            async with client.ws_connect(f"{origin}/ws", headers={**headers, "Origin": origin}) as one:
                assert (await one.receive(timeout=WAIT_S)).type is aiohttp.WSMsgType.BINARY
        await gone(own)


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        call = subprocess.run(
            [sys.executable, "-m", "skyreels_tui", "serve", "--port", str(port)],
            capture_output=True, text=True, timeout=WAIT_S,
        )  # fmt: skip
    assert call.returncode == 1 and f"127.0.0.1:{port}" in call.stderr and "Traceback" not in call.stderr
