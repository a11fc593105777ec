"""What this machine has learned about job times, kept in one small file in the state folder."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull
from pipelines.front.gang import ALL_GPUS, ranks_of
from pipelines.front.plan import Plan
from skyreels_tui.eta.follow import JobEta
from skyreels_tui.eta.model import DECODE_SHARE, Estimate, Rates, predict, prior_rates, size_key, speed_up
from skyreels_tui.eta.speeds import case_decode_flops, case_named, read_measured

RATES_FILE = "rates.json"
"""Name of the file in the state folder."""
ALIKE = 5.0
"""Sizes that differ by more, as the demo's from real ones, say nothing about each other."""
SIZE_DOUBT, TASK_DOUBT = 1.25, 1.5
"""How far off a guess from another size of the task, or from another task, may be."""
_KEY = r"\S+ \d+x\d+ [0-9]{1,18}( [2-9]| all)?( @.{1,80})?"
"""What `size_key` makes, and behind it the kind of the workers where it is not this machine's."""
_AT = " @"
CPU = "cpu"
"""The kind of a worker that has no GPU."""


class EtaBook:
    """What this machine has learned about job times, kept in one small file; thread-safe."""

    def __init__(
        self,
        path: Path,
        gpu: Callable[[], str] = lambda: "",
        speed: Path | None = None,
        num_gpus: Callable[[], int] = lambda: 1,
    ) -> None:
        """`path` is the JSON file; `gpu` names the GPU ('' when there is none), `num_gpus` says how many there are.

        `speed` is a file of `bench --output`, from which the first guess comes where it is of this GPU.
        """
        self._path, self._gpu, self._speed, self._num_gpus = path, gpu, speed, num_gpus
        self._lock = threading.Lock()
        self._stamp = _stamp_of(path)
        self._rates = _read(path)

    @property
    def gpu(self) -> str:
        """Name of the GPU, '' when there is none."""
        return self._gpu()

    def rates(self, task: str, plan: Plan, kind: str = "") -> Rates:
        """The learned figures of this task and size, else those of the nearest size, else a guess.

        `kind` names the GPU of the worker, or says `cpu`; '' is this machine's own. No kind says anything of another.
        """
        plan = self._counted(plan)
        of_kind = self._of_kind(kind)
        with self._lock:
            self._look()
            known = {key.removesuffix(of_kind): rates for key, rates in self._rates.items() if _kind_of(key) == of_kind}
        exact = known.get(size_key(task, plan))
        if exact is not None:
            return exact
        several = size_key(task, plan).split()[3:]
        guess = self._first_guess(plan, of_kind)
        alike = {key: rates for key, rates in known.items() if is_alike(int(key.split()[2]), plan.num_tokens)}
        own = {key: rates for key, rates in alike.items() if key.split()[3:] == several}
        # What other numbers of GPUs have shown says more than the name of one.
        alike = own or {key: self._shared_as(rates, key, plan) for key, rates in alike.items()}
        if not alike:
            return guess
        own = {key: rates for key, rates in alike.items() if key.split()[0] == task}
        near = min((own or alike).items(), key=lambda entry: abs(int(entry[0].split()[2]) - plan.num_tokens))[1]
        doubt = SIZE_DOUBT if own else TASK_DOUBT
        if not own:
            return replace(guess, flops_per_s=near.flops_per_s, vae_flops_per_s=near.vae_flops_per_s, doubt=doubt)
        return replace(near, first_step_factor=1.0, jobs=0, doubt=doubt)

    def _of_kind(self, kind: str) -> str:
        """What stands behind the keys of a kind: nothing for this machine's own."""
        is_own = not kind or (kind == CPU if not self.gpu else kind in self.gpu)
        return "" if is_own else f"{_AT}{' '.join(kind.split())[:80]}"

    def _look(self) -> None:
        """Take over what the process that runs jobs has learned since."""
        stamp = _stamp_of(self._path)
        if stamp != self._stamp:
            self._stamp, self._rates = stamp, _read(self._path) or self._rates

    def _counted(self, plan: Plan) -> Plan:
        """The plan with a number of GPUs in place of `all`."""
        return plan if plan.gpus != ALL_GPUS else replace(plan, gpus=str(ranks_of(ALL_GPUS, self._num_gpus())))

    def _shared_as(self, rates: Rates, key: str, plan: Plan) -> Rates:
        """What another number of GPUs has shown, as so many as the plan's would do."""
        shown = (*key.split()[3:], "1")[0]
        gain = speed_up(plan.gpus) / speed_up(shown)
        return replace(rates, flops_per_s=rates.flops_per_s * gain, vae_flops_per_s=rates.vae_flops_per_s * gain)

    def _first_guess(self, plan: Plan, of_kind: str) -> Rates:
        """From what `bench` measured on such a GPU, else from its name."""
        gpu = of_kind.removeprefix(_AT).removesuffix(CPU) if of_kind else self.gpu
        guess = prior_rates(gpu, plan)
        if self._speed is None or not gpu:
            return guess
        try:
            measured = read_measured(self._speed)
        except (OSError, ValueError):
            return guess
        near = measured.nearest(plan.num_tokens)
        is_other = gpu not in measured.gpu if of_kind else measured.gpu != gpu
        if near is None or is_other or not is_alike(near.num_tokens, plan.num_tokens):
            return guess
        case = case_named(near.name)
        together = guess.flops_per_s / prior_rates(gpu, replace(plan, gpus="1")).flops_per_s
        rate = near.tflops * 1e12 * together
        decode = case_decode_flops(case) / near.decode_s if case is not None else rate * DECODE_SHARE
        return replace(guess, flops_per_s=rate, vae_flops_per_s=decode, doubt=SIZE_DOUBT)

    def estimate(self, task: str, plan: Plan, kind: str = "") -> Estimate:
        """Predict a job that has not begun, on a worker of this kind."""
        plan = self._counted(plan)
        return predict(plan, self.rates(task, plan, kind))

    def follow(self, task: str, plan: Plan, goes_on_at: tuple[int, int] = (0, 0), kind: str = "") -> JobEta:
        """Start to follow an attempt that begins now, at a (segment, step) whose earlier steps are stored."""
        plan = self._counted(plan)
        key = size_key(task, plan) + self._of_kind(kind)
        return JobEta(plan, self.rates(task, plan, kind), lambda rates: self._keep(key, rates), goes_on_at)

    def _keep(self, key: str, rates: Rates) -> None:
        with self._lock:
            before = self._rates.get(key)
            self._rates[key] = rates if before is None else _blend(before, rates)
            text = json.dumps({name: asdict(entry) for name, entry in self._rates.items()}, indent=1)
        # Without a file the figures still serve until the program ends.
        with suppress(OSError, DiskFull):
            write_whole(self._path, text.encode(), durable=False)
            self._stamp = _stamp_of(self._path)


def _stamp_of(path: Path) -> tuple[int, int, int]:
    """Another one after every writing."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


def is_alike(tokens: int, others: int) -> bool:
    """Whether a size says something about another."""
    return 1 / ALIKE <= tokens / max(1, others) <= ALIKE


def _kind_of(key: str) -> str:
    """What stands behind a key."""
    return "".join(key.partition(_AT)[1:])


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
