from __future__ import annotations

import json
import shlex
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from pipelines.front.progress import Progress, Stage
from skyreels_tui.notify import terminal as codes
from skyreels_tui.notify.messenger import TRIES, Messenger, Targets
from skyreels_tui.notify.notice import Notice, notice_for, percent_done
from skyreels_tui.notify.notifier import Notifier, NotifyOptions
from skyreels_tui.notify.terminal import Terminal, find_terminal
from skyreels_tui.queue.events import JobChanged, JobProgress, QueueStatus
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, because
from tests.live.conftest import job_of

NOTICE = Notice("done", "corridor-A is done", "/data/a.mp4", job_of("hero.png", state=JobState.DONE))


@pytest.mark.parametrize(
    ("environ", "facts", "expected"),
    [
        ({"TERM": "xterm-kitty"}, (), Terminal("99", False)),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, (), Terminal("9", True)),
        ({"TERM_PROGRAM": "WezTerm"}, (), Terminal("9", True)),
        ({"TERM": "foot"}, (), Terminal("777", False)),
        ({"WT_SESSION": "1", "TERM": "xterm-256color"}, (), Terminal("", True)),
        ({"TERM": "xterm-256color"}, (), Terminal()),
        ({"TMUX": "/tmp/t,1,0", "TERM": "tmux-256color"}, ("on", "xterm-kitty"), Terminal("99", False, True, True)),
        ({"TMUX": "/tmp/t,1,0"}, ("off", "xterm-ghostty"), Terminal("9", True, True, False)),
        ({"TMUX": "/tmp/t,1,0"}, ("1", "xterm-kitty", "256,RGB"), Terminal("99", False, True, True)),
        ({"TMUX": "/tmp/t,1,0"}, (), Terminal("", False, True, False)),
    ],
)
def test_terminals_are_recognised(environ: dict[str, str], facts: tuple[str, ...], expected: Terminal) -> None:
    assert find_terminal(environ, facts) == expected


def test_notifications_speak_each_terminals_dialect() -> None:
    assert codes.popup(Terminal("9"), "a is done", "x.mp4") == "\x1b]9;skyreels-tui: a is done. x.mp4\x07"
    assert codes.popup(Terminal("777"), "a", "b;c") == "\x1b]777;notify;a;b,c\x07"
    kitty = codes.popup(Terminal("99"), "a", "b")
    assert kitty == "\x1b]99;i=skyreels:d=0;a\x1b\\\x1b]99;i=skyreels:p=body;b\x1b\\"
    assert codes.popup(Terminal(), "a", "b") == ""


def test_tmux_hands_on_only_what_it_may() -> None:
    wrapped = codes.popup(Terminal("9", tmux=True, passthrough=True), "a", "b")
    assert wrapped.startswith("\x1bPtmux;\x1b\x1b]9;")
    assert wrapped.endswith("\x1b\\")
    assert codes.popup(Terminal("9", tmux=True), "a", "b") == ""
    assert codes.progress(Terminal(bar=True, tmux=True), 50) == ""


def test_progress_on_the_tab() -> None:
    assert codes.progress(Terminal(bar=True), 42) == "\x1b]9;4;1;42\x07"
    assert codes.progress(Terminal(bar=True), None) == "\x1b]9;4;0;0\x07"
    assert codes.progress(Terminal(), 42) == ""


@pytest.mark.parametrize("evil", ["a\x1b]0;owned\x07", "a\x9b31m", "a\x07b", "a\x1b\\b", "a\nb", "a\u202eb"])
def test_text_from_outside_cannot_steer_the_terminal(evil: str) -> None:
    for terminal in (Terminal("9"), Terminal("777"), Terminal("99")):
        clean = codes.popup(terminal, "X", "Y")
        said = codes.popup(terminal, evil, evil)
        for control in ("\x1b", "\x07", "\x9b", "\n", "\u202e"):
            assert said.count(control) == clean.count(control)
    assert codes.title(evil).count("\x1b") == 1
    assert codes.title(evil).count("\x07") == 1


def test_what_is_worth_telling() -> None:
    job = job_of("hero.png", state=JobState.DONE, output="/data/a.mp4")
    told = notice_for(JobState.RUNNING, job)
    assert told is not None
    assert (told.kind, told.title, told.text) == ("done", "corridor-A is done", "/data/a.mp4")
    kinds = {
        JobState.FAILED: ("failed", {"error": "no room"}),
        JobState.HELD: ("attention", {"reason": because(Code.DIED_TWICE)}),
        JobState.INTERRUPTED: ("attention", {"reason": because(Code.MEMORY)}),
    }
    for state, (kind, changes) in kinds.items():
        found = notice_for(JobState.RUNNING, replace(job, state=state, **changes))  # type: ignore[arg-type]
        assert found is not None
        assert found.kind == kind
    suspect = notice_for(JobState.RUNNING, replace(job, suspect="all black"))
    assert suspect is not None
    assert suspect.kind == "attention"
    assert notice_for(None, job) is None, "an old row is no news"
    assert notice_for(JobState.DONE, job) is None
    assert notice_for(JobState.QUEUED, replace(job, state=JobState.HELD)) is None, "a person held it"
    assert notice_for(JobState.RUNNING, replace(job, state=JobState.CANCELLED)) is None
    assert percent_done(60.0, 60.0) == 50
    assert percent_done(60.0, 0.0) == 99
    assert percent_done(60.0, None) is None


class Told:
    """Collects notices instead of delivering them."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def send(self, notice: Notice) -> None:
        self.notices.append(notice)


def listening(options: NotifyOptions, **changes: Any) -> tuple[Notifier, list[str], Told]:
    written: list[str] = []
    told = Told()
    notifier = Notifier(
        lambda: options, written.append, Terminal("9", True), messenger=told, clock=lambda: 0.0, **changes
    )  # type: ignore[arg-type]
    notifier.start([running()])
    return notifier, written, told


def running() -> Job:
    return job_of("hero.png", state=JobState.RUNNING)


def progressed(left_s: float) -> JobProgress:
    return JobProgress(12, Progress(Stage.DENOISE, 1, 8), 100.0 - left_s, left_s=left_s)


def test_a_job_from_start_to_end() -> None:
    notifier, written, told = listening(NotifyOptions(hook="x"))
    for event in (progressed(60.0), progressed(59.9), JobChanged(replace(running(), state=JobState.DONE))):
        notifier.take(event)
    notifier.leave_terminal()
    assert written == [
        codes.SAVE_TITLE,
        "\x1b]9;4;1;40\x07",
        "\x1b]2;40%, 1:00 left corridor-A - skyreels-tui\x07",
        "\x1b]9;4;0;0\x07",
        "\x1b]2;skyreels-tui\x07",
        "\x1b]9;skyreels-tui: corridor-A is done. \x07\x07",
        codes.RESTORE_TITLE,
    ]
    assert [notice.kind for notice in told.notices] == ["done"]


@pytest.mark.parametrize("switch", ["bell", "desktop", "title", "progress"])
def test_each_way_can_be_switched_off(switch: str) -> None:
    everything = NotifyOptions()
    marks = {"bell": "\x07\x07", "desktop": "]9;skyreels", "title": "]2;", "progress": "]9;4"}
    for options, expected in ((everything, True), (replace(everything, **{switch: False}), False)):
        notifier, written, _ = listening(options)
        notifier.take(progressed(60.0))
        notifier.take(JobChanged(replace(running(), state=JobState.FAILED, error="no room")))
        notifier.leave_terminal()
        text = "".join(written)
        found = text.count("\x07") > text.count("]") if switch == "bell" else marks[switch] in text
        assert found is expected


def test_only_the_owner_sends_hook_and_webhook() -> None:
    notifier, _, told = listening(NotifyOptions(hook="x", webhook="y"), sends=lambda: False)
    notifier.take(JobChanged(replace(running(), state=JobState.DONE)))
    assert not told.notices


def test_a_full_disk_is_told_once() -> None:
    notifier, _, told = listening(NotifyOptions(hook="x"))
    full = QueueStatus(is_owner=True, pause="disk", message="needs 1.2 GiB")
    for status in (full, full, replace(full, pause=""), full):
        notifier.take(status)
    assert [notice.text for notice in told.notices] == ["needs 1.2 GiB"] * 2


def delivered(targets: Targets, **changes: Any) -> None:
    messenger = Messenger(lambda: targets, **changes)
    messenger.start()
    messenger.send(NOTICE)
    messenger.stop(20.0)


def test_hook_gets_facts_without_a_shell(tmp_path: Path) -> None:
    script, out = tmp_path / "hook.py", tmp_path / "out.json"
    script.write_text(
        "import json, os, sys\n"
        "facts = json.load(sys.stdin)\n"
        "json.dump([sys.argv[2:], os.environ['SKYREELS_EVENT'], os.environ['SKYREELS_LABEL'], facts],"
        " open(sys.argv[1], 'w'))\n"
    )
    words = shlex.join([sys.executable, str(script), str(out)])
    delivered(Targets(hook=f"{words} '$HOME;x' \"a b\""))
    arguments, event, label, facts = json.loads(out.read_text())
    assert arguments == ["$HOME;x", "a b"]
    assert (event, label) == ("done", "corridor-A")
    assert facts["job"]["id"] == 12
    assert facts["event"] == "done"


@pytest.mark.parametrize("hook", ["/no/such/program", "unclosed 'quote", f"{sys.executable} -c 'raise SystemExit(3)'"])
def test_a_broken_hook_is_logged_and_harms_nothing(hook: str, caplog: pytest.LogCaptureFixture) -> None:
    delivered(Targets(hook=hook))
    assert "hook command" in caplog.text


class Receiver(HTTPServer):
    """Refuses a number of posts, then takes them."""

    def __init__(self, refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.refusals, self.posts = refusals, []  # type: tuple[int, list[dict[str, Any]]]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posts.append(json.loads(body))
        refused = len(self.server.posts) <= self.server.refusals
        self.send_response(503 if refused else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    server = Receiver(request.param)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("receiver", "posts"), [(0, 1), (2, 3), (9, TRIES)], indirect=["receiver"])
def test_webhook_tries_three_times(receiver: Receiver, posts: int) -> None:
    pauses: list[float] = []
    delivered(Targets(webhook=receiver.address), pause=pauses.append)
    assert len(receiver.posts) == posts
    assert len(pauses) == posts - 1
    assert pauses == sorted(pauses)
    assert receiver.posts[0]["title"] == "corridor-A is done"


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x", "nonsense"])
def test_only_web_addresses_are_posted_to(address: str, caplog: pytest.LogCaptureFixture) -> None:
    delivered(Targets(webhook=address))
    assert "no http or https address" in caplog.text


def test_sending_never_waits_for_the_network() -> None:
    hang = threading.Event()
    messenger = Messenger(lambda: Targets(webhook="http://127.0.0.1:9/"), pause=lambda _: hang.wait(20.0))  # type: ignore[arg-type, return-value]
    messenger.start()
    began = time.monotonic()
    for _ in range(300):
        messenger.send(NOTICE)
    assert time.monotonic() - began < 1.0
    messenger._stop.set()
    hang.set()
    messenger.stop()
