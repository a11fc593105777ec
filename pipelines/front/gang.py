"""How many GPUs can work on one job together; pure numbers and words."""

from __future__ import annotations

from pipelines.front.language import tr

RELEASED_HEADS = 40
"""Attention heads of every released transformer."""


def gang_sizes(num_heads: int = RELEASED_HEADS, at_most: int = 8) -> tuple[int, ...]:
    """The numbers of GPUs, from 2 on, that share so many heads equally."""
    return tuple(size for size in range(2, at_most + 1) if num_heads % size == 0)


def gang_problem(size: int, num_heads: int = RELEASED_HEADS) -> str:
    """'' when `size` GPUs can work on one job together, else why not and what to choose."""
    if size >= 1 and num_heads % size == 0:
        return ""
    return tr(
        "{size} GPUs cannot share the {heads} attention heads of this model equally: choose {choices}",
        size=size,
        heads=num_heads,
        choices=", ".join(map(str, (1, *gang_sizes(num_heads)))),
    )
