"""The process that speaks with Ray for the queue's process: signals, output and the death of its own stay here."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from pipelines.front.errors import PipelineError
from pipelines.front.language import choose, tr
from skyreels_tui import __version__
from skyreels_tui.executors.cluster.calls import answer_calls
from skyreels_tui.executors.cluster.judgement import Link
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.cluster.ray.actors import START_S, WORKERS, actor_options, at, words_of
from skyreels_tui.executors.cluster.ray.facts import NodeFacts, gather_facts
from skyreels_tui.executors.cluster.ray.link import LinkProbe
from skyreels_tui.executors.cluster.ray.nodes import Node
from skyreels_tui.executors.cluster.ray.seat import Seat
from skyreels_tui.queue.engine.workforce import CannotHere, WorkerLost

NAME = "skyreels-name"
"""The label by which a machine says its name."""
KIND = "accelerator_type:"
"""How the resource begins by which Ray says the name of a machine's GPUs."""


class Driver:
    """Called from the queue's process, many calls at a time."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._actors: dict[int, Any] = {}

    def join(self, address: str, language: str) -> None:
        """Connect to the cluster at `host:port`. Raises PipelineError in words."""
        choose(language)
        import ray

        try:
            ray.init(address=address, namespace="skyreels-tui", log_to_driver=False, configure_logging=False)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            why = " ".join(str(error).split())[:300]
            raise PipelineError(
                tr(
                    "the cluster at {address} cannot be joined ({why}): is it started there, with the same token and"
                    " the same versions?",
                    address=address,
                    why=why,
                )
            ) from error

    def nodes(self) -> list[Node]:
        """The machines that are there."""
        import ray

        found = []
        for node in ray.nodes():
            if not node["Alive"]:
                continue
            gpus = int(node["Resources"].get("GPU", 0))
            name = node["Labels"].get(NAME) or node["NodeManagerHostname"]
            count = gpus or int(node["Resources"].get(WORKERS, 0))
            kinds = [word.removeprefix(KIND) for word in sorted(node["Resources"]) if word.startswith(KIND)]
            gpu = kinds[0] if kinds and gpus else ""
            found.append(Node(node["NodeID"], node["NodeManagerAddress"], name, count, bool(gpus), gpu))
        return sorted(found, key=lambda node: (node.name, node.id))

    def facts(self, node: Node) -> NodeFacts:
        """What a machine has. Raises PipelineError in words."""
        import ray

        asked = ray.remote(gather_facts).options(num_cpus=0, max_retries=0, scheduling_strategy=at(node)).remote()
        try:
            facts: NodeFacts = ray.get(asked, timeout=START_S)
        except ray.exceptions.RayError as error:
            raise PipelineError(words_of(error)) from error
        return facts

    def measure(self, first: Node, second: Node) -> Link:
        """What is set on two machines and how fast the link between them is; seconds. Raises PipelineError."""
        import ray

        nodes = first, second
        probes = [ray.remote(LinkProbe).options(**actor_options(node, 0)).remote() for node in nodes]
        try:
            known = [probe.end.remote(node.name, node.address) for probe, node in zip(probes, nodes, strict=True)]
            ends = tuple(ray.get(known, timeout=START_S))
            over_gpus = all(end.gpu for end in ends)
            try:
                copies = [probes[0].fetch.remote(probes[1]), probes[1].fetch.remote(probes[0])]
                copy = min(ray.get(copies, timeout=START_S))
                meeting = ray.get(probes[0].listen.remote(first.address), timeout=START_S)
                device = "cuda:0" if over_gpus else "cpu"
                rates = [
                    probe.exchange.remote(rank, meeting, device, node.address)
                    for rank, (probe, node) in enumerate(zip(probes, nodes, strict=True))
                ]
                return Link(ends, min(ray.get(rates, timeout=START_S)), copy, over_gpus)
            except ray.exceptions.RayError as error:
                return Link(ends, problem=words_of(error), over_gpus=over_gpus)
        except ray.exceptions.RayError as error:
            raise PipelineError(words_of(error)) from error
        finally:
            for probe in probes:
                ray.kill(probe)

    def open(self, team: Sequence[Node], options: DeskOptions, version: str) -> int:
        """Start an actor with an accelerator of each of these machines, the leader's first; return its number.

        Raises CannotHere where the program there has another version, WorkerLost where it does not start.
        """
        import ray

        leader = team[0]
        is_one_machine = len({node.id for node in team}) == 1
        # On one machine the actor has all GPUs; over several it leads ranks that have one each.
        ranks = () if is_one_machine else tuple(team[1:])
        for node in dict.fromkeys(ranks):
            self._check_version(node, version)
        actor = ray.remote(Seat).options(**actor_options(leader, 1 if ranks else len(team))).remote(options, ranks)
        try:
            theirs = ray.get(actor.version.remote(), timeout=START_S)
        except ray.exceptions.RayError as error:
            ray.kill(actor)
            raise _does_not_start(leader, error) from error
        if theirs != version:
            ray.kill(actor)
            raise _other_version(leader, theirs, version)
        number = next(self._numbers)
        self._actors[number] = actor
        return number

    def _check_version(self, node: Node, version: str) -> None:
        import ray

        asked = ray.remote(program_version).options(num_cpus=0, max_retries=0, scheduling_strategy=at(node)).remote()
        try:
            theirs = str(ray.get(asked, timeout=START_S))
        except ray.exceptions.RayError as error:
            raise _does_not_start(node, error) from error
        if theirs != version:
            raise _other_version(node, theirs, version)

    def call(self, number: int, method: str, args: tuple[Any, ...], options: dict[str, Any], timeout_s: float) -> Any:
        """Call a desk. Raises WorkerLost when its actor has died or does not answer."""
        import ray
        from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError

        actor = self._actors.get(number)
        if actor is None:
            raise WorkerLost(tr("{worker} has ended", worker=tr("the worker")))
        try:
            return ray.get(actor.call.remote(method, args, options), timeout=timeout_s)
        except GetTimeoutError as error:
            raise WorkerLost(tr("the worker has not answered for {seconds:.0f} s", seconds=timeout_s)) from error
        except RayActorError as error:
            raise WorkerLost(tr("{worker} has ended", worker=tr("the worker"))) from error
        except RayTaskError as error:
            raise PipelineError(" ".join(str(error.cause).split())[:300]) from error
        except RayError as error:
            # The cluster, not the job: its head has begun anew and knows nobody of before.
            raise WorkerLost(" ".join(str(error).split())[:300]) from error

    def end(self, number: int) -> None:
        """End an actor at once; one that has ended is fine."""
        import ray

        actor = self._actors.pop(number, None)
        if actor is not None:
            ray.kill(actor)


def program_version() -> str:
    """Of the program on a machine."""
    return __version__


def _does_not_start(node: Node, error: Exception) -> WorkerLost:
    return WorkerLost(tr("a worker on {name} does not start: {why}", name=node.name, why=words_of(error)))


def _other_version(node: Node, theirs: str, ours: str) -> CannotHere:
    return CannotHere(
        tr(
            "{name} has version {theirs} of this program and this machine {ours}: install the same on both",
            name=node.name,
            theirs=theirs,
            ours=ours,
        )
    )


def main(arguments: Sequence[str]) -> None:
    """Serve the queue's process until it has gone."""
    answer_calls(Connection(int(arguments[0])), Driver())
    # Ray ends the actors of a driver that has gone.
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
