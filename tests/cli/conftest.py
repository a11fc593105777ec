"""The command line in this process: real queue in a temporary home, a scripted executor, real media checks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from skyreels_tui.cli import main
from skyreels_tui.executors.fake import FakeExecutor, Script


@dataclass
class Call:
    """What one command did."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Stdout as JSON."""
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """Lines on stderr."""
        return self.err.splitlines()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home for config, state and cache; the current folder is beside it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(folder))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return folder


@pytest.fixture
def cli(home: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., Call]:
    """Call the command line with words; `script` is what the fake executor does with jobs."""

    def call(*words: object, script: Script | None = None) -> Call:
        capfd.readouterr()
        code = main([str(word) for word in words], executor=lambda: FakeExecutor(script))
        out, err = capfd.readouterr()
        return Call(code, out, err)

    return call


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """A good reference picture."""
    path = tmp_path / "a,b picture.png"
    Image.new("RGB", (64, 48), (200, 30, 60)).save(path)
    return path
