"""A real program behind a pseudo-terminal, and hostile text with what a terminal may receive of it."""

from __future__ import annotations

import codecs
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
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path

import pyte

import skyreels_tui

ROOT = Path(skyreels_tui.__file__).parents[1]
COLUMNS, LINES = 110, 30
WAIT_S = 30.0
ANOTHER_TERMINALS = frozenset(
    {"COLUMNS", "LINES", "TMUX", "TMUX_PANE", "STY", "VTE_VERSION", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID"}
)
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
from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor, Script
commands, error, gated, step_s = json.loads(sys.argv[1])
script = Script(step_s=step_s, failures={(Stage.DENOISE, 2): MediaError(error)} if error else {})
for words in commands:
    main(words, executor=lambda: FakeExecutor(script, gated=gated))
"""


class Terminal:
    """A program behind a pseudo-terminal, every byte it wrote, and the screen that an emulator makes of it."""

    def __init__(
        self,
        commands: list[list[str]],
        *,
        error: str = "",
        gated: bool = False,
        step_s: float = 0.0,
        home: Path | None = None,
        blocking: bool = True,
        inside: Sequence[str] = (),
        environ: Mapping[str, str] = {},
        program: str = PROGRAM,
    ) -> None:
        """`inside` are the words of a program in which it runs; `environ` is added to what a terminal sets;
        `program` is Python, with the commands as its argument.
        """
        self.received = b""
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._end, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.set_blocking(slave, blocking)
        # A parallel test run sets a size, and the person's own terminal says what it is: neither is this one.
        own = {name: value for name, value in os.environ.items() if name not in ANOTHER_TERMINALS}
        whole = {**own, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8", **environ}
        if home is not None:
            whole["SKYREELS_TUI_HOME"] = str(home)
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-c", program, json.dumps([commands, error, gated, step_s])],
            cwd=ROOT, stdin=slave, stdout=slave, stderr=slave, env=whole, start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    @property
    def lines(self) -> list[str]:
        return list(self._screen.display)

    @property
    def reversed(self) -> list[str]:
        """What stands in reverse video on each line."""
        rows = (self._screen.buffer[line] for line in range(LINES))
        return ["".join(row[column].data for column in range(COLUMNS) if row[column].reverse) for row in rows]

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
        # The emulator does not know how a mode is kept and brought back.
        self._stream.feed(re.sub(rb"\x1b\[\?\d+[sr]", b"", data))
        return bool(data)

    def wait_for(self, *words: str) -> None:
        """Read until all words stand on the screen."""
        deadline = time.monotonic() + WAIT_S
        while not all(word in "\n".join(self.lines) for word in words):
            assert time.monotonic() < deadline and self.read_some(0.2), "\n".join(self.lines)

    def wait_gone(self, words: str) -> None:
        """Read until the words stand on the screen no more."""
        deadline = time.monotonic() + WAIT_S
        while words in "\n".join(self.lines):
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

    def vanish(self) -> int:
        """Take the terminal away, of which the kernel tells nobody: it controls no session; returns the exit code."""
        os.close(self._end)
        return self._process.wait(WAIT_S)

    def close(self) -> None:
        """End the program without asking it."""
        self._process.kill()
        self._process.wait()


def assert_lines_of_text(received: bytes) -> str:
    """A command writes letters and line ends, no single control sequence."""
    text = received.decode("utf-8").replace("\r\n", "\n")
    assert STEERING.search(text) is None, repr(STEERING.search(text))
    assert {unicodedata.category(char) for char in text if char != "\n"}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert "Traceback" not in text
    return text


def borders(lines: list[str]) -> list[list[int]]:
    """Columns of the frames, line by line."""
    found = []
    for line in lines:
        wide = (2 if unicodedata.east_asian_width(char) == "W" else 1 for char in line)
        columns = [0, *accumulate(wide)]
        found.append([column for column, char in zip(columns, line, strict=False) if char in "│╭╮╰╯┌┐└┘├┤"])
    return found


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
    # The last character may still be on its way.
    text = codecs.getincrementaldecoder("utf-8")().decode(received)
    assert (
        re.search("[\x80-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]", text) is None
    )
    # Operating system commands of our own (the window's title, progress on the tab) hold plain letters.
    for command in re.findall("\x1b\\]([^\x07\x1b]*)", text):
        assert command.isprintable()
