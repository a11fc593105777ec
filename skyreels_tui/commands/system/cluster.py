"""`cluster`: this machine as the head or a part of a Ray cluster, and what the cluster looks like from here."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.front.documents import plain_number, read_json
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr, trn
from pipelines.tasks import TASKS
from skyreels_tui.commands.shared import output
from skyreels_tui.commands.shared.context import Context
from skyreels_tui.commands.shared.exits import CommandError, Exit
from skyreels_tui.commands.shared.parser import Parser
from skyreels_tui.words.sizes import size

if TYPE_CHECKING:
    from skyreels_tui.executors.cluster.ray.examine import MeasuredLinks
    from skyreels_tui.executors.cluster.ray.nodes import Node

STATE_FILE = "cluster.json"
"""In the state folder: which process makes this machine a part of a cluster."""
STORE_BYTES = 2 * 10**9
"""What Ray may keep in shared memory: a few snapshots under way; it would take 30 % of the memory."""
STORE_LEAST = 80 * 10**6
START_S = 150.0
PORT = 6379


def configure(parser: Parser, _name: str) -> None:
    """Declare the actions of `cluster`."""
    add = parser.add_actions("status | start | join | stop | token | link")
    status = add("status", tr("machines, GPUs, token and what is wrong (the default action)"))
    start = add("start", tr("make this machine the head of a cluster, and a worker of it"))
    join = add("join", tr("make this machine a worker of a cluster"))
    stop = add("stop", tr("take this machine out of its cluster; as the head, end the cluster"))
    token = add("token", tr("print the path of the file that every machine of the cluster must have"))
    link = add("link", tr("measure the links between the machines, and say what each is worth"))
    join.add_argument("head", metavar="HOST:PORT", help=tr("the head, as its start said"))
    start.add_argument("--port", type=int, default=PORT, help=tr("port of the head"))
    for one in (start, join):
        one.add_argument(
            "--address", default="127.0.0.1" if one is start else "",
            help=tr("address of this machine on the private link that joins the machines"),
        )  # fmt: skip
        one.add_argument("--name", default="", help=tr("name of this machine in lists; its host name when left out"))
        one.add_argument("--workers", type=int, default=0, help=tr("without a GPU: so many workers on the CPU"))
    for one in (status, start, join, stop, token, link):
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=tr("write JSON to stdout"))
    parser.add_json()


def run(_name: str, args: argparse.Namespace, context: Context) -> int:
    """Start, join, stop or show."""
    match args.action:
        case "start":
            return _start(args, context, f"{args.address}:{args.port}", is_head=True)
        case "join":
            return _start(args, context, args.head, is_head=False)
        case "stop":
            return _stop(args, context)
        case "token":
            return _token(args, context)
        case "link":
            return _link(args, context)
        case _:
            return _status(args, context)


def _need_ray() -> None:
    # Ray is asked for by name alone: importing it takes a second.
    from skyreels_tui.executors.cluster.ray.site import ray_is_missing

    if why := ray_is_missing():
        raise CommandError(why)


def _start(args: argparse.Namespace, context: Context, head: str, *, is_head: bool) -> int:
    from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE, ray_environ

    _need_ray()
    host, _, port = head.rpartition(":")
    if not host or not plain_number(port):
        raise CommandError(tr("{head} is no HOST:PORT, such as 192.168.10.1:6379", head=head))
    own = host if is_head else args.address
    if own and not _is_own(own):
        raise CommandError(tr("{address} is no address of this machine", address=own))
    context.folders.create()
    if (pid := running_pid(context.folders.state / STATE_FILE)) is not None:
        raise CommandError(
            tr("this machine is part of a cluster already (process {pid}): skyreels-tui cluster stop ends that",
               pid=pid), Exit.BUSY,
        )  # fmt: skip
    token = context.folders.config / TOKEN_FILE
    if is_head:
        _make_token(token)
    elif not token.exists() and "RAY_AUTH_MODE" not in os.environ:
        raise CommandError(
            tr(
                "{path} is not there: copy it from the head, where skyreels-tui cluster token prints its path; without"
                " a token whoever reaches the port could run programs here",
                path=token,
            )
        )
    environ = ray_environ(token)
    nodes, pid = _joined(
        context, head, ray_command(head, args, is_head=is_head), environ, is_head=is_head, name=_name_of(args)
    )
    if args.json:
        output.data({"head": head, "pid": pid, "machines": [dataclasses.asdict(node) for node in nodes]})
        return Exit.OK
    output.line(
        tr("the cluster at {head} has {machines}", head=head,
           machines=trn("{count} machine", "{count} machines", len(nodes)))
    )  # fmt: skip
    if is_head:
        output.note(tr("use it: skyreels-tui settings set cluster {head}", head=head))
        output.note(
            tr("other machines: copy {token} there, then skyreels-tui cluster join {head}", token=token, head=head)
        )
    return Exit.OK


def _is_own(address: str) -> bool:
    with suppress(OSError):
        family, kind, protocol, _, where = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as one:
            one.bind(where)
            return True
    return False


def ray_command(head: str, args: argparse.Namespace, *, is_head: bool) -> list[str]:
    """The command that makes this machine a part of a cluster and stays until it is ended."""
    host, _, port = head.rpartition(":")
    resources = {"skyreels_worker": args.workers} if args.workers else {}
    words = [sys.executable, "-m", "ray.scripts.scripts", "start"]
    words += ["--head", f"--port={port}", "--include-dashboard=false"] if is_head else [f"--address={head}"]
    address = host if is_head else args.address
    words += [f"--node-ip-address={address}"] if address else []
    return [
        *words,
        # Its own bookkeeping counts processors; jobs of ours ask for none.
        "--num-cpus=1",
        f"--object-store-memory={_store_bytes()}",
        f"--resources={json.dumps(resources)}",
        f"--labels=skyreels-name={_name_of(args)}",
        "--disable-usage-stats",
        "--block",
    ]


def _store_bytes() -> int:
    # Beyond what shared memory has, Ray writes to the disk.
    with suppress(OSError):
        return max(STORE_LEAST, min(STORE_BYTES, shutil.disk_usage("/dev/shm").free // 4))
    return STORE_LEAST


def _name_of(args: argparse.Namespace) -> str:
    return "".join(
        letter if letter.isalnum() or letter in "-." else "-" for letter in args.name or socket.gethostname()
    )


def _make_token(path: Path) -> None:
    if not path.exists():
        import secrets

        make_folder(path.parent)
        write_whole(path, secrets.token_hex(32).encode())


def _joined(
    context: Context, head: str, words: list[str], environ: dict[str, str], *, is_head: bool, name: str
) -> tuple[list[Node], int]:
    """Start Ray and wait until the cluster names this machine; the machines and the process that stays.

    Raises CommandError, after Ray has been ended.
    """
    state, log = context.folders.state / STATE_FILE, context.folders.logs / "cluster.log"
    from skyreels_tui.executors.cluster.ray.examine import joined, machines_of

    deadline = time.monotonic() + START_S
    why = tr("the cluster at {head} does not answer: is it started there?", head=head)
    while time.monotonic() < deadline:
        with log.open("ab") as sink:
            process = subprocess.Popen(
                words, env=environ, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        note = {"pid": process.pid, "head": head, "is_head": is_head}
        write_whole(state, json.dumps(note).encode())
        try:
            while process.poll() is None and time.monotonic() < deadline:
                if _answers(head):
                    try:
                        with joined(head, environ, context.settings.language) as helper:
                            nodes = machines_of(helper)
                    except PipelineError as error:
                        why = str(error)
                    else:
                        if any(node.name == name for node in nodes):
                            return nodes, process.pid
                time.sleep(0.2)
        except BaseException:
            _end(process.pid, state)
            raise
        # Ray gives a busy machine 30 seconds and no more.
        _end(process.pid, state)
    raise CommandError([why, tr("what Ray said stands in {path}", path=log)], Exit.FAILED)


def _answers(head: str) -> bool:
    host, _, port = head.rpartition(":")
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=2.0):
        return True
    return False


def running_pid(path: Path) -> int | None:
    """The process that makes this machine a part of a cluster; None when there is none."""
    try:
        note = read_json(path.read_bytes())
        pid = int(note["pid"])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A number may belong to another process by now.
    return pid if b"ray.scripts.scripts" in command else None


def _stop(args: argparse.Namespace, context: Context) -> int:
    path = context.folders.state / STATE_FILE
    pid = running_pid(path)
    if pid is None:
        raise CommandError(tr("this machine is part of no cluster that was started here"), Exit.NOT_FOUND)
    _end(pid, path)
    if args.json:
        output.data({"stopped": pid})
    else:
        output.line(tr("this machine has left its cluster"))
    return Exit.OK


def _end(pid: int, path: Path) -> None:
    """End Ray's processes of this machine in order, and at once where they do not end."""
    for number, seconds in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and _group_lives(pid):
            time.sleep(0.05)
    path.unlink(missing_ok=True)


def _group_lives(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _token(args: argparse.Namespace, context: Context) -> int:
    from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE

    path = context.folders.config / TOKEN_FILE
    if not path.exists():
        raise CommandError(tr("there is no token yet: skyreels-tui cluster start makes one"), Exit.NOT_FOUND)
    if args.json:
        output.data({"token": str(path)})
    else:
        output.line(str(path))
    return Exit.OK


def head_of(context: Context) -> str:
    """The head of the cluster that this machine uses or is a part of; '' without one."""
    from skyreels_tui.executors.cluster.choice import head_in

    head = head_in(context.settings)
    state = context.folders.state / STATE_FILE
    if not head and running_pid(state) is not None:
        return str(read_json(state.read_bytes())["head"])
    return head


def _status(args: argparse.Namespace, context: Context) -> int:
    from skyreels_tui.executors.cluster.ray.examine import examine_machines, joined, last_measured
    from skyreels_tui.executors.cluster.ray.nodes import cluster_refusal
    from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE, ray_environ

    head = head_of(context)
    report: dict[str, Any] = {
        "setting": context.settings.cluster, "head": head, "machines": [], "problem": "", "links": [],
    }  # fmt: skip
    if head:
        _need_ray()
        environ = ray_environ(context.folders.config / TOKEN_FILE)
        report["has_token"] = environ.get("RAY_AUTH_MODE") == "token"
        try:
            with joined(head, environ, context.settings.language) as helper:
                machines = examine_machines(helper)
        except PipelineError as error:
            report["problem"] = str(error)
        else:
            report["machines"] = [
                {
                    **dataclasses.asdict(machine.node),
                    "versions": dict(machine.facts.versions),
                    "tasks": list(machine.facts.tasks),
                    "differences": list(machine.differences),
                    "problem": machine.problem,
                }
                for machine in machines
            ]
            report["problem"] = cluster_refusal([machine.node for machine in machines], environ)
        report |= _measured_json(last_measured(context.folders.state))
    if args.json:
        output.data(report)
    else:
        _say(report)
    return Exit.FAILED if report["problem"] else Exit.OK


def _measured_json(measured: MeasuredLinks) -> dict[str, Any]:
    from skyreels_tui.executors.cluster.judgement import judge_link

    links = []
    for link in measured.links:
        judged = judge_link(link)
        links.append(
            {
                **dataclasses.asdict(link),
                "state": judged.state,
                "words": judged.words,
                "advice": list(judged.advice),
            }
        )
    return {"measured_at": measured.at, "links": links}


def _link(args: argparse.Namespace, context: Context) -> int:
    """Measure on request alone: it takes a minute and the link from whoever works."""
    from skyreels_tui.executors.cluster.ray.examine import joined, keep, measure_links
    from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE, ray_environ

    head = head_of(context)
    if not head:
        raise CommandError(tr("no cluster is set: skyreels-tui settings set cluster HOST:PORT"), Exit.NOT_FOUND)
    _need_ray()
    output.note(tr("measuring each link, which takes some seconds; jobs that run meanwhile make it slower ..."))
    environ = ray_environ(context.folders.config / TOKEN_FILE)
    try:
        with joined(head, environ, context.settings.language) as helper:
            measured = measure_links(helper, datetime.now(UTC))
    except PipelineError as error:
        raise CommandError(str(error), Exit.FAILED) from error
    if not measured.links:
        raise CommandError(tr("the cluster has one machine: there is no link to measure"), Exit.NOT_FOUND)
    keep(measured, context.folders.state)
    report = _measured_json(measured)
    if args.json:
        output.data(report)
    else:
        _say_links(report)
    return Exit.FAILED if any(link["state"] == "bad" for link in report["links"]) else Exit.OK


def _say_links(report: dict[str, Any]) -> None:
    for link in report["links"]:
        first, second = (end["name"] for end in link["ends"])
        output.line(f"{first} - {second}  {link['words']}")
        if link["copy"]:
            output.line("    " + tr("files: {rate} a second", rate=size(int(link["copy"]))))
        if link["advice"]:
            output.line("    " + tr("on both machines:"))
        for advice in link["advice"]:
            output.line(f"    - {advice}")


def _say(report: dict[str, Any]) -> None:
    if not report["head"]:
        output.line(tr("no cluster: workers = {setting}", setting=report["setting"] or tr("this process alone")))
        return
    words = tr("with a token") if report["has_token"] else tr("without a token")
    output.line(tr("cluster at {head}, {words}", head=report["head"], words=words))
    for node in report["machines"]:
        kind = (
            trn("{count} GPU", "{count} GPUs", node["workers"])
            if node["has_gpu"]
            else trn("{count} worker on the CPU", "{count} workers on the CPU", node["workers"])
        )
        output.line(f"  {node['name']}  {node['address']}  {kind}")
        absent = [task.short for task in TASKS if task.components and task.name not in node["tasks"]]
        for words in (node["problem"], *node["differences"]):
            if words:
                output.line(f"    {words}")
        if absent and not node["problem"]:
            output.line(
                "    " + tr("no model for {tasks}: skyreels-tui models download, there", tasks=", ".join(absent))
            )
    _say_links(report)
    if len(report["machines"]) > 1 and not report["links"]:
        output.line(tr("links: not measured yet (skyreels-tui cluster link)"))
    if report["problem"]:
        output.note(report["problem"])
