"""Prompts and input files of the jobs that were queued here, newest first, in one small file of the state folder."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull
from pipelines.front.fields import Files
from pipelines.front.request import Request, field_specs
from skyreels_tui.requests.references import token_name

HistoryKind = Literal["prompt", "image", "video", "audio", "lora"]
KINDS: tuple[HistoryKind, ...] = ("prompt", "image", "video", "audio", "lora")
HISTORY_FILE = "history.json"
MOST = 100
"""Different entries that are kept of each kind."""


class History:
    """Reads the file anew at each call, so that two windows share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self, kind: HistoryKind) -> list[str]:
        """What was used, newest first."""
        return self._read()[kind]

    def add(self, request: Request) -> None:
        """Put a request's prompt and files first. A disk that is full loses the entry, never the job."""
        known = self._read()
        known["prompt"] = _first([request.prompt], known["prompt"])
        for name, spec in field_specs(type(request)):
            if isinstance(spec, Files):
                files = [path for path in getattr(request, name) if token_name(path) is None]
                known[spec.media] = _first(files, known[spec.media])
        try:
            write_whole(self._path, json.dumps(known, indent=1).encode("ascii"))
        except (OSError, DiskFull):
            return

    def _read(self) -> dict[HistoryKind, list[str]]:
        try:
            content = read_json(self._path.read_text(encoding="utf-8"))
            return {kind: [str(entry) for entry in content.get(kind, ())] for kind in KINDS}
        except (OSError, ValueError, TypeError, AttributeError):
            # It is only a memory of what was typed: a damaged one begins anew.
            return {kind: [] for kind in KINDS}


def _first(new: Iterable[str], old: Iterable[str]) -> list[str]:
    """`new` before `old`, each once, at most `MOST`."""
    return list(dict.fromkeys(entry for entry in (*new, *old) if entry.strip()))[:MOST]
