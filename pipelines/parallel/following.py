"""A follower's life: it meets its gang, does what letters say and ends with its leader; knows no job."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from pipelines.parallel.gang import Stopped, open_gang
from pipelines.parallel.letters import receive


def follow_leader(
    rank: int,
    size: int,
    address: str,
    device: str,
    quiet_s: float,
    next_letter: Callable[[], bytes],
    link: str = "",
) -> None:
    """Do what letters say until `next_letter` raises EOFError, as `open_gang` is told. Raises what a call raises."""
    if device == "cpu":
        torch.set_num_threads(1)
    gang = open_gang(rank, size, address, device, quiet_s, link=link)
    desk: dict[int, Any] = {}
    with torch.inference_mode():
        while True:
            try:
                work, args = receive(gang, next_letter())
            except EOFError:
                return
            with suppress(Stopped):
                work(gang, desk, *args)
            del work, args
