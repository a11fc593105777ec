"""doc/extending.md, followed to the letter in a copy of the program: every room knows what was added."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipelines", "skyreels_tui", "themes")
"""Folders that make a working program."""
WALKS = ("shell", "demo", "form", "home", "alone", "help_and_pages", "executor", "models", "completion")
NEW_FILE = re.compile(r"`([\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)
NEW_ENTRY = re.compile(r"In `(\w+)` of `([\w/]+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)


def page() -> str:
    return (ROOT / "doc" / "extending.md").read_text(encoding="utf-8")


def add_entry(path: Path, name: str, block: str) -> None:
    """Put what the block shows at the end of the tuple, and its imports below those of the module."""
    text = path.read_text(encoding="utf-8")
    lines = block.splitlines()
    imports = [line for line in lines if line.startswith("from ")]
    entry = textwrap.indent("\n".join(line for line in lines if line not in imports).strip(), "    ") + ","
    begin = re.search(rf"^{name}\b.*= \($", text, re.MULTILINE)
    assert begin is not None, f"{path} holds no tuple {name}"
    end = text.index("\n)", begin.end())
    text = text[:end] + "\n" + entry + text[end:]
    last = list(re.finditer(r"^(from|import) .*$", text, re.MULTILINE))[-1].end()
    path.write_text(text[:last] + "".join(f"\n{line}" for line in imports) + text[last:], encoding="utf-8")


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program after the page has been followed."""
    root = tmp_path_factory.mktemp("extended")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package)
    files = [(path, text) for path, text in NEW_FILE.findall(page()) if not (root / path).exists()]
    for path, text in files:
        (root / path).write_text(text, encoding="utf-8")
    assert {Path(path).name for path, _ in files} == {"still_life.py", "weather.py", "copying.py"}
    entries = NEW_ENTRY.findall(page())
    assert [name for name, _, _ in entries] == ["TASKS", "NAMES", "PANELS", "SENSORS"]
    for name, path, block in entries:
        add_entry(root / path, name, block)
    return root


@pytest.mark.parametrize("walk", WALKS)
def test_every_room_knows_what_the_page_adds(extended: Path, tmp_path: Path, walk: str) -> None:
    environ = {
        **os.environ, "PYTHONPATH": str(extended), "SKYREELS_TUI_HOME": str(tmp_path / "home"),
        "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "LANGUAGE": "", "TERM": "xterm-256color",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("walk.py")), walk],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1:] == [f"walked {walk}"]


def test_the_table_names_every_kind_of_the_page() -> None:
    table = re.findall(r"^\| (\w+) \| (.*) \|$", page(), re.MULTILINE)
    kinds = {kind: files for kind, files in table if kind != "kind"}
    assert list(kinds) == ["task", "panel", "sensor", "executor", "theme"]
    for kind in kinds:
        assert re.search(rf"^## An? {kind}$", page(), re.MULTILINE), kind


def test_the_page_names_only_what_there_is() -> None:
    new = {path for path, _ in NEW_FILE.findall(page())}
    for path in set(re.findall(r"`((?:pipelines|skyreels_tui|themes|tests)/[\w/.-]*)`", page())) - new:
        assert (ROOT / path).exists(), path
