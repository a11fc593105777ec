"""What pyproject.toml cannot say: palettes become data of the application, and a build remembers its commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
MARK = Path("skyreels_tui") / "commit.txt"
"""Read by `skyreels_tui.files.installed`."""


def commit() -> str:
    """Return the commit that is built, as a source archive remembers it or as git says; '' where neither does."""
    if (ROOT / MARK).is_file():
        return (ROOT / MARK).read_text(encoding="utf-8")
    if not (ROOT / ".git").exists():
        return ""
    try:
        words = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


class Build(build_py):
    """Writes the commit into what is built, never into the working tree."""

    def run(self) -> None:
        """Copy the modules, then the mark."""
        super().run()
        if not self.editable_mode and commit():
            (Path(self.build_lib) / MARK).write_text(commit(), encoding="utf-8")


class Archive(sdist):
    """Writes the commit into the source archive."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Copy the files, then the mark."""
        super().make_release_tree(base_dir, files)
        (Path(base_dir) / MARK).write_text(commit(), encoding="utf-8")


setup(
    packages=[*find_namespace_packages(include=["skyreels_tui*", "pipelines*"]), "skyreels_tui.themes"],
    package_dir={"skyreels_tui.themes": "themes"},
    cmdclass={"build_py": Build, "sdist": Archive},
)
