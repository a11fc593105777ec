"""Work folders that nothing needs any more."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from skyreels_tui.jobs import workfolder
from skyreels_tui.jobs.database import Database
from skyreels_tui.jobs.errors import NoSuchJob
from skyreels_tui.jobs.model import FINISHED, JobState

_KEPT = timedelta(days=7)
"""Failed and cancelled jobs keep their steps this long: a retry uses them."""


def sweep_work_folders(database: Database, jobs_dir: Path, now: datetime | None = None) -> list[Path]:
    """Remove the folders of done jobs and of jobs that ended badly long ago; returns what went.

    A folder without a row stays: the queue may have been restored from a backup.
    """
    oldest = (now or datetime.now(UTC)) - _KEPT
    removed = []
    for folder in sorted(jobs_dir.iterdir()):
        if not folder.name.isdigit():
            continue
        with suppress(NoSuchJob, OSError):
            job = database.get(int(folder.name))
            ended_long_ago = job.state in FINISHED and datetime.fromisoformat(job.finished_at) < oldest
            if job.state == JobState.DONE or ended_long_ago:
                workfolder.remove(folder)
                removed.append(folder)
    return removed
