"""Small files by which other processes follow the engine and its job; losing them loses nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull
from pipelines.front.places import is_there
from pipelines.front.progress import PreviewStrip, Progress, Stage
from skyreels_tui.files.boot_clock import BootTime, boot_time, boot_time_of
from skyreels_tui.queue.events import EngineMemory, JobProgress, QueueStatus
from skyreels_tui.queue.pace import Pace

_EVERY_S = 1.0
_UNHEARD_S = 1.5
"""A report is written up to `_EVERY_S` after it is made, and looked for twice a second."""
_WANTED_S = 5.0
_THREADS_OLD_S = 60.0


class LiveFiles:
    """progress.json at most once a second and at every step; preview.bin while preview.want is fresh.

    One pair of them a worker; everything else is of the process that runs jobs.
    """

    def __init__(self, folder: Path, now: Callable[[], BootTime] = boot_time, worker: str = "") -> None:
        self._folder, self._now = folder, now
        # A worker's name is no file name.
        mark = f"-{_digest(worker)}" if worker else ""
        self._progress, self._preview = folder / f"progress{mark}.json", folder / f"preview{mark}.bin"
        self._want, self._memory = folder / "preview.want", folder / "memory.json"
        self._window, self._threads = folder / "window", folder / "threads.json"
        self._status = folder / "status.json"
        self._written = -_EVERY_S

    def of(self, worker: str) -> LiveFiles:
        """The files of one worker of the process that runs jobs."""
        return LiveFiles(self._folder, self._now, worker)

    # The owner

    def write(self, event: JobProgress, *, important: bool) -> None:
        """Tell other processes; an unimportant event within a second of the last one is left out."""
        now = self._now()
        preview = event.progress.preview
        try:
            if preview is not None and self.preview_wanted():
                write_whole(self._preview, _pack(preview, event.progress.step), durable=False)
            if important or now.seconds - self._written >= _EVERY_S:
                self._written = now.seconds
                bare = replace(event, progress=replace(event.progress, preview=None))
                content = {**asdict(bare), "written": asdict(now)}
                if event.pace is not None and not math.isfinite(event.pace.least_s):
                    # JSON has no infinity.
                    content["pace"]["least_s"] = None
                write_whole(self._progress, json.dumps(content).encode(), durable=False)
        except (OSError, DiskFull):
            # A full disk must not stop a job because nobody can watch it from afar.
            return

    def write_memory(self, memory: EngineMemory) -> None:
        """Tell other processes what the engine holds; true until it is written again or the owner ends."""
        # Like progress, nothing that a job should fail for.
        with suppress(OSError, DiskFull):
            write_whole(self._memory, json.dumps(asdict(memory)).encode(), durable=False)

    def write_status(self, status: QueueStatus) -> None:
        """Tell other processes what the engine does and what it waits for; true until it is written again."""
        with suppress(OSError, DiskFull):
            write_whole(self._status, json.dumps(asdict(status)).encode(), durable=False)

    def write_threads(self, ages: Mapping[str, tuple[float, bool]]) -> None:
        """Tell other processes when each thread of the owner last did a round."""
        with suppress(OSError, DiskFull):
            told = [[name, *age] for name, age in ages.items()]
            content = {"written": asdict(self._now()), "threads": told}
            write_whole(self._threads, json.dumps(content).encode(), durable=False)

    def read_threads(self) -> list[tuple[str, float, bool]]:
        """(name, seconds since its last round, late) of each; the one that writes this is late when it is old."""
        try:
            content = read_json(self._threads.read_bytes())
            old_s = self._now().age_s(boot_time_of(content["written"]))
            if old_s is None:
                return []
            told = [(str(name), float(age) + old_s, bool(late)) for name, age, late in content["threads"]]
        except (OSError, ValueError, KeyError, TypeError, OverflowError, AttributeError):
            return []
        return [(name, age, late or old_s > _THREADS_OLD_S) for name, age, late in told]

    def clear(self) -> None:
        """Nothing runs: remove the files about a job; what the engine holds stays as it was said last."""
        self._remove(self._progress, self._preview)

    def _remove(self, *paths: Path) -> None:
        for path in paths:
            # A stale file says nothing wrong: it names a job that does not run any more.
            with suppress(OSError, DiskFull):
                path.unlink()

    def forget(self) -> None:
        """A new owner begins: nothing of the last one is true any more."""
        self._remove(*self._all_progress(), *self._folder.glob("preview*.bin"))
        for path in (self._memory, self._status, self._threads):
            with suppress(OSError, DiskFull):
                path.unlink()

    def preview_wanted(self) -> bool:
        """True when some process asked for the preview in the last seconds."""
        try:
            age_s = self._now().age_s(boot_time_of(read_json(self._want.read_bytes())))
        except (OSError, ValueError, KeyError, TypeError, OverflowError, AttributeError):
            return False
        return age_s is not None and age_s < _WANTED_S

    def show_window(self, pid: int) -> None:
        """The owner has a window: viewers leave bell and notifications to it."""
        with suppress(OSError, DiskFull):
            write_whole(self._window, str(pid).encode(), durable=False)

    def hide_window(self) -> None:
        """The owner goes on without a window: viewers tell of its jobs."""
        with suppress(OSError, DiskFull):
            self._window.unlink()

    # A viewer

    def window_pid(self) -> int | None:
        """The owner that said last that it has a window."""
        try:
            return int(self._window.read_bytes())
        except (OSError, ValueError):
            return None

    def want_preview(self) -> None:
        """Ask the owner for previews for the next seconds."""
        with suppress(OSError, DiskFull):
            write_whole(self._want, json.dumps(asdict(self._now())).encode(), durable=False)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Changes whenever one of the files was written: of each running job its own entry."""
        return tuple((path.name, _mtime(path), _mtime(_preview_of(path))) for path in self._all_progress())

    def read_memory(self) -> EngineMemory | None:
        """What the owner's engine held when it last said so; None when nobody has. Ask whether the owner lives."""
        try:
            return EngineMemory(**read_json(self._memory.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def read_status(self) -> QueueStatus | None:
        """What the owner said last; None when nobody has. Ask whether the owner lives."""
        try:
            values = read_json(self._status.read_bytes())
            since, crew = values.pop("since"), values.pop("crew")
            return QueueStatus(
                **values,
                since=None if since is None else boot_time_of(since),
                crew=tuple((str(name), str(kind)) for name, kind in crew),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def read(self) -> list[JobProgress]:
        """The last event of each running job with its times brought up to now, for that may be a whole step ago."""
        found = (self._read(path) for path in self._all_progress())
        return sorted((event for event in found if event is not None), key=lambda event: event.job_id)

    def read_file(self, name: str) -> JobProgress | None:
        """One of the files that `stamp` names, as `read` gives it."""
        return self._read(self._folder / name)

    def _all_progress(self) -> list[Path]:
        with suppress(OSError):
            return sorted(self._folder.glob("progress*.json"))
        return []

    def _read(self, path: Path) -> JobProgress | None:
        preview = _preview_of(path)
        try:
            values = read_json(path.read_bytes())
            age_s = self._now().age_s(boot_time_of(values.pop("written"))) or 0.0
            progress = values.pop("progress")
            progress["stage"] = Stage(progress["stage"])
            progress["preview"] = _unpack(preview.read_bytes()) if is_there(preview) else None
            values["step_seconds"] = tuple(values["step_seconds"])
            values["stage_seconds"] = tuple((str(name), float(s)) for name, s in values["stage_seconds"])
            told = values.pop("pace")
            pace = _pace(told, age_s) if told is not None else None
            event = JobProgress(progress=Progress(**progress), pace=pace, **values)
            left_s = None if event.left_s is None else max(0.0, event.left_s - age_s)
            left_s = pace.left_s() if pace is not None else left_s
            return replace(event, elapsed_s=event.elapsed_s + age_s, left_s=left_s)
        except (OSError, ValueError, KeyError, TypeError, OverflowError, AttributeError):
            return None


def _preview_of(progress: Path) -> Path:
    """The file of the preview beside one of progress."""
    return progress.with_name(progress.name.replace("progress", "preview")).with_suffix(".bin")


def _pace(told: dict[str, Any], age_s: float) -> Pace:
    """The owner's figures, brought up to now."""
    stages = tuple((str(name), float(seconds)) for name, seconds in told.pop("stages"))
    least_s = told.pop("least_s")
    least_s = math.inf if least_s is None else float(least_s)
    pace = Pace(**{**told, "stages": stages, "least_s": least_s, "unheard_s": _UNHEARD_S})
    return replace(pace, into_s=pace.into_s + age_s, least_s=pace.shown_least_s(age_s))


def _pack(strip: PreviewStrip, step: int) -> bytes:
    # Whoever reads it later finds it beside the report of a later step or stage.
    head = {"width": strip.width, "height": strip.height, "frames": strip.frames, "step": step}
    return json.dumps(head).encode() + b"\n" + strip.rgb


def _unpack(data: bytes) -> PreviewStrip:
    head, _, rgb = data.partition(b"\n")
    values = read_json(head)
    return PreviewStrip(values["width"], values["height"], tuple(values["frames"]), rgb, values.get("step", 0))


def _digest(worker: str) -> str:
    # Without workers nobody needs a library of ciphers.
    import hashlib

    return hashlib.sha256(worker.encode()).hexdigest()[:12]


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
