"""The long test of a film: `python -m tests.films.real_episode`.

An episode of twelve scenes of all four tasks by shell, from the file to the film, with the real pipelines on the tiny
built-in models: one scene fails at first, is resumed, another take is made, all is joined and measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipelines.media.read.probe import probe_video
from tests.films.episode import FPS, LABELS, SPOKEN, measure_sound, write_episode
from tests.films.test_join import chapters, cues, decoded


class Shell:
    """The command line in a home of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environ = {**os.environ, "SKYREELS_TUI_HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"}

    def __call__(self, *words: object, code: int = 0) -> Any:
        """Run a command; returns what it says as JSON."""
        command = [sys.executable, "-m", "skyreels_tui", *map(str, words), "--json"]
        began = time.monotonic()
        done = subprocess.run(command, env=self._environ, cwd=self._folder, capture_output=True, text=True, check=False)
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {' '.join(map(str, words))}\n")
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout


def episode(folder: Path) -> None:
    """Make it, and measure what came of it."""
    shell = Shell(folder)
    file = write_episode(folder / "episode")
    assert len(shell("film", "import", file)["films"][0]["scenes"]) == 12
    assert len(shell("film", "run", "ep01")["jobs"]) == 12
    # A picture that goes away before its scene is made; others go on from that scene.
    (file.parent / "fails.jpg").rename(file.parent / "away.jpg")
    shell("run", code=1)
    assert shell("film", "status", "ep01")["states"] == {"done": 8, "failed": 1, "blocked": 3}
    (file.parent / "away.jpg").rename(file.parent / "fails.jpg")
    shell("film", "resume", "ep01")
    shell("film", "run", "ep01", "--another", "--scenes", "s05")
    shell("run")
    scenes = shell("film", "show", "ep01")["scenes"]
    assert all(one["status"] == "done" for one in scenes) and len(scenes[4]["takes"]) == 2
    clips = [Path(next(take["output"] for take in one["takes"] if take["id"] == one["chosen"])) for one in scenes]
    join = shell("film", "join", "ep01")
    # Speakers have a rate of their own: all is encoded again at the rate of most, and that is said beforehand.
    assert len({probe_video(clip).fps for clip in clips}) == 2 and join["remarks"]
    shell("run")
    film = Path(shell("show", join["job"])["output"])
    assert film.parent.parts[-2:] == ("show", "films")
    measure(film, clips)


def measure(film: Path, clips: list[Path]) -> None:
    """Frames, chapters, subtitles and sound of the film, against the clips in order."""
    begins = [0.0]
    for clip in clips:
        begins.append(begins[-1] + probe_video(clip).duration_s)
    made = probe_video(film)
    assert made.fps == FPS and abs(made.num_frames - begins[-1] * FPS) <= 1
    found = chapters(film)
    assert [title for *_, title in found] == list(LABELS)
    assert all(abs(start - begin) < 1 / FPS for (start, *_), begin in zip(found, begins, strict=False))
    texts = cues(film.with_suffix(".srt").read_text("utf-8"))
    assert [words for *_, words in texts] == [f"Words of {label}" for label in SPOKEN]
    measure_sound(decoded(film), {title: start for start, _, title in found})


def main() -> None:
    """Run it in a folder that goes away."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        episode(Path(folder))
    sys.stdout.write(f"{time.monotonic() - began:.0f} s in all, load {os.getloadavg()[0]:.1f}\n")


if __name__ == "__main__":
    main()
