"""What every command gets: folders, settings and a way to open the queue; reads no arguments itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from skyreels_tui.files.folders import Folders
from skyreels_tui.settings.settings import Settings

if TYPE_CHECKING:
    from skyreels_tui.eta.rates import EtaBook
    from skyreels_tui.queue.engine.executor import Executor
    from skyreels_tui.queue.events import Event
    from skyreels_tui.queue.service import HangUp, QueueOptions, QueueService

ExecutorFactory = Callable[[], "Executor"]


def ignore_event(_: Event) -> None:
    """The listener of commands that only read or change rows."""


@dataclass(frozen=True, slots=True)
class Context:
    """One call of the program."""

    folders: Folders
    settings: Settings
    result_dir: Path
    executor: ExecutorFactory
    """Makes what runs jobs; called only by commands that run some."""

    def queue_options(self, *, auto_resume: bool = False) -> QueueOptions:
        """Return what the settings say about running, for a command that runs jobs."""
        from pipelines.front.host_memory import memory_floor
        from skyreels_tui.queue.service import QueueOptions

        hang_up = cast("HangUp", self.settings.hang_up)
        floor = memory_floor(self.settings.memory_floor_gib)
        return QueueOptions(
            auto_resume=auto_resume,
            on_hang_up=hang_up,
            memory_floor_bytes=floor,
            group_by_model=self.settings.group_by_model,
            inbox=self.settings.inbox_folder,
        )

    @contextmanager
    def queue(
        self,
        *,
        publish: Callable[[Event], None] = ignore_event,
        runs: bool = False,
        options: QueueOptions | None = None,
    ) -> Iterator[QueueService]:
        """Open the queue and close it at the end; `runs` lets this process run jobs when nobody else does."""
        # The store and what lies below it are needed only by commands that touch the queue.
        from skyreels_tui.eta.time_left import TimeLeft
        from skyreels_tui.files.app_log import log_to_file
        from skyreels_tui.notify.attach import headless_notifier
        from skyreels_tui.queue.service import QueueService

        self.folders.create()
        log_to_file(self.folders)
        time_left = TimeLeft(self._eta_book())

        notifier = headless_notifier(lambda: self.settings) if runs else None

        def tell(event: Event) -> None:
            time_left.learn(event)
            if notifier is not None:
                notifier.take(event)
            publish(event)

        executor = self.executor if runs else None
        service = QueueService(
            self.folders, self.result_dir, tell, executor=executor, options=options, time_left=time_left
        )
        if notifier is not None:
            notifier.start(service.jobs(include_finished=False))
        try:
            yield service
        finally:
            service.close()
            if notifier is not None:
                notifier.stop()

    def _eta_book(self) -> EtaBook:
        from skyreels_tui.eta.rates import RATES_FILE, EtaBook

        return EtaBook(self.folders.state / RATES_FILE, _gpu_name)


@cache
def _gpu_name() -> str:
    """Return the name of the first GPU, or ''; asked only when a job of unknown speed begins."""
    from skyreels_tui.monitors.gpu import GpuSensor

    return GpuSensor().read().name
