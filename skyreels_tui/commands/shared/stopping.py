"""Signals for commands that run or follow jobs; handlers only set flags, because they interrupt anything."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from skyreels_tui.queue.engine.signals import StopSignals, handled

if TYPE_CHECKING:
    from skyreels_tui.queue.service import QueueService


class Stop:
    """Within `with`: the first Ctrl+C or SIGTERM sets `asked`, the second leaves; SIGHUP sets `hung_up`."""

    def __init__(self) -> None:
        self.asked = False
        self.hung_up = False
        self.service: QueueService | None = None
        """Told when this process leaves at once."""
        self._handlers = ExitStack()

    def __enter__(self) -> Self:
        # Handlers belong to the main thread; elsewhere (a test, an embedding program) nobody signals us.
        if threading.current_thread() is threading.main_thread():
            ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            self._handlers.enter_context(
                handled(
                    stop=StopSignals(self._ask, self._leave),
                    # Under nohup the person has already said that a lost terminal means nothing.
                    hang_up=None if ignored else self._hang_up,
                )
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handlers.close()

    @property
    def over(self) -> bool:
        """True when following should end."""
        return self.asked or self.hung_up

    def settle(self) -> None:
        """After a hang-up: let the engine do what the settings say; returns when it has nothing more to do."""
        if self.hung_up and self.service is not None:
            self.service.hang_up()
            self.service.wait_ended()

    def _ask(self) -> None:
        self.asked = True

    def _leave(self) -> None:
        if self.service is not None:
            self.service.give_up()

    def _hang_up(self) -> None:
        self.hung_up = True
