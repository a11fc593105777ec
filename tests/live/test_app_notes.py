from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pipelines.tasks.reference_to_video import ReferenceToVideo
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.files.folders import Folders
from skyreels_tui.notify.notice import Notice
from skyreels_tui.queue.model import JobState
from skyreels_tui.queue.service import QueueService
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import Settings


async def test_the_app_tells_of_a_finished_job_and_its_panels_follow(
    folders: Folders, photo: str, tmp_path: Path
) -> None:
    executor = FakeExecutor(Script(num_steps=2), gated=True)
    folders.create()
    folders.settings_file.write_text('hook = "true"\n', encoding="utf-8")
    settings = load(folders.settings_file).settings
    app = SkyreelsApp(Services(folders, settings, tmp_path / "result", lambda: executor))
    sent: list[Notice] = []
    async with app.run_test(size=(120, 40)) as pilot:

        async def until(condition: Any) -> None:
            async with asyncio.timeout(20.0):
                while not condition():
                    await pilot.pause(0.02)

        await until(lambda: app.service is not None and app.monitor is not None)
        assert app.service is not None and app.notifier is not None
        app.notifier._messenger.send = sent.append  # type: ignore[method-assign]
        request = ReferenceToVideo(prompt="a", ref_imgs=(photo,), resolution="128P", duration=1, profile="demo")
        await asyncio.to_thread(app.service.actions.add, request, label="corridor-A")
        executor.advance(1)
        await until(lambda: app.board.progress is not None and app.board.progress.progress.step == 1)
        progress = app.screen.query_one("ProgressPanel")
        await until(lambda: "1/2" in progress.render().plain)  # type: ignore[union-attr]
        assert "left " in progress.render().plain  # type: ignore[union-attr]
        executor.advance(1)
        await until(lambda: app.board.count(JobState.DONE) == 1)
        await until(lambda: bool(sent))
        assert (sent[0].kind, sent[0].title) == ("done", "corridor-A is done")
    app.service.close()
    app.notifier.stop()


async def test_a_viewer_tells_only_when_the_owner_has_no_window(folders: Folders, photo: str, tmp_path: Path) -> None:
    """Another process runs a job: the viewer's title follows it, its bell rings for a headless owner alone."""
    request = ReferenceToVideo(prompt="a", ref_imgs=(photo,), resolution="128P", duration=1, profile="demo")
    executor = FakeExecutor(Script(num_steps=2), gated=True)
    owner = QueueService(folders, tmp_path / "result", lambda event: None, executor=lambda: executor)
    owner.start()
    app = SkyreelsApp(Services(folders, Settings(), tmp_path / "result", FakeExecutor))
    written: list[str] = []
    async with app.run_test(size=(120, 40)) as pilot:

        async def until(condition: Any) -> None:
            async with asyncio.timeout(20.0):
                while not condition():
                    await pilot.pause(0.02)

        await until(lambda: app.service is not None and app.monitor is not None)
        assert app.service is not None and app.notifier is not None and not app.service.is_owner
        app.notifier._write = written.append
        for label, has_window in (("with", True), ("without", False)):
            if has_window:
                owner.show_window()
            else:
                owner.hide_window()
            written.clear()
            job = await asyncio.to_thread(owner.actions.add, request, label=label)
            executor.advance(1)
            await until(lambda label=label: any(f"{label} - skyreels-tui" in text for text in written))
            executor.advance(1)
            await until(lambda job=job: app.board.get(job.id) and app.board.get(job.id).state is JobState.DONE)
            await until(lambda: any("\x1b]0;skyreels-tui" in t or "\x1b]2;skyreels-tui" in t for t in written[1:]))
            assert ("\a" in written) is not has_window
    app.service.close()
    owner.close()
    app.notifier.stop()
