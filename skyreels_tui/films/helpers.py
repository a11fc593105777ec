"""Runs a person's voice or picture command: no shell, bounded in time and bytes, and what it made is looked at."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipelines.front.durable import make_folder, put_new
from pipelines.front.errors import MediaError, PipelineError
from pipelines.front.language import reason_of, tr
from pipelines.media.files import plain_end
from skyreels_tui.films import guard
from skyreels_tui.words.sizes import size

_LOOK_S = 0.05
_BENCH = ".helper-"
_NAMES = re.compile(r"\{(\w+)\}")
_SAID_BYTES = 2000
"""Of its last words that are read."""


@dataclass(frozen=True, slots=True)
class HelperLimits:
    """What a command may take."""

    seconds: float = 300.0
    num_bytes: int = 512 << 20
    """A minute of raw sound is 12 MiB, a large picture 100."""


LIMITS = HelperLimits()


class HelperFailed(PipelineError):
    """The command gave nothing that can be used; the message says why."""


class HelperStopped(Exception):
    """The program ends: nothing was made, and nothing is wrong with the command."""


def run_helper(
    command: str,
    values: Mapping[str, str],
    text: str,
    target: Path,
    look: Callable[[Path], object],
    *,
    limits: HelperLimits = LIMITS,
    hidden: Collection[str] = (),
    stopped: Callable[[], bool] = lambda: False,
) -> Path:
    """Run a command that makes `target` (or a free name beside it) from `text`; returns the file.

    Each '{name}' of `values`, '{text}' and '{out}' in its arguments is filled in; without '{out}' its output is the
    file, and `text` is its input. `look` opens what it made and raises MediaError. `hidden` are variables
    of the environment that it does not see. `stopped` is asked meanwhile. Raises HelperFailed, or HelperStopped.
    """
    make_folder(target.parent, private=False)
    _sweep(target.parent)
    bench = Path(tempfile.mkdtemp(prefix=_BENCH, dir=target.parent))
    try:
        made = bench / f"out{target.suffix}"
        words = _arguments(command, {**values, "text": text, "out": str(made)})
        environ = {name: value for name, value in os.environ.items() if name not in hidden}
        _run(words, text, made, bench, limits, environ, stopped)
        if not made.is_file() or not made.stat().st_size:
            raise HelperFailed(tr("it wrote nothing{words}", words=_last_words(bench)))
        try:
            look(made)
        except MediaError as error:
            raise HelperFailed(tr("what it wrote cannot be used: {error}", error=error)) from error
        return put_new(made, target)
    except OSError as error:
        raise HelperFailed(tr("its file cannot be kept: {reason}", reason=reason_of(error))) from error
    finally:
        shutil.rmtree(bench, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what runs have left that were killed; a run that goes on is younger."""
    for left in folder.glob(f"{_BENCH}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 2 * LIMITS.seconds:
                shutil.rmtree(left, ignore_errors=True)


def _arguments(command: str, values: Mapping[str, str]) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise HelperFailed(tr("the command cannot be read: {error}", error=error)) from error
    if not words:
        raise HelperFailed(tr("no command is set"))
    if any("\0" in value for value in values.values()):
        raise HelperFailed(tr("the text holds a zero byte"))
    # Word by word, after the split, and once: a text can never become an argument of its own, or a name in it a path.
    return [_NAMES.sub(lambda name: values.get(name[1], name[0]), word) for word in words]


def _run(
    words: list[str],
    text: str,
    made: Path,
    bench: Path,
    limits: HelperLimits,
    environ: Mapping[str, str],
    stopped: Callable[[], bool],
) -> None:
    given, said = bench / "given.txt", bench / "said.txt"
    given.write_text(text, encoding="utf-8", errors="replace")
    to_output = not any(str(made) in word for word in words)
    with (
        given.open("rb") as source,
        said.open("wb") as errors,
        (made if to_output else Path(os.devnull)).open("wb") as out,
    ):
        child = _start(words, source, out, errors, bench, limits, environ)
        try:
            _wait(child, bench, limits, stopped)
        finally:
            # Whatever it has started goes with it.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode:
        code = child.returncode
        if code == -signal.SIGXFSZ or _written(bench) >= limits.num_bytes:
            raise HelperFailed(tr("it wrote more than {limit}", limit=size(limits.num_bytes)))
        raise HelperFailed(tr("it ended with {code}{words}", code=code, words=_last_words(bench)))


def _start(
    words: list[str],
    source: BinaryIO,
    out: BinaryIO,
    errors: BinaryIO,
    bench: Path,
    limits: HelperLimits,
    environ: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    """Start the command under a guard that ends it when this program is killed."""
    reading, writing = os.pipe()
    guarded = [sys.executable, "-I", "-S", guard.__file__, str(os.getpid()), str(writing), str(limits.num_bytes)]
    with os.fdopen(reading, "rb") as reason:
        try:
            child = subprocess.Popen(
                [*guarded, *words],
                stdin=source,
                stdout=out,
                stderr=errors,
                cwd=bench,
                env=environ,
                start_new_session=True,
                pass_fds=[writing],
            )
        except (OSError, ValueError) as error:
            words_of = reason_of(error) if isinstance(error, OSError) else str(error)
            raise HelperFailed(tr("it cannot be started: {reason}", reason=words_of)) from error
        finally:
            os.close(writing)
        # Closed once the command runs.
        number = reason.read()
    if number:
        child.wait()
        why = reason_of(OSError(int(number), os.strerror(int(number))))
        raise HelperFailed(tr("it cannot be started: {reason}", reason=why))
    return child


def _wait(child: subprocess.Popen[bytes], bench: Path, limits: HelperLimits, stopped: Callable[[], bool]) -> None:
    until = time.monotonic() + limits.seconds
    while child.poll() is None:
        if stopped():
            raise HelperStopped
        if time.monotonic() > until:
            raise HelperFailed(tr("it took longer than {seconds:g} s", seconds=limits.seconds))
        if _written(bench) > limits.num_bytes:
            raise HelperFailed(tr("it wrote more than {limit}", limit=size(limits.num_bytes)))
        with suppress(subprocess.TimeoutExpired):
            child.wait(_LOOK_S)


def _written(bench: Path) -> int:
    total = 0
    for folder, _, names in os.walk(bench):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - names may be any bytes
    return total


def _last_words(bench: Path) -> str:
    """': ' and the end of what it said, or ''."""
    said = bench / "said.txt"
    with suppress(OSError), said.open("rb") as file:
        file.seek(max(0, said.stat().st_size - _SAID_BYTES))
        lines = file.read(_SAID_BYTES).decode("utf-8", "replace").strip().splitlines()
        return f": {plain_end(lines[-1])}" if lines else ""
    return ""
