"""Independent calls of one step, shared out among the ranks before their tokens are; knows no guidance.

Side by side, a call each, ranks exchange nothing; ranks that share a call's tokens exchange them in every block.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from pipelines.models.transformer.transformer import NetworkCall, SkyReelsTransformer
from pipelines.parallel.gang import Gang
from pipelines.parallel.sequence import sharded


def rounds(calls: int, ranks: int) -> list[int]:
    """How many of the calls are made side by side, round after round, each by equally many ranks.

    However calls are shared out equally, the arithmetic takes calls / ranks of one call's time. So as many as the
    ranks divide by are made at once: the fewer ranks share one, the less they exchange.
    """
    found: list[int] = []
    while sum(found) < calls:
        left = calls - sum(found)
        found.append(max(beside for beside in range(1, left + 1) if ranks % beside == 0))
    return found


def make_calls(
    gang: Gang, network: SkyReelsTransformer, forward: Callable[..., Tensor], calls: Sequence[NetworkCall]
) -> list[Tensor]:
    """Make the calls, each once, all ranks together; their results come together on the leader, elsewhere []."""
    results: list[Tensor] = []
    first = 0
    for beside in rounds(len(calls), gang.size):
        part = gang.part(beside)
        call = calls[first + gang.rank // part.size]
        with sharded(network, part):
            mine = forward(*call.args, **call.options)
        # Every rank of a part holds its whole result: the first one's goes to the leader.
        sizes = [len(mine) if rank % part.size == 0 else 0 for rank in range(gang.size)]
        arrived = gang.gather_to_leader(mine[: sizes[gang.rank]], sizes, dim=0)
        if arrived is not None:
            results += arrived.split(len(mine))
        first += beside
    return results
