"""The table of chaos runs: `python -m tests.cluster.chaos_table LOG ...`, of files that `--log` has written."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

BAD = ("lost", "doubled", "corrupt")


def table(lines: Iterable[str]) -> str:
    """Markdown: kinds of disturbance, at random and at named points, and what was wrong after each; then the sums."""
    at_random: Counter[str] = Counter()
    at_point: Counter[str] = Counter()
    wrong: dict[str, Counter[str]] = {}
    sums: Counter[str] = Counter()
    runs: set[int] = set()
    ended = 0
    for line in lines:
        entry = json.loads(line)
        runs.add(entry["seed"])
        kind = entry.get("kind", "at the end")
        faults = [word for fault in entry["wrong"] for word in BAD if fault.startswith(word)]
        wrong.setdefault(kind, Counter()).update(faults)
        if "settled" in entry:
            ended += entry["settled"]
            sums.update(
                {name: value for name, value in entry.items() if name not in ("seed", "at_s", "settled", "wrong")}
            )
        else:
            (at_point if entry["point"] else at_random)[kind] += entry["happened"]
    rows = ["| what | at a random moment | at a named point | lost | doubled | corrupt |", "|---|---|---|---|---|---|"]
    for kind, faults in sorted(wrong.items()):
        cells = (kind, at_random[kind], at_point[kind], *(faults[word] for word in BAD))
        rows.append(f"| {' | '.join(map(str, cells))} |")
    done = at_random.total() + at_point.total()
    rows.append(f"{done} disturbances in {len(runs)} runs, {ended} of them to their end")
    rows.append(", ".join(f"{name} {value}" for name, value in sums.items()))
    return "\n".join(rows)


if __name__ == "__main__":
    sys.stdout.write(
        table(line for path in sys.argv[1:] for line in Path(path).read_text(encoding="utf-8").splitlines()) + "\n"
    )
