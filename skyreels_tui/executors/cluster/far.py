"""Runs jobs on a worker of another process: sends what they need, writes what comes, publishes the result here."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, put_in_place, write_whole
from pipelines.front.errors import Cancelled, CheckpointMissing, GangLost, PipelineError
from pipelines.front.language import tr
from pipelines.front.runtime import Output, Runtime
from pipelines.media.read.probe import probe_video
from pipelines.media.write.publish import own_stem
from skyreels_tui.executors.cluster.copies import durable_files, parts_of, plain_name, put, sha256
from skyreels_tui.executors.cluster.desk import input_paths, with_paths
from skyreels_tui.executors.cluster.errors import raised
from skyreels_tui.executors.cluster.line import DeskLine
from skyreels_tui.executors.cluster.messages import (
    Assignment,
    FilePart,
    FileRemoved,
    Holds,
    JobEnded,
    JobFailed,
    JobStopped,
    Logged,
    Message,
    Reported,
    Stopping,
)
from skyreels_tui.executors.without_model import needs_model, run_without_model
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.engine.workforce import CannotHere, Worker, WorkerLost
from skyreels_tui.queue.events import EngineMemory
from skyreels_tui.queue.model import Job

WAIT_S = 0.2
"""How long one question for news waits: a cancel is passed on within it."""
GRACE_S = 30.0
"""What a stopped attempt has to say its last words in; then its process is ended."""

LineOf = Callable[[tuple[Worker, ...]], DeskLine]


class FarExecutor:
    """An executor for one worker; used from its runner's thread alone."""

    def __init__(self, worker: Worker, line_of: LineOf, *, grace_s: float = GRACE_S) -> None:
        """`line_of` gives the open line to the desk that holds all of a team, opening it when it is not there."""
        self._worker, self._line_of, self._grace_s = worker, line_of, grace_s
        self._memory: EngineMemory | None = None

    def warm_up(self) -> None:
        """A worker imports what it needs when it is asked to admit a job."""

    def admit(self, job: Job) -> str:
        """Ask the worker; a gang's desk is opened when the job begins."""
        if not needs_model(job) or getattr(job.request, "gpus", "1") != "1":
            return ""
        kind, why = self._line_of((self._worker,)).call("admit", job)
        if kind == "lacks":
            raise CannotHere(f"{self._worker.name}: {why}")
        return f"{self._worker.name}: {why}" if why else ""

    def memory(self) -> EngineMemory | None:
        """What the worker said last."""
        return self._memory

    def free(self) -> None:
        """Let the worker give back what it does not use."""
        self._line_of((self._worker,)).call("free")

    def close(self) -> None:
        """The workforce ends the lines."""

    def run(self, context: JobContext) -> Output:
        """Run or resume the job on the worker, or on the team."""
        request = context.job.request
        if not needs_model(context.job):
            return run_without_model(context, request)
        team = tuple(Worker(name) for name in context.team) or (self._worker,)
        line = self._line_of(team)
        assignment = self._send(line, context)
        line.call("begin", assignment)
        is_over = False
        try:
            output = self._listen(line, assignment, context)
            is_over = True
            return output
        except (Cancelled, WorkerLost):
            is_over = True
            raise
        finally:
            if not is_over:
                # Something went wrong at this end: the worker must not compute on for nobody.
                self._end(line, assignment)

    # Before

    def _send(self, line: DeskLine, context: JobContext) -> Assignment:
        request = context.job.request
        paths = dict.fromkeys(input_paths(request))
        digests = {path: sha256(Path(path)) for path in paths if Path(path).is_file()}
        missing = set(line.call("lacks", sorted(set(digests.values()))))
        for path, digest in digests.items():
            if digest in missing:
                missing.discard(digest)
                for part in parts_of(Path(path), "inputs", f"input{Path(path).suffix}"):
                    line.call("put_input", digest, part)
                    context.poll()
        there = {path: str(line.call("input_path", digest)) for path, digest in digests.items()}
        line.call("clear")
        for file in durable_files(context.work_dir):
            for part in parts_of(file, "work"):
                line.call("put_work", part)
                context.poll()
        changed = with_paths(request, there)
        if context.team:
            changed = dataclasses.replace(changed, gpus=str(len(context.team)))
        job = dataclasses.replace(context.job, request_json=changed.to_json())
        return Assignment(job, str(context.work_dir), {copy: path for path, copy in there.items()})

    # Meanwhile

    def _listen(self, line: DeskLine, assignment: Assignment, context: JobContext) -> Output:
        results, wants_preview, stopping_since, is_asked = _Results(context), False, None, False
        while True:
            wanted = True
            messages: list[Message] = line.call("take", assignment.key, WAIT_S)
            for message in messages:
                match message:
                    case JobEnded(output):
                        return results.publish(output)
                    case JobStopped():
                        if stopping_since is None and not is_asked:
                            raise WorkerLost(tr("{worker} has let its job go", worker=self._worker.name))
                        raise Cancelled
                    case JobFailed():
                        raise self._failure(message, context)
                    case Stopping(reason, urgent):
                        is_asked = is_asked or urgent
                        context.stop(reason, urgent)
                    case Holds(memory):
                        self._memory = memory
                    case Logged(text):
                        context.log(text)
                    case FilePart(area="results"):
                        results.take(message)
                    case FilePart():
                        put(context.work_dir, message)
                    case FileRemoved(name):
                        (context.work_dir / plain_name(name)).unlink(missing_ok=True)
                    case Reported(progress) if wanted and stopping_since is None:
                        # What was stored counts also after the wish to stop; what is said then does not.
                        wanted = _goes_on(context.report, progress)
            if stopping_since is None and not (wanted and _goes_on(context.poll)):
                stopping_since = time.monotonic()
                line.call("tell", assignment.key, wants_preview=False, stop=True)
            elif stopping_since is not None and time.monotonic() - stopping_since > self._grace_s:
                line.close()
                raise Cancelled
            elif stopping_since is None and context.wants_preview() != wants_preview:
                wants_preview = not wants_preview
                line.call("tell", assignment.key, wants_preview=wants_preview)

    def _failure(self, failed: JobFailed, context: JobContext) -> Exception:
        error = raised(failed)
        if isinstance(error, GangLost):
            # The others of the team live: with whoever takes the lost one's place they go on at the stored step.
            return WorkerLost(str(error))
        if context.team and isinstance(error, CheckpointMissing):
            return CheckpointMissing(f"{self._worker.name}: {error}")
        return error

    def _end(self, line: DeskLine, assignment: Assignment) -> None:
        try:
            line.call("tell", assignment.key, wants_preview=False, stop=True)
        except WorkerLost:
            return


def _goes_on(ask: Callable[..., None], *args: object) -> bool:
    """False when the attempt is to stop."""
    try:
        ask(*args)
    except Cancelled:
        return False
    return True


class _Results:
    """The finished files as they come, and their one way into the folder of results."""

    def __init__(self, context: JobContext) -> None:
        self._context = context
        self._folder = context.result_dir / context.job.task_type
        self._incoming = context.work_dir / "results"

    def take(self, part: FilePart) -> None:
        put(self._incoming, part)

    def publish(self, output: Output) -> Output:
        """Put the video in its place, look at it, then put the sidecar beside it. Raises PipelineError."""
        context = self._context
        runtime = Runtime("", Path(), context.work_dir, context.result_dir, context.output_stem, Path())
        video = self._incoming / plain_name(output.path.name)
        sidecar = read_json(video.with_suffix(".json").read_bytes())
        if not video.is_file():
            raise PipelineError(tr("the finished file {path} is not there", path=video))
        make_folder(self._folder, private=False)
        final = self._folder / f"{own_stem(self._folder, runtime)}.mp4"
        _move(video, final)
        probe_video(final)
        sidecar["output"]["path"] = final.name
        text = json.dumps(sidecar, indent=2, sort_keys=True) + "\n"
        write_whole(final.with_suffix(".json"), text.encode("ascii"), private=False)
        return dataclasses.replace(output, path=final)


def _move(video: Path, final: Path) -> None:
    """Give a file its place, which may be on another disk; readable as the umask says."""
    temporary = final.with_suffix(".part.mp4")
    temporary.unlink(missing_ok=True)
    with video.open("rb") as source, temporary.open("xb") as target:
        while data := source.read(2**20):
            target.write(data)
    put_in_place(temporary, final)
