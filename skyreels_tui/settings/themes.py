"""Which palettes there are; a new one is one more file in the folder `themes`, whose colours the screens read."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "night"
_PACKAGE = Path(__file__).resolve().parents[1]
FOLDERS = (_PACKAGE / "themes", _PACKAGE.parent / "themes")
"""Where palettes lie: inside an installed package, beside it in a checkout."""


def theme_files() -> dict[str, Path]:
    """Name -> file of every palette, the default first."""
    folder = next((folder for folder in FOLDERS if folder.is_dir()), FOLDERS[0])
    files = {file.stem: file for file in folder.glob("*.toml")}
    return {name: files[name] for name in sorted(files, key=lambda name: (name != DEFAULT, name))}
