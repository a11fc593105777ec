"""The progress panel: the running job's stages and steps, how long it has run and when it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from textual.content import Content

from pipelines.front.language import tr, trn
from pipelines.front.plan import Plan
from pipelines.front.progress import Progress, Stage
from skyreels_tui.eta.forecast import QueueForecast
from skyreels_tui.queue.condition import Doing, condition_words, count_words, stage_word
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.model import FINISHED, Job, JobState
from skyreels_tui.queue.reasons import interruption_place, reason_words
from skyreels_tui.queue.speed import speed_words
from skyreels_tui.ui.drawing.bars import bar, flow, sparkline, stack
from skyreels_tui.ui.drawing.glyphs import state_mark
from skyreels_tui.ui.drawing.safe import cells
from skyreels_tui.ui.hub import hub
from skyreels_tui.ui.panels import panel_named
from skyreels_tui.ui.panels.live import LivePanel
from skyreels_tui.words.safe_text import safe
from skyreels_tui.words.times import KNOWN, ROUGH, clock, duration

GAP = "  "
"""Between the stages."""
BAR_CELLS = 34
"""Room for stage, bar, count and window in the folded line."""
WITHIN_STEP = 0.95
"""Share of a step's cell that the clock alone may fill: the rest waits for the step's own report."""


class ProgressPanel(LivePanel):
    """Facts, stages, bar, speed and times of the running job; the last word on it when it has ended."""

    SPEC = panel_named("progress")
    ROWS: ClassVar[int] = 6

    DEFAULT_CSS = """
    ProgressPanel.-folded { width: 1fr; }
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._job: Job | None = None
        self._event: JobProgress | None = None
        self._details: dict[Stage, str] = {}
        self._queue = QueueForecast()
        self._plan: Plan | None = None

    def on_mount(self) -> None:
        """Subscribe to jobs and their progress, and start with what the app knows."""
        super().on_mount()
        app = hub(self)
        app.job_progress.subscribe(self, self.take_progress)
        app.job_changed.subscribe(self, self.take_job)
        app.queue_changed.subscribe(self, self._look_again)
        app.queue_status.subscribe(self, self._on_condition)
        if app.last_progress is not None:
            self.take_progress(app.last_progress)

    def _look_again(self, _: object) -> None:
        """Several rows have changed: the job may have ended, or run again, in another process."""
        board = hub(self).board
        # The end of the shown one first: the next one is not shown before it.
        shown = board.get(self._job.id) if self._job is not None else None
        if shown is None:
            self._job = None
            self._title()
        elif shown != self._job:
            self.take_job(JobChanged(shown))
        if board.running is not None and not self._runs:
            self.take_job(JobChanged(board.running))
        self.redraw()

    def _on_condition(self, _: object) -> None:
        self.redraw()

    def take_forecast(self, queue: QueueForecast) -> None:
        """A second has passed: the times move on."""
        self._queue = queue
        running = queue.running
        if running is not None:
            if self._job is None or self._job.state is not JobState.RUNNING:
                self._begin(running.job)
            if self._job is not None and self._job.id == running.job.id:
                self._plan = running.plan
        self.redraw()

    def take_job(self, event: JobChanged) -> None:
        """A job began, changed or ended."""
        job = event.job
        if self._job is not None and job.id == self._job.id:
            if job.attempts != self._job.attempts:
                # What an earlier attempt said is not where this one stands.
                self._event = None
            self._job = job
            self._title()
        elif job.state is JobState.RUNNING and not self._runs:
            self._begin(job)
        self.redraw()

    def take_progress(self, event: JobProgress) -> None:
        """Keep the newest report and the words of its stage; another job's has its own line."""
        if self._runs and self._job is not None and self._job.id != event.job_id:
            self.redraw()
            return
        if self._event is not None and self._event.job_id != event.job_id:
            self._details.clear()
        self._event = event
        if self._job is None or self._job.id != event.job_id:
            board = getattr(self.app, "board", None)
            job = board.get(event.job_id) if board is not None else None
            if job is not None:
                self._begin(job)
        if event.progress.detail:
            self._details[event.progress.stage] = event.progress.detail
        self.redraw()

    def line(self, width: int) -> Content:
        """`12 corridor-A  denoise ━━━━━━╸──── 5/8  268.4 s/step  left 14:02`."""
        job, event = self._job, self._live()
        if job is None or (event is None and self._has_news):
            return stack([self._condition()], width, 1)
        name = Content(f"{job.id} {safe(job.label, 24)}")
        if event is None:
            return stack([Content.assemble(name, "  ", self._ending(job))], width, 1)
        progress = event.progress
        left = self._left(event)
        speed = Content(speed_words(event))
        room = width - name.cell_length - left.cell_length - 4
        # The end matters more than the speed.
        tail = [speed, left] if speed.cell_length and room - speed.cell_length - 2 >= BAR_CELLS else [left]
        room -= sum(part.cell_length + 2 for part in tail[:-1])
        return flow([name, self._bar_line(progress, max(12, room)), *tail], width, "  ")[0]

    def body(self, width: int, height: int) -> Content:
        """The job's lines, the most useful first where the room is short."""
        job, event = self._job, self._live()
        if job is None:
            return stack([self._condition(), *self._queue_line()], width, height)
        facts = self._facts(job, width)
        if event is None:
            lines = [*facts, self._ending(job), *([self._condition()] if self._has_news else []), *self._queue_line()]
            return stack(lines, width, height)
        moving = [self._bar_line(event.progress, width), *self._speed_line(event, width)]
        times = flow(self._times(event), width)
        stages = self._strip(job, event, width)
        spare = height - len(moving) - len(times)
        facts = facts if spare > len(stages) else []
        stages = stages[: max(0, spare - len(facts))]
        lines = [*facts, *stages, *moving, *times]
        if len(lines) < height:
            lines += self._queue_line()
        return stack([*lines, *self._others(job, width)], width, height)

    @property
    def _runs(self) -> bool:
        """Whether the shown job runs: it stays until it has ended, whatever others do."""
        return self._job is not None and self._job.state is JobState.RUNNING

    def _others(self, shown: Job, width: int) -> list[Content]:
        """One line for each other running job: `13 corridor-B  5/8  left 14:02  spark-02 gpu 0`."""
        board, times = hub(self).board, hub(self).times.running
        reports = {report.job_id: report.progress for report in board.all_progress}
        lines = []
        for job in board.all_running:
            if job.id == shown.id:
                continue
            progress = reports.get(job.id)
            parts = [Content(f"{job.id} {safe(job.label, 24)}")]
            if progress is not None and progress.num_steps:
                parts.append(Content(f"{progress.step}/{progress.num_steps}"))
            if times.left_s(job.id) is not None:
                parts.append(Content(tr("left {time}", time=times.left_words(job.id))))
            lines.append(flow([*parts, self.words(safe(job.worker, 24))], width, "  ")[0])
        return lines

    @property
    def _has_news(self) -> bool:
        """Whether the engine's condition says more than that this job runs or has ended."""
        return hub(self).condition.is_news

    def _condition(self) -> Content:
        """What the engine does, in the one line that stands everywhere."""
        app = hub(self)
        return self.words(
            safe(condition_words(app.condition), 200), "$text-warning" if self._has_news else "$text-muted"
        )

    def _begin(self, job: Job) -> None:
        if self._job is None or self._job.id != job.id:
            self._details.clear()
        self._job = job
        self._title()

    def _title(self) -> None:
        self.set_title(f"{self._job.id} {safe(self._job.label, 40)}" if self._job else "")

    def _live(self) -> JobProgress | None:
        """The newest report, when it is of a job that still runs."""
        job, event = self._job, self._event
        if job is None or event is None or event.job_id != job.id or job.state is not JobState.RUNNING:
            return None
        return event

    def _facts(self, job: Job, width: int) -> list[Content]:
        parts = [job.title, *([safe(job.worker, 24)] if job.worker else [])]
        plan = self._plan
        running = self._queue.running
        if plan is not None and running is not None and running.job.id == job.id:
            parts += [
                job.request.resolution,
                f"{plan.height}x{plan.width}",
                trn("{count} frame", "{count} frames", plan.num_frames),
            ]
        parts = parts if Content("  ".join(parts)).cell_length <= width else [job.short, *parts[1:]]
        return [self.words("  ".join(parts))]

    def _ending(self, job: Job) -> Content:
        shown = state_mark(job, self.glyphs)
        words = str(shown)
        if job.state is JobState.RUNNING:
            words = " ".join((shown.glyph, tr("starting")))
        elif job.state in FINISHED and job.run_seconds:
            words = tr("{state} in {time}", state=shown, time=duration(job.run_seconds))
        if place := interruption_place(job.reason):
            words += f" {place}"
        elif job.error or job.reason:
            words += f": {safe(job.error or reason_words(job.reason), 200)}"
        return Content.styled(words, shown.style)

    def _strip(self, job: Job, event: JobProgress, width: int) -> list[Content]:
        """Every stage on one line, as wide as its share of the job's time; on several where their names need it."""
        parts = self._stages(job, event)
        spare = width - sum(part.cell_length for part in parts) - (len(parts) - 1) * len(GAP)
        spent, left = dict(event.stage_seconds), dict(event.pace.stages) if event.pace is not None else {}
        seconds = [spent.get(stage.value, 0.0) + left.get(stage.value, 0.0) for stage in Stage]
        if spare < 0 or not sum(seconds):
            return flow(parts, width, GAP)
        per_cell = sum(seconds) / width
        wanted = [max(0.0, share / per_cell - part.cell_length) for share, part in zip(seconds, parts, strict=True)]
        pieces: list[Content] = []
        for stage, part, room in zip(Stage, parts, wanted, strict=True):
            cells_more = int(room / sum(wanted) * spare) if sum(wanted) else 0
            now, done = stage is event.progress.stage, stage.value in spent and not left.get(stage.value)
            line = self.glyphs.bar_full if now or done else self.glyphs.bar_empty
            style = "$primary" if now else "$text-success" if done else "$text-disabled"
            fill = Content.styled(" " + line * (cells_more - 1), style) if cells_more > 1 else Content("")
            pieces.append(Content.assemble(part, fill))
        return [Content(GAP).join(pieces)]

    def _stages(self, job: Job, event: JobProgress) -> list[Content]:
        spent = dict(event.stage_seconds)
        now = event.progress.stage
        parts = []
        for stage in Stage:
            name = stage_word(job, stage)
            if stage is now:
                parts.append(Content.styled(f"{name} …", "$primary"))
            elif stage in spent:
                said = self._details.get(stage, "")
                words = tr("cached") if said == "cached" else f"{spent[stage]:.1f} s"
                parts.append(Content.assemble(f"{name} ", (self.glyphs.check, "$text-success"), f" {words}"))
            else:
                parts.append(self.words(f"{name} {self.glyphs.dot}"))
        return parts

    def _bar_line(self, progress: Progress, width: int) -> Content:
        """Name of the stage, bar, count; which piece when there are several."""
        job = self._job
        name = stage_word(job, progress.stage)
        done, total, words = float(progress.step), float(progress.num_steps), count_words(progress)
        if progress.stage is Stage.LOAD and progress.bytes_total:
            done, total = float(progress.bytes_done), float(progress.bytes_total)
        elif progress.num_steps:
            done += self._within_step(progress)
        if progress.num_segments > 1 and job is not None:
            words += "  " + tr("piece {number} of {total}", number=progress.segment + 1, total=progress.num_segments)
        if not total:
            return flow([Content(name), self.words(safe(progress.detail, 60)), Content(words)], width, "  ")[0]
        room = max(4, width - cells(name) - cells(words) - 2)
        return Content.assemble(f"{name} ", bar(done / total, room, self.glyphs), f" {words}")

    def _within_step(self, progress: Progress) -> float:
        event = self._event
        if event is not None and event.pace is not None and progress.stage is Stage.DENOISE and event.pace.unit_s > 0:
            passed = event.pace.into_s + hub(self).times.running.since_s(event.job_id)
            return min(WITHIN_STEP, passed / event.pace.unit_s) if progress.step < progress.num_steps else 0.0
        if progress.stage is not Stage.DENOISE or event is None or not event.step_seconds:
            return 0.0
        usual = event.step_seconds[-1]
        left = progress.num_steps - progress.step
        return (
            min(WITHIN_STEP, hub(self).times.running.since_s(event.job_id) / usual) if usual > 0 and left > 0 else 0.0
        )

    def _speed_line(self, event: JobProgress, width: int) -> list[Content]:
        speed = speed_words(event)
        if not speed:
            return []
        if event.progress.stage is not Stage.DENOISE:
            return [Content(speed)]
        spark = sparkline(event.step_seconds, max(4, min(40, width - cells(speed) - 2)), 0, None, self.glyphs)
        return [Content.assemble(f"{speed}  ", (spark, "$accent"))]

    def _times(self, event: JobProgress) -> list[Content]:
        times = hub(self).times.running
        left = times.left_s(event.job_id)
        parts = [Content(tr("elapsed {time}", time=duration(times.elapsed_s(event.job_id))))]
        if self._has_news:
            return [*parts, self._left(event)]
        if left is None:
            return [*parts, self.words(tr("time left known after the first step"))]
        now, spread = hub(self).wall_clock(), times.spread(event.job_id)
        if spread > ROUGH:
            return [*parts, self.words(tr("time left known after the first step"))]
        if spread >= KNOWN:
            return [*parts, self._left(event)]
        return [
            *parts,
            self._left(event),
            Content(tr("ends {time}", time=clock(now + timedelta(seconds=left), now))),
        ]

    def _left(self, event: JobProgress) -> Content:
        """How long still, and why when that has just grown; what the engine does instead where that ends it sooner."""
        now = hub(self).condition
        if now.doing is Doing.STOPPING:
            return Content.styled(safe(condition_words(now, short=True), 200), "$text-warning")
        times = hub(self).times.running
        left = Content.styled(tr("left {time}", time=times.left_words(event.job_id)), "bold")
        slower = times.slower_words(event.job_id)
        return Content.assemble(left, " ", (slower, "$text-warning")) if slower else left

    def _queue_line(self) -> list[Content]:
        waiting = len(self._queue.job_seconds) + self._queue.unknown
        # Nobody can say when a queue ends in which nothing can start.
        if not waiting or (self._queue.running is None and hub(self).board.status.pause not in ("", "hours")):
            return []
        unknown, end = self._queue.unknown, hub(self).times.queue_end()
        if unknown:
            words = tr("{waiting} waiting, {unknown} of unknown length", waiting=waiting, unknown=unknown)
        elif not end:
            words = trn("{count} waiting", "{count} waiting", waiting)
        else:
            words = trn("{count} waiting, queue ends {end}", "{count} waiting, queue ends {end}", waiting, end=end)
        return [self.words(words)]
