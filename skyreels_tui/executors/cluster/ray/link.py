"""One end of the link between two machines: what is set there, and how fast bytes come through; an actor of each."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.front.interfaces import interfaces_with, subnet_of
from skyreels_tui.executors.cluster.judgement import Half, LinkEnd

REPEATS = 5
MESSAGE_BYTES = {"cuda:0": 256 * 2**20, "cpu": 8 * 2**20}
"""What each sends the other at once."""
COPY_BYTES = 16 * 2**20
LIMIT_S = 60.0


class LinkProbe:
    """Inside an actor that holds nothing of its machine: a job there goes on meanwhile."""

    def __init__(self) -> None:
        self._listening = socket.socket()

    def end(self, name: str, address: str) -> LinkEnd:
        """What is set on this machine."""
        import torch
        from torch.cuda import nccl as library

        halves = halves_of(Path("/sys"), address)
        has_gpu = torch.cuda.is_available()
        version: Callable[[], tuple[int, ...]] = library.version
        nccl = ".".join(map(str, version())) if has_gpu else ""
        gpu = torch.cuda.get_device_name(0) if has_gpu else ""
        return LinkEnd(name, halves, os.environ.get("NCCL_IB_HCA", ""), nccl, gpu)

    def listen(self, address: str) -> str:
        """Where the two meet."""
        self._listening.bind((address, 0))
        self._listening.listen(2)
        return f"tcp://{address}:{self._listening.getsockname()[1]}"

    def exchange(self, rank: int, meeting: str, device: str, address: str) -> float:
        """Bytes a second that this end sends while it receives as many; the best of some."""
        import torch

        from pipelines.parallel.gang import close_gang, open_gang

        listening = self._listening.detach() if rank == 0 else None
        gang = open_gang(rank, 2, meeting, device, LIMIT_S, link=address, listening=listening)
        size = MESSAGE_BYTES[device]
        data = torch.zeros(2 * size, dtype=torch.uint8, device=device)
        best = float("inf")
        for _ in range(REPEATS):
            gang.largest(torch.zeros(1, device=device)).item()
            began = time.perf_counter()
            gang.exchange(data, [size, size], [size, size])
            # The last byte is here once a later message is.
            gang.largest(torch.zeros(1, device=device)).item()
            best = min(best, time.perf_counter() - began)
        close_gang()
        return size / best

    def lump(self) -> bytes:
        """A part of a file, as stored steps and inputs travel."""
        return bytes(COPY_BYTES)

    def fetch(self, other: Any) -> float:
        """Bytes a second at which such parts come from the other end."""
        import ray

        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            ray.get(other.lump.remote())
            best = min(best, time.perf_counter() - began)
        return COPY_BYTES / best


def halves_of(system: Path, address: str) -> tuple[Half, ...]:
    """The interfaces of the port that has an address: all RDMA ones that are up, else the one. `system` is /sys."""
    net = system / "class" / "net"
    devices = {
        interface.name: device.name
        for device in sorted((system / "class" / "infiniband").glob("*"))
        for interface in (device / "device" / "net").glob("*")
    }
    with_cable = [name for name in devices if _text(net / name / "operstate") == "up"]
    own = list(interfaces_with(address))
    # A machine may have other fast ports: they count only where the link takes one of them.
    names = with_cable if set(own) & set(with_cable) else own
    return tuple(
        Half(
            name,
            subnet_of(name),
            int(_text(net / name / "mtu") or 0),
            max(0.0, int(_text(net / name / "speed") or 0) / 1000),
            devices.get(name, ""),
        )
        for name in names
    )


def _text(path: Path) -> str:
    # Some of these cannot be read while an interface is down.
    with suppress(OSError):
        return path.read_text(encoding="ascii").strip()
    return ""
