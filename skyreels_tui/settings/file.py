"""The settings file as it is written: only what has changed, over what the file says now; everything else stays."""

from __future__ import annotations

import dataclasses
import fcntl
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.front.durable import make_folder, private_opener, write_whole
from pipelines.front.errors import DiskFull
from pipelines.front.language import reason_of, tr
from pipelines.front.places import real
from skyreels_tui.settings.reading import why_unreadable
from skyreels_tui.settings.settings import TABLES, Settings, SettingsError

LOCK_FILE = ".settings.lock"
LOCK_S = 2.0
"""Another window writes for some milliseconds; one that holds the lock longer does not run."""

KeyPath = tuple[str, ...]
"""('theme',), ('models', FAMILY) or ('defaults', TASK, FIELD)."""


def change_file(path: Path, before: Settings, wanted: Settings) -> None:
    """Write the values in which `wanted` differs from `before`; what others wrote meanwhile stays.

    Comments, order and unknown keys stay. Raises SettingsError in words, and then the file is as it was.
    """
    changes = differences(before, wanted)
    if not changes:
        return
    # Keeping comments costs a tenth of a second at import: paid by those who write, not by every start.
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        make_folder(path.parent)
        with _locked(path.parent / LOCK_FILE):
            document = tomlkit.parse(_text(path))
            for key, value in changes.items():
                _put(document, key, value, path)
            # A link here is a person's: their file is changed where it lies.
            write_whole(real(path), tomlkit.dumps(document).encode())
    except (ValueError, RecursionError, TOMLKitError) as error:
        why = why_unreadable(error) if isinstance(error, ValueError) else error
        raise SettingsError(
            tr("{path} is not valid TOML ({error}): mend or remove it first", path=path, error=why)
        ) from error
    except DiskFull as error:
        raise SettingsError(str(error)) from error
    except OSError as error:
        raise SettingsError(tr("{path} cannot be written: {why}", path=path, why=reason_of(error))) from error


def _text(path: Path) -> str:
    """What the file says; a link that leads nowhere is a file that is not there yet."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def differences(before: Settings, wanted: Settings) -> dict[KeyPath, object]:
    """Return key -> value of everything in which `wanted` differs; None where it has no such entry."""
    old, new = dict(_flat(before)), dict(_flat(wanted))
    keys = dict.fromkeys((*new, *old))
    return {key: new.get(key) for key in keys if old.get(key) != new.get(key)}


def _flat(settings: Settings) -> Iterator[tuple[KeyPath, object]]:
    for entry in dataclasses.fields(Settings):
        value = getattr(settings, entry.name)
        if entry.name in TABLES:
            yield from _entries((entry.name,), value)
        else:
            yield (entry.name,), value


def _entries(above: KeyPath, table: Mapping[str, Any]) -> Iterator[tuple[KeyPath, object]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _entries((*above, name), value)
        else:
            yield (*above, name), list(value) if isinstance(value, tuple) else value


def _put(document: MutableMapping[str, Any], key: KeyPath, value: object, path: Path) -> None:
    """Make the document say one value, or no longer name it; a value that it says already keeps its spelling."""
    *above, name = key
    tables = [document]
    for table in above:
        if table not in tables[-1]:
            if value is None:
                return
            tables[-1][table] = {}
        if not isinstance(tables[-1][table], MutableMapping):
            raise SettingsError(tr("{key!r} in {path} is no table: mend or remove it first", key=table, path=path))
        tables.append(tables[-1][table])
    if value is None:
        tables[-1].pop(name, None)
        for depth in range(len(above), 0, -1):
            if not tables[depth]:
                del tables[depth - 1][above[depth - 1]]
    elif name in tables[-1]:
        if tables[-1][name] != value or isinstance(value, bool) is not isinstance(tables[-1][name], bool):
            tables[-1][name] = value
    elif above or value != getattr(Settings(), name):
        tables[-1][name] = value


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of the settings, which the kernel lets go of with its process; the file stays."""
    deadline = time.monotonic() + LOCK_S
    with open(path, "a", opener=private_opener) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise SettingsError(
                        tr("another program holds {path}: try again, or end that program", path=path)
                    ) from None
                time.sleep(0.01)
        yield
