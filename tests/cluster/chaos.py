"""The long crash test over machines: `python -m tests.cluster.chaos [--kills N] [--seed S] [--films N]`.

Two Ray nodes of this machine, three workers, the product's own program at the head. Its workers, a machine, the
program and the cluster's head are killed, at random moments and at named points, or stopped past their lease and
continued; where `tests.cluster.cable` can lay a cable, the network between the machines is cut as well. Single jobs
and gangs of two go on all the while. Most jobs are cheap: a ready clip with a proof of its steps behind it. Films of
the demo models are compared with undisturbed ones, frame by frame.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import psutil

from pipelines.demo import __file__ as demo_package
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.request import Request
from skyreels_tui.commands.system.cluster import ray_command
from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE, ray_environ
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.errors import QueueError
from skyreels_tui.queue.reasons import Code
from skyreels_tui.queue.service import QueueService
from tests.cluster.cable import Cable, cable_here
from tests.cluster.chaos_desk import BOX_BYTES, CHEAP, Points, proof
from tests.cluster.chaos_head import HEAD_POINTS
from tests.queue.demo_requests import demo_request
from tests.queue.harness import in_child, run_queue, say
from tests.queue.torture import frames

LEASE_S = 6.0
ANSWER_S = 10.0
ORDER_S = 30.0
"""A point that nobody passes within this is given up."""
LOSS = "a loss is recorded"
"""The point that is passed only after a kill, which is made for it."""
LIMIT_S = 300.0
"""Nothing takes so long, on a loaded machine either."""
ROOT = Path(__file__).parents[2]
CLIP = Path(demo_package).parent / "samples" / "clip.mp4"
WORKER_POINTS = (
    "a step is made on the worker",
    "a step is written on the worker",
    "the film is written on the worker",
    "a part of the film is sent",
)
AHEAD = 7
"""Cheap jobs that wait or run; one of three is a gang of two."""


def free_port() -> int:
    """A port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Machine(Protocol):
    """One machine of the cluster as the chaos sees it."""

    @property
    def is_up(self) -> bool:
        """Whether it belongs to the cluster, or is about to."""

    def start(self) -> None:
        """Begin, or begin again after the end of all that was left."""

    def stop(self) -> None:
        """End every process of it at once."""

    def processes(self) -> list[psutil.Process]:
        """Those that belong to it."""


class Node:
    """One machine of the cluster, played by Ray's processes in a session of their own."""

    def __init__(
        self, name: str, workers: int, head: str, place: Path, *, is_head: bool, address: str = "127.0.0.1",
        beyond: Callable[[Sequence[str]], list[str]] = list,
    ) -> None:  # fmt: skip
        """`beyond` makes the command that runs another one where this machine's network is."""
        args = argparse.Namespace(workers=workers, name=name, address=address)
        self._words = beyond(ray_command(head, args, is_head=is_head))
        self._place, self.name, self._process = place, name, None
        environ = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        self._environ = ray_environ(place / TOKEN_FILE, environ) | {
            "RAY_TMPDIR": str(place / "ray"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            # A machine that is stopped counts as dead within five seconds, not thirty.
            "RAY_health_check_initial_delay_ms": "2000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "4000",
            "SKYREELS_TUI_HOME": str(place / name),
        }

    _process: subprocess.Popen[bytes] | None

    @property
    def is_up(self) -> bool:
        """Whether Ray's processes are there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Begin, or begin again after the end of all that was left."""
        self.stop()
        with (self._place / "ray.log").open("ab") as sink:
            self._process = subprocess.Popen(
                self._words, env=self._environ, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        """End every process of it at once."""
        if self._process is not None:
            for process in self.processes():
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def processes(self) -> list[psutil.Process]:
        """Those that belong to it."""
        assert self._process is not None
        with suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True)
        return []


def two_nodes(place: Path, cable: Cable | None = None) -> tuple[str, list[Machine]]:
    """The address of a cluster that is not started yet, its head with a worker and a machine with two, at the far end.

    Without a cable both are on the loopback.
    """
    address = f"{'127.0.0.1' if cable is None else cable.near}:{free_port()}"
    write_whole(place / TOKEN_FILE, secrets.token_hex(32).encode())
    head = Node("spark-01", 1, address, place, is_head=True)
    if cable is None:
        return address, [head, Node("spark-02", 2, address, place, is_head=False)]
    return address, [
        head, Node("spark-02", 2, address, place, is_head=False, address=cable.far, beyond=cable.beyond),
    ]  # fmt: skip


def raylet(machine: Machine) -> int | None:
    """Ray's own process of a machine, whose death is the machine's."""
    for process in machine.processes():
        with suppress(psutil.NoSuchProcess):
            # One that is dead and not yet buried is none.
            if process.name() == "raylet" and process.status() != psutil.STATUS_ZOMBIE:
                return process.pid
    return None


class Chaos:
    """One cluster, one queue and what is done to them."""

    def __init__(
        self,
        place: Path,
        draw: random.Random,
        address: str,
        nodes: Sequence[Machine],
        *,
        films: Sequence[tuple[Request, str]] = (),
        ahead: int = AHEAD,
        keeps_nodes: bool = False,
        cable: Cable | None = None,
    ) -> None:
        """`place` holds the cluster's token; the first of `nodes` is the head; `keeps_nodes` leaves them at the end.

        The second of `nodes` is at the far end of `cable`, where there is one.

        `films` are requests of demo models, each with the frames of its undisturbed film.
        """
        self.address, self.nodes, self._ahead, self._keeps_nodes = address, nodes, ahead, keeps_nodes
        self._place, self._draw, self._films, self._cable = place, draw, list(films), cable
        self.points = Points(place)
        self.kills: Counter[str] = Counter()
        self.faults: dict[str, Counter[str]] = {}
        self._added: dict[int, tuple[int, str]] = {}
        """Job id -> seed, and the frames of a film."""
        self._checked: set[int] = set()
        self._seed = 1000
        self._head: subprocess.Popen[bytes] | None = None
        shutil.copyfile(CLIP, place / "clip.mp4")
        self._environ = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")} | {
            "SKYREELS_TUI_HOME": str(place / "head"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT),
            "LANGUAGE": "en",
        }
        self.folders = find_folders(self._environ)
        self.folders.create()
        shutil.copyfile(place / TOKEN_FILE, self.folders.config / TOKEN_FILE)
        words = {"cluster": self.address, "result_dir": str(place / "result")}
        text = "".join(f"{name} = {json.dumps(value)}\n" for name, value in words.items())
        write_whole(self.folders.settings_file, text.encode())
        self._queue = QueueService(self.folders, place / "result", lambda _event: None)

    # What runs

    def start(self) -> None:
        """Begin with what is not there."""
        if not self.nodes[0].is_up:
            for node in self.nodes:
                node.stop()
            self.nodes[0].start()
            host, port = self.address.split(":")
            until(lambda: _answers(host, int(port)) or not self.nodes[0].is_up)
        if not self.nodes[1].is_up:
            self.nodes[1].start()
        if self._head is None or self._head.poll() is not None:
            with (self._place / "head.log").open("ab") as sink:
                self._head = subprocess.Popen(
                    [sys.executable, "-m", "tests.cluster.chaos_head", str(self._place), str(LEASE_S), str(ANSWER_S),
                     "run", "--stay", "--resume"],
                    env=self._environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                    start_new_session=True,
                )  # fmt: skip

    def close(self) -> None:
        """End everything that was started here."""
        if self._head is not None:
            self._head.kill()
            self._head.wait()
        for node in () if self._keeps_nodes else reversed(self.nodes):
            node.stop()
        self._queue.close()

    # Jobs

    def rows(self, words: str, *values: object) -> list[sqlite3.Row]:
        """Read the queue's file as nobody of the product does."""
        path = self.folders.state / "queue.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30.0) as connection:
            connection.row_factory = sqlite3.Row
            found = connection.execute(words, values).fetchall()
        connection.close()
        return found

    def feed(self, film: bool = False) -> None:
        """Keep the workers busy, and release what asks whether it should go on after two deaths at one step."""
        self._answer()
        (waiting,) = self.rows("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running', 'held')")[0]
        for _ in range(max(0, self._ahead - int(waiting))):
            self._seed += 1
            request = replace(demo_request("reference_to_video", self._place / "inputs"), seed=self._seed)
            if self._seed % 3 == 1:
                request = replace(request, gpus="2")
            self._add(request, f"{CHEAP} {self._seed}", "")
        if film and self._films:
            request, wanted = self._films[self._seed % len(self._films)]
            self._add(request, f"film {self._seed}", wanted)

    def _answer(self) -> None:
        """Say yes where the queue asks whether a job should go on that has died twice at one step."""
        for row in self.rows("SELECT id, reason FROM jobs WHERE state = 'held'"):
            if Code.DIED_TWICE in row["reason"]:
                with suppress(QueueError):
                    self._queue.actions.release(row["id"])

    def _add(self, request: Request, label: str, wanted: str) -> None:
        job = self._queue.actions.add(request, label=label, checked=True)
        self._added[job.id] = (int(request.seed), wanted)  # type: ignore[attr-defined]

    # Victims

    def actors(self) -> list[tuple[int, int]]:
        """The workers' processes that live, each with its parent."""
        found = []
        for note in (self._place / "actors").glob("[0-9]*"):
            try:
                process = psutil.Process(int(note.name))
                if process.status() != psutil.STATUS_ZOMBIE and "ray::Seat" in " ".join(process.cmdline()):
                    found.append((process.pid, process.ppid()))
            except psutil.Error:
                note.unlink(missing_ok=True)
        return found

    def busy(self) -> list[str]:
        """Workers whose jobs run."""
        return [row["worker"] for row in self.rows("SELECT worker FROM jobs WHERE state = 'running'")]

    def until_busy(self) -> None:
        """Wait until a job runs; whatever has ended meanwhile is followed by others."""

        def look() -> list[str]:
            self.feed()
            return self.busy()

        self._until(look)

    # One disturbance

    def disturb(self, kind: str, at: str = "") -> int:
        """Kill, or stop and continue; at a named point, or now. How many processes: 0 when it did not happen."""
        act = {"worker": self._kill_worker, "machine": self._kill_machine, "program": self._kill_program,
               "cluster head": self._kill_cluster, "worker cut off": self._cut_worker,
               "machine cut off": self._cut_machine, "program cut off": self._cut_program,
               "network cut": self._cut_network}[kind]  # fmt: skip
        happened = act(at)
        self.kills[f"{kind}{', at a named point' if at else ''}"] += happened
        return happened

    def _until(self, found: Callable[[], Any]) -> Any:
        """Wait for something that comes when everything that was killed has begun again."""

        def look() -> Any:
            self.start()
            return found()

        return until(look)

    def _order(self, name: str, pids: list[int]) -> bool:
        before = len(self.points.fired())
        self.points.order(name, pids)
        if name == LOSS:
            _kill(self._draw.choice(self._until(self.actors))[0])
        deadline = time.monotonic() + ORDER_S
        while len(self.points.fired()) == before and time.monotonic() < deadline:
            self.feed()
            self.start()
            time.sleep(0.05)
        for pids in self.points.fired()[before:]:
            _buried(pids)
        return not self.points.withdraw(name)

    def _kill_worker(self, at: str) -> int:
        actors = self._until(self.actors)
        if at in WORKER_POINTS:
            return self._order(at, [0])
        pids = [pid for pid, _ in actors]
        if at:
            return self._order(at, [self._draw.choice(pids)])
        # One of them, or all at once.
        return sum(map(_kill, pids if self._draw.random() < 0.3 else [self._draw.choice(pids)]))

    def _kill_machine(self, at: str) -> bool:
        if at in WORKER_POINTS:
            return self._order(at, [-1])
        pid = self._until(lambda: raylet(self.nodes[1]))
        return self._order(at, [pid]) if at else _kill(pid)

    def _kill_program(self, at: str) -> bool:
        assert self._head is not None
        if at in HEAD_POINTS:
            return self._order(at, [0])
        return self._order(at, [self._head.pid]) if at else _kill(self._head.pid)

    def _kill_cluster(self, at: str) -> bool:
        pid = self._until(lambda: raylet(self.nodes[0]))
        return self._order(at, [pid]) if at else _kill(pid)

    def _cut(self, pids: list[int], seconds: float) -> bool:
        """Stop processes and continue them: as a machine that is cut off and comes back."""
        stopped = [pid for pid in pids if _signal(pid, signal.SIGSTOP)]
        self._feed_for(seconds)
        return all([_signal(pid, signal.SIGCONT) or True for pid in stopped]) and bool(stopped)

    def _feed_for(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            self.feed()
            time.sleep(0.2)

    def _cut_worker(self, _at: str) -> bool:
        # Shorter than the lease, about as long, longer.
        pid = self._draw.choice(self._until(self.actors))[0]
        return self._cut([pid], LEASE_S * self._draw.choice((0.7, 1.0, 1.0, 1.5)))

    def _cut_machine(self, _at: str) -> bool:
        pids = [process.pid for process in self.nodes[1].processes()]
        return self._cut(pids, self._draw.choice((LEASE_S * 0.7, LEASE_S * 1.5, 14.0)))

    def _cut_network(self, _at: str) -> bool:
        """Both sides live and work on, and nothing passes between them."""
        if self._cable is None:
            return False
        self._until(self._has_far_worker)
        self._cable.pull()
        try:
            self._feed_for(self._draw.choice((LEASE_S * 0.7, LEASE_S * 1.5, 14.0, 25.0)))
        finally:
            self._cable.plug_in()
        return True

    def _has_far_worker(self) -> bool:
        self.feed()
        return any(name.startswith("spark-02") for name, _ in self._queue.status().crew)

    def _cut_program(self, _at: str) -> bool:
        assert self._head is not None
        return self._cut([self._head.pid], LEASE_S * self._draw.choice((0.7, 1.5)))

    # What must hold

    def check(self) -> list[str]:
        """What is wrong with the rows and files that are there now."""
        wrong = []
        rows = self.rows("SELECT id, state, output, worker, error, reason FROM jobs WHERE deleted = 0")
        ids = [row["id"] for row in rows]
        wrong += [f"lost: job {one} has no row" for one in self._added if one not in set(ids)]
        wrong += [f"doubled: a job has the rows {ids}"] if len(ids) != len(self._added) else []
        running = [row["worker"] for row in rows if row["state"] == "running"]
        wrong += [f"doubled: running on {running}"] if len(set(running)) != len(running) else []
        for row in rows:
            if row["id"] in self._checked or row["state"] not in ("done", "failed", "held"):
                continue
            if row["state"] == "done":
                self._checked.add(row["id"])
                wrong += self._film_faults(row["id"], Path(row["output"]))
            elif row["state"] == "failed" or Code.DIED_TWICE not in row["reason"]:
                self._checked.add(row["id"])
                wrong.append(f"lost: job {row['id']} is {row['state']}: {row['error'] or row['reason']}")
        return wrong

    def _film_faults(self, job_id: int, path: Path) -> list[str]:
        seed, wanted = self._added[job_id]
        if not path.is_file() or not path.with_suffix(".json").is_file():
            return [f"lost: the film of job {job_id}, or what is known of it"]
        if wanted:
            return [] if frames(path) == wanted else [f"corrupt: the frames of job {job_id} are others"]
        data = path.read_bytes()
        right = data[:-BOX_BYTES] == CLIP.read_bytes() and data[-BOX_BYTES + 8 :] == proof(seed)
        return [] if right else [f"corrupt: the film of job {job_id} is made of other steps"]

    def settle(self) -> list[str]:
        """Let everything that was added run to its end; then what is wrong with all of it."""
        deadline = time.monotonic() + LIMIT_S
        while left := self.left():
            self.start()
            self._answer()
            if time.monotonic() > deadline:
                return [*self.check(), *(f"lost: job {row['id']} never ends: {tuple(row)}" for row in left)]
            time.sleep(0.2)
        wrong = self.check()
        outputs = [row["output"] for row in self.rows("SELECT output FROM jobs WHERE state = 'done'")]
        made = sorted(str(path) for path in (self._place / "result").rglob("*.mp4"))
        if made != sorted(outputs):
            odd = set(made) ^ set(outputs)
            wrong.append(f"doubled: files and rows differ: {sorted(odd)[:6]}, {len(made)} files, {len(outputs)} rows")
        return wrong

    def left(self) -> list[sqlite3.Row]:
        """The jobs that have not ended."""
        return self.rows("SELECT id, state, reason FROM jobs WHERE state NOT IN ('done', 'failed')")

    @property
    def jobs(self) -> int:
        """How many were added."""
        return len(self._added)

    def counts(self) -> dict[str, int]:
        """Of all that was added: jobs, gangs, films of demo models, and those that ran in more than one attempt."""
        rows = self.rows("SELECT id, attempts, request_json FROM jobs WHERE state = 'done'")
        again = {row["id"] for row in rows if row["attempts"] > 1}
        gangs = {row["id"] for row in rows if json.loads(row["request_json"])["gpus"] == "2"}
        films = {job for job, (_, wanted) in self._added.items() if wanted}
        return {
            "jobs": self.jobs, "done": len(rows), "again": len(again), "gangs": len(gangs),
            "gangs_again": len(gangs & again), "films": len(films), "films_again": len(films & again),
        }  # fmt: skip


def until(condition: Callable[[], Any], seconds: float = LIMIT_S) -> Any:
    """Wait for a condition and return what it gave. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.05)
    return found


def _answers(host: str, port: int) -> bool:
    with suppress(OSError), socket.create_connection((host, port), timeout=2.0):
        return True
    return False


def _kill(pid: int) -> bool:
    happened = _signal(pid, signal.SIGKILL)
    _buried([pid])
    return happened


def _buried(pids: Sequence[int]) -> None:
    """Wait until they are dead.

    A head that is still dying looks as if it were up, and whoever joins it waits for minutes.
    """
    until(lambda: not any(map(_lives, pids)))


def _lives(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _signal(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


KINDS = (
    ("worker", 44), ("machine", 14), ("program", 22), ("cluster head", 3),
    ("worker cut off", 10), ("machine cut off", 3), ("program cut off", 4),
)  # fmt: skip
"""Kind of disturbance -> how many of a hundred."""
NETWORK = "network cut", 10
"""Beside them, where a cable can be laid."""


def undisturbed_films(place: Path, number: int) -> list[tuple[Request, str]]:
    """Requests of demo models and the frames that each gives when nothing disturbs it."""
    found = []
    for index in range(number):
        request = replace(demo_request("reference_to_video", place / "inputs"), num_inference_steps=40, seed=index)
        root = place / f"alone-{index}"
        folders = find_folders({"SKYREELS_TUI_HOME": str(root / "home")})

        def work(
            tell: Callable[[str], None], root: Path = root, request: Request = request, folders: Any = folders
        ) -> list[str]:
            return run_queue(root, lambda: LocalExecutor(folders, device="cpu"), [request], tell, count=False)

        child = in_child(work)
        films = sorted((root / "result").rglob("*.mp4"))
        if child.error or len(films) != 1:
            raise RuntimeError(child.error or f"films are {films}")
        found.append((request, frames(films[0])))
    return found


class Log:
    """What was done and found, a JSON object a line, each on the disk before the next thing is done; '' keeps none."""

    def __init__(self, path: str, seed: int, began: float) -> None:
        """Several runs, told apart by their seeds, may write to one file."""
        self._path, self._seed, self._began = Path(path).resolve() if path else None, seed, began

    def add(self, **values: object) -> None:
        """Write a line, with the seconds since the beginning."""
        if self._path is not None:
            line = json.dumps({"seed": self._seed, "at_s": round(time.monotonic() - self._began, 1), **values})
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def main(arguments: list[str]) -> int:
    """Run; exit code 0 only when nothing was lost, doubled or changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--films", type=int, default=2, help="films of demo models; one is added every 8 disturbances")
    parser.add_argument("--minutes", type=float, default=600.0, help="end after so long, with fewer kills")
    parser.add_argument("--kind", choices=[name for name, _ in (*KINDS, NETWORK)], help="this kind alone")
    parser.add_argument("--keep", action="store_true", help="leave the folder for a look")
    parser.add_argument("--log", default="", help="file to which each disturbance is added as a line of JSON")
    options = parser.parse_args(arguments)
    draw, began = random.Random(options.seed), time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="cx-"))
    make_folder(place)
    say(f"in {place}")
    # Whoever ends it early gets the table of what was done, and no process of it stays.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    chaos, cable, wrong = None, None, []
    log = Log(options.log, options.seed, began)
    try:
        cable = cable_here(os.getpid() % 2**14)
        kinds = (*KINDS, NETWORK) if cable is not None else KINDS
        say("a cable of its own" if cable is not None else "on the loopback: no network is cut")
        address, nodes = two_nodes(place, cable)
        chaos = Chaos(place, draw, address, nodes, films=undisturbed_films(place, options.films), cable=cable)
        number = 0
        while sum(chaos.kills.values()) < options.kills and time.monotonic() - began < options.minutes * 60:
            number += 1
            chaos.start()
            chaos.feed(film=number % 8 == 1)
            chaos.until_busy()
            kind = options.kind or draw.choices([name for name, _ in kinds], [share for _, share in kinds])[0]
            at = ""
            if "cut" not in kind and draw.random() < 0.5:
                at = draw.choice([*HEAD_POINTS, *(WORKER_POINTS if kind in ("worker", "machine") else ())])
            else:
                time.sleep(draw.uniform(0.0, 1.2))
            happened = chaos.disturb(kind, at)
            found = chaos.check()
            wrong += found
            kills, minutes = sum(chaos.kills.values()), (time.monotonic() - began) / 60
            log.add(kind=kind, point=at, happened=int(happened), wrong=found, jobs=chaos.jobs)
            say(f"{minutes:6.1f} {kills:4d} {'ok ' if not found else 'BAD'} {kind}{f': {at}' if at else ''}"
                f"{'' if happened else ' (did not happen)'} {' '.join(found)}")  # fmt: skip
        found = chaos.settle()
        wrong += found
        log.add(settled=not chaos.left(), wrong=found, **chaos.counts())
    finally:
        if chaos is not None:
            chaos.close()
            if cable is not None:
                cable.close()
            say(report(chaos, wrong, (time.monotonic() - began) / 60))
        if not options.keep and not wrong:
            shutil.rmtree(place, ignore_errors=True)
    return 1 if wrong else 0


def report(chaos: Chaos, wrong: Sequence[str], minutes: float) -> str:
    """The table, and every fault."""
    lines = [*wrong]
    lines += [f"{count:5d}  {kind}" for kind, count in sorted(chaos.kills.items())]
    counts = [f"{sum(line.startswith(word) for line in wrong)} {word}" for word in ("lost", "doubled", "corrupt")]
    lines.append(
        f"{sum(chaos.kills.values())} disturbances of {chaos.jobs} jobs, {', '.join(counts)} ({minutes:.1f} minutes)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
