"""What the engine and its job do, in one line: the only place that says it; knows no screen and asks no file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pipelines.front.language import mark, tr
from skyreels_tui.words.sizes import size
from skyreels_tui.words.times import words as rough

if TYPE_CHECKING:
    from pipelines.front.progress import Progress, Stage
    from skyreels_tui.files.boot_clock import BootTime
    from skyreels_tui.queue.events import JobProgress, QueueStatus
    from skyreels_tui.queue.model import Job


class Doing(StrEnum):
    """What goes on; the value stands in `--json`, so none is ever renamed."""

    OFF = "off"
    """No process runs the queue."""
    IDLE = "idle"
    LOADING_ENGINE = "loading_engine"
    STARTING = "starting"
    """A job has begun and has not said what it does."""
    RUNNING = "running"
    RESTING = "resting"
    """The running job waits between two steps, because the GPU is hot or slowed down."""
    STOPPING = "stopping"
    """The running job ends at its next step."""
    WAITING = "waiting"
    """Jobs are queued and none can start, for a reason that passes by itself."""
    PAUSED = "paused"
    READ_ONLY = "read_only"


@dataclass(frozen=True, slots=True)
class Condition:
    """One moment of the engine and its job."""

    doing: Doing
    seconds: float | None = None
    """LOADING_ENGINE, RESTING: since when. STOPPING: how long at most; None while nobody knows."""
    degrees: int | None = None
    """RESTING: of the GPU, where that is known."""
    job: Job | None = None
    """The one that runs."""
    progress: Progress | None = None
    why: str = ""
    """WAITING: for what, in words."""
    lacks: str = ""
    """WAITING: 'memory', 'disk', 'hours', or 'lock' where no process can run the queue."""
    then_paused: bool = False
    """The queue stops after this job."""
    windowless: bool = False
    """It goes on in a process without a window."""

    @property
    def moves(self) -> bool:
        """Whether its words change with the clock alone."""
        return self.doing in (Doing.LOADING_ENGINE, Doing.STOPPING)

    @property
    def is_news(self) -> bool:
        """Whether it is more than that a job runs, or that there is nothing to do."""
        return self.doing not in (Doing.IDLE, Doing.OFF, Doing.STARTING, Doing.RUNNING) or self.windowless


def condition_now(
    status: QueueStatus,
    running: Job | None,
    report: JobProgress | None,
    since_s: float = 0.0,
    now: BootTime | None = None,
) -> Condition:
    """Read the state of things: `report` is the newest of the running job, `since_s` seconds old."""
    if running is not None:
        return _of_job(status, running, report if report is not None and report.job_id == running.id else None, since_s)
    if status.read_only:
        return Condition(Doing.READ_ONLY)
    if status.engine == "warming":
        # Imported with the first engine that loads: the first paint of an idle queue needs no clock.
        from skyreels_tui.files.boot_clock import boot_time

        seconds = None if status.since is None else (now or boot_time()).age_s(status.since)
        return Condition(Doing.LOADING_ENGINE, seconds, windowless=status.windowless)
    if status.pause in ("after_job", "now"):
        return Condition(Doing.PAUSED, windowless=status.windowless)
    if status.engine == "off":
        lacks = "lock" if status.message else ""
        doing = Doing.IDLE if status.is_owner else Doing.OFF
        return Condition(Doing.WAITING if lacks else doing, why=status.message, lacks=lacks)
    if status.message:
        return Condition(Doing.WAITING, why=status.message, lacks=status.pause, windowless=status.windowless)
    return Condition(Doing.IDLE, windowless=status.windowless)


def _of_job(status: QueueStatus, job: Job, report: JobProgress | None, since_s: float) -> Condition:
    if status.stopping or job.cancel_requested or status.pause == "now":
        return Condition(Doing.STOPPING, _edge_s(report, since_s), job=job, windowless=status.windowless)
    doing, seconds, degrees = Doing.STARTING if report is None else Doing.RUNNING, None, None
    if report is not None and report.resting_s is not None:
        doing, seconds, degrees = Doing.RESTING, report.resting_s, report.degrees
    return Condition(
        doing,
        seconds,
        degrees,
        job=job,
        progress=None if report is None else report.progress,
        then_paused=status.pause == "after_job",
        windowless=status.windowless,
    )


def _edge_s(report: JobProgress | None, since_s: float) -> float | None:
    """Seconds until the running unit ends at the latest; None where no unit is counted, or it is overdue."""
    if report is None or not report.progress.num_steps:
        return None
    if report.pace is not None:
        left_s = report.pace.unit_s - report.pace.into_s - since_s
    elif report.step_seconds:
        left_s = report.step_seconds[-1] - since_s
    else:
        return None
    return left_s if left_s > 0 else None


def condition_words(condition: Condition, *, short: bool = False) -> str:
    """One line: `12 denoise 5/8`, `loading the engine 12 s`, `waits: ...`; may hold words of files, so make it safe.

    `short` leaves out what helps.
    """
    words = _words(condition)
    if condition.then_paused:
        words = tr("{words}, then paused", words=words)
    if condition.windowless:
        goes_on = tr("without a window") if short else tr("without a window (skyreels-tui stop ends it)")
        words = f"{words}, {goes_on}"
    return words


def _words(condition: Condition) -> str:
    match condition.doing:
        case Doing.LOADING_ENGINE if condition.seconds is not None:
            return tr("loading the engine {time}", time=_seconds(condition.seconds))
        case Doing.STOPPING if condition.seconds is not None:
            return tr("stopping at the next step, at most {time}", time=rough(condition.seconds))
        case Doing.RUNNING | Doing.STARTING:
            return running_words(condition)
        case Doing.RESTING if condition.seconds is not None:
            from skyreels_tui.queue.speed import resting_words

            return f"{running_words(condition)}, {resting_words(condition.seconds, condition.degrees)}"
        case Doing.WAITING if condition.lacks == "hours":
            return condition.why
        case Doing.WAITING:
            return tr("waits: {why}", why=condition.why)
    return tr(_PLAIN[condition.doing])


_PLAIN = {
    Doing.OFF: mark("nothing is running: skyreels-tui runs the queue"),
    Doing.IDLE: mark("nothing is running"),
    Doing.LOADING_ENGINE: mark("loading the engine"),
    Doing.RESTING: mark("resting"),
    Doing.STOPPING: mark("stopping at the next step"),
    Doing.PAUSED: mark("paused"),
    Doing.READ_ONLY: mark("read only: a newer version wrote this queue"),
}


def running_words(condition: Condition) -> str:
    """`12 load 4.1 of 28 GiB`, `12 denoise 5/8`, `12 write`."""
    job, progress = condition.job, condition.progress
    number = "" if job is None else str(job.id)
    if progress is None:
        return " ".join((number, tr("starting")))
    return " ".join(part for part in (number, stage_word(job, progress.stage), count_words(progress)) if part)


def stage_word(job: Job | None, stage: Stage) -> str:
    """The name of a stage; the task says what its conditions are."""
    from pipelines.front.progress import Stage

    return tr(job.task.condition_word if stage is Stage.CONDITION and job is not None else stage.value)


def count_words(progress: Progress) -> str:
    """How far the stage is: `5/8`, `4.1 GiB of 28.0 GiB`; '' where nothing is counted."""
    from pipelines.front.progress import Stage

    if progress.stage is Stage.LOAD and progress.bytes_total:
        return tr("{done} of {total}", done=size(progress.bytes_done), total=size(progress.bytes_total))
    return f"{progress.step}/{progress.num_steps}" if progress.num_steps else ""


def _seconds(seconds: float) -> str:
    return f"{int(seconds)} s" if seconds < 90 else rough(seconds)


STATUS_KEYS: dict[str, tuple[str, str]] = {
    "state": ("text", ", ".join(Doing)),
    "words": ("text", "the whole line, in the chosen language"),
    "seconds": ("number or null", "loading_engine, resting: since when; stopping: at most so long"),
    "job": ("number or null", "id of the job that runs"),
    "stage": ("text or null", "its stage"),
    "step": ("number or null", "finished units of the stage: steps, pieces of a decode"),
    "num_steps": ("number or null", "of so many; 0 where none are counted"),
    "waits_for": ("text", "waiting: memory, disk, hours, lock, or ''"),
    "windowless": ("true or false", "the process that runs the queue has no window"),
    "left_s": ("number or null", "seconds until the job ends; null while unknown"),
    "running": (
        "list of objects",
        "each running job: `job`, its `worker`, and `words`, `stage`, `step`, `num_steps`, `left_s` of its own",
    ),
    "workers": (
        "list of objects",
        "each worker: `name` ('' is the process itself) and `kind` ('' is this machine's GPU)",
    ),
    "pid": ("number or null", "the process that runs the queue"),
    "jobs": ("object", "a job's `status` -> how many; no key, no job"),
}
"""Key of what `status` writes as JSON -> its type and meaning; keys may be added, none is taken away."""


def condition_data(condition: Condition) -> dict[str, object]:
    """The keys above that are the engine's own."""
    progress = condition.progress
    return {
        "state": str(condition.doing),
        "words": condition_words(condition),
        "seconds": None if condition.seconds is None else round(condition.seconds, 1),
        "job": None if condition.job is None else condition.job.id,
        "stage": None if progress is None else str(progress.stage),
        "step": None if progress is None else progress.step,
        "num_steps": None if progress is None else progress.num_steps,
        "waits_for": condition.lacks,
        "windowless": condition.windowless,
    }
