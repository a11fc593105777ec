"""How many GPUs can work on one job together; pure numbers and words."""

from __future__ import annotations

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import tr

ALL_GPUS = "all"
"""What a request says instead of a number, for as many GPUs as are there and share the heads equally."""

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


def ranks_of(asked: str, there: int | None) -> int:
    """How many ranks a request's `gpus` means where `there` GPUs are; None is a CPU, whose ranks are processes.

    Raises InvalidRequest when fewer are there than asked for.
    """
    if asked == ALL_GPUS:
        return max(size for size in (1, *gang_sizes()) if size <= max(there or 1, 1))
    ranks = int(asked)
    if there is not None and ranks > max(there, 1):
        words = tr(
            "{ranks} GPUs are asked for, {there} can be seen here: choose no more than there are, or all",
            ranks=ranks,
            there=there,
        )
        raise InvalidRequest([Problem("gpus", words)])
    return ranks
