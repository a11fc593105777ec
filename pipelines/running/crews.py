"""The ranks that work with this process, kept warm between jobs beside the networks that they hold copies of."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.parallel.crew import Crew
from pipelines.running.pool import ModelPool


@contextmanager
def warm_crew(pool: ModelPool, size: int, device: str) -> Iterator[Crew]:
    """A crew of `size` ranks on 'cpu' or 'cuda', started when none is warm. Raises GangLost when a rank is lost.

    A process is in one group at a time: a warm crew of another size ends first.
    """
    for other in pool.take_out(lambda model: isinstance(model, Crew) and (model.is_over or model.size != size)):
        other.close()
    # A lost rank ends the job, not this process.
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2")
    # This one writes to the terminal when a group has ended; the crew watches its ranks itself.
    os.environ.setdefault("TORCH_NCCL_ENABLE_MONITORING", "0")
    with pool.use(("crew", device, size), lambda: Crew(size, device)) as crew:
        yield crew
