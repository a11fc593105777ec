"""What this machine has learned about job times, kept in one small file in the state folder."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull
from pipelines.front.plan import Plan
from skyreels_tui.eta.model import Estimate, JobEta, Rates, predict, prior_rates, size_key

RATES_FILE = "rates.json"
"""Name of the file in the state folder."""
_KEY = r"\S+ \d+x\d+ [0-9]{1,18}( [2-9]| all)?"
"""What `size_key` makes."""


class EtaBook:
    """What this machine has learned about job times, kept in one small file; thread-safe."""

    def __init__(self, path: Path, gpu: Callable[[], str] = lambda: "") -> None:
        """`path` is the JSON file; `gpu` names the GPU ('' when there is none)."""
        self._path, self._gpu = path, gpu
        self._lock = threading.Lock()
        self._rates = _read(path)

    @property
    def gpu(self) -> str:
        """Name of the GPU, '' when there is none."""
        return self._gpu()

    def rates(self, task: str, plan: Plan) -> Rates:
        """The learned figures of this task and size, else those of the nearest size, else a guess."""
        with self._lock:
            known = dict(self._rates)
        exact = known.get(size_key(task, plan))
        if exact is not None:
            return exact
        alike = size_key(task, plan).split()
        relative = [
            (key, rates) for key, rates in known.items() if key.split()[0] == task and key.split()[3:] == alike[3:]
        ]
        guess = prior_rates(self.gpu, plan)
        if not relative:
            return guess
        _, near = min(relative, key=lambda entry: abs(int(entry[0].split()[2]) - plan.num_tokens))
        return Rates(near.flops_per_s, near.vae_flops_per_s, near.prepare_s, near.write_s)

    def estimate(self, task: str, plan: Plan) -> Estimate:
        """Predict a job that has not begun."""
        return predict(plan, self.rates(task, plan))

    def follow(self, task: str, plan: Plan, goes_on_at: tuple[int, int] = (0, 0)) -> JobEta:
        """Start to follow an attempt that begins now, at a (segment, step) whose earlier steps are stored."""
        key = size_key(task, plan)
        return JobEta(plan, self.rates(task, plan), lambda rates: self._keep(key, rates), goes_on_at)

    def _keep(self, key: str, rates: Rates) -> None:
        with self._lock:
            before = self._rates.get(key)
            self._rates[key] = rates if before is None else _blend(before, rates)
            text = json.dumps({name: asdict(entry) for name, entry in self._rates.items()}, indent=1)
        # Without a file the figures still serve until the program ends.
        with suppress(OSError, DiskFull):
            write_whole(self._path, text.encode(), durable=False)


def _blend(before: Rates, latest: Rates) -> Rates:
    """The newest job counts as much as all before it: drivers, heat and power supplies change."""
    mean = {name: (value + asdict(latest)[name]) / 2 for name, value in asdict(before).items()}
    return Rates(**{**mean, "jobs": latest.jobs})


def _read(path: Path) -> dict[str, Rates]:
    """Read the file; what cannot be used is forgotten, because it is only a memory of speeds."""
    try:
        entries = read_json(path.read_text(encoding="utf-8"))
        rates = {key: Rates(**entry) for key, entry in entries.items()}
        return {key: known for key, known in rates.items() if re.fullmatch(_KEY, key) and _is_sound(known)}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError):
        return {}


def _is_sound(rates: Rates) -> bool:
    """Whether times can be worked out with them."""
    # Raises TypeError for what is no number, OverflowError for one that is too large.
    finite = all(math.isfinite(value) and value >= 0 for value in asdict(rates).values())
    return finite and min(rates.flops_per_s, rates.vae_flops_per_s) >= 1
