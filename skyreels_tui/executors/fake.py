"""A scripted executor for tests, screenshots and trying out the interface: no torch, a tiny real file."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.progress import PreviewStrip, Progress, Stage
from pipelines.front.runtime import Output
from skyreels_tui.executors.without_model import needs_model, run_without_model
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.queue.model import Job

_LOOK_S = 0.1
"""How soon a closed gate notices that the job is stopped; each look reports, and a report is drawn."""
_BEFORE = (Stage.LOAD, Stage.TEXT, Stage.CONDITION)


@dataclass(slots=True)
class Script:
    """What the fake does with a job."""

    num_steps: int = 8
    num_segments: int = 1
    step_s: float = 0.0
    """Seconds of waiting a step; cut short when the executor is closed."""
    preview: bool = False
    """Send a small preview strip with each step, if somebody looks."""
    failures: Mapping[tuple[Stage, int], Exception] = field(default_factory=dict)
    """(stage, step) -> the error raised there, once; the step counts over all segments."""
    suspect: str = ""
    video: Path | None = None
    """A real clip that is published as the result; without one it is a few words."""


class FakeExecutor:
    """Runs the script step by step; with a gate it waits at each step until `advance` is called."""

    def __init__(self, script: Script | Callable[[JobContext], Script] | None = None, *, gated: bool = False) -> None:
        """`script` may depend on the job; `gated` lets no denoising step end before `advance()`."""
        self._script = script or Script()
        self._gate = threading.Semaphore(0) if gated else None
        self._closed = threading.Event()
        self._raised: set[tuple[int, Stage, int]] = set()
        self.warmed = threading.Event()
        """Set once `warm_up` has been called."""
        self.began: list[int] = []
        """Ids of the jobs that were started, one entry an attempt."""
        self.waits_for: str = ""
        """What `admit` answers."""
        self.holds: EngineMemory | None = None
        """What `memory` answers."""
        self.freed = threading.Event()
        """Set once `free` has been called."""

    def advance(self, steps: int = 1) -> None:
        """Let `steps` more denoising steps end."""
        if self._gate is not None:
            self._gate.release(steps)

    def open_gate(self) -> None:
        """Let every further step end at once."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.release(10_000)

    def admit(self, job: Job) -> str:
        """Let every job start unless a test says otherwise."""
        return self.waits_for

    def free(self) -> None:
        """Nothing is held."""
        self.freed.set()

    def memory(self) -> EngineMemory | None:
        """What a test says."""
        return self.holds

    def warm_up(self) -> None:
        """Nothing to import."""
        self.warmed.set()

    def close(self) -> None:
        """End every wait."""
        self._closed.set()

    def run(self, context: JobContext) -> Output:
        """Walk through the stages, resuming at the step stored in the work folder."""
        self.began.append(context.job.id)
        script = self._script(context) if callable(self._script) else self._script
        if not needs_model(context.job):
            # Real work that needs no model: what it joins must be real too.
            return run_without_model(context, context.job.request)
        for stage in _BEFORE:
            self._fail(context, script, stage, 0)
            context.report(Progress(stage))
        stored = context.work_dir / "fake.json"
        done = int(read_json(stored.read_bytes())["step"]) if stored.exists() else 0
        for segment in range(done // script.num_steps, script.num_segments):
            first = max(done - segment * script.num_steps, 0)
            context.report(self._progress(context, script, segment, first))
            for step in range(first + 1, script.num_steps + 1):
                self._wait(script, partial(context.report, self._progress(context, script, segment, step - 1)))
                self._fail(context, script, Stage.DENOISE, segment * script.num_steps + step)
                write_whole(stored, json.dumps({"step": segment * script.num_steps + step}).encode())
                context.report(self._progress(context, script, segment, step))
        for stage in (Stage.DECODE, Stage.WRITE):
            self._fail(context, script, stage, 0)
            context.report(Progress(stage, segment=script.num_segments - 1, num_segments=script.num_segments))
        return self._publish(context, script)

    def _wait(self, script: Script, still_here: Callable[[], None]) -> None:
        """Let a step take its time; reports meanwhile, so that stopping works at a closed gate too."""
        while (gate := self._gate) is not None and not gate.acquire(timeout=_LOOK_S):
            still_here()
        if script.step_s:
            self._closed.wait(script.step_s)

    def _fail(self, context: JobContext, script: Script, stage: Stage, step: int) -> None:
        key = (context.job.id, stage, step)
        if (stage, step) in script.failures and key not in self._raised:
            self._raised.add(key)
            raise script.failures[stage, step]

    def _progress(self, context: JobContext, script: Script, segment: int, step: int) -> Progress:
        preview = _strip(step) if script.preview and step and context.wants_preview() else None
        return Progress(Stage.DENOISE, step, script.num_steps, segment, script.num_segments, "fake", preview=preview)

    def _publish(self, context: JobContext, script: Script) -> Output:
        folder = context.result_dir / context.job.task_type
        make_folder(folder, private=False)
        path: Path = folder / f"{context.output_stem}.mp4"
        # The content depends on the request alone, so that a resumed job can be compared with another one.
        made = f"fake video of {context.job.request_json}\n".encode()
        write_whole(path, made if script.video is None else script.video.read_bytes(), private=False)
        return Output(path, 128, 128, 24, 24.0, script.suspect)


def _strip(step: int) -> PreviewStrip:
    """Four pictures whose brightness grows with the step."""
    width, height, frames = 16, 16, (0, 10, 20, 30)
    level = min(255, 20 * step)
    return PreviewStrip(width, height, frames, bytes((level, 128, 255 - level)) * (width * height * len(frames)))
