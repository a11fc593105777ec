"""Work folders and fetched input files that nothing needs any more."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.front.documents import plain_number
from pipelines.media.remote.address import is_kept_name
from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.engine.attempt import work_folder
from skyreels_tui.queue.engine.clock_trust import may_be_trusted
from skyreels_tui.queue.errors import NoSuchJob
from skyreels_tui.queue.model import FINISHED, JobState
from skyreels_tui.queue.store.store import Store
from skyreels_tui.requests.drafts import DRAFTS_FILE

CLOCK_NOTE = "clock.json"
"""In the state folder: what the clocks said last."""
_KEPT = timedelta(days=7)
"""Failed and cancelled jobs keep their steps this long, because a retry uses them; fetched files lie at least as
long, because a form that is still open may hold them."""


def sweep_work_folders(store: Store, jobs_dir: Path, now: datetime | None = None) -> list[Path]:
    """Remove the folders of done jobs and of jobs that ended badly long ago; returns what went.

    A folder without a row stays: the queue may have been restored from a backup.
    """
    oldest = (now or datetime.now(UTC)) - _KEPT
    is_trusted = may_be_trusted(jobs_dir.parent / CLOCK_NOTE)
    removed = []
    for folder in sorted(jobs_dir.iterdir()):
        if folder.name.endswith(work_folder.DISCARDED):
            work_folder.discard(folder)
        number = plain_number(folder.name)
        if number is None:
            continue
        with suppress(NoSuchJob, OSError):
            job = store.get(number)
            ended_long_ago = job.state in FINISHED and datetime.fromisoformat(job.finished_at) < oldest
            if job.state == JobState.DONE or (ended_long_ago and is_trusted):
                work_folder.remove(folder)
                removed.append(folder)
    return removed


def sweep_downloads(store: Store, folders: Folders, now: datetime | None = None) -> list[Path]:
    """Remove fetched files that are old and named by no listed job, draft, preset or default; returns what went.

    A finished job keeps its files while it is listed: it can be retried, and the address may give another file by
    then or none.
    """
    if not may_be_trusted(folders.state / CLOCK_NOTE):
        return []
    oldest = ((now or datetime.now(UTC)) - _KEPT).timestamp()
    old = []
    for path in sorted(folders.downloads.glob("*")):
        with suppress(OSError):
            if is_kept_name(path.name) and path.lstat().st_mtime < oldest:
                old.append(path)
    if not old:
        return []
    try:
        notes = [path.read_text(encoding="utf-8", errors="replace") for path in _notes(folders) if path.exists()]
    except OSError:
        # What cannot be read may name any of them.
        return []
    text = "\n".join([*notes, *(job.request_json for job in store.list())])
    removed = []
    for path in old:
        with suppress(OSError):
            if path.name not in text:
                path.unlink()
                removed.append(path)
    return removed


def _notes(folders: Folders) -> list[Path]:
    """Files besides the queue that name input files."""
    return [folders.state / DRAFTS_FILE, folders.settings_file, *folders.presets.glob("*.json")]
