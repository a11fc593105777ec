"""Two Ray nodes on this machine: every command of doc/cluster.md, a job on each, and every part that may die."""

import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipelines.front.admission import Memory
from pipelines.front.errors import Cancelled
from pipelines.front.progress import Stage
from pipelines.front.sizes import GIB
from pipelines.media.write.publish import read_metadata
from pipelines.running.resume import WorkDir
from pipelines.tasks.reference_to_video import REFERENCE_TO_VIDEO
from skyreels_tui import __version__
from skyreels_tui.app.machine import machine_of
from skyreels_tui.commands.system.cluster import running_pid
from skyreels_tui.doctor.checks import check_cluster
from skyreels_tui.doctor.gather import gather_cluster
from skyreels_tui.eta.model import Estimate
from skyreels_tui.eta.outlook import Turn, look_ahead
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE, RaySite, ray_environ
from skyreels_tui.executors.cluster.workforce import Elsewhere
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.reasons import Code
from skyreels_tui.settings.settings import Settings
from tests.cli.test_doctor import machine as recorded_machine
from tests.cluster.chaos import Chaos, raylet
from tests.cluster.conftest import LIMIT_S, at_step, film_of, in_state, until
from tests.queue.demo_requests import SAMPLES

pytestmark = pytest.mark.slow
FACE = SAMPLES / "astronaut.jpg"
PAGE = (Path(__file__).parents[2] / "doc" / "cluster.md").read_text(encoding="utf-8")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


SOON_DEAD = {"RAY_health_check_initial_delay_ms": "2000", "RAY_health_check_period_ms": "1000"}
"""A machine that has gone is noticed within seconds."""


class Machine:
    """A home that plays a machine."""

    def __init__(self, home):
        self.home = home

    def __call__(self, *words, code=0):
        environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        done = subprocess.run(
            [sys.executable, "-m", "skyreels_tui", *words],
            env={
                **environ, **SOON_DEAD, "SKYREELS_TUI_HOME": str(self.home), "LANGUAGE": "en", "OMP_NUM_THREADS": "1",
            },
            capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{words}: {done.stdout}{done.stderr}\n{self._ray_said()}"
        return done.stdout

    def _ray_said(self):
        """The last words of Ray on each machine, and who listens: what a cluster that does not answer is asked for."""
        logs = sorted(self.home.parent.glob("*/logs/cluster.log"))
        said = [f"{log}:\n{log.read_text(encoding='utf-8')[-4000:]}" for log in logs]
        ears = [(one.laddr.port, one.pid) for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        return "\n".join([*said, f"listening: {sorted(ears)}"])

    @property
    def pid(self):
        return running_pid(self.home / "state" / "cluster.json")


def page_commands():
    """The commands of the page's shell blocks, in order."""
    found = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [shlex.split(line)[1:] for block in found for line in block.splitlines()]


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Head and second machine, joined by the very commands of the page."""
    root = tmp_path_factory.mktemp("cluster")
    one, two, port = Machine(root / "one"), Machine(root / "two"), free_port()
    head = f"127.0.0.1:{port}"
    said = {}
    try:
        for words in page_commands():
            here = [re.sub(r"192\.168\.10\.\d", "127.0.0.1", word.replace("192.168.10.1:6379", head)) for word in words]
            match words[:2]:
                case ["settings", "set"]:
                    one(*here)
                case ["cluster", "start"]:
                    one(*here, "--port", str(port), "--workers", "1")
                case ["cluster", "token"]:
                    token = Path(one(*here).strip())
                    (two.home / "config").mkdir(parents=True)
                    (two.home / "config" / TOKEN_FILE).write_bytes(token.read_bytes())
                case ["cluster", "join"]:
                    two(*here, "--workers", "1")
                case ["cluster", "link"]:
                    said["link"] = one(*here)
                case ["add", *_]:
                    # The page's job on the tiny models, and shorter.
                    less = [
                        "--profile",
                        "demo",
                        "--resolution",
                        "128P",
                        "--duration",
                        "1",
                        "--num_inference_steps",
                        "2",
                    ]
                    said["job"] = int(one(*(str(FACE) if word == "face.png" else word for word in here), *less))
                case ["run"]:
                    said["run"] = one(*here)
                case ["cluster"]:
                    said["words"] = one(*here)
                case ["cluster", "stop"]:
                    # At the end of this module.
                    pass
                case other:
                    raise AssertionError(other)
        yield one, two, head, said
    finally:
        for machine in (two, one):
            if machine.pid is not None:
                machine("cluster", "stop")


def actor_of(machine, kind="Seat"):
    """The process in which a machine's worker runs, or its rank of a gang over machines.

    Of this machine's own processes: others with its name may run beside it, for another run of these tests.
    The newest: one of a queue before may still be on its way out.
    """
    found = []
    for process in processes_of(machine):
        with suppress(psutil.NoSuchProcess):
            if f"ray::{kind}" in " ".join(process.cmdline()):
                found.append((process.create_time(), process.pid))
    assert found, f"no worker of {machine.home} runs"
    return max(found)[1]


def processes_of(machine):
    """Everything that a machine has started for its cluster."""
    with suppress(psutil.NoSuchProcess):
        if (pid := machine.pid) is not None:
            return psutil.Process(pid).children(recursive=True)
    return []


def reason_code(event):
    """Why the job of an event waits; None for an event of no job."""
    job = getattr(event, "job", None)
    return None if job is None else job.reason.code


@pytest.fixture
def site(machines):
    one, _, head, _ = machines
    environ = ray_environ(one.home / "config" / TOKEN_FILE, dict(os.environ))
    return RaySite(head, DeskOptions(lease_s=60.0), environ, look_s=0.5, answer_s=5.0)


def test_the_commands_of_the_page_join_two_machines(machines):
    one, _two, head, said = machines
    assert head in said["words"] and "spark-02" in said["words"] and "with a token" in said["words"]
    assert oct((one.home / "config" / TOKEN_FILE).stat().st_mode)[-3:] == "600"
    assert "no model for" in said["words"]
    one("cluster", "start", code=5)


def test_the_page_s_job_was_made_on_both_machines_together(machines):
    _one, _two, _head, said = machines
    told = read_metadata(said["run"].strip())
    assert (told["job_id"], told["gpus_together"]) == (said["job"], 2)


def test_the_link_is_measured_and_said_again_by_the_status_and_the_doctor(machines):
    one, _two, head, said = machines
    assert re.search(r"spark-01 - spark-02  .* between processors, which says nothing of GPUs", said["link"])
    status = json.loads(one("cluster", "--json"))
    (link,) = status["links"]
    assert link["all_to_all"] > 1e6
    assert link["copy"] > 1e6
    assert (link["state"], link["advice"]) == ("note", [])
    assert status["has_token"] is True
    assert status["problem"] == ""
    assert [machine["name"] for machine in status["machines"]] == ["spark-01", "spark-02"]
    assert all(machine["versions"]["ray"] and not machine["differences"] for machine in status["machines"])
    folders = find_folders({"SKYREELS_TUI_HOME": str(one.home)})
    facts = gather_cluster(folders, Settings(cluster=head), os.environ)
    checks = list(check_cluster(replace(recorded_machine("spark"), cluster=facts)))
    assert [check.name for check in checks] == [
        "cluster", "machine spark-01", "machine spark-02", "link spark-01 - spark-02",
    ]  # fmt: skip
    assert checks[0].found == f"{head}, 2 machines, with a token"


def test_a_stranger_without_the_token_is_kept_out(machines, tmp_path):
    _, _, head, _ = machines
    stranger = Machine(tmp_path / "stranger")
    stranger("cluster", "join", head, code=2)
    stranger("settings", "set", "cluster", head)
    assert "cannot be joined" in json.loads(stranger("cluster", "--json", code=1))["problem"]


def test_a_machine_with_another_version_runs_nothing(machines, open_queue, request_of):
    one, _, head, _ = machines
    environ = ray_environ(one.home / "config" / TOKEN_FILE, dict(os.environ))
    service, events = open_queue(Elsewhere(RaySite(head, DeskOptions(), environ, look_s=0.5, version="0.0.1")))
    job = service.actions.add(request_of(steps=2))
    waits = events.wait_for(lambda event: reason_code(event) is Code.WAITS_FOR_WORKER, LIMIT_S).job
    assert waits.id == job.id
    assert "0.0.1" in dict(waits.reason.values)["why"] and __version__ in dict(waits.reason.values)["why"]


def test_an_address_of_another_machine_is_refused_at_once(tmp_path):
    stranger = Machine(tmp_path / "stranger")
    stranger("cluster", "start", "--address", "192.0.2.77", code=2)


def test_jobs_run_on_both_and_go_on_elsewhere_when_a_worker_dies(machines, site, open_queue, request_of, undisturbed):
    named = dict(zip(("spark-01", "spark-02"), machines[:2], strict=True))
    before = signal.getsignal(signal.SIGTERM)
    service, events = open_queue(Elsewhere(site))
    # Each takes one of these: from here on both have begun, however long that has taken.
    for job in [service.actions.add(request_of(steps=2)) for _ in range(2)]:
        assert service.wait(job.id, LIMIT_S).state == JobState.DONE
    request = request_of(steps=120)
    one, two = service.actions.add(request), service.actions.add(request)
    places = {in_state(events, job, JobState.RUNNING).worker for job in (one, two)}
    assert places == {"spark-01 cpu 0", "spark-02 cpu 0"}
    at_step(events, one, 2)
    service.actions.cancel(one.id)
    in_state(events, one, JobState.CANCELLED)
    at_step(events, two, 2)
    service.actions.pause(now=True)
    paused = in_state(events, two, JobState.QUEUED, attempts=1)
    service.actions.unpause()
    again = in_state(events, two, JobState.RUNNING, attempts=2)
    at_step(events, two, paused.step + 1)
    os.kill(actor_of(named[again.worker.split(" ")[0]]), signal.SIGKILL)
    lost = events.wait_for(lambda event: reason_code(event) is Code.WORKER_LOST, LIMIT_S).job
    assert lost.step >= paused.step
    done = service.wait(two.id, LIMIT_S)
    assert done.state == JobState.DONE, done.error
    assert film_of(done.output) == undisturbed(request)
    assert signal.getsignal(signal.SIGTERM) is before


def test_estimates_ask_the_workers_of_both_machines_for_gpus(machines, site, open_queue, request_of, tmp_path):
    _, _, head, _ = machines
    service, _ = open_queue(Elsewhere(site))
    until(lambda: len(service.status().crew) == 2, LIMIT_S)
    here = machine_of(None, tmp_path, Settings(cluster=head), "", None, service.status())
    seen = []
    for gpus in ("2", "4"):
        request = replace(request_of(steps=2), gpus=gpus)
        plan, takes = REFERENCE_TO_VIDEO.plan(request), Estimate(60.0, 1.0, True)
        seen.append(look_ahead(request, plan, takes, Turn(), here, datetime.now().astimezone(), None).trouble)
    assert seen == ["", "4 workers are asked for, 2 there now: it waits until there are so many"]


def steps_alone(job, tmp_path):
    """What one rank, in this process, has stored after as many steps."""
    work = tmp_path / "alone"
    work.mkdir()

    def until(progress):
        if progress.stage is Stage.DENOISE and progress.step >= job.step:
            raise Cancelled

    home = find_folders({"SKYREELS_TUI_HOME": str(tmp_path / "head")})
    executor = LocalExecutor(home, device="cpu", read_memory=lambda pool: Memory(100 * GIB, 119 * GIB))
    context = JobContext(job, until, work, tmp_path / "result", "alone", lambda: False, lambda line: None)
    with pytest.raises(Cancelled):
        executor.run(context)
    executor.close()
    return WorkDir(work).latest()


def follower(machines):
    """The one rank that does not lead, on whichever machine it is."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        for machine in machines:
            with suppress(AssertionError):
                return actor_of(machine, "Rank")
        assert time.monotonic() < deadline, "no rank follows"


def test_one_job_over_two_machines_through_every_end(machines, site, open_queue, request_of, undisturbed, tmp_path):
    service, events = open_queue(Elsewhere(site))
    request = request_of(steps=40, gpus="2")
    # Cancel meets all ranks inside a step; the next job goes on with the same ones.
    first = service.actions.add(request)
    at_step(events, first, 2)
    assert service.status().busy == 2
    service.actions.cancel(first.id)
    in_state(events, first, JobState.CANCELLED)
    job = service.actions.add(request)
    at_step(events, job, 2)
    rank = follower(machines[:2])
    service.actions.pause(now=True)
    paused = in_state(events, job, JobState.QUEUED, attempts=1)
    assert 2 <= paused.step < 40
    # What two ranks have made is what one makes, within rounding.
    together = WorkDir(tmp_path / "head" / "state" / "jobs" / str(job.id)).latest()
    one = steps_alone(replace(paused, request_json=replace(request, gpus="1").to_json(), step=together.step), tmp_path)
    assert together.tensors
    assert (together.step, together.tensors.keys()) == (one.step, one.tensors.keys())
    for name, expected in one.tensors.items():
        off = (expected.double() - together.tensors[name].double()).abs().max()
        assert off <= (2e-5 * expected.abs().max() if expected.is_floating_point() else 1), name
    # A rank that dies ends the attempt soon and in words; the job goes on at its stored step, with a new rank.
    service.actions.unpause()
    at_step(events, job, paused.step + 2)
    began = time.monotonic()
    os.kill(rank, signal.SIGKILL)
    lost = events.wait_for(lambda event: reason_code(event) is Code.WORKER_LOST, LIMIT_S).job
    assert time.monotonic() - began < 30
    assert re.search(r"GPU 2 of the 2 that work on this job has failed: spark-0\d: its process ended", str(lost.reason))
    at_step(events, job, lost.step + 1)
    service.actions.pause(now=True)
    paused = in_state(events, job, JobState.QUEUED, attempts=3)
    # It may go on with another number, and the log says so.
    service.actions.edit(job.id, replace(request, gpus="1"))
    service.actions.unpause()
    done = service.wait(job.id, LIMIT_S)
    assert done.state == JobState.DONE, done.error
    assert "began on 2 and goes on with 1" in Path(done.output).with_suffix(".json").read_text(encoding="utf-8")
    films = [
        np.frombuffer(film, np.uint8).astype(float)
        for film in (film_of(done.output), undisturbed(replace(request, gpus="1")))
    ]
    assert abs(films[0] - films[1]).mean() < 0.5


class OfThePage:
    """A machine of the page as the chaos sees it: begun again by the page's own command."""

    def __init__(self, machine, *words):
        self._machine, self._words = machine, words

    @property
    def is_up(self):
        return raylet(self) is not None

    def start(self):
        self.stop()
        self._machine(*self._words)

    def stop(self):
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if (pid := self._machine.pid) is not None:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            until(lambda: self._machine.pid is None)

    def processes(self):
        return processes_of(self._machine)


KINDS = (
    ("worker", ""),
    ("worker", "a step is written on the worker"),
    ("program", "the film is published but not recorded"),
    ("worker cut off", ""),
    ("machine", "a claim is written"),
    ("cluster head", ""),
)


def test_a_kill_of_each_kind_loses_doubles_and_spoils_nothing(machines, tmp_path):
    """The long run in small: `python -m tests.cluster.chaos`."""
    one, two, head, _ = machines
    port = head.rpartition(":")[2]
    nodes = [
        OfThePage(one, "cluster", "start", "--name", "spark-01", "--port", port, "--workers", "1"),
        OfThePage(two, "cluster", "join", head, "--address", "127.0.0.1", "--name", "spark-02", "--workers", "1"),
    ]
    shutil.copyfile(one.home / "config" / TOKEN_FILE, tmp_path / TOKEN_FILE)
    chaos = Chaos(tmp_path, random.Random(1), head, nodes, ahead=3, keeps_nodes=True)
    try:
        for kind, at in KINDS:
            chaos.start()
            chaos.feed()
            chaos.until_busy()
            assert chaos.disturb(kind, at), (kind, at)
            assert chaos.check() == [], (kind, at)
        assert chaos.settle() == []
        assert chaos.kills.total() >= len(KINDS) and chaos.jobs > 2
    finally:
        chaos.close()


def test_the_head_s_death_is_said_and_its_jobs_wait(machines, site, open_queue, request_of):
    one, _, _, _ = machines
    service, events = open_queue(Elsewhere(site))
    # Longer than it takes to notice: a worker that lives computes on until then.
    job = service.actions.add(request_of(steps=200))
    at_step(events, job, 1)
    one("cluster", "stop")
    lost = in_state(events, job, JobState.QUEUED, attempts=1)
    assert lost.reason.code is Code.WORKER_LOST
    until(lambda: "cannot be joined" in service.status().message or "answer" in service.status().message)
