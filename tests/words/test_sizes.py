"""One table of units: the same number of bytes has the same words wherever a person reads it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import pipelines
import skyreels_tui
from pipelines.checkpoints.locate import locate
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front.errors import CheckpointMissing
from pipelines.front.sizes import size
from pipelines.tasks import TASKS
from skyreels_tui.cli import main
from skyreels_tui.doctor.checks import run_checks
from tests.cli.test_doctor import machine

ROOT = Path(skyreels_tui.__file__).parents[1]
SOURCES = [path for package in (skyreels_tui, pipelines) for path in sorted(Path(package.__path__[0]).rglob("*.py"))]


@pytest.mark.parametrize(
    ("num_bytes", "words"),
    [
        (-5, "0 B"), (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "0.977 KiB"), (1024, "1 KiB"), (1536, "1.5 KiB"),
        (123_456, "121 KiB"), (2**20 - 1, "1 MiB"), (10 * 2**20, "10 MiB"), (51_838_600_000, "48.3 GiB"),
        (119.7 * 2**30, "120 GiB"), (1800 * 2**30, "1.76 TiB"), (5000 * 2**40, "5000 TiB"),
    ],
)  # fmt: skip
def test_three_figures_and_a_unit(num_bytes: float, words: str) -> None:
    assert size(num_bytes) == words


def sentences(path: Path) -> set[str]:
    """Every text in the code but docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    # Every string that stands alone is a docstring, of a module, a class, a function or a constant.
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    }


def test_no_other_module_writes_a_unit() -> None:
    """A figure with its unit comes from the table; a panel's title may name the unit of its columns."""
    unit = re.compile(r"(\}|\d) ?(kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)\b(?!/s)")
    allowed = {"unified {size} GiB", "GPU {size} GiB", "system {size} GiB"}
    found = {path: {text for text in sentences(path) if unit.search(text)} - allowed for path in SOURCES}
    assert SOURCES and {path: texts for path, texts in found.items() if texts} == {}


@pytest.mark.parametrize("family", CHECKPOINTS)
def test_a_model_has_one_size(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Shell, doctor, refusal and guide; the models screen has a test of its own."""
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    whole = size(CHECKPOINTS[family].num_bytes)
    assert main(["models", "list"]) == 0
    listed = next(line for line in capfd.readouterr().out.splitlines() if line.startswith(f"{family} "))
    assert f" of {whole} " in listed
    judged = next(check for check in run_checks(machine("desktop")) if check.name == f"model {family}")
    assert judged.found.endswith(f" of {whole}")
    guide = (ROOT / "doc" / "spark.md").read_text("utf-8")
    for task in TASKS:
        parts = CHECKPOINTS[family].components_for(task.name)
        if any(task.name in part.tasks for part in CHECKPOINTS[family].components):
            needed = size(sum(part.num_bytes for part in parts))
            with pytest.raises(CheckpointMissing, match=f"Download {re.escape(needed)}: "):
                locate(family, "", "full", tmp_path, task.name)
            assert re.search(rf"models download {task.name} +# {re.escape(needed)}\b|{task.name} adds", guide)
