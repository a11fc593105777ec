"""What every command gets: the services of this run and a way to open the queue; reads no arguments itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skyreels_tui.app.services import Services
from skyreels_tui.files.folders import Folders
from skyreels_tui.settings.settings import Settings

if TYPE_CHECKING:
    from skyreels_tui.queue.events import Event
    from skyreels_tui.queue.service import QueueOptions, QueueService


def ignore_event(_: Event) -> None:
    """The listener of commands that only read or change rows."""


@dataclass(frozen=True, slots=True)
class Context:
    """One call of the program."""

    services: Services

    @property
    def folders(self) -> Folders:
        """Where the program keeps its files."""
        return self.services.folders

    @property
    def settings(self) -> Settings:
        """What a person has chosen."""
        return self.services.settings.now

    @property
    def result_dir(self) -> Path:
        """Where finished videos go."""
        return self.services.result_dir

    def queue_options(self, *, auto_resume: bool = False) -> QueueOptions:
        """Return what the settings say about running, for a command that runs jobs."""
        return self.services.queue_options(auto_resume=auto_resume)

    @contextmanager
    def queue(
        self,
        *,
        publish: Callable[[Event], None] = ignore_event,
        runs: bool = False,
        options: QueueOptions | None = None,
    ) -> Iterator[QueueService]:
        """Open the queue and close it at the end; `runs` lets this process run jobs when nobody else does."""
        # Needed only by commands that touch the queue.
        from skyreels_tui.files.app_log import log_to_file

        self.folders.create()
        log_to_file(self.folders)
        notifier = self.services.headless_notifier() if runs else None

        def tell(event: Event) -> None:
            if notifier is not None:
                notifier.take(event)
            publish(event)

        service = self.services.open_queue(tell, runs=runs, options=options)
        if notifier is not None:
            notifier.start(service.jobs(include_finished=False))
        try:
            yield service
        finally:
            service.close()
            if notifier is not None:
                notifier.stop()
