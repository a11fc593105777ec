"""Runs a folder of goldens: picks replayers by name, counts, and writes one line a comparison."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import torch

from pipelines.families import FAMILIES
from pipelines.front.errors import InvalidRequest, PipelineError
from pipelines.parity.golden import Comparison, Golden, Replayer, TinyCheckpoints, each
from pipelines.parity.ranks import Ranks

SUITES = (*(family.name for family in FAMILIES), "components")
"""Each is a module of this package that holds REPLAYERS."""

# What a stage can raise on a golden that does not fit it; it counts as that golden's failure.
STAGE_ERRORS = (
    PipelineError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(slots=True)
class Tally:
    """Counts of one run."""

    passed: int = 0
    failed: int = 0
    unchecked: int = 0
    """Stored, and no replayer knows what it is; or a file of which nothing could be compared."""
    absent: int = 0
    """Stages that a golden may hold and does not."""
    empty: int = 0
    """Files of which nothing could be compared."""
    refused: int = 0
    """Files whose networks cannot be shared among the ranks."""

    @property
    def is_clean(self) -> bool:
        """Something was compared in every file, and no value differs."""
        return bool(self.passed) and not self.failed and not self.empty

    def __str__(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed, {self.unchecked} unchecked"
        counts += f", {self.absent} not held" if self.absent else ""
        return f"{counts}, {self.refused} refused" if self.refused else counts


def replayers_of(family: str) -> Sequence[Replayer]:
    """Import a family's replayers."""
    found: Sequence[Replayer] = importlib.import_module(f"pipelines.parity.{family}").REPLAYERS
    return found


def replayer_for(stem: str, replayers: Sequence[Replayer]) -> Replayer | None:
    """The replayer with the longest prefix of a file's name, or None."""
    fitting = [replayer for replayer in replayers if stem.startswith(replayer.prefix)]
    return max(fitting, key=lambda replayer: len(replayer.prefix), default=None)


def run_goldens(
    family: str,
    goldens: Path,
    write: Callable[[str], object],
    *,
    manifest: Path | None = None,
    slow: bool = False,
    only: str = "",
    ranks: int = 1,
) -> Tally:
    """Replay every golden of a folder whose name starts with `only`; `write` takes one line at a time.

    ranks: processes of this host that share every transformer call and every decode.
    """
    replayers, tally = replayers_of(family), Tally()
    paths = [path for path in sorted(goldens.glob(f"{only}*.json")) if path.name != "manifest.json"]
    with (
        tempfile.TemporaryDirectory(prefix="skyreels-parity-") as folder,
        closing(Ranks(ranks)) as together,
        torch.inference_mode(),
    ):
        checkpoints = TinyCheckpoints(Path(folder), goldens, manifest)
        for path in paths:
            replayer = replayer_for(path.stem, replayers)
            if replayer is None:
                tally.unchecked += 1
                tally.empty += 1
                write(f"{path.name}  UNCHECKED  no replayer for this name")
            elif replayer.slow and not slow:
                write(f"{path.name}  SKIPPED  runs only with --slow")
            else:
                _replay(path, replayer, checkpoints, together, tally, write)
    write(str(tally))
    return tally


def _replay(
    path: Path,
    replayer: Replayer,
    checkpoints: TinyCheckpoints,
    ranks: Ranks,
    tally: Tally,
    write: Callable[[str], object],
) -> None:
    before, missing = tally.passed + tally.failed, set[str]()
    try:
        golden = Golden.read(path, checkpoints, ranks)
        for check in each((Golden.declared, replayer.replay), lambda stage: stage(golden)):
            if check.held:
                _count(path, check, tally, write)
            elif check.name not in missing:
                missing.add(check.name)
                tally.absent += 1
                write(f"{path.name}  {check.name}  NOT HELD")
    except STAGE_ERRORS as error:
        if isinstance(error, InvalidRequest) and {problem.field for problem in error.problems} == {"gpus"}:
            tally.refused += 1
            write(f"{path.name}  REFUSED  {error}")
            return
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        _count(path, Comparison(f"stopped by {reason}", float("inf"), "no error", False), tally, write)
        return
    finally:
        ranks.release()
    for name in golden.unseen():
        tally.unchecked += 1
        write(f"{path.name}  {name}  UNCHECKED  stored but never compared")
    if tally.passed + tally.failed == before:
        tally.unchecked += 1
        tally.empty += 1
        write(f"{path.name}  UNCHECKED  nothing compared")


def _count(path: Path, check: Comparison, tally: Tally, write: Callable[[str], object]) -> None:
    tally.passed += check.passed
    tally.failed += not check.passed
    verdict = "PASS" if check.passed else "FAIL"
    write(f"{path.name}  {check.name}  {check.difference:.3g}  {check.tolerance}  {verdict}")
