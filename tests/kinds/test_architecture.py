"""doc/architecture.md names every folder of both packages once, in the order in which they may import each other."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "doc" / "architecture.md").read_text(encoding="utf-8")
LAYERS = {
    contract["containers"][0]: contract["layers"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    if contract["type"] == "layers"
}


def named(package: str) -> list[str]:
    """Folders in the first column of the package's table, from its top."""
    section = PAGE.split(f"\n## {package}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([\w/]+)`", row)]


def folders(package: str) -> set[str]:
    """Folders of code or of catalogues, relative to the package."""
    found = {path.parent for path in (ROOT / package).rglob("*.py")} | {ROOT / package / "front" / "locale"}
    names = {path.relative_to(ROOT / package).as_posix() for path in found if path.exists()}
    return names - {"."}


@pytest.mark.parametrize("package", ["pipelines", "skyreels_tui"])
def test_every_folder_is_named_once(package: str) -> None:
    assert sorted(named(package)) == sorted(folders(package))


@pytest.mark.parametrize("package", ["pipelines", "skyreels_tui"])
def test_the_order_is_that_of_the_layers(package: str) -> None:
    place = {name.strip(): index for index, layer in enumerate(LAYERS[package]) for name in layer.split("|")}
    rooms = [name for name in named(package) if "/" not in name]
    assert [place[room] for room in rooms] == sorted(place[room] for room in rooms)


@pytest.mark.parametrize("package", ["pipelines", "skyreels_tui"])
def test_every_wall_says_why(package: str) -> None:
    section = PAGE.split(f"\n## {package}\n")[1].split("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            _, name, holds, why, _ = line.split("|")
            assert holds.strip() and len(why.split()) >= 2, name
