"""The machines of a cluster, whether they may be used, and the workers that they give; knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipelines.front.language import tr
from skyreels_tui.queue.engine.workforce import Worker


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a cluster, or one that plays one."""

    id: str
    address: str
    name: str
    workers: int
    has_gpu: bool
    gpu: str = ""
    """Name of its GPUs, such as `H100`; '' where it has none, or says none."""


def cluster_refusal(nodes: Sequence[Node], environ: Mapping[str, str]) -> str:
    """'' when the cluster may be used, else why not: a port of Ray runs whatever is sent to it."""
    if len({node.address for node in nodes}) > 1 and environ.get("RAY_AUTH_MODE") != "token":
        return tr(
            "the cluster has several machines and no token: whoever reaches its port could run programs on all of"
            " them; start it with skyreels-tui cluster start, which makes one"
        )
    if not any(node.workers for node in nodes):
        return tr("the cluster has no GPU: on a machine without one, skyreels-tui cluster start --workers N gives some")
    return ""


def workers_of(nodes: Sequence[Node]) -> dict[Worker, Node]:
    """The workers of machines; two of one name are told apart."""
    found: dict[Worker, Node] = {}
    names: dict[str, int] = {}
    for node in sorted(nodes, key=lambda node: (node.name, node.id)):
        names[node.name] = names.get(node.name, 0) + 1
        host = node.name if names[node.name] == 1 else f"{node.name} ({names[node.name]})"
        kind = "gpu" if node.has_gpu else "cpu"
        for index in range(node.workers):
            found[Worker(f"{host} {kind} {index}", host, node.has_gpu, node.gpu if node.has_gpu else kind)] = node
    return found
