"""Records the reports of a job of every task, cold and warm: `python -m tests.live.record_jobs FILE`.

Times are this process's own seconds of work: what else the machine does meanwhile does not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipelines.tasks import task_named
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.engine.executor import JobContext
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.requests.planning import Asked, plan_of
from tests.queue.demo_requests import SAMPLES, _video, _voice


def requests(folder: Path) -> dict[str, dict[str, Any]]:
    """The fields of one job a task, with the steps and segments of a real one."""
    picture, video, voice = str(SAMPLES / "astronaut.jpg"), _video(folder / "in.mp4"), _voice(folder / "voice.wav", 8.0)
    return {
        "reference_to_video": {"ref_imgs": (picture,), "duration": 5, "num_inference_steps": 8},
        "single_shot_extension": {"input_video": (video,), "duration": 15, "num_inference_steps": 8},
        "shot_switching_extension": {"input_video": (video,), "duration": 5, "num_inference_steps": 8},
        "talking_avatar": {"input_image": (picture,), "input_audio": (voice,), "num_inference_steps": 4},
    }


def record(executor: LocalExecutor, task: str, fields: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Every report of one job as [seconds, stage, step, steps, segment, segments, bytes read, bytes to read]."""
    request = task_named(task).request_type.from_dict(fields)
    job = Job(1, "", task, request.to_json(), JobState.RUNNING, 1.0, "2026-01-01T00:00:00.000+00:00")
    rows: list[list[Any]] = []
    began = time.process_time()

    def note(p: Any) -> None:
        at = round(time.process_time() - began, 4)
        rows.append([at, p.stage.value, p.step, p.num_steps, p.segment, p.num_segments, p.bytes_done, p.bytes_total])

    folder.mkdir()
    executor.run(JobContext(job, note, folder, folder, "clip", lambda: False, lambda _: None))
    return {"end": round(time.process_time() - began, 4), "reports": rows}


def main() -> None:
    """Write the file."""
    recorded = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        executor = LocalExecutor(find_folders(), device="cpu")
        executor.warm_up()
        for task, fields in requests(folder).items():
            common = {"prompt": "a small test", "seed": 7, **fields}
            real = {**common, "resolution": "480P" if task == "talking_avatar" else "540P"}
            spec = task_named(task)
            plan = plan_of(Asked(spec, spec.request_type.from_dict(real)))
            small = {**common, "resolution": "128P", "profile": "demo"}
            runs = {run: record(executor, task, small, folder / f"{task}-{run}") for run in ("cold", "warm")}
            recorded[task] = {"plan": asdict(plan), "runs": runs}
    Path(sys.argv[1]).write_text(json.dumps(recorded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
