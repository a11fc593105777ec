"""Ranks of a gang on several machines: an actor each, started and watched by the gang's leader, an actor too."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Sequence
from typing import Any

from pipelines.front.boundary import boundary
from pipelines.front.errors import GangLost
from pipelines.front.followers import Meeting
from pipelines.front.language import choose, tr
from skyreels_tui.executors.cluster.ray.actors import START_S, actor_options, words_of
from skyreels_tui.executors.cluster.ray.nodes import Node

ANSWER_S = 10.0
"""A rank that does not say within this that it is there counts as dead, once a call has failed."""


class Rank:
    """One follower, inside an actor; knows nothing of Ray, which makes an actor of it."""

    def __init__(self, language: str) -> None:
        choose(language)
        self._letters: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._over = threading.Event()
        self._why = ""

    def begin(self, rank: int, size: int, address: str, device: str, quiet_s: float, link: str) -> None:
        """Read the libraries, then follow on a thread of its own."""
        from pipelines.parallel import crew
        from pipelines.parallel.following import follow_leader

        del crew  # letters name what it holds

        def live() -> None:
            with boundary() as tried:
                follow_leader(rank, size, address, device, quiet_s, self._letters.get, link)
            self._why = tried.words
            self._over.set()

        threading.Thread(target=live, name="rank", daemon=True).start()

    def post(self, letter: bytes) -> None:
        """Take a letter."""
        self._letters.put(letter)

    def here(self) -> None:
        """Answer."""

    def end(self) -> str:
        """Wait for the end, and say why it came."""
        self._over.wait()
        return self._why


class RemoteRanks:
    """`Followers` on the machines of a cluster; used inside an actor, which is the leader."""

    def __init__(self, places: Sequence[Node], language: str, size: int, device: str, quiet_s: float) -> None:
        """Start an actor at each place."""
        import ray

        self._places, self._size, self._device, self._quiet_s = places, size, device, quiet_s
        self._actors = [
            ray.remote(Rank).options(**actor_options(place, 1)).remote(language) for place in places[: size - 1]
        ]
        self._ends = [actor.end.remote() for actor in self._actors]
        self._socket = socket.socket()
        self._first: int | None = None

    def begin(self) -> Meeting:
        """Meet on the network by which this machine is known to the others. Raises GangLost."""
        import ray

        here = ray.util.get_node_ip_address()
        self._socket.bind((here, 0))
        self._socket.listen(self._size)
        address = f"tcp://{here}:{self._socket.getsockname()[1]}"
        device = "cuda:0" if self._device == "cuda" else self._device
        began = [
            actor.begin.remote(rank, self._size, address, device, self._quiet_s, place.address)
            for rank, (actor, place) in enumerate(zip(self._actors, self._places, strict=False), start=1)
        ]
        for place, answer in zip(self._places, began, strict=False):
            try:
                ray.get(answer, timeout=START_S)
            except ray.exceptions.RayError as error:
                raise GangLost(
                    tr("a worker on {name} does not start: {why}", name=place.name, why=words_of(error))
                ) from error
        return Meeting(address, here, self._socket.detach())

    def post(self, letter: bytes) -> None:
        """A letter counts once its actor has it: so they come in order."""
        import ray

        ray.get([actor.post.remote(letter) for actor in self._actors], timeout=self._quiet_s)

    def wait(self) -> None:
        import ray

        ended, _ = ray.wait(self._ends)
        if self._first is None:
            self._first = self._ends.index(ended[0])
        self.end()

    def lost(self, timeout_s: float) -> tuple[int, str] | None:
        import ray

        ended, _ = ray.wait(self._ends, timeout=timeout_s)
        if ended:
            index = self._ends.index(ended[0]) if self._first is None else self._first
            return index + 1, f"{self._places[index].name}: {self._why(self._ends[index])}"
        # One that is frozen, or behind a cut link, has not ended.
        asked = [actor.here.remote() for actor in self._actors]
        _, silent = ray.wait(asked, num_returns=len(asked), timeout=ANSWER_S)
        if silent:
            index = asked.index(silent[0])
            return index + 1, f"{self._places[index].name}: " + tr("it does not answer")
        return None

    def _why(self, end: Any) -> str:
        import ray

        try:
            return str(ray.get(end, timeout=ANSWER_S)) or tr("its process ended")
        except ray.exceptions.RayError:
            return tr("its process ended")

    @property
    def is_whole(self) -> bool:
        import ray

        ended, _ = ray.wait(self._ends, timeout=0)
        return not ended

    def end(self) -> None:
        import ray

        for actor in self._actors:
            ray.kill(actor)
        self._socket.close()
