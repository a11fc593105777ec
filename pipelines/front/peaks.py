"""What jobs really took, beside what was predicted; a small file that later predictions are corrected with."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder, write_whole
from pipelines.front.request import Request

KEPT = 20
"""Newest measurements that count, for each kind of job."""

PEAKS_FILE = "memory.json"
"""Name of the file in the cache folder."""
LIMITS = (0.7, 1.5)
"""A correction beyond these is a sign of something else, such as another program on the same GPU."""


class PeakBook:
    """Predicted and measured peaks in a JSON file; a damaged file counts as empty."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, kind: str, predicted_bytes: int, measured_bytes: int) -> None:
        """Keep one job's figures."""
        book = self._read()
        entries = [*book.get(kind, []), [predicted_bytes, measured_bytes]][-KEPT:]
        make_folder(self.path.parent)
        write_whole(self.path, json.dumps({**book, kind: entries}, indent=1).encode())

    def correction(self, kind: str) -> float:
        """Measured over predicted, the median of jobs of this kind; 1 when there are none."""
        ratios = [measured / predicted for predicted, measured in self._read().get(kind, []) if predicted > 0]
        return min(max(statistics.median(ratios), LIMITS[0]), LIMITS[1]) if ratios else 1.0

    def correction_of(self, request: Request, device: str) -> float:
        """The same for a request on `cuda` or `cpu`; the demo's small networks teach nothing and learn nothing."""
        return self.correction(kind_of(request, device)) if request.profile == "full" else 1.0

    def _read(self) -> dict[str, list[list[int]]]:
        try:
            stored = read_json(self.path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(stored, dict):
            return {}
        return {kind: entries for kind, entries in stored.items() if _is_figures(entries)}


def kind_of(request: Request, device: str) -> str:
    """Jobs of one kind have alike errors of prediction."""
    return f"{type(request).__name__} {request.resolution} {device}"


def _is_figures(entries: object) -> bool:
    return isinstance(entries, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(n, int) for n in pair) for pair in entries
    )
