"""The finished video of a job, as the results know one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from skyreels_tui.queue.model import Job
from skyreels_tui.results.gallery import Video


def video_of(job: Job | None, label: str = "") -> Video | None:
    """Return what the job made; None while there is no such file."""
    if job is None or not job.output:
        return None
    path = Path(job.output)
    try:
        facts = path.stat()
    except OSError:
        return None
    recipe: dict[str, Any] = {"label": label or job.label, "task": job.task_type}
    # A row that cannot be read has a film nevertheless.
    with suppress(ValueError):
        recipe["request"] = read_json(job.request_json)
    return Video(path, facts.st_size, facts.st_mtime, recipe, has_sidecar=True)
