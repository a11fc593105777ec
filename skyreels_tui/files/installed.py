"""How this copy of the program came here: its version, its commit, and the commands that bring a newer one."""

from __future__ import annotations

import importlib.metadata
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipelines.front.language import mark
from skyreels_tui import __version__

NAME = "skyreels-tui"
PACKAGE = Path(__file__).resolve().parents[1]
NEW_WHEEL = "skyreels_tui-NEW-py3-none-any.whl"
"""Stands for the file of a newer version, where this one came from a file too."""


class Way(StrEnum):
    """How a copy was installed."""

    CHECKOUT = mark("a checkout")
    UV = "uv tool"
    PIPX = "pipx"
    PIP = "pip"


@dataclass(frozen=True, slots=True)
class Installed:
    """One copy of the program."""

    way: Way
    folder: Path
    """The checkout, or the environment that holds the package."""
    upgrade: str
    """Command line for a shell."""


def installed(
    package: Path = PACKAGE, prefix: Path | None = None, read: Callable[[str], str | None] | None = None
) -> Installed:
    """Say how `package` was installed into the environment `prefix`; `read` gives a file of its metadata."""
    prefix = Path(sys.prefix) if prefix is None else prefix
    if (package.parent / "pyproject.toml").is_file():
        folder = shlex.quote(str(package.parent))
        return Installed(Way.CHECKOUT, package.parent, f"git -C {folder} pull && make -C {folder} run")
    is_file = bool((read or _metadata)("direct_url.json"))
    if (prefix / "uv-receipt.toml").is_file():
        return Installed(Way.UV, prefix, _words(is_file, f"uv tool install --force {NEW_WHEEL}", "uv tool upgrade"))
    if (prefix / "pipx_metadata.json").is_file():
        return Installed(Way.PIPX, prefix, _words(is_file, f"pipx install --force {NEW_WHEEL}", "pipx upgrade"))
    pip = f"{shlex.quote(str(prefix / 'bin' / 'python'))} -m pip install --upgrade"
    return Installed(Way.PIP, prefix, _words(is_file, f"{pip} {NEW_WHEEL}", pip))


def version_line() -> str:
    """Return name, version and, where it is known, the commit."""
    known = commit()
    return f"{NAME} {__version__}" + (f" ({known})" if known else "")


def commit(package: Path = PACKAGE) -> str:
    """Return the commit as the build wrote it or as git says; '' where neither knows."""
    written = package / "commit.txt"
    if written.is_file():
        return written.read_text(encoding="utf-8").strip()
    if not (package.parent / ".git").exists():
        return ""
    words = ["git", "-C", str(package.parent), "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def facts(copy: Installed) -> dict[str, Any]:
    """Return what `skyreels-tui self --json` writes."""
    return {
        "version": __version__,
        "commit": commit(),
        "installed": copy.way.name.lower(),
        "folder": str(copy.folder),
        "upgrade": copy.upgrade,
    }


def _words(is_file: bool, from_file: str, from_index: str) -> str:
    return from_file if is_file else f"{from_index} {NAME}"


def _metadata(name: str) -> str | None:
    try:
        return importlib.metadata.distribution(NAME).read_text(name)
    except importlib.metadata.PackageNotFoundError:
        return None
