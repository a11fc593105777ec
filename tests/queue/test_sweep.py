"""Fetched input files: what still refers to them keeps them, what nothing names goes when it is old."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from skyreels_tui.files.folders import Folders
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueService
from skyreels_tui.requests.drafts import DRAFTS_FILE, Draft, Drafts
from skyreels_tui.requests.presets import Presets
from skyreels_tui.settings.file import change_file
from skyreels_tui.settings.settings import Settings
from tests.media.web import serving, whole
from tests.queue.conftest import PICTURE, make_request

OpenService = Callable[..., QueueService]
DAY_S = 86400
TASK = "reference_to_video"


def fetched(folders: Folders, stem: str, *, days: float = 30) -> Path:
    """A file as a fetch leaves it, so many days ago."""
    folders.downloads.mkdir(parents=True, exist_ok=True)
    path = folders.downloads / f"{stem}-0123456789.jpg"
    shutil.copy(PICTURE, path)
    return aged(path, days)


def left(folders: Folders, name: str) -> Path:
    """An old file that something else left there."""
    path = folders.downloads / name
    path.touch()
    return aged(path, 30)


def aged(path: Path, days: float) -> Path:
    moment = time.time() - days * DAY_S
    os.utime(path, (moment, moment))
    return path


def restart(service: QueueService, open_service: OpenService) -> QueueService:
    """Close the queue and open it again as its owner."""
    service.close()
    return open_service(start=False)


def test_what_nothing_names_goes_when_it_is_old(open_service: OpenService, folders: Folders) -> None:
    with serving() as web:
        from pipelines.media.remote.fetch import fetch

        real = fetch(web("/a%20cat.jpg", whole(Path(PICTURE).read_bytes())), "image", folders.downloads)
        without_ending = fetch(web("/get", whole(Path(PICTURE).read_bytes())), "image", folders.downloads)
    open_service(start=False).close()
    assert real.exists() and without_ending.exists(), "an open form may hold what was fetched today"
    gone = [aged(real, 8), aged(without_ending, 8), fetched(folders, "cup"), left(folders, ".fetch-ab_12cd3.part")]
    kept = [fetched(folders, "new", days=6), left(folders, "holiday.jpg")]
    viewer = open_service(start=False, runs=False)
    assert all(path.exists() for path in gone), "who only looks removes nothing"
    restart(viewer, open_service)
    assert not any(path.exists() for path in gone)
    assert sorted(folders.downloads.iterdir()) == sorted(kept), "a person's own file has another name"


def test_a_listed_job_keeps_its_files_whatever_its_state(open_service: OpenService, folders: Folders) -> None:
    service = open_service()
    held, done = fetched(folders, "held"), fetched(folders, "done")
    service.actions.add(make_request(ref_imgs=(str(held),)), held=True)
    ended = service.wait(service.actions.add(make_request(ref_imgs=(str(done),))).id, 20)
    assert ended.state is JobState.DONE
    service = restart(service, open_service)
    assert held.exists() and done.exists()
    again = service.actions.retry(ended.id)
    service.start()
    assert service.wait(again.id, 20).state is JobState.DONE, "a finished job can be retried"
    for job in service.jobs():
        service.actions.delete(job.id)
    restart(service, open_service)
    assert not held.exists() and not done.exists(), "no row names them any more"


def test_drafts_presets_and_defaults_keep_theirs(open_service: OpenService, folders: Folders) -> None:
    service = open_service(start=False)
    draft, preset, default, lost = (fetched(folders, name) for name in ("draft", "preset", "default", "lost"))
    Drafts(folders.state / DRAFTS_FILE, TASK, forms={TASK: Draft({"ref_imgs": [str(draft)]})}).save()
    Presets(folders.presets).save(TASK, "mine", {"ref_imgs": [str(preset)]})
    change_file(folders.settings_file, Settings(), Settings(defaults={TASK: {"ref_imgs": str(default)}}))
    service = restart(service, open_service)
    assert draft.exists() and preset.exists() and default.exists() and not lost.exists()
    Presets(folders.presets).delete(TASK, "mine")
    (folders.state / DRAFTS_FILE).write_text(json.dumps({}))
    restart(service, open_service)
    assert not draft.exists() and not preset.exists() and default.exists()


def test_notes_that_cannot_be_read_keep_everything(open_service: OpenService, folders: Folders) -> None:
    service = open_service(start=False)
    path = fetched(folders, "cup")
    (folders.state / DRAFTS_FILE).mkdir()
    service = restart(service, open_service)
    assert path.exists()
    (folders.state / DRAFTS_FILE).rmdir()
    restart(service, open_service)
    assert not path.exists()
