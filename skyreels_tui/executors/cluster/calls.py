"""Calls of an object in another process over one pipe, many at a time; knows nothing of what is called.

Both ends are processes of this user that one has started: what goes through is pickled.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from pipelines.front.boundary import boundary
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from skyreels_tui.queue.engine.workforce import CannotHere, WorkerLost

_KINDS = {kind.__name__: kind for kind in (WorkerLost, CannotHere, PipelineError)}
MOST_AT_ONCE = 64


class Helper:
    """A helper process that serves an object; ends with its last reference to the pipe, or with `kill`."""

    def __init__(self, module: str, args: Sequence[str], environ: dict[str, str], name: str) -> None:
        """Start `python -m module args FD`; `name` stands in messages."""
        self._pipe, theirs = Pipe()
        self._name = name
        self._lock, self._number = threading.Lock(), 0
        self._waiting: dict[int, Future[Any]] = {}
        self._over = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *args, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A Ctrl+C at the terminal is for the program, which stops its jobs in order.
            start_new_session=True,
        )
        theirs.close()
        self._reader = threading.Thread(target=self._read, name=f"pipe of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the helper."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it answers no more."""
        return self._over

    def call(self, method: str, *args: object, timeout_s: float | None = None, **options: object) -> Any:
        """Call a method there and return what it gives. Raises WorkerLost when it has ended or does not answer."""
        future: Future[Any] = Future()
        with self._lock:
            if self._over:
                raise WorkerLost(_ended(self._name))
            self._number += 1
            number = self._number
            self._waiting[number] = future
            try:
                self._pipe.send((number, method, args, options))
            except OSError as error:
                raise WorkerLost(_ended(self._name)) from error
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            raise WorkerLost(_silent(self._name, timeout_s or 0.0)) from error
        finally:
            self._waiting.pop(number, None)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        try:
            with suppress(EOFError, OSError):
                while True:
                    number, kind, value = self._pipe.recv()
                    future = self._waiting.get(number)
                    if future is not None:
                        if kind == "":
                            future.set_result(value)
                        else:
                            future.set_exception(_KINDS.get(kind, PipelineError)(value))
        finally:
            # Whatever has ended the reading: nobody waits for what nobody reads.
            with self._lock:
                self._over = True
            for future in list(self._waiting.values()):
                if not future.done():
                    future.set_exception(WorkerLost(_ended(self._name)))
            self._pipe.close()
        self._process.wait()


def answer_calls(pipe: Connection, target: object) -> None:
    """Answer calls until the other end has gone; each on a thread of its own."""
    sending = threading.Lock()

    def answer(number: int, method: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        with boundary() as tried:
            told: tuple[int, str, Any] = number, "", getattr(target, method)(*args, **options)
        if tried.error is not None:
            kind = next((name for name, one in _KINDS.items() if type(tried.error) is one), "PipelineError")
            told = number, kind, tried.words
        with sending, suppress(OSError):
            pipe.send(told)

    pool = ThreadPoolExecutor(MOST_AT_ONCE)
    with suppress(EOFError, OSError):
        while True:
            number, method, args, options = pipe.recv()
            if not method.startswith("_"):
                pool.submit(answer, number, method, args, options)
    pool.shutdown(wait=False, cancel_futures=True)


def _ended(name: str) -> str:
    return tr("{worker} has ended", worker=name)


def _silent(name: str, seconds: float) -> str:
    return tr("{worker} has not answered for {seconds:.0f} s", worker=name, seconds=seconds)
