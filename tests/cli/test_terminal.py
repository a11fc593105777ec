"""Hostile text on the bytes that a terminal receives: from the commands, and from the app with its home screen."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from itertools import accumulate
from pathlib import Path

import pyte
import pytest
from PIL import Image

import skyreels_tui
from skyreels_tui.folders import find_folders
from skyreels_tui.jobs.service import QueueService
from tests.models_hub.conftest import FakeHub, hub  # noqa: F401 - fixture

ROOT = Path(skyreels_tui.__file__).parents[1]
COLUMNS, LINES = 110, 30
WAIT_S = 30.0
EVIL = (
    "[red]x[/] [ZOOM_IN_CUT] ]/[ [bold "
    "\x1b[31mA\x1b[2J\x1b[999;1HB \x1b]0;PWNED\x07 \x1b]52;c;UFdORUQ=\x07 \x1bP1;1|PWNED\x1b\\ \x9b2J \x90PWNED\x9c "
    "\x00\x07\x08\x0c\x0b\x7f \r\u202eabc\u2066def\u200b\u200d\ufeff\u2028\u00ad 👩\u200d👩\u200d👧 🇧🇷 ✓ \U000e0041 end"
)
"""Markup, CSI, OSC, DCS, C1, controls, bidi, zero width, joiners, emoji, tags."""
LITERAL = "[red]x[/] [ZOOM_IN_CUT] ]/[ [bold "
LONG = "wort " * 800
STEERING = re.compile(
    "[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
"""All but the line break that ends a line on a terminal."""

PROGRAM = """
import json, sys
from pipelines.errors import MediaError
from pipelines.progress import Stage
from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor, Script
commands, error, gated = json.loads(sys.argv[1])
script = Script(failures={(Stage.DENOISE, 2): MediaError(error)} if error else {})
for words in commands:
    main(words, executor=lambda: FakeExecutor(script, gated=gated))
"""


class Terminal:
    """A program behind a pseudo-terminal, every byte it wrote, and the screen that an emulator makes of it."""

    def __init__(
        self, commands: list[list[str]], *, error: str = "", gated: bool = False, home: Path | None = None
    ) -> None:
        self.received = b""
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._end, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environ = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        for name in ("COLUMNS", "LINES"):
            # A parallel test run sets them; the terminal's own size counts here.
            environ.pop(name, None)
        if home is not None:
            environ["SKYREELS_TUI_HOME"] = str(home)
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps([commands, error, gated])],
            cwd=ROOT, stdin=inside, stdout=inside, stderr=inside, env=environ, start_new_session=True,
        )  # fmt: skip
        os.close(inside)

    @property
    def lines(self) -> list[str]:
        return list(self._screen.display)

    def read_some(self, timeout_s: float) -> bool:
        """Take what has come; False when the program has ended."""
        if not select.select([self._end], [], [], timeout_s)[0]:
            return True
        try:
            data = os.read(self._end, 1 << 16)
        except OSError as error:
            assert error.errno == errno.EIO
            return False
        self.received += data
        self._stream.feed(data)
        return bool(data)

    def wait_for(self, *words: str) -> None:
        """Read until all words stand on the screen."""
        deadline = time.monotonic() + WAIT_S
        while not all(word in "\n".join(self.lines) for word in words):
            assert time.monotonic() < deadline and self.read_some(0.2), "\n".join(self.lines)

    def settled(self) -> list[str]:
        """Read on until the frame is drawn to its end: what belongs together comes at once."""
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline and select.select([self._end], [], [], 0.15)[0]:
            self.read_some(0)
        return self.lines

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def finish(self) -> bytes:
        """Read to the end of the program."""
        deadline = time.monotonic() + WAIT_S
        while self.read_some(0.2):
            assert time.monotonic() < deadline, self.received[-2000:]
        assert self._process.wait(WAIT_S) == 0
        os.close(self._end)
        return self.received

    def close(self) -> None:
        """End the program without asking it."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(folder))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for name in ("TMUX", "STY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def evil_picture(tmp_path: Path) -> str:
    """A good picture under a name that is not UTF-8 and holds everything a name may hold."""
    name = EVIL.replace("\x00", "").replace("/", "|")[:120]
    path = Path(os.fsdecode(os.fsencode(str(tmp_path)) + b"/\xff\xfe" + name.encode("utf-8")[:180] + b".png"))
    Image.new("RGB", (64, 48), (200, 30, 60)).save(path)
    return str(path)


def assert_lines_of_text(received: bytes) -> str:
    """A command writes letters and line ends, no single control sequence."""
    text = received.decode("utf-8").replace("\r\n", "\n")
    assert STEERING.search(text) is None, repr(STEERING.search(text))
    assert {unicodedata.category(char) for char in text if char != "\n"}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert "Traceback" not in text
    return text


def test_commands_write_letters_only(home: Path, tmp_path: Path, evil_picture: str) -> None:
    results = tmp_path / "videos"
    (results / "talking_avatar").mkdir(parents=True)
    (results / "talking_avatar" / "a\x1b[31m\u202e.mp4").write_bytes(b"x")
    (results / "talking_avatar" / "a\x1b[31m\u202e.json").write_text(json.dumps({"label": EVIL}))
    batch = tmp_path / "b\x1b]0;PWNED\x07.json"
    batch.write_text(json.dumps([{"label": EVIL, "task_type": EVIL, "prompt": EVIL}]))
    text = EVIL.replace("\x00", "␀")  # An argument of a process ends at NUL; here it is one of a function.
    job = ["--profile", "demo", "--ref_imgs", evil_picture]
    received = Terminal(
        [
            ["add", *job, "--prompt", EVIL, "--label", EVIL, "--batch", EVIL],
            ["add", *job, "--prompt", LONG, "--label", LONG],
            ["generate", *job, "--prompt", EVIL, "--label", "fails"],
            ["list"],
            ["show", "1"],
            ["show", "1", "--json"],
            ["show", "3"],
            ["list", "--json"],
            ["export", "1", "--format", "markdown"],
            ["add", "--profile", "demo", "--ref_imgs", text, "--prompt", "x"],
            ["add", "--resolution", EVIL, "--prompt", EVIL, "--task", EVIL],
            [EVIL],
            ["show", EVIL],
            ["import", str(batch)],
            ["import", EVIL.replace("\x00", "")],
            ["results", "--result-dir", str(results)],
            ["finalize", EVIL],
            ["settings", "set", EVIL, EVIL],
            ["settings", "set", "hook", EVIL],
            ["settings"],
            ["models", "path", EVIL],
            ["doctor", "--facts", EVIL.replace("\x00", "")],
            ["wait", "3"],
        ],
        error=f"ffmpeg said {EVIL}{LONG}",
    ).finish()
    text = assert_lines_of_text(received)
    assert text.count(LITERAL) >= 8
    assert "ffmpeg said [red]x[/]" in text
    assert "✓" in text and "🇧🇷" in text, "what steers nothing stays as it is"
    assert max(map(len, text.splitlines())) < 12_000, "cut, though a JSON line holds all"


def test_a_hub_s_words_do_not_reach_the_terminal_as_they_are(
    home: Path,
    hub: FakeHub,  # noqa: F811
) -> None:
    hub.headers = {"X-HF-Warning": "topic; \x1b]0;PWNED\x07\x1b[2J\u00ff", "X-Error-Message": "\x1b[31mPWNED"}
    received = Terminal([["models", "download", "reference_to_video"]]).finish()
    text = assert_lines_of_text(received)
    assert "does not exist on the hub (404)" in text
    assert "PWNED" not in text


def test_the_app_keeps_its_layout_and_sends_no_foreign_sequence(home: Path, tmp_path: Path, evil_picture: str) -> None:
    """The same screens with plain and with hostile text: frames, bars and keys stand where they stood."""
    # Terminals disagree on the width of flags, so none stands in a label here.
    text = EVIL.replace("🇧🇷", "")
    evil = (text[:60], text[60:130], text[130:])
    plain, hostile = [], []
    for screens, labels, prompt in ((plain, ("one", "two", "three"), "words"), (hostile, evil, EVIL + LONG)):
        own = tmp_path / labels[0][:3]
        add_jobs(own, evil_picture, labels, prompt)
        terminal = Terminal([["--result-dir", str(tmp_path / "r")]], gated=True, home=own)
        with contextlib.closing(terminal):
            terminal.wait_for("1 running", "left", "? Help")
            screens.append(terminal.settled())
            terminal.press("\r")
            terminal.wait_for("Job 1", "Copy command")
            screens.append(terminal.settled())
        assert_no_foreign_sequence(terminal.received)
    assert LITERAL in "\n".join(hostile[0]) and LITERAL in "\n".join(hostile[1])
    assert "👩" in "\n".join(hostile[0])
    for before, after in zip(plain, hostile, strict=True):
        assert borders(after) == borders(before), "\n".join(after)
        assert after[-1] == before[-1]


def test_the_app_does_not_draw_into_a_file(home: Path, tmp_path: Path) -> None:
    """Textual draws to stderr: with stderr in a file the screen would stay empty."""
    end, inside = pty.openpty()
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        done = subprocess.run(
            [sys.executable, "-m", "skyreels_tui"], cwd=ROOT, stdin=inside, stdout=inside, stderr=stderr, timeout=WAIT_S
        )
    os.close(inside)
    os.close(end)
    assert done.returncode == 2
    assert "needs a terminal" in log.read_text() and "\x1b" not in log.read_text()


def borders(lines: list[str]) -> list[list[int]]:
    """Columns of the frames, line by line."""
    found = []
    for line in lines:
        wide = (2 if unicodedata.east_asian_width(char) == "W" else 1 for char in line)
        columns = [0, *accumulate(wide)]
        found.append([column for column, char in zip(columns, line, strict=False) if char in "│╭╮╰╯┌┐└┘├┤"])
    return found


def add_jobs(home: Path, picture: str, labels: tuple[str, ...], prompt: str) -> None:
    """Put jobs into a queue that nobody runs yet."""
    from pipelines.tasks.reference_to_video import ReferenceToVideo

    service = QueueService(find_folders({"SKYREELS_TUI_HOME": str(home)}), home / "r", lambda event: None)
    request = ReferenceToVideo(prompt=prompt, ref_imgs=(picture,), resolution="128P", profile="demo")
    for label in labels:
        service.add(request, label=label)
    service.close()


def assert_no_foreign_sequence(received: bytes) -> None:
    """Nothing of the hostile text came through as a sequence, and no invisible character as itself."""
    for payload in (
        b"\x1b]0;PWNED",
        b"\x1b]52;",
        b"\x1bP1;1|",
        b"\x1b[999;1H",
        b"\x1b[31mA",
        b"\x00",
        b"\x0c",
        b"\x0b",
    ):
        assert payload not in received, payload
    text = received.decode("utf-8")
    assert (
        re.search("[\x80-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]", text) is None
    )
    # Operating system commands of our own (the window's title, progress on the tab) hold plain letters.
    for command in re.findall("\x1b\\]([^\x07\x1b]*)", text):
        assert command.isprintable()
