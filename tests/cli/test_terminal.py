"""Hostile text on the bytes that a terminal receives: from the commands, and from the app with its home screen."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.media.ffmpeg import ffmpeg_path
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.service import QueueService
from tests.models_hub.conftest import FakeHub, Repo, hub, r2v_files  # noqa: F401 - fixture
from tests.terminal import (
    EVIL,
    LITERAL,
    LONG,
    ROOT,
    WAIT_S,
    Terminal,
    assert_lines_of_text,
    assert_no_foreign_sequence,
    borders,
)
from tests.ui.conftest import SAMPLES


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
            ["film"],
            ["film", "show", EVIL],
            ["film", "status", text],
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


def add_jobs(home: Path, picture: str, labels: tuple[str, ...], prompt: str) -> None:
    """Put jobs into a queue that nobody runs yet."""
    from pipelines.tasks.reference_to_video import ReferenceToVideo

    service = QueueService(find_folders({"SKYREELS_TUI_HOME": str(home)}), home / "r", lambda event: None)
    request = ReferenceToVideo(prompt=prompt, ref_imgs=(picture,), resolution="128P", profile="demo")
    for label in labels:
        service.actions.add(request, label=label)
    service.close()


# The other screens

UNNAMED = re.compile(r"[\x00/]")


def _folder(parent: Path, name: str) -> Path:
    """Make a folder of that name, cut to what a file system takes."""
    folder = parent / os.fsdecode(os.fsencode(UNNAMED.sub("", name))[:120])
    folder.mkdir(parents=True)
    return folder


def put_videos(results: Path, label: str, prompt: str, name: bytes) -> None:
    """Three videos: with a recipe beside it, with words inside it, and one that is broken; all of one moment."""
    folder = results / "talking_avatar"
    folder.mkdir(parents=True)
    recipe = {"recipe": 1, "task": "talking_avatar", "label": label, "output": {"suspect": prompt},
              "request": {"prompt": prompt, "seed": label, "resolution": prompt, "profile": "demo"}}  # fmt: skip
    beside = folder / os.fsdecode(b"1" + name + b".mp4")
    shutil.copy(SAMPLES / "clip.mp4", beside)
    beside.with_suffix(".json").write_text(json.dumps(recipe))
    inside = folder / "2.mp4"
    tags = ["-metadata", f"title={UNNAMED.sub('', label)}", "-metadata", f"comment={json.dumps(recipe)}"]
    command = [ffmpeg_path(), "-v", "error", "-i", beside, "-c", "copy", *tags, inside]
    subprocess.run(command, check=True, timeout=60)
    (folder / os.fsdecode(b"3" + name + b".mp4")).write_bytes((SAMPLES / "clip.mp4").read_bytes()[:4000])
    for path in folder.iterdir():
        moment = time.time() - 600 - ord(path.name[0])
        os.utime(path, (moment, moment))


SCREENS = (
    ("R", "Results", "frames"), ("jj", "Results", "No settings are known"), ("q", "1 Queue", "? Help"),
    ("M", "Models", "transformer"), ("q", "1 Queue", "? Help"), ("D", "Doctor", "disk: results"),
    ("q", "1 Queue", "? Help"), ("S", "Settings", "Hook command"),
)  # fmt: skip
"""Keys, a word of the screen they open, and one that stands there once its work is done."""
SHOWN_LITERALLY = {0: LITERAL[:20], 1: "[31mA", 3: "PWNED\\x9c", 5: "[31mA", 7: LITERAL[:20]}
"""Place in SCREENS -> what of the hostile text stands there as it is."""


def test_results_models_settings_and_doctor_send_no_foreign_sequence(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File names, recipes, tags inside an mp4, ffmpeg's words, folders, settings, TERM and PATH, all hostile."""
    text = EVIL.replace("🇧🇷", "")
    seen: list[list[list[str]]] = []
    for words, name in (("plain words", b"name"), (text, b"\xff\xfe" + UNNAMED.sub("", text).encode()[:150])):
        own = _folder(tmp_path, words)
        put_videos(own / "r", words, words + LONG, name)
        config = own / "config"
        config.mkdir()
        strange = json.dumps(words.replace("\x7f", ""), ensure_ascii=False)
        address = json.dumps(f"http://{words}".replace("\x7f", ""), ensure_ascii=False)
        (config / "settings.toml").write_text(
            f"hook = {strange}\nwebhook = {address}\nwhat = 1\n[models]\nr2v = {strange}\n"
        )
        monkeypatch.setenv("HF_HOME", str(own / "hf"))
        monkeypatch.setenv("PATH", f"{own}:{os.environ['PATH']}")
        name_of_terminal = {"TERM_PROGRAM": UNNAMED.sub("", words)}
        terminal = Terminal([["--result-dir", str(own / "r")]], home=own, environ=name_of_terminal)
        shown = []
        with contextlib.closing(terminal):
            terminal.wait_for("Queue", "? Help")
            for place, (keys, *wanted) in enumerate(SCREENS):
                terminal.press(keys)
                terminal.wait_for(
                    *wanted, *([SHOWN_LITERALLY[place]] if words is text and place in SHOWN_LITERALLY else [])
                )
                shown.append(terminal.settled())
        assert_no_foreign_sequence(terminal.received)
        seen.append(shown)
    for before, after, (_, screen, _word) in zip(*seen, SCREENS, strict=True):
        assert borders(after)[1:4] == borders(before)[1:4], screen + "\n" + "\n".join(after)
        assert after[-1] == before[-1], screen
    for place, literal in SHOWN_LITERALLY.items():
        assert literal in "".join(seen[1][place]), SCREENS[place][1]


def test_what_is_copied_of_a_hostile_name_is_harmless_text(tmp_path: Path, home: Path) -> None:
    put_videos(tmp_path / "r", "label", "prompt", b"\xff\x1b]0;PWNED\x07\n\xe2\x80\xae")
    terminal = Terminal([["--result-dir", str(tmp_path / "r")]], home=home)
    with contextlib.closing(terminal):
        terminal.wait_for("Queue", "? Help")
        terminal.press("R")
        terminal.wait_for("frames")
        for key in "yY":
            terminal.press(key)
            terminal.wait_for("Sent to the terminal")
            terminal.settled()
    copied = [base64.b64decode(data).decode() for data in re.findall(rb"\x1b\]52;c;([^\x07\x1b]*)", terminal.received)]
    assert len(copied) == 2 and all(text.isprintable() for text in copied)
    assert copied[0].endswith("\\xff\\x1b]0;PWNED\\x07\\n\\xe2\\x80\\xae.mp4'") and copied[1].startswith("scp $'")


def test_a_failed_job_s_error_traceback_and_log_are_harmless(home: Path, tmp_path: Path, evil_picture: str) -> None:
    add_jobs(home, evil_picture, ("label",), "words")
    terminal = Terminal([["--result-dir", str(tmp_path / "r")]], error=f"ffmpeg said {EVIL}{LONG}", home=home)
    with contextlib.closing(terminal):
        terminal.wait_for("failed")
        terminal.press("\r")
        terminal.wait_for("Job 1", "ffmpeg said " + LITERAL[:10])
        terminal.press("t")
        # The keys come back when it has been said; of a frame that is half drawn both stand there.
        terminal.wait_for("no traceback")
        terminal.wait_gone("no traceback")
        terminal.wait_for("? Help")
        lines = terminal.settled()
    assert_no_foreign_sequence(terminal.received)
    assert len(lines) == 30 and "? Help" in lines[-1]


def test_a_hub_s_refusals_and_file_names_are_harmless_in_the_app(
    tmp_path: Path,
    home: Path,
    hub: FakeHub,  # noqa: F811
) -> None:
    hub.headers = {"X-HF-Warning": "topic; \x1b]0;PWNED\x07\x1b[2J\u00ff", "X-Error-Message": "\x1b[31mA"}
    name = f"vae/{UNNAMED.sub('', EVIL)}.safetensors"
    terminal = Terminal([["--result-dir", str(tmp_path / "r")]], home=home)
    with contextlib.closing(terminal):
        terminal.wait_for("Queue", "? Help")
        terminal.press("M")
        terminal.wait_for("transformer", "w Fetch")
        terminal.press("w")
        terminal.wait_for("404")
        for repo_id in CHECKPOINTS["r2v"].repo_ids:
            hub.repos[repo_id] = Repo({**r2v_files(1000), name: b"x"})
        terminal.press("\r")
        terminal.wait_for("vae", "Esc Back")
        terminal.settled()
        terminal.press("q")
        terminal.wait_for("w Fetch")
        terminal.press("w")
        terminal.wait_for("is it a hub?")
        lines = terminal.settled()
    assert_no_foreign_sequence(terminal.received)
    assert len(lines) == 30


# Without colours

LOOKS = {0, 1, 2, 3, 4, 7, 9, 21, 22, 23, 24, 27, 29}
"""Bold, dim, italic, underline, reverse, strike and their ends: all that is no colour."""


def looks(received: bytes) -> set[int]:
    """Every number of every sequence that changes how letters look."""
    found = re.findall(rb"\x1b\[([\d;:]*)m", received)
    return {int(number or 0) for numbers in found for number in re.split(rb"[;:]", numbers)}


def test_no_color_sends_no_colour_and_focus_is_reversed(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    (home / "config").mkdir(parents=True)
    # The terminal's own colours take other ways through the program.
    (home / "config" / "settings.toml").write_text('theme = "sixteen"\n')
    add_jobs(home, str(SAMPLES / "coffee.jpg"), ("first", "second"), "words")
    results = tmp_path / "r" / "talking_avatar"
    results.mkdir(parents=True)
    shutil.copy(SAMPLES / "clip.mp4", results / "film-7.mp4")
    terminal = Terminal([["--result-dir", str(tmp_path / "r")]], gated=True, home=home)

    def until(*reverse: str, not_reverse: str = "\0") -> None:
        deadline = time.monotonic() + WAIT_S
        while not (all(word in "".join(terminal.reversed) for word in reverse)
                   and not_reverse not in "".join(terminal.reversed)):  # fmt: skip
            seen = "\n".join([*terminal.lines, *terminal.reversed])
            assert time.monotonic() < deadline and terminal.read_some(0.2), seen

    with contextlib.closing(terminal):
        terminal.wait_for("first", "second", "? Help")
        until("1 Queue", "first", not_reverse="second")
        terminal.press("j")
        until("second", not_reverse="first")
        terminal.press("\t")
        # The folded line about the running job has the focus, and the cursor of the list is a mark alone.
        until("first", not_reverse="second")
        terminal.press("n")
        terminal.wait_for("Prompt", "Resolution")
        until("ath or http address")
        terminal.press("\t")
        until(not_reverse="ath or http address")
        terminal.press("hello")
        until("hello")
        terminal.press("\x1b[D")
        # The letter under the cursor stands out of the reversed line.
        until("hell", not_reverse="hello")
        terminal.press("\t")
        until("540P")
        terminal.press("\x1b")
        terminal.wait_for("second")
        terminal.press("R")
        terminal.wait_for("frames")
        until("film-7")
        terminal.press("\x10")
        terminal.wait_for("Search for commands", "Help (?)")
        terminal.press("\x1b[B")
        until("Back (Esc)")
        terminal.settled()
    assert looks(terminal.received) <= LOOKS


def test_an_empty_no_color_asks_for_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")
    terminal = Terminal([[]], home=home)
    with contextlib.closing(terminal):
        terminal.wait_for("Queue", "? Help")
        triples = set(re.findall(rb"[34]8;2;(\d+);(\d+);(\d+)", terminal.received))
    assert any(len({red, green, blue}) > 1 for red, green, blue in triples), "not even grey"
