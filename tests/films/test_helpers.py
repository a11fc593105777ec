"""Voice and picture commands: what works, and everything that such a program may do wrong."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.media.read.probe import probe_audio
from skyreels_tui.films.helpers import HelperFailed, HelperLimits, run_helper
from tests.cli.conftest import Call
from tests.films.conftest import SAMPLES
from tests.films.test_import import scene, written

Cli = Callable[..., Call]

SPEAKS = """
import pathlib, shutil, sys
out, voice = sys.argv[1:3]
text = sys.stdin.read()
shutil.copy({sample!r}, out)
pathlib.Path({note!r}).open("a").write(f"{{voice}}|{{text}}\\n")
"""


def program(path: Path, body: str) -> str:
    """A command line that runs this Python."""
    path.write_text(body)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(path))}"


@pytest.fixture
def speaks(tmp_path: Path) -> str:
    body = SPEAKS.format(sample=str(SAMPLES / "voice.mp3"), note=str(tmp_path / "said"))
    return f"{program(tmp_path / 'speaks.py', body)} {{out}} {{voice}}"


def test_words_become_narrations(cli: Cli, project: Path, speaks: str, tmp_path: Path) -> None:
    entries = [
        scene(label="a", audio_text="Era uma vez; $(touch x)\n{out}", voice_id="v7"),
        scene(label="b"),
        scene(label="c", audio_text="has one", input_audio="audio/one.mp3"),
    ]
    cli("film", "import", written(project, {"name": "ep", "project": "show", "jobs": entries}))
    assert cli("film", "voice", "ep").code == 2, "off until it is set up"
    cli("settings", "set", "voice_command", speaks)
    call = cli("film", "voice", "ep")
    assert call.code == 0, call.err
    [made] = call.out.splitlines()
    assert Path(made).parent.parts[-2:] == ("show", "voices") and probe_audio(made).duration_s > 0
    assert (tmp_path / "said").read_text() == "v7|Era uma vez; $(touch x)\n{out}\n"
    scenes = cli("film", "show", "ep", "--json").data["scenes"]
    assert [one["narration"] for one in scenes] == [made, "", str(project / "audio" / "one.mp3")]
    assert cli("film", "voice", "ep").out == "", "once is enough"
    assert len(cli("film", "voice", "ep", "--anew", "--scenes", "a").out.splitlines()) == 1


def test_a_list_in_the_settings_file_is_a_command_too(cli: Cli, home: Path, speaks: str, project: Path) -> None:
    cli("film", "import", written(project, [scene(audio_text="x")]))
    file = Path(cli("settings", "path").out.strip())
    file.parent.mkdir(parents=True, exist_ok=True)
    words = ", ".join(f"'{word}'" for word in shlex.split(speaks))
    file.write_text(f"voice_command = [{words}]\n")
    assert cli("film", "voice", "ep01").code == 0


def test_a_picture_command_draws_a_reference(cli: Cli, project: Path, tmp_path: Path) -> None:
    draws = program(
        tmp_path / "draws.py", f"import shutil, sys; shutil.copy({str(project / 'ref/hero.png')!r}, sys.argv[1])"
    )
    entries = [scene(label="a", ref_imgs=["ref/none.png"], image_prompt="a hero"), scene(label="b", image_prompt="x")]
    cli("film", "import", written(project, entries))
    cli("settings", "set", "picture_command", f"{draws} {{out}} {{text}}")
    call = cli("film", "picture", "ep01", "--anew", "--scenes", "a")
    assert call.code == 0, call.err
    first = cli("film", "show", "ep01", "--json").data["scenes"][0]
    assert first["request"]["ref_imgs"] == [call.out.strip()]
    assert len(cli("film", "run", "ep01").out.splitlines()) == 2


BAD = {
    "hangs": ("import time; time.sleep(600)", "longer than"),
    "hangs with children": (
        "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "time.sleep(600)",
        "longer than",
    ),
    "fails": ("import sys; sys.stderr.write('no such \\x1b[31mvoice\\n'); sys.exit(3)", "ended with 3"),
    "is killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with -9"),
    "garbage": ("import sys; open(sys.argv[1], 'wb').write(b'no sound' * 99)", "cannot be used"),
    "empty": ("import sys; open(sys.argv[1], 'wb')", "wrote nothing"),
    "nothing": ("pass", "wrote nothing"),
    "a folder": ("import os, sys; os.mkdir(sys.argv[1])", "wrote nothing"),
    "a link to elsewhere": ("import os, sys; os.symlink('/etc/passwd', sys.argv[1])", "cannot be used"),
    "10 GB": (
        "import sys\nwith open(sys.argv[1], 'wb') as f:\n    for _ in range(10 << 10): f.write(b'x' * (1 << 20))",
        "more than",
    ),
    "10 GB of words": (
        "import sys\nfor _ in range(10 << 10): sys.stderr.write('x' * (1 << 20))",
        "more than",
    ),
    "many files": (
        "import sys\nfor n in range(10 << 10): open(f'{n}.bin', 'wb').write(b'x' * (1 << 20))",
        "more than",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_command_says_so_within_its_limits(tmp_path: Path, kind: str) -> None:
    body, words = BAD[kind]
    command = f"{program(tmp_path / 'bad.py', body)} {{out}}"
    folder = tmp_path / "voices"
    limit_s = 1.0 if "hangs" in kind else 60.0
    began = time.monotonic()
    with pytest.raises(HelperFailed) as caught:
        run_helper(command, {}, "hello", folder / "a.wav", probe_audio, limits=HelperLimits(limit_s, 8 << 20))
    assert words in str(caught.value) and "\x1b" not in str(caught.value)
    assert time.monotonic() - began < 60
    assert list(folder.iterdir()) == [], "nothing of it stays"


@pytest.mark.parametrize("command", ["/no/such/program {out}", "unclosed 'quote", "   ", "{text} {out}"])
def test_what_cannot_be_started_is_said(tmp_path: Path, command: str) -> None:
    with pytest.raises(HelperFailed):
        run_helper(command, {"voice": "v"}, "rm -rf x; y", tmp_path / "a.wav", probe_audio)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_voice_is_said_at_its_scene_and_the_others_go_on(cli: Cli, project: Path, tmp_path: Path) -> None:
    body = "import shutil, sys\nif 'bad' in sys.stdin.read(): sys.exit('no voice')\n"
    body += f"shutil.copy({str(SAMPLES / 'voice.mp3')!r}, sys.argv[1])"
    cli("settings", "set", "voice_command", f"{program(tmp_path / 'v.py', body)} {{out}}")
    cli(
        "film",
        "import",
        written(project, [scene(label=one, audio_text=f"{one} words") for one in ("ok", "bad", "too")]),
    )
    call = cli("film", "voice", "ep01")
    assert call.code == 1 and len(call.out.splitlines()) == 2
    assert "scene 2 (bad): it ended with 1: no voice" in call.err
    scenes = cli("film", "show", "ep01", "--json").data["scenes"]
    assert [bool(one["narration"]) for one in scenes] == [True, False, True]
    assert scenes[1]["trouble"] == "it ended with 1: no voice"
    assert len(cli("film", "run", "ep01").out.splitlines()) == 3


def test_a_text_as_an_argument_stays_one_argument(tmp_path: Path) -> None:
    body = f"import json, shutil, sys\nopen({str(tmp_path / 'seen')!r}, 'w').write(sys.argv[2])\n"
    body += f"shutil.copy({str(SAMPLES / 'voice.mp3')!r}, sys.argv[1])"
    text = "--flag 'x' $(id) {out} {voice} ; é"
    run_helper(
        f"{program(tmp_path / 'p.py', body)} {{out}} {{text}}", {"voice": "v"}, text, tmp_path / "a.wav", probe_audio
    )
    assert (tmp_path / "seen").read_text() == text


def test_a_command_without_a_place_writes_to_its_output(tmp_path: Path) -> None:
    body = f"import sys; sys.stdout.buffer.write(open({str(SAMPLES / 'voice.mp3')!r}, 'rb').read())"
    taken = tmp_path / "a.wav"
    taken.write_bytes(b"somebody's")
    made = run_helper(program(tmp_path / "p.py", body), {}, "x", taken, probe_audio)
    assert made != taken and taken.read_bytes() == b"somebody's" and probe_audio(made).duration_s > 0
