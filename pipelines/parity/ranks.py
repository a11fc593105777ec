"""Lets the networks of a replay compute on several ranks of this host; with one they compute as ever."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor

from pipelines.front.errors import InvalidRequest, Problem
from pipelines.front.language import tr
from pipelines.models.library import AutoencoderKLWan
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.models.vae.vae import decode_stream
from pipelines.parallel.crew import Crew


class Ranks:
    """One network at a time is led by all ranks, from `lead` until the next one or `release`."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self._crew = Crew(size, "cpu") if size > 1 else None
        self._led = ExitStack()

    def lead(self, network: SkyReelsTransformer) -> SkyReelsTransformer:
        """Let calls of `network`, with the weights that it has now, be calls of all ranks; returns it.

        Raises InvalidRequest when the ranks cannot share its heads.
        """
        self.release()
        if self._crew is not None:
            self._crew.forget(network)
            self._led.enter_context(self._crew.lead(network))
        return network

    def release(self) -> None:
        """Let the network be one rank's again."""
        self._led.close()

    def decode(self, vae: AutoencoderKLWan, latents: Tensor) -> Generator[Tensor, None, None]:
        """As `decode_stream`, by rows on all ranks. Raises InvalidRequest when there are too few rows."""
        rows = latents.shape[-2]
        if rows < self.size:
            words = tr("{rows} rows of latents are too few for {size} GPUs", rows=rows, size=self.size)
            raise InvalidRequest([Problem("gpus", words)])
        return decode_stream(vae, latents, together=self._crew.decode if self._crew else None)

    def close(self) -> None:
        """End the other ranks."""
        self.release()
        if self._crew is not None:
            self._crew.close()


def is_led(network: SkyReelsTransformer) -> bool:
    """Whether a call of `network` is one of several ranks."""
    return network.sharding is not None


@contextmanager
def alone(network: SkyReelsTransformer) -> Iterator[None]:
    """Let calls be this rank's, so that the stages inside are whole: of a led call every rank has only its slice."""
    led: dict[str, Any] = {}
    for name in ("forward", "each"):
        if name in network.__dict__:
            led[name] = network.__dict__.pop(name)
    sharding, network.sharding = network.sharding, None
    try:
        yield
    finally:
        network.sharding = sharding
        network.__dict__.update(led)
