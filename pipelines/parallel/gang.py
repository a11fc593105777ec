"""The ranks that work on one job together, one device each, and the messages between them; knows no network."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import accumulate
from urllib.parse import urlsplit

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import FileStore, Store, TCPStore

from pipelines.front.interfaces import interface_of

QUIET_S = 60.0
"""A rank that is waited for longer than this inside a call counts as dead."""


def split(total: int, ranks: int) -> tuple[int, ...]:
    """Sizes of `ranks` slices of `total`, at most one apart, the larger ones first: the same on every rank."""
    return tuple(total // ranks + (rank < total % ranks) for rank in range(ranks))


class Stopped(Exception):
    """The leader has told all ranks to stop at this block or frame."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """A message under way."""

    value: Tensor
    work: dist.Work | None

    def wait(self) -> Tensor:
        """What arrived; on CUDA the computing stream waits, not the caller."""
        if self.work is not None:
            self.work.wait()
        return self.value


@dataclass(frozen=True, slots=True)
class Gang:
    """One rank's view of its group. Every method is called by all ranks, in the same order."""

    rank: int
    size: int
    device: torch.device
    tensors: dist.ProcessGroup
    """For what lies on the devices."""
    host: dist.ProcessGroup
    """For small things in the hosts' memory."""
    quiet_s: float = QUIET_S
    parts: dict[int, Gang] = field(default_factory=dict, repr=False)
    """What this rank's part is when there are so many, once asked for."""

    @property
    def is_leader(self) -> bool:
        """Whether this rank holds the job: its files, its random numbers, its reports."""
        return self.rank == 0

    def go_on(self) -> None:
        """Between two blocks or frames: wait for the leader's word, one byte. Raises Stopped where it is to stop."""
        if self._word(0):
            raise Stopped

    def tell_to_stop(self) -> None:
        """End the others' call at their next `go_on`; the leader makes no `go_on` of its own then."""
        self._word(1)

    def _word(self, value: int) -> bool:
        word = torch.tensor([value], dtype=torch.uint8)
        dist.broadcast(word, 0, group=self.host)
        return bool(word.item())

    def agree(self) -> None:
        """Wait until the devices of all ranks have done what they were told. Raises when one was lost.

        A device's wait for a lost rank is ended, not failed: what has been computed until then is no result.
        """
        self.largest(torch.zeros(1, device=self.device)).item()
        dist.barrier(group=self.host)

    def part(self, count: int) -> Gang:
        """This rank's part when the ranks fall into `count` equal gangs of neighbours.

        The leader's word stays that of all: ranks of all parts ask for it equally often.
        """
        if count == 1:
            return self
        if count not in self.parts:
            size = self.size // count
            first = self.rank // size * size
            tensors = self.tensors
            if size > 1:
                limit = timedelta(seconds=self.quiet_s)
                neighbours = list(range(first, first + size))
                # The other parts make theirs without this rank.
                tensors = dist.new_group(neighbours, timeout=limit, use_local_synchronization=True)
            self.parts[count] = replace(self, rank=self.rank - first, size=size, tensors=tensors, parts={})
        return self.parts[count]

    def start_exchange(self, x: Tensor, sent: Sequence[int], received: Sequence[int]) -> Arriving:
        """Send the first `sent[0]` rows of dense x to rank 0, the next to rank 1 and so on; [sum(received), ...]."""
        out = torch.empty((sum(received), *x.shape[1:]), dtype=x.dtype, device=x.device)
        work = dist.all_to_all_single(out, x, list(received), list(sent), group=self.tensors, async_op=True)
        return Arriving(out, work)

    def exchange(self, x: Tensor, sent: Sequence[int], received: Sequence[int]) -> Tensor:
        """As `start_exchange`, at once."""
        return self.start_exchange(x, sent, received).wait()

    def gather(self, x: Tensor, sizes: Sequence[int], dim: int) -> Tensor:
        """Join every rank's slice along `dim`, of which rank r holds `sizes[r]`, on every rank."""
        longest = max(sizes)
        x = x.movedim(dim, 0)
        if x.shape[0] < longest:
            x = torch.cat((x, x.new_zeros(longest - x.shape[0], *x.shape[1:])))
        x = x.contiguous()
        everyones = x.new_empty(self.size, *x.shape)
        dist.all_gather(list(everyones.unbind(0)), x, group=self.tensors)
        joined = torch.cat([part[:size] for part, size in zip(everyones, sizes, strict=True)])
        return joined.movedim(0, dim)

    def gather_to_leader(self, x: Tensor, sizes: Sequence[int], dim: int) -> Tensor | None:
        """As `gather`, on rank 0 alone; None elsewhere."""
        x = x.movedim(dim, 0).contiguous()
        sent = [x.shape[0] if rank == 0 else 0 for rank in range(self.size)]
        joined = self.exchange(x, sent, sizes if self.is_leader else [0] * self.size)
        return joined.movedim(0, dim) if self.is_leader else None

    def largest(self, x: Tensor) -> Tensor:
        """The largest of every rank's x, entry by entry."""
        found = x.clone()
        dist.all_reduce(found, op=dist.ReduceOp.MAX, group=self.tensors)
        return found

    def slice_of(self, x: Tensor, sizes: Sequence[int], dim: int) -> Tensor:
        """This rank's slice of x along `dim`, a view."""
        return x.narrow(dim, offsets(sizes)[self.rank], sizes[self.rank])


def offsets(sizes: Sequence[int]) -> list[int]:
    """Where each slice begins."""
    return [0, *accumulate(sizes)][:-1]


def open_gang(
    rank: int,
    size: int,
    address: str,
    device: str,
    quiet_s: float = QUIET_S,
    *,
    link: str = "",
    listening: int | None = None,
) -> Gang:
    """Join the others at `address` ('tcp://HOST:PORT' of rank 0, or 'file:///...'); device is 'cuda:N' or 'cpu'.

    Messages between hosts take the network of `link`, this rank's own address. Rank 0 gives its open socket.
    """
    # A lost rank ends the job, not this process.
    os.environ.setdefault("TORCH_NCCL_ASYNC_ERROR_HANDLING", "2")
    # This one writes to the terminal when a group has ended; the leader watches its ranks itself.
    os.environ.setdefault("TORCH_NCCL_ENABLE_MONITORING", "0")
    place = torch.device(device)
    limit = timedelta(seconds=quiet_s)
    if link:
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", interface_of(link))
    store = _store(rank, size, address, limit, listening)
    if place.type == "cuda":
        torch.cuda.set_device(place)
        dist.init_process_group("nccl", store=store, rank=rank, world_size=size, timeout=limit)
        host = dist.new_group(backend="gloo", timeout=limit)
    else:
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=limit)
        host = dist.group.WORLD
    tensors = dist.group.WORLD
    assert tensors is not None and host is not None
    return Gang(rank, size, place, tensors, host, quiet_s)


def _store(rank: int, size: int, address: str, limit: timedelta, listening: int | None) -> Store:
    where = urlsplit(address)
    if where.scheme == "file":
        return FileStore(where.path, size)
    assert where.hostname is not None and where.port is not None
    # Given a socket, the store listens on that one network; else it would on all of them.
    return TCPStore(
        where.hostname,
        where.port,
        size,
        is_master=rank == 0,
        timeout=limit,
        wait_for_workers=False,
        master_listen_fd=listening,
    )


def close_gang() -> None:
    """Leave; the other ranks' calls fail from now on."""
    dist.destroy_process_group()


def abort_gang(gang: Gang) -> None:
    """Leave at once: what waits on a device for another rank ends, with whatever is in memory then."""
    if gang.device.type == "cuda":
        dist.distributed_c10d._abort_process_group()
    elif dist.is_initialized():
        dist.destroy_process_group()
