"""A gang whose ranks are processes of this host, started and ended together."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, SpawnContext
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as mp
from torch.multiprocessing.spawn import start_processes

from pipelines.parallel.gang import close_gang, open_gang

SOCKET_NAME = 107
"""Bytes that the name of a socket may have on Linux."""

GRACE_S = 5.0
"""What the others have to end in when one rank has failed; then they are killed."""


def start_context(device: str) -> ForkServerContext | SpawnContext:
    """How the processes of ranks begin on 'cpu' or 'cuda'.

    A fork server imports once what every rank needs. But no fork of it can use a GPU, and its socket lies in the
    folder of temporary files, whose name can be too long for that.
    """
    socket = os.path.join(tempfile.gettempdir(), "pymp-01234567", "listener-01234567")  # noqa: PTH118 - a length
    if device == "cpu" and len(os.fsencode(socket)) <= SOCKET_NAME:
        return mp.get_context("forkserver")
    return mp.get_context("spawn")


def run_ranks(size: int, work: Callable[..., object], *args: object, device: str = "cpu") -> None:
    """Call `work(gang, *args)` in `size` processes; `work` and `args` must be picklable. device: 'cpu' or 'cuda'.

    Raises torch's ProcessRaisedException or ProcessExitedException when a rank fails or dies, after all are ended.
    """
    mp.set_forkserver_preload(["pipelines.parallel.sequence", "pipelines.parallel.rows", work.__module__])
    with tempfile.TemporaryDirectory(prefix="skyreels-gang-") as folder:
        address = f"file://{Path(folder) / 'meeting'}"
        method = start_context(device).get_start_method()
        ranks = start_processes(_rank, (size, address, device, work, args), size, join=False, start_method=method)
        while not ranks.join(grace_period=GRACE_S):
            pass


def _rank(rank: int, size: int, address: str, device: str, work: Callable[..., object], args: tuple[Any, ...]) -> None:
    if device == "cpu":
        torch.set_num_threads(1)
    gang = open_gang(rank, size, address, f"{device}:{rank}" if device == "cuda" else device)
    work(gang, *args)
    close_gang()
