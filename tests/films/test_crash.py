"""A join that is killed at points of its way: begun again it makes one film, and nothing is lost or doubled."""

from __future__ import annotations

import shutil
from pathlib import Path

from pipelines.tasks.film import FilmJoin
from skyreels_tui.executors.fake import FakeExecutor
from tests.films.conftest import SAMPLES
from tests.queue.harness import import_early, in_child, problems, run_queue

POINTS = 5
"""Kills, spread over the points that a whole run passes."""


def request(root: Path) -> FilmJoin:
    root.mkdir(parents=True, exist_ok=True)
    for name in ("a", "b"):
        shutil.copy(SAMPLES / "clip.mp4", root / f"{name}.mp4")
    shutil.copy(SAMPLES / "voice.mp3", root / "voice.mp3")
    clips = (str(root / "a.mp4"), str(root / "b.mp4"))
    return FilmJoin(
        film="ep", clips=clips, labels=("a", "b"), narrations=(str(root / "voice.mp3"), ""), words=("x", "")
    )


def test_a_killed_join_is_done_once(tmp_path: Path) -> None:
    wanted = [request(tmp_path / "clips")]
    import_early(wanted)
    whole = in_child(lambda tell: run_queue(tmp_path / "whole", FakeExecutor, wanted, tell))
    assert not whole.error and whole.points, whole.error
    count = len(whole.points)
    for place in sorted({1 + (count - 1) * n // (POINTS - 1) for n in range(POINTS)}):
        root = tmp_path / f"killed-{place}"
        killed = in_child(lambda tell, root=root, place=place: run_queue(root, FakeExecutor, wanted, tell, place))
        assert not killed.error, killed.error
        again = in_child(lambda tell, root=root: run_queue(root, FakeExecutor, wanted, tell, None, False))
        assert not again.error, again.error
        assert problems(root, [*killed.journal, *again.journal], 1) == [], (place, whole.points[place - 1])
        films = sorted(path.name for path in (root / "result" / "films").iterdir())
        assert [Path(name).suffix for name in films] == [".json", ".mp4", ".srt"], films
