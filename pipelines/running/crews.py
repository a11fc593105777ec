"""The ranks that work with this process, kept warm between jobs beside the networks that they hold copies of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.front.followers import StartFollowers
from pipelines.parallel.crew import Crew
from pipelines.running.pool import ModelPool


@contextmanager
def warm_crew(pool: ModelPool, size: int, device: str, start: StartFollowers | None = None) -> Iterator[Crew]:
    """A crew of `size` ranks on 'cpu' or 'cuda', started when none is warm. Raises GangLost when a rank is lost.

    A process is in one group at a time: a warm crew of another size ends first.
    """
    for other in pool.take_out(lambda model: isinstance(model, Crew) and (model.is_over or model.size != size)):
        other.close()
    with pool.use(("crew", device, size), lambda: Crew(size, device, start=start)) as crew:
        yield crew
