"""The composition root: what app, shell and lone panels are put together from; draws nothing and starts nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from skyreels_tui.files.folders import Folders
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import Settings

if TYPE_CHECKING:
    from pipelines.front.peaks import PeakBook
    from pipelines.front.request import Request
    from skyreels_tui.downloads.elsewhere import TransferFile
    from skyreels_tui.downloads.transfers import Transfer, Transfers
    from skyreels_tui.eta.forecast import QueueForecast, WorkerKinds
    from skyreels_tui.eta.forecaster import Forecaster
    from skyreels_tui.eta.rates import EtaBook
    from skyreels_tui.eta.time_left import TimeLeft
    from skyreels_tui.monitors.monitor import Monitor
    from skyreels_tui.monitors.sample import Sample
    from skyreels_tui.notify.notifier import Notifier
    from skyreels_tui.queue.batches.inbox import DroppedFilms
    from skyreels_tui.queue.engine.executor import Executor
    from skyreels_tui.queue.engine.workforce import Workforce
    from skyreels_tui.queue.events import EngineMemory, Event, JobProgress
    from skyreels_tui.queue.model import Job
    from skyreels_tui.queue.service import Companion, HangUp, QueueOptions, QueueService
    from skyreels_tui.requests.drafts import Drafts

ExecutorFactory = Callable[[], "Executor"]
Beat = Callable[[float], object]
"""Hears that a thread goes on and within how many seconds it says so again; math.inf at its end."""


def _tell_nobody(_: object) -> None:
    """Nobody listens."""


class Services:
    """Everything that a run of the program needs, made from its folders and settings when it is first asked for.

    What is loaded late costs the first paint, or a command that reads one row, nothing.
    """

    def __init__(
        self,
        folders: Folders,
        settings: Settings,
        result_dir: Path,
        executor: ExecutorFactory | None = None,
        *,
        warnings: tuple[str, ...] = (),
        served: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = datetime.now,
    ) -> None:
        """`executor` makes what runs jobs, None is this machine's own; `warnings` came with the settings.

        `served` when a browser shows the app. The two clocks are those of `HubApp`.
        """
        self.clock, self.wall_clock = clock, wall_clock
        self.folders, self.result_dir = folders, result_dir
        self.settings = LiveSettings(folders.settings_file, settings, warnings, served=served)
        self.executor: ExecutorFactory = executor or self._local_executor
        self._has_own_executor = executor is not None
        self.gpu_name: Callable[[], str] = _gpu_name
        """Name of the first GPU, or ''; asked of the driver and not of the sensors, which may fail."""
        self.tell_transfers: Callable[[tuple[Transfer, ...]], None] = _tell_nobody
        """Hears where downloads and checks stand, from their thread."""
        self._crew: Callable[[], WorkerKinds] = tuple
        """The workers of whoever runs the queue, once it is open."""

    # What is kept in files

    @cached_property
    def drafts(self) -> Drafts:
        """Forms that were begun."""
        from skyreels_tui.requests.drafts import DRAFTS_FILE, load_drafts

        return load_drafts(self.folders.state / DRAFTS_FILE)

    @cached_property
    def rates(self) -> EtaBook:
        """What this machine has learned about job times."""
        from skyreels_tui.eta.rates import RATES_FILE, EtaBook
        from skyreels_tui.eta.speeds import SPEED_FILE

        state = self.folders.state
        return EtaBook(state / RATES_FILE, lambda: self.gpu_name(), state / SPEED_FILE, self._all_gpus)

    @cached_property
    def peaks(self) -> PeakBook:
        """What jobs took here beside what was predicted, as the executor learns it."""
        from pipelines.front.peaks import PEAKS_FILE, PeakBook

        return PeakBook(self.folders.cache / PEAKS_FILE)

    @cached_property
    def time_left(self) -> TimeLeft:
        """Learns from the events of the queue, and tells it how long a job will still take."""
        from skyreels_tui.eta.time_left import TimeLeft

        return TimeLeft(self.rates)

    def approximate_warning(self, task: str, request: Request) -> str:
        """What to know before an approximate job that has not proved itself on this machine; '' for all others."""
        from skyreels_tui.queue.quality import QUALITY_FILE, QualityBook, way_of

        if not way_of(request):
            return ""
        book = QualityBook(self.folders.state / QUALITY_FILE)
        return book.warning(self.gpu_name(), task, request, self.settings.now.limits)

    # Models

    @cached_property
    def transfers(self) -> Transfers:
        """Downloads and checks of models; they outlive the screen that asked for them."""
        from pipelines.checkpoints.damage import DAMAGE_FILE, DamageBook
        from skyreels_tui.downloads.transfers import Transfers

        return Transfers(DamageBook(self.folders.state / DAMAGE_FILE), self._transfers_moved)

    @cached_property
    def elsewhere(self) -> TransferFile:
        """Downloads and checks of other windows, which see those of this one."""
        from skyreels_tui.downloads.elsewhere import TransferFile

        return TransferFile(self.folders.live)

    def _transfers_moved(self, transfers: tuple[Transfer, ...]) -> None:
        self.elsewhere.write(transfers)
        self.tell_transfers(transfers)

    # The queue and what runs it

    @property
    def memory_floor_bytes(self) -> int:
        """What must stay available while a job runs, never more than this machine can spare."""
        from pipelines.front.host_memory import memory_floor

        return memory_floor(self.settings.now.memory_floor_gib)

    def queue_options(self, *, auto_resume: bool = False) -> QueueOptions:
        """Return what the settings say about running jobs."""
        from skyreels_tui.monitors.heat import gpu_heat, rest_limit_c
        from skyreels_tui.queue.service import QueueOptions

        settings = self.settings.now
        return QueueOptions(
            auto_resume=auto_resume,
            on_hang_up=cast("HangUp", settings.hang_up),
            memory_floor_bytes=self.memory_floor_bytes,
            group_by_model=settings.group_by_model,
            heat=gpu_heat(),
            rest_above_c=lambda: rest_limit_c(self.settings.now, _gpu_name()),
            hours=settings.running_hours,
            inbox=settings.inbox_folder,
        )

    def open_queue(
        self, publish: Callable[[Event], None], *, runs: bool, options: QueueOptions | None = None
    ) -> QueueService:
        """Open the queue, and learn from what it publishes; `runs` lets this process run jobs.

        Raises DatabaseUnusable. No thread runs before the queue's `start`.
        """
        from skyreels_tui.queue.service import QueueService

        def tell(event: Event) -> None:
            self.time_left.learn(event)
            publish(event)

        self.folders.create()
        queue = QueueService(
            self.folders,
            self.result_dir,
            tell,
            executor=self._workforce() if runs else None,
            options=options,
            time_left=lambda *report, kind="": self.time_left(*report, kind=kind),
            companion=self._scene_help if runs else None,
            films_in=self._films_in,
            has_model=self._has_model,
        )
        self._crew = queue.crew
        return queue

    def _all_gpus(self) -> int:
        """How many `all` means: the workers that can take one job together, else the GPUs of this machine."""
        from skyreels_tui.app.machine import together

        return together(self._crew()) or _gpu_count()

    def _scene_help(self, queue: QueueService) -> Companion:
        # ffmpeg's readers load with it: long after the first paint.
        from skyreels_tui.films.helping import SceneHelp, commands_of
        from skyreels_tui.films.prompting import key_variables

        live = self.settings
        return SceneHelp(queue, lambda: commands_of(live.now), queue.log, hidden=lambda: key_variables(live.now))

    def _films_in(self, queue: QueueService, file: Path, place: Path, begun: bool) -> DroppedFilms | None:
        # Paid by those who drop such a file.
        from skyreels_tui.films.at_once import films_at_once
        from skyreels_tui.films.helping import kinds_with_command

        helps = kinds_with_command(self.settings.now)
        return films_at_once(queue, file, place, helps, begun=begun)

    def _has_model(self, job: Job) -> bool:
        """Whether the checkpoint of a job is where it runs; True also where only running it can tell."""
        from pipelines.front.errors import InvalidRequest
        from skyreels_tui.requests.forms import absent_model

        if self.settings.now.runs_elsewhere:
            return True
        try:
            return absent_model(job.task, job.request, self.folders.cache, self.settings.now.models) is None
        except InvalidRequest:
            return True

    def _workforce(self) -> ExecutorFactory | Workforce:
        """What runs jobs: this process, or the workers that the settings name."""
        settings = self.settings.now
        if self._has_own_executor or not settings.cluster:
            return self.executor
        # Only for those who ask for workers: they cost a start-up without any nothing.
        from skyreels_tui.executors.cluster.choice import workforce_of

        return workforce_of(settings, self.folders)

    def _local_executor(self) -> Executor:
        # The only road to torch: taken when a job is about to run.
        from skyreels_tui.executors.local import LocalExecutor

        settings = self.settings.now
        return LocalExecutor(
            self.folders,
            # Read when a job begins: a folder may be chosen while this process runs the queue.
            own_models=lambda: load(self.folders.settings_file).settings.models,
            keep_warm=settings.keep_warm,
            memory_floor_bytes=int(settings.memory_floor_gib * 2**30),
        )

    # Who watches

    def headless_notifier(self) -> Notifier:
        """Return what tells hook and webhook of jobs that end in a process without a screen."""
        from skyreels_tui.notify.attach import headless_notifier

        return headless_notifier(lambda: self.settings.now)

    def forecaster(
        self,
        publish: Callable[[QueueForecast], None],
        *,
        jobs: Callable[[], Sequence[Job]],
        progress: Callable[[], Sequence[JobProgress]],
        crew: Callable[[], WorkerKinds] = lambda: (),
        beat: Beat = _tell_nobody,
        apart: bool = False,
    ) -> Forecaster:
        """Return what forecasts the queue, not started; every callable is called on its thread.

        `apart`: jobs are planned in a process that ends, so that the libraries that read their inputs load nowhere.
        """
        from skyreels_tui.eta.forecast import Forecast, plans_here
        from skyreels_tui.eta.forecaster import Forecaster
        from skyreels_tui.requests.planning_apart import plans_apart

        plans = plans_apart if apart else plans_here
        return Forecaster(Forecast(jobs, self.rates, progress, crew=crew, plans=plans), publish, beat=beat)

    def monitor(
        self,
        publish: Callable[[Sample], None],
        *,
        progress: Callable[[], JobProgress | None],
        usual_step_s: Callable[[], float | None],
        engine: Callable[[], EngineMemory | None],
        owner_pid: Callable[[], int | None] = os.getpid,
        beat: Beat = _tell_nobody,
    ) -> Monitor:
        """Return the sensors of this machine, not started; every callable is called on their thread."""
        from skyreels_tui.app.sensors import build_monitor
        from skyreels_tui.monitors.surroundings import Surroundings

        surroundings = Surroundings(
            owner_pid=owner_pid,
            engine=engine,
            memory_floor_bytes=self.memory_floor_bytes,
            progress=progress,
            usual_step_s=usual_step_s,
        )
        return build_monitor(
            self.folders,
            self.result_dir,
            publish,
            model_folders=lambda: self.settings.now.models,
            surroundings=surroundings,
            beat=beat,
        )


def _gpu_count() -> int:
    # As the name.
    from skyreels_tui.monitors.gpu import gpu_count

    return gpu_count()


def _gpu_name() -> str:
    # Drivers' libraries load when a time is first asked for.
    from skyreels_tui.monitors.gpu import gpu_name

    return gpu_name()
