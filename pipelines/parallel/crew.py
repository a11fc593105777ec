"""The ranks that follow a job of this process: they make its transformer calls and its decode together with it.

The job's process is rank 0 and holds everything else: files, random numbers, text encoder, encode, reports. The others
know no job, hold what was sent to them and end with their leader.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipelines.front.errors import Cancelled, GangLost
from pipelines.front.followers import Followers, StartFollowers
from pipelines.front.language import tr
from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import keep_compiled
from pipelines.models.transformer.transformer import NetworkCall, SkyReelsTransformer
from pipelines.models.vae.decoder import decoder_weights
from pipelines.parallel.branches import make_calls
from pipelines.parallel.children import Children
from pipelines.parallel.gang import QUIET_S, Gang, abort_gang, open_gang
from pipelines.parallel.letters import send
from pipelines.parallel.rows import decode_rows
from pipelines.parallel.sequence import shard_sequence

LAST_WORDS_S = 2.0
"""A follower whose call failed has so long to be found dead, before the failure counts as the leader's own."""

Desk = dict[int, Any]
"""What a follower holds, by the number that the leader gave it."""


class Crew:
    """The leader's side of a gang of `size`; used from one thread. Close it, or let it go with its last reference."""

    def __init__(self, size: int, device: str, quiet_s: float = QUIET_S, start: StartFollowers | None = None) -> None:
        """Start the followers, processes of this host without `start`. device: 'cpu' or 'cuda'.

        Raises GangLost when one does not come.
        """
        self.size = size
        self._ranks = _Ranks(size, device, quiet_s, start or Children)
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
        return self._ranks.is_over or not self.followers.is_whole

    @property
    def followers(self) -> Followers:
        """The other ranks."""
        return self._ranks.followers

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
                    velocity = alone(*args, **options)
                    self.gang.agree()
                    return velocity

            def branches(calls: Sequence[NetworkCall]) -> list[Tensor]:
                self._tell(_call_each, number, calls)
                with self._ranks.watched():
                    velocities = make_calls(self.gang, network, alone, calls)
                    self.gang.agree()
                    return velocities

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
            self.gang.agree()

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
    """The followers and the group with them; holds no reference to what is computed."""

    def __init__(self, size: int, device: str, quiet_s: float, start: StartFollowers) -> None:
        self._size, self._device, self._quiet_s = size, device, quiet_s
        self.gang: Gang
        self.is_over = False
        self._lock = threading.Lock()
        self.followers = start(size, device, quiet_s)
        threading.Thread(target=self._watch, name="gang watch", daemon=True).start()

    def join(self) -> None:
        """Meet the followers, once all have begun."""
        meeting = self.followers.begin()
        device = f"{self._device}:0" if self._device == "cuda" else self._device
        self.gang = open_gang(
            0, self._size, meeting.address, device, self._quiet_s, link=meeting.link, listening=meeting.listening
        )

    def tell(self, work: Any, *args: object) -> None:
        """Send a letter."""
        send(self.gang, self.followers.post, work, args)

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
        self.followers.end()
        if hasattr(self, "gang"):
            abort_gang(self.gang)

    def _watch(self) -> None:
        """A dead rank leaves the others waiting inside a call: then end those waits."""
        self.followers.wait()
        if not self.is_over and hasattr(self, "gang") and self.gang.device.type == "cuda":
            abort_gang(self.gang)

    def _lost(self, timeout_s: float) -> str:
        """Which follower ended and why, in words, or ''."""
        lost = self.followers.lost(timeout_s)
        if lost is None:
            return ""
        rank, reason = lost
        return tr(
            "GPU {number} of the {size} that work on this job has failed: {reason}",
            number=rank + 1,
            size=self._size,
            reason=reason,
        )


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


def _call(gang: Gang, desk: Desk, number: int, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    desk[number](*args, **options)
    gang.agree()


def _call_each(gang: Gang, desk: Desk, number: int, calls: Sequence[NetworkCall]) -> None:
    make_calls(gang, desk[number], desk[number], calls)
    gang.agree()


def _decode(gang: Gang, desk: Desk, number: int, latents: Tensor) -> None:
    for _ in decode_rows(gang, desk[number], latents):
        pass
    gang.agree()
