"""The settings file as it is read: what can be used of it, and a sentence for all else."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_toml
from pipelines.front.fields import FieldSpec, Number
from pipelines.front.language import reason_of, tr
from skyreels_tui.settings.checks import setting_problem
from skyreels_tui.settings.settings import TABLES, Settings, setting_specs

COMMAND_LINES = ("hook", "voice_command", "picture_command")
"""Settings that hold a command with its arguments; a file may give these as a list too."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a settings file gave: usable settings, and a sentence for everything in it that was not usable."""

    settings: Settings
    warnings: tuple[str, ...] = ()
    is_readable: bool = True
    """False where the file could not be read at all, and the settings are the defaults."""


def load(path: Path) -> Loaded:
    """Read settings from `path`; a missing file gives defaults, a wrong value its default and a warning."""
    try:
        document = read_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Loaded(Settings())
    except (OSError, ValueError) as error:
        # Beyond what TOML forbids: a list in a thousand lists.
        words = tr("{path} is not readable and was left alone: {error}", path=path, error=why_unreadable(error))
        return Loaded(Settings(), (words,), is_readable=False)
    specs = dict(setting_specs())
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for key, value in document.items():
        if key in TABLES:
            problem = "" if _is_table(key, value) else tr("must be a table")
        elif key in specs:
            if key in COMMAND_LINES and isinstance(value, list) and all(isinstance(word, str) for word in value):
                value = shlex.join(value)
            value = _as_float(value) if _wants_float(specs[key]) and type(value) is int else value
            problem = setting_problem(key, value)
        else:
            warnings.append(tr("unknown setting {key!r} was ignored", key=key))
            continue
        if problem:
            warnings.append(tr("setting {key!r}: {problem}; its default is used", key=key, problem=problem))
        else:
            values[key] = value
    return Loaded(Settings(**values), tuple(warnings))


def why_unreadable(error: OSError | ValueError) -> str:
    """Say why a settings file is none: as the system says it, or as the parser does."""
    if isinstance(error, OSError):
        return reason_of(error)
    return tr("holds bytes that are no text (UTF-8)") if isinstance(error, UnicodeDecodeError) else str(error)


def _wants_float(spec: FieldSpec) -> bool:
    return isinstance(spec, Number) and spec.decimals > 0


def _as_float(number: int) -> float:
    # A number beyond the largest float is beyond every range as well.
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _is_table(key: str, value: object) -> bool:
    if not isinstance(value, dict):
        return False
    if key == "keys":
        return all(_is_table("models", entry) for entry in value.values())
    kind = dict if key == "defaults" else str
    return all(isinstance(entry, kind) for entry in value.values())
