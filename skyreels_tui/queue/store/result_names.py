"""What a job's result is called: names that tell when and of which job it is, and that no other file has."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.places import is_there
from skyreels_tui.queue.model import Job
from skyreels_tui.queue.store.rows import utc_now

RESULT_NAME = re.compile(r"[0-9]{8}-[0-9]{6}-([0-9]{1,9})-")
"""As `default_stem` names results: day, time, number of the job."""
_SLUG_LETTERS = 48


def default_stem(job: Job) -> str:
    """File name for a job's result: local time of its first start, number, label and seed, in safe characters.

    Time and number together keep apart what different queues write to one folder.
    """
    try:
        began = datetime.fromisoformat(job.started_at or job.created_at or utc_now()).astimezone()
    except ValueError:
        began = datetime.fromisoformat(utc_now()).astimezone()
    words = unicodedata.normalize("NFKD", job.label).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall("[a-z0-9]+", words))[:_SLUG_LETTERS].strip("-")
    seed = f"seed{read_json(job.request_json).get('seed', 0)}"
    return "-".join(part for part in (f"{began:%Y%m%d-%H%M%S}", str(job.id), slug, seed) if part)


def free_stem(result_dir: Path, job: Job) -> str:
    """A name that is free: another queue may have written to the same folder."""
    stem, number = default_stem(job), 1
    folder = job.results(result_dir) / job.task_type
    while is_there(folder / f"{stem}.mp4") or is_there(folder / f"{stem}.json"):
        number += 1
        stem = f"{default_stem(job)}-{number}"
    return stem
