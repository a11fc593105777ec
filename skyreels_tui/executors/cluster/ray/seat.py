"""A desk inside an actor of a cluster; knows nothing of Ray, which makes an actor of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from skyreels_tui import __version__
from skyreels_tui.executors.cluster.line import DeskOptions
from skyreels_tui.executors.cluster.opening import open_desk
from skyreels_tui.executors.cluster.ray.nodes import Node
from skyreels_tui.executors.cluster.ray.ranks import RemoteRanks


class Seat:
    """Passes calls on, and errors in words: their classes need not exist at the other end."""

    def __init__(self, options: DeskOptions, ranks: Sequence[Node] = ()) -> None:
        """`ranks` are the machines of the other ranks, where this one leads a gang over several."""
        followers = None if not ranks else partial(RemoteRanks, ranks, options.language)
        self._desk = open_desk(options, followers)

    def version(self) -> str:
        """Of the program at this end."""
        return __version__

    def call(self, method: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call a method of the desk."""
        return getattr(self._desk, method)(*args, **options)
