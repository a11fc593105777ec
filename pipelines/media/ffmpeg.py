"""Finds ffmpeg and runs it: no shell, no network, bounded time, memory and output, errors in words."""

from __future__ import annotations

import os
import re
import resource
import select
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Self

import ffmpeg

from pipelines.front.errors import MediaError
from pipelines.front.language import reason_of, tr
from pipelines.media.files import plain_end, plain_line
from pipelines.media.starving import process_shares, thread_shares

DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,wav,w64,aiff,mp3,flac,aac,amr,"
    "caf,au,gif,ivf,h264,hevc,m4v,mxf,nut,rm,dv,wv,ape,tta,ac3,eac3,dts,yuv4mpegpipe"
)
"""Formats of single files: play lists, devices, text art and picture sequences are left out."""
MAX_PIXELS = 8192 * 8192
"""The largest frame a decoder may allocate."""
MEMORY_BYTES = 8 << 30
"""Address space of a process that reads a file we did not write."""
_STORED = {0xDC80 + byte: 0x10DC80 + byte for byte in range(128)}
"""Bytes of a name that is not UTF-8, as private letters: ffmpeg-python hashes names, and can hash text only."""
_GIVEN = {private: byte for byte, private in _STORED.items()}
POLL_S = 0.2
"""How often whoever waits for a process is asked whether it is still wanted."""
PATIENCE = 10.0
"""How many times its limit a process may take where others keep the processors from it."""
PROCESSORS = 2
"""How many processors' time of its limit a process has had when nothing more is added for what it did not get."""
SHORTEST_S = 0.05
"""What is left of a limit and shorter than this is not waited for."""
_STDERR_HEAD, _STDERR_TAIL = 65536, 65536


@dataclass(frozen=True, slots=True)
class Traits:
    """What the ffmpeg at hand can do."""

    path: Path
    libavutil: int
    has_soxr: bool
    has_zscale: bool = True
    version: str = ""

    @property
    def keep_frames(self) -> dict[str, Any]:
        """Output options that neither drop nor repeat a frame; the option's name changed with ffmpeg 5.1."""
        return {"fps_mode" if self.libavutil >= 58 else "vsync": "passthrough"}

    def counts_in(self, ticks: int) -> dict[str, Any]:
        """Output options of an MP4 whose chapters are counted in so many ticks a second.

        From ffmpeg 5 on it is the least multiple of what all tracks count in unless told: with subtitles, which count
        microseconds, a chapter of eleven seconds leaves 31 bits. Before it was always 1000.
        """
        return {"movie_timescale": ticks} if self.libavutil >= 57 else {}


def ffmpeg_path() -> Path:
    """Return the ffmpeg that is used; MediaError when none works."""
    return traits().path


@lru_cache(maxsize=1)
def traits() -> Traits:
    """Choose the ffmpeg of this process: that of imageio-ffmpeg, so that every machine reads the same input alike.

    The system's is taken where that one does not run, and only if it can read and write files of ours.
    """
    reasons = []
    for path, is_ours in _candidates():
        found, reason = _traits_of(path)
        if found and not is_ours:
            with tempfile.TemporaryDirectory(prefix=".skyreels-tui-") as folder:
                reason = trouble_in(Path(folder), found.path)
        if found and not reason:
            return found
        reasons.append(f"{path}: {reason}")
    raise MediaError(
        tr(
            "no ffmpeg that works found: install the Python package imageio-ffmpeg ({reasons})",
            reasons=plain_line("; ".join(reasons), limit=4096) or "-",
        )
    )


def trouble_in(folder: Path, program: Path | None = None) -> str:
    """Return '' when an ffmpeg (the chosen one by default) can read and write films in `folder`, else why not.

    One from a snap, a flatpak or under a security profile may run and yet see other folders than we do.
    """
    program = program or ffmpeg_path()
    with tempfile.TemporaryDirectory(prefix=".try-", dir=folder) as place:
        given, made = Path(place, "given.ppm"), Path(place, "made.mp4")
        given.write_bytes(b"P6 32 32 255\n" + bytes(32 * 32 * 3))
        read = ["-f", "image2pipe", "-c:v", "ppm", "-i", file_argument(given)]
        words = [
            str(program),
            "-v",
            "error",
            "-nostdin",
            *read,
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            file_argument(made),
        ]
        try:
            done = subprocess.run(words, capture_output=True, timeout=20, stdin=subprocess.DEVNULL, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            return reason_of(error) if isinstance(error, OSError) else str(error)
        if done.returncode:
            return failure(done.stderr.decode("utf-8", "replace"))
        return "" if made.exists() and made.stat().st_size else tr("it wrote no file that others can see")


def _traits_of(path: str) -> tuple[Traits | None, str]:
    """Ask an ffmpeg what it can do; None and a reason when it cannot serve."""
    try:
        asked = subprocess.run(
            [path, "-hide_banner", "-version"], capture_output=True, timeout=20, stdin=subprocess.DEVNULL, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return None, reason_of(error) if isinstance(error, OSError) else str(error)
    banner = asked.stdout.decode("utf-8", "replace")
    number = re.match(r"ffmpeg version (\S+)", banner)
    libavutil = re.search(r"libavutil\s+(\d+)\.", banner)
    if number is None or libavutil is None:
        return None, tr("it has no version")
    if "--enable-libx264" not in banner:
        return None, tr("built without libx264")
    return Traits(
        Path(path),
        int(libavutil.group(1)),
        has_soxr="--enable-libsoxr" in banner,
        has_zscale="--enable-libzimg" in banner,
        version=number.group(1),
    ), ""


def _candidates() -> list[tuple[str, bool]]:
    """Return the programs to try, in order, and whether each came with this installation."""
    found = []
    # Importing imageio_ffmpeg looks for its binary; only done when it is needed.
    import imageio_ffmpeg

    with suppress(RuntimeError):
        # Without a binary of its own the package names the system's.
        program = imageio_ffmpeg.get_ffmpeg_exe()
        found.append((program, program != "ffmpeg"))
    if system := shutil.which("ffmpeg"):
        found.append((system, False))
    return found


def source(path: Path, **options: Any) -> Any:
    """Return the ffmpeg-python input of one untrusted file: known formats, local files and bounded frames only."""
    return ffmpeg.input(
        file_url(path),
        protocol_whitelist="file,pipe",
        format_whitelist=DEMUXERS,
        max_pixels=MAX_PIXELS,
        threads=4,
        **options,
    )


def file_url(path: Path) -> str:
    """Name a file so that neither a leading '-' nor a ':' in it means anything to ffmpeg."""
    return file_argument(path).translate(_STORED)


def file_argument(path: Path) -> str:
    """Return the argument that names a file to ffmpeg."""
    return f"file:{path.absolute()}"


class Process:
    """One running ffmpeg; killed at its time limit, its messages kept (the first and the last ones).

    The time in which it or whoever reads from it stands ready and gets no processor does not count, up to `PATIENCE`.
    """

    def __init__(
        self,
        args: Sequence[str],
        *,
        time_limit_s: float,
        feed: bool = False,
        memory_bytes: int | None = MEMORY_BYTES,
        folder: Path | None = None,
    ) -> None:
        command = [str(ffmpeg_path()), "-hide_banner", "-nostdin", "-nostats", *args]
        try:
            # Its own session: Ctrl-C in the terminal must not reach an encoder whose file is nearly whole.
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if feed else subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                start_new_session=True,
                # What is fed frames writes a piece, which waits in a private folder; a person's file is joined from it.
                umask=0o077 if feed else -1,
            )
        except OSError as error:
            raise MediaError(tr("ffmpeg cannot be started: {reason}", reason=reason_of(error))) from error
        if memory_bytes is not None:
            with suppress(OSError, ValueError):
                resource.prlimit(self._child.pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        self._head, self._tail = bytearray(), bytearray()
        self._listener = threading.Thread(target=self._listen, name="ffmpeg-messages", daemon=True)
        self._listener.start()
        self.timed_out = False
        self._limit_s, self._began_s = time_limit_s, time.monotonic()
        self._reader = threading.get_native_id()
        self._starved_before_s = thread_shares(self._reader).starved_s
        self._expire_in(time_limit_s)

    @property
    def stdin(self) -> IO[bytes]:
        """Where a fed process reads from."""
        assert self._child.stdin is not None
        return self._child.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """What a process that is not fed writes."""
        assert self._child.stdout is not None
        return self._child.stdout

    @property
    def messages(self) -> str:
        """What ffmpeg said so far; the middle of a very long text is left out."""
        return (bytes(self._head) + bytes(self._tail)).decode("utf-8", "replace")

    def wait(self) -> int:
        """Wait for the end and return the exit status; `messages` is complete afterwards."""
        status = self._child.wait()
        self._timer.cancel()
        self._listener.join()
        return status

    def kill(self) -> None:
        """End the process at once; safe at any time."""
        self._child.kill()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _expire_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True
        self._timer.start()

    def _expire(self) -> None:
        if self._child.returncode is not None:
            return
        child, reader = process_shares(self._child.pid), thread_shares(self._reader)
        starved_s = child.starved_s + reader.starved_s - self._starved_before_s
        # Threads of one process also keep each other waiting: what has had this much is no victim of others.
        if child.ran_s > PROCESSORS * self._limit_s:
            starved_s = 0.0
        allowed_s = min(self._limit_s + max(0.0, starved_s), PATIENCE * self._limit_s)
        left_s = self._began_s + allowed_s - time.monotonic()
        if left_s > SHORTEST_S:
            self._expire_in(left_s)
            return
        self.timed_out = True
        self._child.kill()

    def _listen(self) -> None:
        assert self._child.stderr is not None
        with self._child.stderr as pipe:
            while chunk := os.read(pipe.fileno(), 8192):
                room = _STDERR_HEAD - len(self._head)
                self._head += chunk[:room]
                self._tail = (self._tail + chunk[room:])[-_STDERR_TAIL:] if room < len(chunk) else self._tail


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished ffmpeg left behind."""

    status: int
    stdout: bytes
    messages: str
    timed_out: bool
    """Killed at the time limit or because it wrote more than was allowed."""


def run(
    stream: Any,
    *,
    what: str = "ffmpeg",
    time_limit_s: float = 60.0,
    max_bytes: int = 64 << 20,
    check: bool = True,
    trusted: bool = False,
    folder: Path | None = None,
    poll: Callable[[], None] | None = None,
) -> Finished:
    """Run an ffmpeg-python output (or plain arguments) to its end.

    With `check` a failure raises MediaError that begins with `what`. `trusted` lifts the memory limit, for work
    on files that we wrote ourselves; `folder` is where relative names begin. `poll` is called a few times a second
    and may raise to end the work.
    """
    memory_bytes = None if trusted else MEMORY_BYTES
    process = Process(arguments(stream), time_limit_s=time_limit_s, memory_bytes=memory_bytes, folder=folder)
    with process:
        out = process.stdout.read(max_bytes + 1) if poll is None else _read(process, max_bytes + 1, poll)
        if len(out) > max_bytes:
            process.kill()
            process.timed_out = True
        status = process.wait()
    done = Finished(status, out, process.messages, process.timed_out)
    if check and (status != 0 or done.timed_out):
        raise MediaError(f"{what}: {failure(done.messages, timed_out=done.timed_out)}")
    return done


def _read(process: Process, most: int, poll: Callable[[], None]) -> bytes:
    """Read what a process writes, and ask between."""
    out = bytearray()
    while len(out) < most:
        poll()
        if select.select([process.stdout], [], [], POLL_S)[0]:
            if not (part := os.read(process.stdout.fileno(), min(1 << 20, most - len(out)))):
                break
            out += part
    return bytes(out)


def arguments(stream: Any) -> list[str]:
    """Compile an ffmpeg-python stream to arguments, without the program's name."""
    if isinstance(stream, list):
        return [str(part) for part in stream]
    compiled: list[str] = ffmpeg.compile(stream, cmd="ffmpeg", overwrite_output=True)
    return [part.translate(_GIVEN) for part in compiled[1:]]


def failure(messages: str, timed_out: bool = False) -> str:
    """Say in one short line why ffmpeg failed, from its own last words."""
    if timed_out:
        return tr("ffmpeg needed too long or too much")
    skip = (
        *("Error opening", "Error parsing", "Error closing", "Failed to set", "Conversion failed", "Exiting"),
        *(
            "Last message",
            "To ignore",
            "Codec AVOption",
            "Task finished",
            "Terminating thread",
            "video:",
            "frame=",
            "size=",
        ),
    )
    lines = [re.sub(r"^(\[[^\]]* @ 0x[0-9a-f]+\] ?)+", "", line).strip() for line in messages.splitlines()]
    spoken = [line for line in lines if line and not line.startswith(skip)]
    return plain_end(spoken[-1]) if spoken else tr("ffmpeg failed without a word")
