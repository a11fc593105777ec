"""The ranks that follow a job of this process: they make its transformer calls and its decode together with it.

The job's process is rank 0 and holds everything else: files, random numbers, text encoder, encode, reports. The others
are processes of this host; they know no job, hold what was sent to them and end with their leader.
"""

from __future__ import annotations

import multiprocessing as mp
import multiprocessing.connection as mpc
import os
import signal
import tempfile
import threading
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipelines.front.errors import Cancelled, GangLost
from pipelines.front.language import tr
from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import keep_compiled
from pipelines.models.transformer.transformer import NetworkCall, SkyReelsTransformer
from pipelines.models.vae.decoder import decoder_weights
from pipelines.parallel.branches import make_calls
from pipelines.parallel.gang import QUIET_S, Gang, Stopped, abort_gang, open_gang
from pipelines.parallel.letters import receive, send
from pipelines.parallel.rows import decode_rows
from pipelines.parallel.sequence import shard_sequence

LAST_WORDS_S = 2.0
"""A follower whose call failed has so long to be found dead, before the failure counts as the leader's own."""

Desk = dict[int, Any]
"""What a follower holds, by the number that the leader gave it."""


class Crew:
    """The leader's side of a gang of `size`; used from one thread. Close it, or let it go with its last reference."""

    def __init__(self, size: int, device: str, quiet_s: float = QUIET_S) -> None:
        """Start the followers. device: 'cpu' or 'cuda'. Raises GangLost when one does not come."""
        self.size = size
        self._ranks = _Ranks(size, device, quiet_s)
        self._end = weakref.finalize(self, self._ranks.end)
        self._numbers = count()
        self._sent: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._forgotten: list[int] = []
        with self._ranks.watched():
            self._ranks.join()

    @property
    def gang(self) -> Gang:
        """The leader's view of the group."""
        return self._ranks.gang

    @property
    def is_over(self) -> bool:
        """Whether it was closed, or has lost a rank: then it makes no more calls."""
        return self._ranks.is_over or not all(process.is_alive() for process in self.processes)

    @property
    def processes(self) -> list[BaseProcess]:
        """The followers, rank 1 first."""
        return self._ranks.processes

    def close(self) -> None:
        """End the followers."""
        self._end()

    def use_kernel(self, kernel: str, cache_dir: Path) -> None:
        """Let the followers' attention prefer what the leader's does."""
        self._tell(_use_kernel, kernel, str(cache_dir))

    @contextmanager
    def lead(self, network: SkyReelsTransformer) -> Iterator[None]:
        """Let calls of `network` be calls of all ranks; its weights are sent the first time.

        Raises InvalidRequest when the ranks cannot share its heads.
        """
        alone = network.forward
        shard_sequence(network, self.gang)
        try:
            number = self._send(network)

            def together(*args: Any, **options: Any) -> Tensor:
                self._tell(_call, number, args, options)
                with self._ranks.watched():
                    return alone(*args, **options)

            def branches(calls: Sequence[NetworkCall]) -> list[Tensor]:
                self._tell(_call_each, number, calls)
                with self._ranks.watched():
                    return make_calls(self.gang, network, alone, calls)

            network.forward = together  # type: ignore[method-assign]  # for as long as the context lasts
            network.each = branches  # type: ignore[method-assign]  # likewise
            yield
        finally:
            network.__dict__.pop("forward", None)
            network.__dict__.pop("each", None)
            network.sharding = None

    def decode(self, vae: nn.Module, raw: Tensor) -> Generator[Tensor, None, None]:
        """Decode raw latents [1, 16, T, h, w] by rows, as `decode_stream` yields pixels."""
        weights = decoder_weights(vae, torch.float16 if raw.is_cuda else torch.float32)
        latents = raw[0].transpose(0, 1)
        self._tell(_decode, self._send(weights), latents)
        with self._ranks.watched():
            for pixels in decode_rows(self.gang, weights, latents):
                assert pixels is not None  # this is rank 0
                yield pixels.transpose(0, 1)[None]

    def forget(self, model: object) -> None:
        """Let the followers drop what was sent of `model`; a change of its weights needs this."""
        number = self._sent.pop(model, None)
        if number is not None:
            self._forgotten.append(number)

    def _send(self, model: object) -> int:
        if model not in self._sent:
            number = next(self._numbers)
            self._tell(_keep, number, model)
            self._sent[model] = number
            # The model's end may come in the middle of a call: the followers hear of it with the next letter.
            weakref.finalize(model, self._forgotten.append, number)
        return self._sent[model]

    def _tell(self, work: Any, *args: object) -> None:
        with self._ranks.watched():
            while self._forgotten:
                self._ranks.tell(_drop, self._forgotten.pop())
            self._ranks.tell(work, *args)


class _Ranks:
    """The followers' processes and the group with them; holds no reference to what is computed."""

    def __init__(self, size: int, device: str, quiet_s: float) -> None:
        # A name that only this user can reach; the processes are of this host.
        self._folder = tempfile.TemporaryDirectory(prefix="skyreels-gang-")
        self._meeting = (size, f"file://{Path(self._folder.name) / 'meeting'}", device, quiet_s)
        self.gang: Gang
        self.is_over = False
        self._lock = threading.Lock()
        # A fork server imports once what every rank needs; but what it imports asks the driver for its GPUs, and no
        # fork of a process that has asked can use one.
        context: ForkServerContext | SpawnContext = mp.get_context("spawn")
        if device == "cpu":
            context = mp.get_context("forkserver")
            context.set_forkserver_preload([__name__])
        self.processes: list[BaseProcess] = []
        self.pipes: list[Connection] = []
        for rank in range(1, size):
            here, there = context.Pipe()
            process = context.Process(target=_follow, args=(rank, *self._meeting, there), daemon=True)
            process.start()
            there.close()
            self.processes.append(process)
            self.pipes.append(here)
        threading.Thread(target=self._watch, name="gang watch", daemon=True).start()

    def join(self) -> None:
        """Meet the followers, once all have begun: reading the libraries may take longer than any message."""
        for pipe in self.pipes:
            pipe.recv_bytes()
        size, address, device, quiet_s = self._meeting
        self.gang = open_gang(0, size, address, f"{device}:0" if device == "cuda" else device, quiet_s)

    def tell(self, work: Any, *args: object) -> None:
        """Send a letter."""
        send(self.gang, self.pipes, work, args)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Between blocks and between frames all ranks can stop together; any other end ends the gang.

        Raises GangLost when a rank was lost.
        """
        if self.is_over:
            raise GangLost(tr("the GPUs that worked together on this job have ended: start it again"))
        try:
            yield
        except (Cancelled, GeneratorExit):
            self.gang.tell_to_stop()
            raise
        except BaseException as error:
            lost = self._lost(LAST_WORDS_S)
            self.end()
            if lost:
                raise GangLost(lost) from error
            raise

    def end(self) -> None:
        """End the followers and leave the group."""
        with self._lock:
            if self.is_over:
                return
            self.is_over = True
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        for pipe in self.pipes:
            pipe.close()
        if hasattr(self, "gang"):
            abort_gang(self.gang)
        self._folder.cleanup()

    def _watch(self) -> None:
        """A dead rank leaves the others waiting inside a call: then end those waits."""
        mpc.wait([process.sentinel for process in self.processes])
        if not self.is_over:
            for process in self.processes:
                process.kill()
            if hasattr(self, "gang") and self.gang.device.type == "cuda":
                abort_gang(self.gang)

    def _lost(self, timeout: float) -> str:
        """Why a follower ended, in words, or ''."""
        ended = mpc.wait([process.sentinel for process in self.processes], timeout)
        for number, (process, pipe) in enumerate(zip(self.processes, self.pipes, strict=True), start=2):
            if process.sentinel in ended:
                reason = tr("its process ended")
                with suppress(EOFError, OSError):
                    if pipe.poll():
                        reason = pipe.recv_bytes().decode()
                return tr(
                    "GPU {number} of the {size} that work on this job has failed: {reason}",
                    number=number,
                    size=len(self.processes) + 1,
                    reason=reason,
                )
        return ""


def _follow(rank: int, size: int, address: str, device: str, quiet_s: float, pipe: Connection) -> None:
    """A follower's whole life."""
    # The leader decides when a job stops, not the terminal that both were started from; nor does a rank write there.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    try:
        if device == "cpu":
            torch.set_num_threads(1)
        pipe.send_bytes(b"here")
        gang = open_gang(rank, size, address, f"{device}:{rank}" if device == "cuda" else device, quiet_s)
        desk: Desk = {}
        with torch.inference_mode():
            while True:
                try:
                    work, args = receive(gang, pipe)
                except EOFError:
                    return
                with suppress(Stopped):
                    work(gang, desk, *args)
                del work, args
    except Exception as error:
        with suppress(OSError):
            pipe.send_bytes(f"{type(error).__name__}: {error}"[:500].encode())
        raise
    finally:
        # Nothing is worth waiting for: a message that nobody answers must not hold the process.
        os._exit(1)


def _use_kernel(_gang: Gang, _desk: Desk, kernel: str, cache_dir: str) -> None:
    keep_compiled(Path(cache_dir))
    attention.prefer(kernel)


def _keep(gang: Gang, desk: Desk, number: int, model: object) -> None:
    if isinstance(model, SkyReelsTransformer):
        shard_sequence(model, gang)
    desk[number] = model


def _drop(_gang: Gang, desk: Desk, number: int) -> None:
    desk.pop(number, None)
    torch.cuda.empty_cache()


def _call(_gang: Gang, desk: Desk, number: int, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    desk[number](*args, **options)


def _call_each(gang: Gang, desk: Desk, number: int, calls: Sequence[NetworkCall]) -> None:
    make_calls(gang, desk[number], desk[number], calls)


def _decode(gang: Gang, desk: Desk, number: int, latents: Tensor) -> None:
    for _ in decode_rows(gang, desk[number], latents):
        pass
