"""What a cluster looks like from this machine: machines, what each has, the links between them; knows no queue."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import PipelineError
from pipelines.front.language import tr
from skyreels_tui.executors.cluster.calls import Helper
from skyreels_tui.executors.cluster.judgement import Link, read_link
from skyreels_tui.executors.cluster.ray.actors import START_S
from skyreels_tui.executors.cluster.ray.facts import NodeFacts, gather_facts, machine_differences
from skyreels_tui.executors.cluster.ray.nodes import Node

JOIN_S = 60.0
LINKS_FILE = "links.json"
"""In the state folder: what was measured last."""


@dataclass(frozen=True, slots=True)
class ExaminedMachine:
    """One machine of a cluster."""

    node: Node
    facts: NodeFacts
    differences: tuple[str, ...] = ()
    """From this machine, a sentence each."""
    problem: str = ""
    """Why it could not be asked."""


@dataclass(frozen=True, slots=True)
class MeasuredLinks:
    """The links of a cluster at one moment."""

    at: str = ""
    """UTC, ISO 8601; '' when they were never measured."""
    links: tuple[Link, ...] = ()


@contextmanager
def joined(head: str, environ: Mapping[str, str], language: str) -> Iterator[Helper]:
    """A driver of the cluster at `head`, for questions. Raises PipelineError in words."""
    helper = Helper("skyreels_tui.executors.cluster.ray.driver", [], dict(environ), tr("the cluster"))
    try:
        helper.call("join", head, language, timeout_s=JOIN_S)
        yield helper
    finally:
        helper.kill()


def machines_of(helper: Helper) -> list[Node]:
    """The machines that are there."""
    nodes: list[Node] = helper.call("nodes", timeout_s=JOIN_S)
    return nodes


def examine_machines(helper: Helper) -> list[ExaminedMachine]:
    """The machines and what each has; one that cannot be asked says why."""
    mine = gather_facts()
    machines = []
    for node in machines_of(helper):
        try:
            facts: NodeFacts = helper.call("facts", node, timeout_s=START_S)
        except PipelineError as error:
            machines.append(ExaminedMachine(node, NodeFacts({}, ()), problem=str(error)))
        else:
            machines.append(ExaminedMachine(node, facts, tuple(machine_differences(mine, facts))))
    return machines


def measure_links(helper: Helper, now: datetime) -> MeasuredLinks:
    """Measure the link between every two machines; seconds each."""
    pairs = combinations(machines_of(helper), 2)
    links: list[Link] = [helper.call("measure", first, second, timeout_s=4 * START_S) for first, second in pairs]
    return MeasuredLinks(now.isoformat(timespec="seconds"), tuple(links))


def keep(measured: MeasuredLinks, state: Path) -> None:
    """Keep what was measured, for who asks later."""
    write_whole(state / LINKS_FILE, json.dumps(dataclasses.asdict(measured)).encode())


def last_measured(state: Path) -> MeasuredLinks:
    """What was measured last."""
    try:
        stored = read_json((state / LINKS_FILE).read_bytes())
        return MeasuredLinks(str(stored["at"]), tuple(map(read_link, stored["links"])))
    except (OSError, ValueError, KeyError, TypeError):
        return MeasuredLinks()
