"""doc/cli.md says what the program does."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import skyreels_tui
from skyreels_tui.commands.jobs.results import Result
from skyreels_tui.commands.shared.describe import JOB_KEYS
from skyreels_tui.commands.system.manual import renewed
from skyreels_tui.doctor.checks import Check
from tests.cli.conftest import Call

Cli = Callable[..., Call]
DOC = Path(skyreels_tui.__file__).parents[1] / "doc"
PAGE = (DOC / "cli.md").read_text("utf-8")


def test_the_generated_parts_are_up_to_date() -> None:
    assert renewed(PAGE) == PAGE


def test_a_job_has_the_documented_keys(cli: Cli, picture: Path) -> None:
    cli("add", "--profile", "demo", "--ref_imgs", picture, "--prompt", "x")
    assert list(cli("list", "--json").data[0]) == list(JOB_KEYS)
    assert set(cli("show", 1, "--json").data) == {*JOB_KEYS, "traceback"}


def test_other_values_have_the_documented_keys(cli: Cli) -> None:
    [models] = [line for line in PAGE.split("\n- ") if line.startswith("`models list`")]
    assert set(cli("models", "--json").data[0]) <= set(re.findall(r"`(\w+)`", models))
    for kind, name in ((Result, "results"), (Check, "doctor")):
        [entry] = [line for line in PAGE.split("\n- ") if line.startswith(f"`{name}`")]
        assert {field.name for field in dataclasses.fields(kind)} <= set(re.findall(r"`(\w+)`", entry))
