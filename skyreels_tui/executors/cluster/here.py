"""Workers that are processes of this machine: one a GPU, or a chosen number on a CPU; nothing is to be started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from skyreels_tui.executors.cluster.calls import Helper, answer_calls
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.cluster.opening import open_desk
from skyreels_tui.queue.engine.workforce import Worker

HOST = ""
"""All of them are here: their names say no host."""
START_S = 120.0
"""A process that imports torch for the first time may take so long to answer."""


class Here:
    """A site on this machine."""

    def __init__(
        self,
        gpus: Sequence[str],
        options: DeskOptions,
        *,
        cpu_workers: int = 0,
        kind_of: Callable[[str], str] = lambda _gpu: "",
    ) -> None:
        """`gpus` are the identities that CUDA_VISIBLE_DEVICES takes; without one there are `cpu_workers`.

        `kind_of` names the GPU of such an identity.
        """
        self._options = options
        self._devices = {Worker(f"gpu {index}", HOST, kind=kind_of(gpu)): gpu for index, gpu in enumerate(gpus)} or {
            Worker(f"cpu {index}", HOST, has_gpu=False): "" for index in range(cpu_workers)
        }

    def begin(self, changed: Callable[[], None]) -> None:
        """They do not change."""

    def workers(self) -> Sequence[Worker]:
        """One a GPU."""
        return tuple(self._devices)

    def trouble(self) -> str:
        """Nothing."""
        return ""

    def open(self, team: Sequence[Worker]) -> LocalLine:
        """Start a process that sees the team's GPUs alone."""
        environ = dict(os.environ)
        gpus = [self._devices[worker] for worker in team]
        environ["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        name = " + ".join(worker.name for worker in team)
        args = [str(self._options.lease_s), str(int(self._options.keep_warm)), self._options.language]
        return LocalLine(Helper(__spec__.name if __spec__ else __name__, args, environ, name), self._options.lease_s)

    def close(self) -> None:
        """The lines are closed before."""


class LocalLine:
    """A line to a process of this machine."""

    def __init__(self, process: Helper, lease_s: float) -> None:
        self._process, self._lease_s = process, lease_s

    def call(self, method: str, *args: object, **options: object) -> Any:
        return self._process.call(method, *args, timeout_s=max(self._lease_s, START_S), **options)

    @property
    def pid(self) -> int:
        """Of the worker's process."""
        return self._process.pid

    def close(self) -> None:
        self._process.kill()


def main(arguments: Sequence[str]) -> None:
    """Serve one desk to the process that has started this one, and end with it."""
    lease_s, keep_warm, language, descriptor = arguments
    pipe = Connection(int(descriptor))
    desk = open_desk(DeskOptions(keep_warm == "1", language, float(lease_s)))
    answer_calls(pipe, desk)
    with suppress(OSError):
        desk.forget()
    # Nothing is worth waiting for: a job that nobody listens to must not hold the process.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
