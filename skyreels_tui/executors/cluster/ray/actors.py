"""How actors are asked of Ray: where they run, what they hold, and what their errors say."""

from __future__ import annotations

from typing import Any

from skyreels_tui.executors.cluster.ray.nodes import Node

WORKERS = "skyreels_worker"
"""The resource by which a machine without a GPU says how many workers it gives."""
START_S = 180.0
"""A fresh actor may import torch for the first time."""


def actor_options(node: Node, accelerators: int) -> dict[str, Any]:
    """Options of an actor that holds so many accelerators of a machine; retrying is the queue's decision."""
    share: dict[str, Any] = {"num_gpus": accelerators} if node.has_gpu else {"resources": {WORKERS: accelerators}}
    return {
        "num_cpus": 0,
        "max_restarts": 0,
        "max_task_retries": 0,
        "max_concurrency": 8,
        "scheduling_strategy": at(node),
        **share,
    }


def at(node: Node) -> Any:
    """On this machine and no other."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node.id, soft=False)


def words_of(error: Exception) -> str:
    """What an error of Ray says, on one line."""
    return " ".join(str(getattr(error, "cause", error)).split())[:300]
