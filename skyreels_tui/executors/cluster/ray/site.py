"""Workers of a Ray cluster: which machines are there, whether they may be used, and a line to each desk."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from skyreels_tui import __version__
from skyreels_tui.executors.cluster.calls import Helper
from skyreels_tui.executors.cluster.line import DeskLine, DeskOptions
from skyreels_tui.executors.cluster.ray.actors import START_S
from skyreels_tui.executors.cluster.ray.nodes import Node, cluster_refusal, workers_of
from skyreels_tui.queue.engine.workforce import Worker, WorkerLost

LOOK_S = 2.0
JOIN_S = 60.0
ANSWER_S = 60.0
TOKEN_FILE = "cluster.token"
"""In the folder of the settings: what machines of one cluster show each other."""
INSTALL = "pip install 'skyreels-tui[cluster]'"


def ray_is_missing() -> str:
    """'' when Ray is installed here, else what installs it, in words."""
    if importlib.util.find_spec("ray") is not None:
        return ""
    return tr("a cluster needs Ray, which is not installed: {command}", command=INSTALL)


def ray_environ(token_file: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of every process of a cluster that we start; a person's own token counts before ours."""
    environ = dict(environ)
    if "RAY_AUTH_MODE" not in environ and token_file.exists():
        environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token_file)}
    return environ | {
        # It would end workers at 95 % of a memory that GPU and CPU share; each worker watches its own.
        "RAY_memory_monitor_refresh_ms": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }


class RaySite:
    """A site whose desks are actors; a process of its own speaks with Ray."""

    def __init__(
        self,
        address: str,
        options: DeskOptions,
        environ: Mapping[str, str],
        *,
        look_s: float = LOOK_S,
        answer_s: float = ANSWER_S,
        version: str = __version__,
    ) -> None:
        """`address` is host:port of the cluster's head; without an answer within `answer_s` it counts as gone.

        Machines with another `version` of the program run nothing.
        """
        self._address, self._options, self._environ = address, options, dict(environ)
        self._look_s, self._answer_s, self._version = look_s, answer_s, version
        self._driver: Helper | None = None
        self._nodes: dict[Worker, Node] = {}
        self._trouble = tr("joins the cluster at {address}", address=address)
        self._closed = threading.Event()
        self._changed: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._main, name="cluster", daemon=True)

    def begin(self, changed: Callable[[], None]) -> None:
        """Begin to look on a thread of its own: joining takes seconds."""
        self._changed = changed
        self._thread.start()

    def workers(self) -> Sequence[Worker]:
        """One an accelerator."""
        return tuple(self._nodes)

    def trouble(self) -> str:
        """Why the cluster cannot be used."""
        return self._trouble

    def open(self, team: Sequence[Worker]) -> DeskLine:
        """Start an actor on the machine of the team's first."""
        places, driver = self._nodes, self._driver
        name = " + ".join(worker.name for worker in team)
        if driver is None or not all(worker in places for worker in team):
            raise WorkerLost(tr("{worker} has gone", worker=name))
        nodes = [places[worker] for worker in team]
        number = int(driver.call("open", nodes, self._options, self._version, timeout_s=2 * START_S))
        return _ActorLine(driver, number, name, self._options.lease_s)

    def close(self) -> None:
        """Leave the cluster."""
        self._closed.set()
        # A question that is under way ends with it.
        self._end_driver()
        if self._thread.ident is not None:
            self._thread.join()
        self._end_driver()

    def _end_driver(self) -> None:
        driver, self._driver = self._driver, None
        if driver is not None:
            driver.kill()

    def _main(self) -> None:
        while not self._closed.is_set():
            try:
                nodes, trouble = self._look(), ""
                trouble = cluster_refusal(nodes, self._environ)
            except PipelineError as error:
                nodes, trouble = [], str(error)
                self._end_driver()
            workers = {} if trouble else workers_of(nodes)
            if (workers, trouble) != (self._nodes, self._trouble):
                self._nodes, self._trouble = workers, trouble
                self._changed()
            self._closed.wait(self._look_s)

    def _look(self) -> list[Node]:
        if why := ray_is_missing():
            raise PipelineError(why)
        driver = self._driver
        if driver is None or driver.is_over:
            driver = Helper("skyreels_tui.executors.cluster.ray.driver", [], self._environ, tr("the cluster"))
            self._driver = driver
            if self._closed.is_set():
                return []
            driver.call("join", self._address, self._options.language, timeout_s=JOIN_S)
        nodes: list[Node] = driver.call("nodes", timeout_s=self._answer_s)
        return nodes


class _ActorLine:
    """A line to an actor."""

    def __init__(self, driver: Helper, number: int, name: str, lease_s: float) -> None:
        self._driver, self._number, self._name, self._lease_s = driver, number, name, lease_s
        self._answered = False

    def call(self, method: str, *args: object, **options: object) -> Any:
        limit_s = self._lease_s if self._answered else max(self._lease_s, START_S)
        if method == "admit":
            # Imports torch, or writes the demo's weights.
            limit_s = max(limit_s, START_S)
        try:
            value = self._driver.call("call", self._number, method, args, options, limit_s)
        except WorkerLost as error:
            raise WorkerLost(f"{self._name}: {error}") from error
        self._answered = True
        return value

    def close(self) -> None:
        try:
            self._driver.call("end", self._number, timeout_s=JOIN_S)
        except WorkerLost:
            return
