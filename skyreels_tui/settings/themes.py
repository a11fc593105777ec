"""Which palettes there are; a new one is one more file in the folder `themes`, whose colours the screens read."""

from __future__ import annotations

from pathlib import Path

import themes

DEFAULT = "night"


def theme_files() -> dict[str, Path]:
    """Name -> file of every palette, the default first."""
    files = {file.stem: file for file in Path(themes.__path__[0]).glob("*.toml")}
    return {name: files[name] for name in sorted(files, key=lambda name: (name != DEFAULT, name))}
