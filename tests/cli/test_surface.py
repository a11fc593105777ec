"""The command line around the queue: help, import cost, completion, settings, results, panels, the app's door."""

from __future__ import annotations

import json
import os
import pty
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import skyreels_tui
from skyreels_tui.commands import COMMANDS
from skyreels_tui.ui.panels import PANELS
from tests.cli.conftest import Call

Cli = Callable[..., Call]
HEAVY = ("torch", "diffusers", "transformers", "textual", "numpy", "PIL", "sqlite3")


def modules_after(*argv: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after one command."""
    code = (
        "import sys; from skyreels_tui.cli import main; main(sys.argv[1:]);"
        "print('\\n' + ' '.join({name.split('.')[0] for name in sys.modules}))"
    )
    root = Path(skyreels_tui.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, *argv], capture_output=True, text=True, check=True, timeout=60, cwd=root
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy(home: Path) -> None:
    assert modules_after("--help") & set(HEAVY) == set()


@pytest.mark.parametrize("words", [("models", "list"), ("add", "--help"), ("settings",)])
def test_other_commands_load_no_torch(home: Path, words: tuple[str, ...]) -> None:
    assert modules_after(*words) & {"torch", "diffusers", "transformers", "textual"} == set()


def test_queue_commands_load_neither_torch_nor_textual(home: Path) -> None:
    loaded = modules_after("list")
    assert "sqlite3" in loaded
    assert loaded & {"torch", "diffusers", "transformers", "textual"} == set()


def test_help_names_every_command_and_exit_code(cli: Cli) -> None:
    call = cli("--help")
    assert call.code == 0
    for command in COMMANDS:
        assert f"\n  {command.name} " in call.out
    assert "\n  2  refused input" in call.out


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_command_has_help(cli: Cli, name: str) -> None:
    call = cli(name, "--help")
    assert (call.code, call.err) == (0, "")
    assert call.out.startswith(f"usage: skyreels-tui {name}")


def test_version(cli: Cli) -> None:
    from skyreels_tui import __version__
    from skyreels_tui.files.installed import commit

    known = f" ({commit()})" if commit() else ""
    assert cli("--version").out == f"skyreels-tui {__version__}{known}\n"


def test_both_spellings_of_an_option(cli: Cli) -> None:
    text = cli("generate", "--help").out
    for name in ("ref_imgs", "input_video", "input_image", "input_audio", "low_vram", "model_id", "task_type"):
        assert f"--{name}" in text
        assert f"--{name.replace('_', '-')}" in text


def test_the_app_without_a_terminal_says_what_to_do(cli: Cli) -> None:
    call = cli()
    assert (call.code, call.out) == (2, "")
    assert "needs a terminal" in call.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_asks_the_program(cli: Cli, shell: str) -> None:
    text = cli("completion", shell).out
    assert "skyreels-tui" in text and "_ARGCOMPLETE" in text


def offered_for(line: str, home: Path, folder: Path) -> dict[str, str]:
    """What the program tells a shell that asks, each with what it means."""
    environ = {
        **os.environ, "SKYREELS_TUI_HOME": str(home), "COMP_LINE": line, "COMP_POINT": str(len(line.encode())),
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_DFS": "\t", "COMP_TYPE": "9",
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
    }  # fmt: skip
    words = ["bash", "-c", 'exec "$@" 8>&1 9>/dev/null 1>/dev/null', "bash", sys.executable, "-m", "skyreels_tui"]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=True, timeout=60)
    pairs = (entry.partition("\t") for entry in done.stdout.split("\n") if entry)
    return {name.rstrip(): words for name, _, words in pairs}


def test_tab_knows_commands_options_and_values(cli: Cli, home: Path, picture: Path, tmp_path: Path) -> None:
    def offered(line: str) -> dict[str, str]:
        return offered_for(line, home, tmp_path)

    assert offered("skyreels-tui hold ") == {} and not home.exists(), "Tab makes no queue"
    for name in ("one", "two"):
        cli("add", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x", "--label", name, "--batch", "film")
    assert set(offered("skyreels-tui ")) == {command.name for command in COMMANDS}
    assert set(offered("skyreels-tui mo")) == {"move", "models"}
    assert {"--ref_imgs", "--ref-imgs"} == set(offered("skyreels-tui add --ref"))
    assert {"--result-dir", "--resolution"} <= set(offered("skyreels-tui add --res"))
    assert offered("skyreels-tui hold ") == {"1": "one (queued)", "2": "two (queued)"}
    assert set(offered("skyreels-tui hold 1 ")) == {"1", "2"}
    assert set(offered("skyreels-tui finalize ")) == {"film"}
    assert {"r2v", "v2v", "a2v", "talking_avatar"} <= set(offered("skyreels-tui models download "))
    assert set(offered("skyreels-tui models ver")) == {"verify"}
    assert set(offered("skyreels-tui settings set hang")) == {"hang_up"}
    assert set(offered("skyreels-tui settings set hang_up ")) == {"finish_queue", "finish_job", "stop"}
    assert set(offered("skyreels-tui settings set bell ")) == {"true", "false"}
    assert "talking_avatar" in offered("skyreels-tui add --task_type ")
    assert {"540P", "720P"} <= set(offered("skyreels-tui add --resolution "))
    assert set(offered("skyreels-tui add --profile ")) == {"full", "demo"}
    assert set(offered("skyreels-tui completion ")) == {"bash", "zsh", "fish"}
    (tmp_path / "only.json").touch()
    assert set(offered("skyreels-tui import onl")) == {"only.json"}
    (home / "state" / "queue.db").write_bytes(b"no queue" * 500)
    assert offered("skyreels-tui hold ") == {}


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program under its name, as an installation puts it."""
    program = tmp_path / "bin" / "skyreels-tui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m skyreels_tui "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(Path(skyreels_tui.__file__).parents[1]))


def test_bash_completion_works_in_bash(cli: Cli, tmp_path: Path, on_path: None) -> None:
    script = tmp_path / "completion"
    script.write_text(cli("completion", "bash").out)
    program = f"""
        source {shlex.quote(str(script))}
        complete -p skyreels-tui > /dev/null || exit 1
        ask() {{
            COMP_LINE="$*" COMP_TYPE=9
            COMP_POINT=${{#COMP_LINE}} COMP_WORDS=($COMP_LINE)
            _python_argcomplete skyreels-tui "${{COMP_WORDS[-1]}}" ""
            echo "${{COMPREPLY[@]%% }}"
        }}
        ask skyreels-tui generate --see
        ask skyreels-tui can
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["--seed", "cancel"], done.stderr


def in_zsh(folder: Path, setup: str, line: str) -> str:
    """What Tab makes of a line that is typed into zsh."""
    end, inside = pty.openpty()
    environ = {**os.environ, "TERM": "dumb", "HOME": str(folder), "ZDOTDIR": str(folder)}
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=folder, stdin=inside, stdout=inside, stderr=inside, env=environ, start_new_session=True
    )
    os.close(inside)
    os.write(end, f"autoload -Uz compinit; {setup}; print RE''ADY\n".encode())
    said, deadline, asked = b"", time.monotonic() + 30, False
    try:
        while b"THE END" not in said:
            assert time.monotonic() < deadline, said
            if select.select([end], [], [], 0.1)[0]:
                said += os.read(end, 1 << 16)
            if b"READY" in said and not asked:
                # Ctrl+A and Ctrl+E put the completed line between quotes, and zsh prints it.
                os.write(end, f"{line}\t\x01print -r -- '<\x05>' THE E''ND\n".encode())
                said, asked = b"", True
    finally:
        shell.kill()
        shell.wait()
        os.close(end)
    return said.decode().rpartition("<")[2].partition(">")[0].strip()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("setup", ["fpath=($PWD $fpath); compinit -u -D", "compinit -u -D; source ./_skyreels_tui"])
def test_zsh_completion_works_in_zsh(cli: Cli, tmp_path: Path, setup: str, picture: Path, on_path: None) -> None:
    """Found in $fpath, where the help says to put it, and sourced."""
    (tmp_path / "_skyreels_tui").write_text(cli("completion", "zsh").out)
    assert in_zsh(tmp_path, setup, "skyreels-tui mode") == "skyreels-tui models"
    assert in_zsh(tmp_path, setup, "skyreels-tui add --ref_") == "skyreels-tui add --ref_imgs"
    cli("add", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    assert in_zsh(tmp_path, setup, "skyreels-tui hold ") == "skyreels-tui hold 1"
    (tmp_path / "only.json").touch()
    assert in_zsh(tmp_path, setup, "skyreels-tui import onl") == "skyreels-tui import only.json"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completion_works_in_fish(cli: Cli, tmp_path: Path, picture: Path, on_path: None) -> None:
    (tmp_path / "skyreels-tui.fish").write_text(cli("completion", "fish").out)
    (tmp_path / "only.json").touch()

    def offered(line: str) -> list[str]:
        words = ["fish", "--no-config", "-c", f"source skyreels-tui.fish; complete -C '{line}'"]
        environ = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True, timeout=30)
        return [entry.partition("\t")[0] for entry in done.stdout.splitlines()]

    assert offered("skyreels-tui mode") == ["models"]
    cli("add", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    assert offered("skyreels-tui hold ") == ["1"]
    assert offered("skyreels-tui add --ref_") == ["--ref_imgs"]
    assert offered("skyreels-tui import onl") == ["only.json"]


def test_settings_round_trip_keeps_comments(cli: Cli, home: Path) -> None:
    path = Path(cli("settings", "path").out.strip())
    path.parent.mkdir(parents=True)
    path.write_text('# my machine\ntheme = "day"  # at night\nunheard_of = 1\n')
    call = cli("settings", "set", "memory_floor_gib", "12")
    assert call.code == 0
    assert "unknown setting 'unheard_of'" in call.err
    assert path.read_text() == ('# my machine\ntheme = "day"  # at night\nunheard_of = 1\nmemory_floor_gib = 12.0\n')
    assert cli("settings", "get", "memory_floor_gib").out == "12.0\n"
    assert cli("settings", "--json").data["theme"] == "day"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("memory_floor_gib", "lots"), "'lots' is not a number"),
        (("hang_up", "panic"), "'panic' is not offered"),
        (("ascii", "perhaps"), "must be yes or no"),
        (("colour", "red"), "no setting 'colour'"),
        (("defaults.reference_to_video.duration", "99"), "99 s is outside 1 to 60"),
        (("defaults.nothing.duration", "9"), "no task 'nothing'"),
        (("theme", "dusk"), "'dusk' is not offered: choose night, "),
        (("language", "tlh"), "'tlh' is not offered: choose"),
        (("preview", "3d"), "'3d' is not offered: choose auto, cells"),
        (("memory_floor_gib", "nan"), "is outside 0 to 64"),
        (("models.r9v", "/tmp"), "no family 'r9v': choose r2v, "),
        (("webhook", "example.org"), "must begin with http:// or https://"),
    ],
)
def test_settings_refuse_in_words(cli: Cli, words: tuple[str, str], message: str) -> None:
    call = cli("settings", "set", *words)
    assert (call.code, call.out) == (2, "")
    assert message in call.err


def test_a_broken_settings_file_is_named_and_kept(cli: Cli) -> None:
    path = Path(cli("settings", "path").out.strip())
    path.parent.mkdir(parents=True)
    path.write_text("theme = [")
    assert "left alone" in cli("list").err
    refused = cli("settings", "set", "theme", "day")
    assert refused.code == 2
    assert path.read_text() == "theme = ["


def test_defaults_of_a_task_are_used_and_options_win(cli: Cli, picture: Path) -> None:
    cli("settings", "set", "defaults.reference_to_video.duration", "3")
    words = ("--ref_imgs", picture, "--prompt", "x", "--profile", "demo")
    cli("add", *words)
    cli("add", *words, "--duration", "7")
    durations = [row["request"]["duration"] for row in cli("list", "--json").data]
    assert durations == [3, 7]


def test_result_dir_from_settings(cli: Cli, picture: Path, tmp_path: Path) -> None:
    cli("settings", "set", "result_dir", tmp_path / "videos")
    call = cli("generate", "--ref_imgs", picture, "--prompt", "x", "--profile", "demo")
    assert Path(call.out.strip()).is_relative_to(tmp_path / "videos")


def test_results_lists_files_and_recipes_newest_first(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "videos" / "talking_avatar"
    folder.mkdir(parents=True)
    for index, stem in enumerate(("old", "new")):
        (folder / f"{stem}.mp4").write_bytes(b"x" * 10)
        os.utime(folder / f"{stem}.mp4", (1000 + index, 1000 + index))
    (folder / "new.json").write_text(json.dumps({"label": "L", "request": {"prompt": "p"}}))
    (folder / "old.json").write_text("{broken")
    (folder / "half.part.mp4").write_bytes(b"x")
    call = cli("results", "--json", "--result-dir", tmp_path / "videos")
    assert [Path(row["output"]).name for row in call.data] == ["new.mp4", "old.mp4"]
    assert (call.data[0]["label"], call.data[0]["request"]) == ("L", {"prompt": "p"})
    assert call.data[0]["task_type"] == "talking_avatar"
    assert cli("results", "--result-dir", tmp_path / "none").code == 0


@pytest.mark.parametrize(
    ("zone", "shown"), [("UTC0", "1970-01-01 23:30"), ("WEST3", "1970-01-01 20:30"), ("EAST-5:30", "1970-01-02 05:00")]
)
def test_results_are_told_in_local_time(cli: Cli, tmp_path: Path, zone: str, shown: str, monkeypatch) -> None:
    video = tmp_path / "videos" / "talking_avatar" / "a.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"x")
    os.utime(video, (84600, 84600))
    with monkeypatch.context() as there:
        there.setenv("TZ", zone)
        time.tzset()
        told = cli("results", "--result-dir", tmp_path / "videos").out
    time.tzset()
    assert shown in told
    assert cli("results", "--json", "--result-dir", tmp_path / "videos").data[0]["finished_at"].endswith("+00:00")


def test_panel_refuses_an_unknown_name(cli: Cli) -> None:
    call = cli("panel", "weather")
    assert (call.code, call.out) == (2, "")
    assert "memory" in call.err


def test_panel_names_are_those_there_are(cli: Cli) -> None:
    assert ", ".join(panel.name for panel in PANELS) in cli("panel", "--help").out


def test_serve_stays_on_this_machine_unless_told(cli: Cli) -> None:
    call = cli("serve", "--host", "0.0.0.0")
    assert (call.code, call.out) == (2, "")
    assert "--public" in call.err
    assert cli("serve", "--port", "99999").code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "0.0.0.0", "--public"), "plain text"),
        (("--host", "::", "--public"), "--yes"),
        (("--cert", "x.pem"), "--key"),
        (("--key", "x.pem"), "--cert"),
        (("--cert", "none.pem", "--key", "none.pem"), "none.pem"),
    ],
)
def test_serve_asks_before_it_speaks_in_plain_text(cli: Cli, words: tuple[str, ...], told: str) -> None:
    """Nobody sits at the terminal here, so nobody says yes."""
    call = cli("serve", *words)
    assert (call.code, call.out) == (2, "") and told in call.err
