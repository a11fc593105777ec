"""`service`: the queue as a unit of the user's systemd, which stays after logout and restarts after a crash."""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.front.durable import make_folder, write_whole
from pipelines.front.language import reason_of, tr
from pipelines.front.places import is_taken
from skyreels_tui.commands.jobs.run import hours
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser

UNIT = "skyreels-tui.service"
MARK = "# Written by skyreels-tui: `skyreels-tui service remove` takes it away again."
"""First line of a unit of ours; a file without it is a person's own."""
KEPT = (
    "PATH", "LANG", "SKYREELS_TUI_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "HF_HOME",
    "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "TRITON_CACHE_DIR",
)  # fmt: skip
"""Of the environment: where things lie. A user's manager starts with another one; no key or token is written down."""
STOP_S = 900
"""A step of the largest film takes minutes; what is stopped later goes on at its stored step."""
ASK_S = 60.0
"""How long one answer of systemctl may take; starting and stopping are asked for without waiting."""
SHOWN = ("LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "UnitFileState")


def configure(parser: Parser, _name: str) -> None:
    """Declare the actions of `service`."""
    add = parser.add_actions("install | status | remove")
    install = add("install", tr("write the unit and start it: jobs run without a window, also after a restart"))
    install.add_argument("--between", type=hours, metavar="22:00-07:00", help=tr("run jobs only in these hours"))
    status = add("status", tr("whether it runs (the default action)"))
    remove = add("remove", tr("stop it at the next step and take the unit away"))
    for one in (install, status, remove):
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("write JSON to stdout"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Install, show or remove the unit."""
    manager = Manager(unit_path(os.environ))
    match args.action:
        case "install":
            words = [sys.executable, "-m", "skyreels_tui", "run", "--stay", "--resume"]
            words += ["--between", str(args.between)] if args.between else []
            words += ["--result-dir", str(context.result_dir)] if args.result_dir else []
            manager.install(unit_text(words, os.environ))
        case "remove":
            manager.remove()
        case _:
            pass
    state = manager.state()
    if args.json:
        output.data({"unit": str(manager.path), **state})
    else:
        _say(manager, state)
    return Exit.OK


def unit_path(environ: Mapping[str, str]) -> Path:
    """Where the user's systemd looks for units of a person's own."""
    config = environ.get("XDG_CONFIG_HOME", "")
    above = Path(config) if config.startswith("/") else Path(environ.get("HOME", "~")).expanduser() / ".config"
    return above / "systemd" / "user" / UNIT


def unit_text(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the unit that runs a command line; raises CommandError where a word cannot stand in a unit."""
    kept = [f"Environment={unit_word(f'{name}={environ[name]}')}" for name in KEPT if environ.get(name)]
    return "\n".join(
        [
            MARK,
            "[Unit]",
            "Description=skyreels-tui: the queue without a window",
            "StartLimitIntervalSec=600",
            "StartLimitBurst=5",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={' '.join(map(unit_word, words))}",
            *kept,
            "Restart=on-failure",
            "RestartSec=10",
            "KillMode=mixed",
            f"TimeoutStopSec={STOP_S}",
            f"SuccessExitStatus={Exit.CANCELLED.value}",
            "",
            "[Install]",
            "WantedBy=default.target",
            "",
        ]
    )


def unit_word(word: str) -> str:
    """Return a word as systemd.syntax(7) reads it: one argument, no specifier, no variable."""
    if not word.isprintable():
        raise CommandError(tr("{word!r} cannot stand in a systemd unit", word=word))
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


class Manager:
    """The user's systemd, asked through systemctl without a shell."""

    def __init__(self, path: Path) -> None:
        """`path` is that of the unit."""
        self.path = path
        found = shutil.which("systemctl")
        if found is None:
            raise CommandError(
                tr("this machine has no systemd: run `skyreels-tui run --stay` in tmux instead"), Exit.NOT_FOUND
            )
        self._program = found

    def install(self, text: str) -> None:
        """Write the unit, enable and start it; a file of a person's own is left alone."""
        self._check_ours()
        try:
            make_folder(self.path.parent, private=False)
            write_whole(self.path, text.encode(), private=False)
        except OSError as error:
            raise CommandError(
                tr("{path} cannot be written: {reason}", path=self.path, reason=reason_of(error)), Exit.FAILED
            ) from error
        self._ask("daemon-reload")
        self._ask("enable", UNIT)
        # A service that runs already takes the new unit over, at its step edge.
        self._ask("--no-block", "restart", UNIT)

    def remove(self) -> None:
        """Stop and disable the unit and delete its file; nothing of it stays once its process has ended.

        Systemd forgets a unit without a file by itself as soon as it has ended. Told to read its units again before
        that, it would go by its defaults: kill a step after 90 seconds, and call an interrupted job's end a failure.
        """
        if not is_taken(self.path):
            raise CommandError(tr("no service is installed: {path} is not there", path=self.path), Exit.NOT_FOUND)
        self._check_ours()
        self._ask("disable", UNIT)
        if self.state().get("ActiveState") == "failed":
            self._ask("reset-failed", UNIT)
        self._ask("--no-block", "stop", UNIT)
        self.path.unlink()

    def state(self) -> dict[str, str]:
        """What the manager says of the unit, by property."""
        lines = self._ask("show", UNIT, "--property", ",".join(SHOWN)).splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines) if name in SHOWN}

    def lingers(self) -> bool | None:
        """Whether the user's services go on after logout; None where nobody says."""
        found = shutil.which("loginctl")
        if found is None:
            return None
        words = [found, "show-user", getpass.getuser(), "--property", "Linger"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=ASK_S, check=False)
        return {"Linger=yes": True, "Linger=no": False}.get(done.stdout.strip())

    def _check_ours(self) -> None:
        try:
            first = self.path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        except FileNotFoundError:
            return
        except OSError as error:
            raise CommandError(f"{self.path}: {reason_of(error)}", Exit.FAILED) from error
        if first != MARK:
            raise CommandError(
                tr("{path} is a unit of your own: move it away, then try again", path=self.path), Exit.BUSY
            )

    def _ask(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [self._program, "--user", *words],
                capture_output=True, text=True, errors="replace", timeout=ASK_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandError(tr("systemctl: {error}", error=error), Exit.FAILED) from error
        if done.returncode:
            said = done.stderr.strip() or tr("exit code {code}", code=done.returncode)
            raise CommandError(
                [
                    f"systemctl --user {' '.join(words)}: {said}",
                    tr("the user's systemd answers in a session of your own: log in by ssh, not through su or sudo"),
                ],
                Exit.FAILED,
            )
        return done.stdout


def _say(manager: Manager, state: Mapping[str, str]) -> None:
    if not is_taken(manager.path):
        output.line(tr("no service is installed"))
        if state.get("MainPID", "0") != "0":
            output.line(tr("process {pid} still runs and ends at its next step", pid=state["MainPID"]))
        return
    output.line(tr("service: {state}", state=f"{state.get('ActiveState', '?')} ({state.get('SubState', '?')})"))
    output.line(tr("unit: {path}", path=manager.path))
    if state.get("MainPID", "0") != "0":
        output.line(tr("process: {pid}, restarts: {count}", pid=state["MainPID"], count=state.get("NRestarts", "0")))
    output.line(tr("what it says: {command}", command=f"journalctl --user -u {UNIT}"))
    if manager.lingers() is False:
        output.line(
            tr(
                "it ends when you log out; to go on: {command}",
                command=f"loginctl enable-linger {getpass.getuser()}",
            )
        )
