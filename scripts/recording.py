"""Records the real app, as an animated SVG, a film of an evening: `make recording`.

The app runs in a pseudo-terminal under a home of its own and is driven by keys alone. Each picture is a screen as a
terminal emulator shows it; rows that several pictures share are stored once. Needs no script in the page that shows it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from itertools import groupby
from pathlib import Path

import pyte
from pyte.screens import Char

import pipelines.demo

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from terminal import Terminal

COLUMNS, ROWS = 120, 36
CELL_W, CELL_H, BASELINE = 8.4, 18, 13.5
MARGIN = 12
BACKGROUND, FOREGROUND = "#1a1b26", "#c0caf5"
NAMED = {"default": "", "brown": "#b58900"}
FOLDER = Path(__file__).parents[1] / "doc" / "screenshots"
SAMPLES = Path(pipelines.demo.__file__).parent / "samples"
WAIT_S = 300.0


@dataclass
class Film:
    """Pictures with the seconds they are shown; equal rows are kept once."""

    rows: dict[str, int] = field(default_factory=dict)
    pictures: list[tuple[float, list[int], str]] = field(default_factory=list)

    def take(self, screen: pyte.Screen, seconds: float, caption: str) -> None:
        """Keep what the screen shows now."""
        drawn = [_row([screen.buffer[row][column] for column in range(screen.columns)]) for row in range(screen.lines)]
        self.pictures.append((seconds, [self.rows.setdefault(row, len(self.rows)) for row in drawn], caption))

    def svg(self, title: str) -> str:
        """The film as one document that repeats for ever."""
        width = round(COLUMNS * CELL_W + 2 * MARGIN)
        height = round((ROWS + 1.5) * CELL_H + 2 * MARGIN)
        total = sum(seconds for seconds, _, _ in self.pictures)
        style = [
            "text{font:14px 'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}",
            f".p{{visibility:hidden;animation:{total:.2f}s step-end infinite}}",
        ]
        groups, began = [], 0.0
        for number, (seconds, rows, caption) in enumerate(self.pictures):
            start, end = 100 * began / total, 100 * (began + seconds) / total
            before = "0%{visibility:hidden}" if number else ""
            after = f"{end:.3f}%{{visibility:hidden}}" if number < len(self.pictures) - 1 else ""
            style.append(f"@keyframes k{number}{{{before}{start:.3f}%{{visibility:visible}}{after}}}")
            # Without animation (a printed page, a reader's wish) the last picture stands still.
            lines = "".join(f'<use href="#r{row}" y="{MARGIN + index * CELL_H}"/>' for index, row in enumerate(rows))
            words = f'<text x="{MARGIN}" y="{height - MARGIN}" fill="#7aa2f7">{escape(caption)}</text>'
            groups.append(f'<g class="p" style="animation-name:k{number}">{lines}{words}</g>')
            began += seconds
        last = len(self.pictures) - 1
        still = f".p{{animation:none}}.p:nth-of-type({last + 1}){{visibility:visible}}"
        style.append(f"@media (prefers-reduced-motion:reduce){{{still}}}")
        defs = "".join(f'<g id="r{number}">{row}</g>' for row, number in self.rows.items())
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
            f"<title>{escape(title)}</title><style>{''.join(style)}</style><defs>{defs}</defs>"
            f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>{"".join(groups)}</svg>\n'
        )


HALVES = {"▀": (0, 1), "▄": (1, 1), "█": (0, 2)}
"""Block characters -> (first, number) of the two half rows they fill: drawn as areas, which need no font."""


def _row(cells: list[Char]) -> str:
    """One row of the terminal: areas first, in units of half a cell, then runs of one style with their exact width."""
    halves: list[tuple[str, str]] = []
    words = []
    column = 0
    for (front, back, bold, half), run in groupby(cells, key=_look):
        text = "".join(cell.data for cell in run)
        wide = len(text)
        first, number = HALVES.get(half, (0, 0))
        upper, lower = (front if first <= part < first + number else back for part in (0, 1))
        halves += [(upper, lower)] * wide
        if not half and text.strip():
            weight = ' font-weight="bold"' if bold else ""
            words.append(
                f'<text x="{MARGIN + column * CELL_W:.1f}" y="{BASELINE}" fill="{front}"'
                f' textLength="{wide * CELL_W:.1f}" lengthAdjust="spacingAndGlyphs"{weight}>'
                f"{escape(text.replace(' ', chr(0xA0)))}</text>"
            )
        column += wide
    return _areas(halves) + "".join(words)


def _areas(halves: list[tuple[str, str]]) -> str:
    """The colours of the upper and lower halves of a row's cells: one path a colour."""
    shapes: dict[str, str] = {}
    column = 0
    for (upper, lower), run in groupby(halves):
        wide = len(list(run))
        parts = [(upper, 0, 2)] if upper == lower else [(upper, 0, 1), (lower, 1, 1)]
        for fill, first, number in parts:
            if fill != BACKGROUND:
                shapes[fill] = shapes.get(fill, "") + f"M{column} {first}h{wide}v{number}h-{wide}z"
        column += wide
    paths = "".join(f'<path fill="{fill}" d="{shape}"/>' for fill, shape in shapes.items())
    return f'<g transform="translate({MARGIN}) scale({CELL_W} {CELL_H / 2})">{paths}</g>' if paths else ""


def _look(cell: Char) -> tuple[str, str, bool, str]:
    return *_colours(cell), cell.bold, cell.data if cell.data in HALVES else ""


def _colours(cell: Char) -> tuple[str, str]:
    front, back = _hex(cell.fg) or FOREGROUND, _hex(cell.bg) or BACKGROUND
    return (back, front) if cell.reverse else (front, back)


def _hex(colour: str) -> str:
    if len(colour) == 6 and all(letter in "0123456789abcdefABCDEF" for letter in colour):
        return f"#{colour}"
    return NAMED.get(colour, colour)


class Session:
    """The app under recording: type, wait, take a picture."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environ = {
            **os.environ,
            "SKYREELS_TUI_HOME": str(home / "skyreels-tui"),
            "HOME": str(home),
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LC_ALL": "C.UTF-8",
        }
        for name in ("SSH_CONNECTION", "SSH_TTY", "TMUX"):
            self.environ.pop(name, None)
        self.command = [sys.executable, "-m", "skyreels_tui"]
        shutil.copy(SAMPLES / "astronaut.jpg", home)
        self.film = Film()

    def open(self, *words: str) -> None:
        """Start the app in a terminal that shows nothing yet."""
        command = [*self.command, *words, "--result-dir", str(self.home / "result")]
        self.terminal = Terminal(command, self.environ, columns=COLUMNS, rows=ROWS)
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self.screen)

    def close(self) -> None:
        """End the app."""
        self.terminal.close()

    def kill(self) -> None:
        """End the app as a power cut would."""
        os.kill(self.terminal.pid, signal.SIGKILL)
        self.terminal.close()

    def shell(self, *words: str) -> None:
        """Run a command beside the app."""
        subprocess.run([*self.command, *words], cwd=self.home, env=self.environ, check=True, stdout=subprocess.DEVNULL)

    def says(self, words: str) -> bool:
        """Whether the screen shows the words in one line."""
        return self.count(words) > 0

    def count(self, words: str) -> int:
        """How many lines of the screen show the words."""
        return sum(words in line for line in self.screen.display)

    def look(self, seconds: float = 0.3) -> None:
        """Take in what the app writes until it is quiet for a moment."""
        deadline = time.perf_counter() + 5
        while data := self.terminal.read(seconds):
            self._stream.feed(data)
            if time.perf_counter() > deadline:
                return

    def wait_for(self, words: str) -> None:
        """Look until the words are on the screen."""
        deadline = time.perf_counter() + WAIT_S
        while not self.says(words):
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{words!r} never came:\n" + "\n".join(self.screen.display))
            self._stream.feed(self.terminal.read(0.05))

    def type(self, keys: str) -> None:
        """Send keys and see what they do."""
        self.terminal.send(keys.encode())
        self.look()

    def take(self, seconds: float, caption: str) -> None:
        """Keep the screen as a picture of the film."""
        self.film.take(self.screen, seconds, caption)

    def take_change(self, seconds: float, caption: str) -> None:
        """Keep the screen unless it looks as it did."""
        self.film.take(self.screen, seconds, caption)
        if len(self.film.pictures) > 1 and self.film.pictures[-1] == self.film.pictures[-2]:
            self.film.pictures.pop()

    def follow(self, ends: Callable[[], bool], every_s: float, caption: str) -> None:
        """Take a picture of what changes until `ends`, a moment apart."""
        deadline = time.perf_counter() + WAIT_S
        while not ends():
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{caption}: no end\n" + "\n".join(self.screen.display))
            until = time.perf_counter() + every_s
            while time.perf_counter() < until and not ends():
                self.look(0.2)
            self.take_change(0.6, caption)


def scene(label: str, prompt: str, **fields: object) -> dict[str, object]:
    """One entry of the film's file, with the tiny built-in models."""
    about = {"label": label, "prompt": prompt, "profile": "demo", "resolution": "128P", "duration": 1}
    return {**about, "task_type": "reference_to_video", "ref_imgs": ["astronaut.jpg"], **fields}


EVENING = {
    "name": "evening",
    "project": "evening",
    "jobs": [
        scene("window", "An astronaut opens a window at dusk"),
        scene("cup", "The astronaut lifts a cup of coffee and smiles"),
        scene("door", "The astronaut walks to the door and turns around"),
    ],
}


def evening(session: Session) -> None:
    """Bring a film from a file, let it run, kill the app in the middle, go on, and join the film."""
    (session.home / "evening.json").write_text(json.dumps(EVENING), encoding="utf-8")
    session.shell("film", "import", "evening.json")
    session.open()
    try:
        session.wait_for("Nothing here yet")
        session.type("F")
        session.wait_for("Films  1 film")
        session.look(1.0)
        session.take(3.0, "skyreels-tui film import evening.json     F  the films")
        session.type("\r")
        session.wait_for("window")
        session.look(0.5)
        session.take(2.5, "Enter  the scenes of the film")
        session.type("r")
        session.look(1.0)
        session.take(2.0, "r  queue what is not done")
        session.type("\x1b")
        session.wait_for("Films  1 film")
        session.type("\x1b")
        session.wait_for("Queue")
        session.follow(lambda: session.count("✓ done  ") >= 1, 2.5, "the evening runs; every step is stored")
        session.follow(
            lambda: any(session.says(f" {step}/8") for step in (3, 4, 5, 6)),
            1.0,
            "the evening runs; every step is stored",
        )
        session.take(2.0, "kill -9 in the middle of a step …")
    finally:
        session.kill()
    session.open("--resume")
    try:
        session.wait_for("✓ done")
        session.look(1.0)
        session.take(3.0, "… skyreels-tui --resume  goes on at the stored step, and gives the same bytes")
        session.follow(
            lambda: session.count("✓ done  ") >= 3, 2.5, "close the terminal or lose the line: the queue is on disk"
        )
        session.type("F")
        session.wait_for("Films  1 film")
        session.look(1.0)
        session.type("\r")
        session.wait_for("window")
        session.look(1.0)
        session.take(2.5, "every scene has its take: choose others, move scenes, add voices")
        session.type("m")
        session.look(1.0)
        session.take(1.5, "m  make the film")
        session.type("\x1b")
        session.wait_for("Films  1 film")
        session.type("\x1b")
        session.wait_for("Queue")
        made = session.home / "result" / "evening" / "films"
        session.follow(lambda: any(made.glob("*.mp4")), 1.0, "joined as a job: pictures, voices, music, chapters")
        session.look(2.0)
        session.type("R")
        session.wait_for("Results")
        session.look(2.0)
        session.take(4.0, "R  the film, in result/evening/films/")
    finally:
        session.close()


FILMS = {
    "evening.svg": (evening, "skyreels-tui makes a film in an evening, with tiny demo models"),
}


def main() -> None:
    """Write the films: all, or those that are named."""
    for name in sys.argv[1:] or FILMS:
        record, title = FILMS[name]
        with tempfile.TemporaryDirectory() as home:
            session = Session(Path(home))
            record(session)
        target = FOLDER / name
        target.write_text(session.film.svg(title), encoding="utf-8")
        sys.stdout.write(f"{target}: {len(session.film.pictures)} pictures, {target.stat().st_size / 1e3:.0f} kB\n")


if __name__ == "__main__":
    main()
