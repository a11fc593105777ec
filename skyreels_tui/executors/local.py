"""Runs jobs in this process: finds the checkpoint and the device, then calls the task's family.

The only road from the application to torch; nothing here imports it before `warm_up` or the first job.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.front.admission import Decision, added, next_leaner
from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import CheckpointMissing, InvalidRequest, OutOfMemory, PipelineError
from pipelines.front.fields import Files
from pipelines.front.followers import StartFollowers
from pipelines.front.language import tr, trn
from pipelines.front.memory import LoadPlan
from pipelines.front.peaks import PEAKS_FILE
from pipelines.front.progress import Progress, Stage
from pipelines.front.request import Request, field_specs
from pipelines.front.runtime import Output, Runtime
from pipelines.running.resume import WorkDir
from pipelines.tasks import TASKS
from skyreels_tui import __version__
from skyreels_tui.executors.large_imports import large_imports
from skyreels_tui.executors.memory import MemoryKeeper, ReadMemory, ran_out
from skyreels_tui.executors.without_model import needs_model, run_without_model
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.queue.model import Job
from skyreels_tui.requests.planning import Asked, plan_of

if TYPE_CHECKING:
    from pipelines.running.pool import ModelPool

_POOL_SHARE = 0.7
"""Part of the memory that warm models may fill; the rest is for activations, decoding and the machine."""


class LocalExecutor:
    """Keeps models warm between jobs. All methods run on the inference thread."""

    def __init__(
        self,
        folders: Folders,
        *,
        device: str = "",
        own_models: Callable[[], Mapping[str, str]] = dict,
        keep_warm: bool = True,
        memory_floor_bytes: int = 0,
        read_memory: ReadMemory | None = None,
        followers: StartFollowers | None = None,
    ) -> None:
        """`device` is 'cuda' or 'cpu'; '' takes the GPU when there is one.

        `own_models` gives, for a family, a checkpoint folder that is used instead of the shared cache. Without
        `keep_warm` every job's networks are released at its end. Admission keeps `memory_floor_bytes` available;
        `read_memory` replaces its sensor. `followers` starts ranks of other hosts for jobs of several GPUs.
        """
        self._cache_dir, self._device = folders.cache, device
        self._own_models, self._keep_warm = own_models, keep_warm
        self._floor_bytes, self._read_memory = memory_floor_bytes, read_memory
        self._followers = followers
        self._pool: ModelPool | None = None
        self._keeper: MemoryKeeper | None = None
        self._budget_bytes = 0
        self._admitted: tuple[int, Decision | None] = (0, None)

    def warm_up(self) -> None:
        """Import torch and the families; seconds that the first job would otherwise wait for."""
        if self._pool is None:
            with large_imports():
                for task in TASKS:
                    task.load_entry()
                self._warm_pool()

    def admit(self, job: Job) -> str:
        """'' when there is memory for the job, or when only running it can tell; else why it waits."""
        if not needs_model(job):
            return ""
        self._warm_pool()
        try:
            decision = self._decide(job, job.request)
        except PipelineError:
            # The attempt itself will say what is wrong with the request.
            return ""
        self._admitted = (job.id, decision)
        return "" if decision.plan is not None or decision.never else decision.words

    def lacks(self, job: Job) -> str:
        """'' when the job's checkpoint is on this machine, else what is missing and what fetches it."""
        if not needs_model(job):
            return ""
        try:
            self._checkpoint(job.task.family, job.task.name, job.request)
        except CheckpointMissing as error:
            return str(error)
        except PipelineError:
            # The attempt itself will say what is wrong with the request.
            return ""
        return ""

    def run(self, context: JobContext) -> Output:
        """Run or resume the job through its family's generate function, in leaner plans when memory runs out."""
        request = with_last_frames(context.job.request, context.work_dir)
        if problems := request.check():
            raise InvalidRequest(problems)
        if not needs_model(context.job):
            return run_without_model(context, request)
        pool, keeper = self._warm_pool(), self._memory()
        known_id, decision = self._admitted
        if decision is None or known_id != context.job.id:
            decision = self._decide(context.job, request)
        self._admitted = (0, None)
        if decision.plan is None:
            raise OutOfMemory(decision.words)
        load, said = decision.plan, [decision.words] if decision.words else []
        said += other_ranks(context.work_dir, load.ranks)
        room = self._budget_bytes if decision.room_bytes is None else decision.room_bytes
        pool.limit(min(self._budget_bytes, room))
        keeper.begin()
        try:
            while True:
                for line in said[-1:]:
                    context.log(line)
                    context.report(Progress(Stage.LOAD, detail=line))
                try:
                    output = self._generate(context, request, load, said)
                    break
                except (PipelineError, RuntimeError, MemoryError, OSError) as error:
                    leaner = next_leaner(load, keeper.compute) if ran_out(error) else None
                    if leaner is None:
                        raise
                    said.append(tr("memory ran out: goes on with {measures}", measures=", ".join(added(load, leaner))))
                    load = leaner
                # Only here, after the handler: the error's traceback held the tensors of the failed call.
                pool.release()
            if line := keeper.end(request, plan_of(Asked(context.job.task, request)), load):
                context.log(line)
        finally:
            if not self._keep_warm:
                pool.release()
        return output

    def _generate(self, context: JobContext, request: Request, load: LoadPlan, said: Sequence[str]) -> Output:
        """One call of the family under one plan."""
        task = context.job.task
        checkpoint = self._checkpoint(task.family, task.name, request)
        runtime = Runtime(
            device=self._device,
            cache_dir=self._cache_dir,
            work_dir=context.work_dir,
            result_dir=context.result_dir,
            output_stem=context.output_stem,
            checkpoint=checkpoint,
            metadata=metadata(context.job, checkpoint, load),
            wants_preview=context.wants_preview,
            poll=context.poll,
            log=context.log,
            original_path=context.original_path,
            load_plan=load,
            warnings=(*self._memory().said_with(request), *said),
            followers=self._followers,
        )
        output: Output = task.load_entry()(request, runtime, self._warm_pool(), context.report)
        return output

    def memory(self) -> EngineMemory | None:
        """What the networks and the allocator hold; None before anything was loaded."""
        return None if self._pool is None else self._memory().held(self._pool)

    def free(self) -> None:
        """Release every network that no call uses."""
        if self._pool is not None:
            self._pool.release()

    def close(self) -> None:
        """Release the models."""
        if self._pool is not None:
            self._pool.release()
            self._pool = None

    def _warm_pool(self) -> ModelPool:
        """The pool; made late because it imports torch."""
        if self._pool is None:
            import torch

            from pipelines.running.pool import ModelPool

            self._device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
            if self._device == "cuda":
                total = torch.cuda.get_device_properties(0).total_memory
            else:
                total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            self._budget_bytes = int(total * _POOL_SHARE)
            self._pool = ModelPool(self._budget_bytes)
            self._memory().limit_allocator()
        return self._pool

    def _memory(self) -> MemoryKeeper:
        """What watches memory; made once the device is known."""
        if self._keeper is None:
            book = self._cache_dir / PEAKS_FILE
            self._keeper = MemoryKeeper(
                self._device, book, self._floor_bytes, self._read_memory, is_alone=self._followers is None
            )
        return self._keeper

    def _decide(self, job: Job, request: Request) -> Decision:
        return self._memory().decide(request, plan_of(Asked(job.task, request)), self._pool)

    def _checkpoint(self, family: str, task: str, request: Request) -> Path:
        if request.profile == "demo":
            from pipelines.demo.checkpoints import demo_checkpoint

            return demo_checkpoint(family, self._cache_dir)
        from pipelines.checkpoints.locate import locate
        from pipelines.checkpoints.usable import why_unusable

        model = request.model_id or self._own_models().get(family, "")
        if model and (why := why_unusable(family, model, task)):
            raise CheckpointMissing(why)
        return locate(family, model, request.profile, self._cache_dir, task)


def metadata(job: Job, checkpoint: Path, load: LoadPlan) -> dict[str, Any]:
    """What the finished file says about its origin besides the request."""
    return {
        **({"memory_plan": list(load.words)} if load.words else {}),
        **({"gpus_together": load.ranks} if load.ranks > 1 else {}),
        "app_version": __version__,
        "job_id": job.id,
        "label": job.label,
        "model_revision": checkpoint.name,
    }


def other_ranks(work_dir: Path, ranks: int) -> list[str]:
    """What to say of stored steps that another number of GPUs made; keeps `ranks` for the next attempt."""
    record = work_dir / "gpus.json"
    before = 1
    with suppress(OSError, ValueError):
        before = read_json(record.read_bytes())
    if before != ranks:
        write_whole(record, json.dumps(ranks).encode())
    if before == ranks or WorkDir(work_dir).latest() is None:
        return []
    return [
        trn(
            "this job began on {before} and goes on with {count} GPU: the same picture up to rounding",
            "this job began on {before} and goes on with {count} GPUs: the same picture up to rounding",
            ranks,
            before=before,
        )
    ]


def with_last_frames(request: Request, work_dir: Path) -> Request:
    """Where a field wants a picture and another job gave a video, take the video's last frame."""
    changes: dict[str, Any] = {}
    for name, spec in field_specs(type(request)):
        if isinstance(spec, Files) and spec.media == "image":
            paths = getattr(request, name)
            pictures = tuple(_picture(Path(path), work_dir / f"{name}-{index}.png") for index, path in enumerate(paths))
            if pictures != paths:
                changes[name] = pictures
    return dataclasses.replace(request, **changes) if changes else request


def _picture(path: Path, still: Path) -> str:
    if path.suffix != ".mp4":
        return str(path)
    if not still.exists():
        from pipelines.media.read.stills import png_bytes
        from pipelines.media.read.video import last_frame

        write_whole(still, png_bytes(last_frame(path)))
    return str(still)
