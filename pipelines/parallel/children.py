"""Followers that are processes of this host, and end with the one that has started them."""

from __future__ import annotations

import importlib
import multiprocessing.connection as mpc
import os
import signal
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from pipelines.front.followers import Meeting
from pipelines.front.language import tr
from pipelines.parallel.following import follow_leader
from pipelines.parallel.processes import start_context

START_S = 180.0
"""A process that reads its libraries for the first time may take so long."""
ANSWER_S = 5.0
"""A process that does not say within this that it is there counts as frozen, once a call has failed."""


class Children:
    """`Followers` on this host."""

    def __init__(self, size: int, device: str, quiet_s: float) -> None:
        """Start them, each on a device of its own."""
        # A name that only this user can reach.
        self._folder = tempfile.TemporaryDirectory(prefix="skyreels-gang-")
        self._meeting = Meeting(f"file://{Path(self._folder.name) / 'meeting'}")
        context = start_context(device)
        context.set_forkserver_preload(["pipelines.parallel.crew"])
        self.processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        self._bells: list[Connection] = []
        self._asking, self._frozen = threading.Lock(), -1
        for rank in range(1, size):
            here, there = context.Pipe()
            bell, answers = context.Pipe()
            told = rank, size, self._meeting.address, f"{device}:{rank}" if device == "cuda" else device, quiet_s
            process = context.Process(target=_follow, args=(*told, there, answers), daemon=True)
            process.start()
            there.close()
            answers.close()
            self.processes.append(process)
            self._pipes.append(here)
            self._bells.append(bell)

    def begin(self) -> Meeting:
        """Reading the libraries may take longer than any message."""
        until = time.monotonic() + START_S
        for pipe in self._pipes:
            if not pipe.poll(max(0.0, until - time.monotonic())):
                raise TimeoutError
            pipe.recv_bytes()
        return self._meeting

    def post(self, letter: bytes) -> None:
        for pipe in self._pipes:
            pipe.send_bytes(letter)

    def wait(self) -> None:
        mpc.wait([process.sentinel for process in self.processes])
        # Before it ends with the others: it may be the one for which the first has given up.
        self._silent()
        for process in self.processes:
            process.kill()

    def lost(self, timeout_s: float) -> tuple[int, str] | None:
        ended = mpc.wait([process.sentinel for process in self.processes], timeout_s)
        # The others fail because of it.
        if silent := self._silent():
            return silent, tr("it does not answer")
        for rank, (process, pipe) in enumerate(zip(self.processes, self._pipes, strict=True), start=1):
            if process.sentinel in ended:
                reason = tr("its process ended")
                with suppress(EOFError, OSError):
                    if pipe.poll():
                        reason = pipe.recv_bytes().decode()
                return rank, reason
        return None

    def _silent(self) -> int:
        """The first that lives and does not answer, 0 when there is none; looked for once, when a call has failed."""
        with self._asking:
            if self._frozen < 0:
                self._frozen = self._ask()
            return self._frozen

    def _ask(self) -> int:
        asked = {}
        for rank, (process, bell) in enumerate(zip(self.processes, self._bells, strict=True), start=1):
            with suppress(OSError):
                bell.send_bytes(b"there?")
                asked[rank] = process.sentinel, bell
        until = time.monotonic() + ANSWER_S
        for rank, waits in asked.items():
            if not mpc.wait(waits, max(0.0, until - time.monotonic())):
                return rank
        return 0

    @property
    def is_whole(self) -> bool:
        return all(process.is_alive() for process in self.processes)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        # Who watches may be asking just now, through these; later there is nobody to ask.
        with self._asking:
            self._frozen = max(self._frozen, 0)
            for pipe in (*self._pipes, *self._bells):
                pipe.close()
        self._folder.cleanup()


def _follow(
    rank: int, size: int, address: str, device: str, quiet_s: float, pipe: Connection, bell: Connection
) -> None:
    """A child's whole life."""
    # The leader decides when a job stops, not the terminal that both were started from; nor does a rank write there.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    threading.Thread(target=_answer, args=(bell,), name="bell", daemon=True).start()
    try:
        # What letters will name: a rank that reads its libraries for them only then would count as silent.
        importlib.import_module("pipelines.parallel.crew")
        pipe.send_bytes(b"here")
        follow_leader(rank, size, address, device, quiet_s, pipe.recv_bytes)
    except Exception as error:
        with suppress(OSError):
            pipe.send_bytes(f"{type(error).__name__}: {error}"[:500].encode())
        raise
    finally:
        # Nothing is worth waiting for: a message that nobody answers must not hold the process.
        os._exit(1)


def _answer(bell: Connection) -> None:
    """Say that this process is there, whenever it is asked."""
    with suppress(EOFError, OSError):
        while True:
            bell.send_bytes(bell.recv_bytes())
