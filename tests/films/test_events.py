"""What is told when a film is done or stands still: once, with name, counts, seconds, outputs and failed scenes."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from pipelines.front.errors import MediaError
from pipelines.front.progress import Stage
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.notify.messenger import notice_facts, run_hook
from skyreels_tui.notify.notice import notice_of_film
from skyreels_tui.queue.events import FilmEnded
from skyreels_tui.queue.service import QueueService
from tests.queue.conftest import Events, entry, folders, open_service

__all__ = ["folders", "open_service"]


def ended(events: Events) -> list[FilmEnded]:
    return [event for event in events.all if isinstance(event, FilmEnded)]


def test_a_film_that_is_done_is_told_once(open_service: Callable[..., QueueService]) -> None:
    events = Events()
    service = open_service(events=events)
    service.actions.add_many([entry(name, batch="ep") for name in "abc"] + [entry("alone")])
    events.wait_for(lambda event: isinstance(event, FilmEnded))
    assert service.wait_idle(20.0)
    [event] = ended(events)
    notice = notice_of_film(event.film)
    assert (notice.kind, notice.title, notice.text) == ("done", "film ep is done", "3/3 done")
    facts = notice_facts(notice)["film"]
    assert isinstance(facts, dict) and facts["states"] == {"done": 3} and facts["failed"] == []
    assert [Path(path).is_file() for path in facts["outputs"]] == [True] * 3


def test_a_film_that_stands_still_says_what_failed(open_service: Callable[..., QueueService]) -> None:
    def script(context: object) -> Script:
        broken = context.job.label == "b"  # type: ignore[attr-defined]
        return Script(num_steps=2, failures={(Stage.DENOISE, 1): MediaError("it broke")} if broken else {})

    events = Events()
    service = open_service(FakeExecutor(script), events=events)
    service.actions.add_many(
        [entry("a", batch="ep"), entry("b", batch="ep"), entry("c", batch="ep", ref_imgs=("{{prev}}",))]
    )
    events.wait_for(lambda event: isinstance(event, FilmEnded))
    [event] = ended(events)
    notice = notice_of_film(event.film)
    assert (notice.kind, notice.title) == ("attention", "film ep stands still")
    assert notice.text == "1/3 done, 1 blocked, 1 failed"
    facts = notice_facts(notice)["film"]
    assert isinstance(facts, dict) and facts["failed"] == ["b"]


def test_the_hook_gets_the_film(open_service: Callable[..., QueueService], tmp_path: Path) -> None:
    events = Events()
    service = open_service(events=events)
    service.actions.add_many([entry(name, batch="ep \x1b[31m") for name in "ab"])
    event = events.wait_for(lambda event: isinstance(event, FilmEnded))
    assert isinstance(event, FilmEnded)
    hook = tmp_path / "hook.py"
    hook.write_text(
        "import json, os, pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'told')!r}).write_text("
        "json.dumps([os.environ['SKYREELS_FILM'], json.load(sys.stdin)]))\n"
    )
    run_hook(shlex.join([sys.executable, str(hook)]), notice_of_film(event.film))
    name, told = json.loads((tmp_path / "told").read_text())
    assert name == event.film.name and told["film"]["scenes"] == 2
    assert "\x1b" not in told["title"]


def test_a_single_job_is_told_as_a_job_alone(open_service: Callable[..., QueueService]) -> None:
    events = Events()
    service = open_service(events=events)
    service.actions.add(entry().request, batch="ep")
    assert service.wait_idle(20.0)
    assert ended(events) == []
