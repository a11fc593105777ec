"""What keeps a commit from being released is said, each thing by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import skyreels_tui

SCRIPT = Path(skyreels_tui.__file__).parents[1] / "scripts" / "check_release.py"


def git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")
    subprocess.run(["git", "-C", str(root), *who, *words], check=True, capture_output=True)


def said(root: Path) -> tuple[int, list[str]]:
    done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A repository that may be released as 0.2.0 after 0.1.0."""
    (tmp_path / "skyreels_tui").mkdir()
    (tmp_path / "skyreels_tui" / "__init__.py").write_text('__version__ = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n\n## 0.2.0, 2026-01-31\n\n## 0.1.0\n")
    for name in ("state/queue.db", "config/settings.toml", "expected.json"):
        path = tmp_path / "tests" / "cli" / "versions" / "0.2.0" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x" * 90)
    git(tmp_path, "tag", "v0.1.0")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "y" * 71)
    return tmp_path


def test_a_ready_commit_has_no_problem(ready: Path) -> None:
    assert said(ready) == (0, [])


@pytest.mark.parametrize("heading", ["0.2.0, not released yet", "0.2.0", "0.3.0, 2026-01-31"])
def test_a_change_log_without_this_version_and_its_date(ready: Path, heading: str) -> None:
    (ready / "CHANGELOG.md").write_text(f"# Changes\n\n## {heading}\n")
    git(ready, "commit", "-qam", "z")
    code, lines = said(ready)
    assert code == 1 and len(lines) == 1 and heading in lines[0]


@pytest.mark.parametrize("name", ["state/queue.db", "config/settings.toml", "expected.json"])
def test_a_version_whose_files_are_not_kept(ready: Path, name: str) -> None:
    git(ready, "rm", "-q", f"tests/cli/versions/0.2.0/{name}")
    git(ready, "commit", "-qm", "z")
    code, lines = said(ready)
    assert code == 1 and len(lines) == 1 and name in lines[0]


def test_a_tree_that_is_not_clean(ready: Path) -> None:
    (ready / "left").touch()
    assert said(ready) == (1, ["there are changes that no commit holds"])


def test_a_tag_that_is_there(ready: Path) -> None:
    git(ready, "tag", "v0.2.0")
    assert said(ready) == (1, ["the tag v0.2.0 is there already"])


def test_a_long_subject(ready: Path) -> None:
    git(ready, "commit", "-q", "--allow-empty", "-m", "y" * 72)
    code, lines = said(ready)
    assert code == 1 and len(lines) == 1 and "72 letters" in lines[0]
