"""How a worker's result reaches its widget: through the widget's own queue, which ends with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ParamSpec

from textual.message_pump import MessagePump

Args = ParamSpec("Args")

LOOK_S = 0.1
"""Between two looks at whether the widget that has not taken a result yet is still there."""


def hand_over(node: MessagePump, take: Callable[Args, object], *args: Args.args, **kwargs: Args.kwargs) -> None:
    """From a worker's thread, let `node` take a result on the screen's thread, and wait until it has.

    A node that has gone, or goes before its turn comes, takes nothing: its children are no longer there.
    """
    taken = threading.Event()

    def deliver() -> None:
        try:
            take(*args, **kwargs)
        finally:
            taken.set()

    if node.call_later(deliver):
        while not taken.wait(LOOK_S) and node.is_running:
            continue
