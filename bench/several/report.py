"""What a run has measured so far, in one JSON file, and the table made of it."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any


class Report:
    """The file, written by rank 0 alone after every case."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, Any]:
        """Everything so far."""
        return json.loads(self.path.read_text("utf-8")) if self.path.exists() else {}

    def write(self, **facts: Any) -> None:
        """Add facts of the whole run."""
        self.path.write_text(json.dumps(self.read() | facts, indent=1) + "\n", "utf-8")

    def store(self, case: str, ranks: int, found: dict[str, Any]) -> None:
        """Add one case of one number of ranks."""
        report = self.read()
        report.setdefault("cases", {}).setdefault(case, {})[str(ranks)] = found
        self.path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        print(f"[{time.strftime('%H:%M:%S')}] {case} on {ranks}: {json.dumps(found)}", flush=True)


def table(report: dict[str, Any]) -> str:
    """The figures as Markdown."""
    counts = sorted({count for found in report.get("cases", {}).values() for count in found}, key=int)
    head = ["what", *(f"{count} GPU{'s' if count != '1' else ''}" for count in counts), "speed-up, difference, peak"]
    rows = [head, ["---"] * len(head)]
    others = {}
    for name, found in report.get("cases", {}).items():
        if not any("seconds" in entry for entry in found.values()):
            others[name] = found
            continue
        medians = {c: statistics.median(found[c]["seconds"]) for c in counts if "seconds" in found.get(c, {})}
        cells = [f"{medians[c]:.3f} s" if c in medians else "-" for c in counts]
        last = found.get(counts[-1], {})
        words = [f"{medians['1'] / medians[counts[-1]]:.2f}x"] if {"1", counts[-1]} <= medians.keys() else []
        if "relative_l2" in last:
            words.append(f"relative L2 {last['relative_l2']:.5f}")
        if "levels_off" in last:
            words.append(f"{last['levels_off']:.2f} of 255 levels off")
        if "peak_gib" in last:
            words.append(f"{last['peak_gib']:.1f} GiB")
        rows.append([name, *cells, ", ".join(words)])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    title = f"{report['machine']}, torch {report['torch']}, {report['kernel']} attention, {report['layers']} layers"
    return "\n".join([title, "", *lines, "", "```json", json.dumps(others, indent=1), "```", ""])
