"""What other threads have to tell, as messages of which old ones give way: all that they ever do to the UI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from skyreels_tui.queue.events import Event, JobProgress

if TYPE_CHECKING:
    from skyreels_tui.downloads.transfers import Transfer
    from skyreels_tui.eta.forecast import QueueForecast
    from skyreels_tui.monitors.sample import Sample


class EngineEvent(Message):
    """A fact from the runner."""

    def __init__(self, event: Event) -> None:
        self.event = event
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Progress gives way to newer progress of the same job, except where that would lose a preview."""
        if not isinstance(message, EngineEvent):
            return False
        this, newer = self.event, message.event
        return (
            isinstance(this, JobProgress)
            and isinstance(newer, JobProgress)
            and this.job_id == newer.job_id
            and (this.progress.preview is None or newer.progress.preview is not None)
        )


class Sampled(Message):
    """One reading of the sensors, from the monitor thread."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """A reading gives way to a newer one."""
        return isinstance(message, Sampled)


class Forecasted(Message):
    """What the queue will take, from the forecaster's thread."""

    def __init__(self, queue: QueueForecast) -> None:
        self.queue = queue
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """A forecast gives way to a newer one."""
        return isinstance(message, Forecasted)


class TransfersChanged(Message):
    """Where every download and check of models stands, from their thread."""

    def __init__(self, transfers: tuple[Transfer, ...]) -> None:
        self.transfers = transfers
        super().__init__()

    def can_replace(self, message: Message) -> bool:
        """Old news gives way."""
        return isinstance(message, TransfersChanged)
