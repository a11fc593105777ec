"""The tables of tasks, families and checkpoints fit together, and nothing is assumed of what none of them holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import pipelines.demo
import pipelines.families
import pipelines.tasks
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.families import FAMILIES, family_named
from pipelines.front.cost import DEMO_NETWORK
from pipelines.front.fields import Files
from pipelines.front.request import field_specs
from pipelines.tasks import TASKS, first_taking, network_of, task_named, tasks_of
from pipelines.tasks.spec import TaskSpec
from skyreels_tui.ui.keyboard import fetch_scope

TASK_NAMES = [task.name for task in TASKS]
UNKNOWN = ("", "R2V", "x2v", "reference_to_video")
SAMPLES = Path(pipelines.demo.__file__).parent / "samples"


def test_a_family_has_one_name_everywhere() -> None:
    names = [family.name for family in FAMILIES]
    assert sorted(CHECKPOINTS) == sorted(names)
    assert {task.family for task in TASKS} == set(names)
    for name in names:
        assert CHECKPOINTS[name].family == name
        assert {component.family for component in CHECKPOINTS[name].components} == {name}
        assert (Path(pipelines.families.__file__).parent / name / "generate.py").is_file()
        assert (Path(pipelines.demo.__file__).parent / "manifests" / f"{name}.json").is_file()


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("look_up", [network_of, tasks_of, family_named])
def test_an_unknown_family_is_refused_by_name(look_up: object, name: str) -> None:
    with pytest.raises(KeyError, match="r2v, v2v, a2v"):
        look_up(name)  # type: ignore[operator]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_refuses_a_task_that_there_is_not(checkpoint: object) -> None:
    with pytest.raises(KeyError, match="single_shot_extension"):
        checkpoint.components_for("no_such_task")  # type: ignore[attr-defined]


@pytest.mark.parametrize("task", TASKS, ids=TASK_NAMES)
def test_a_task_needs_parts_that_its_checkpoint_has(task: TaskSpec) -> None:
    checkpoint = CHECKPOINTS[task.family]
    parts = [component.name for component in checkpoint.components_for(task.name)]
    assert sorted(parts) == sorted(task.components)
    assert {"text_encoder", "tokenizer", "vae"} < set(parts)
    assert task.name in checkpoint.tasks
    others = [other for name, other in CHECKPOINTS.items() if name != task.family]
    assert not any(other.components_for(task.name) == checkpoint.components for other in others)


def test_every_part_is_needed_by_some_task() -> None:
    for checkpoint in CHECKPOINTS.values():
        for component in checkpoint.components:
            assert component.tasks, f"{checkpoint.family} {component.name}"
            assert set(component.tasks) <= set(checkpoint.tasks)


@pytest.mark.parametrize("task", TASKS, ids=TASK_NAMES)
def test_a_demo_job_is_valid_but_for_its_files(task: TaskSpec) -> None:
    specs = dict(field_specs(task.request_type))
    files = {name for name, spec in specs.items() if isinstance(spec, Files) and spec.minimum}
    fields = {
        name: tuple(str(next(SAMPLES.glob(pattern))) for pattern in value) if name in files else value
        for name, value in task.demo.items()
    }
    assert files <= set(fields)
    request = task.request_type(**fields, resolution="128P", profile="demo")
    assert request.check() == []
    assert task.plan(request).weights_bytes == DEMO_NETWORK.weights_bytes


@pytest.mark.parametrize("task", TASKS, ids=TASK_NAMES)
def test_a_full_job_costs_what_its_own_network_costs(task: TaskSpec) -> None:
    assert task.network.in_profile("full") is task.network
    assert network_of(task.family) == task.network
    assert {case.family for case in task.bench} <= {task.family}


def test_no_key_opens_two_forms() -> None:
    keys = [task.key for task in TASKS if task.key]
    assert keys == ["f2", "f3", "f4", "f5"]


def test_every_family_is_measured() -> None:
    assert {case.family for task in TASKS for case in task.bench} == {family.name for family in FAMILIES}


def test_a_clip_goes_on_and_a_picture_begins_anew() -> None:
    assert first_taking("video") == (task_named("single_shot_extension"), "input_video")
    assert first_taking("image") == (task_named("reference_to_video"), "ref_imgs")
    assert first_taking("audio") == (task_named("talking_avatar"), "input_audio")


@pytest.mark.parametrize("further", [0, 1, 4])
def test_every_task_of_a_checkpoint_has_a_digit_to_be_fetched_by(monkeypatch: pytest.MonkeyPatch, further: int) -> None:
    more = tuple(replace(TASKS[1], name=f"further_{place}", key="") for place in range(further))
    monkeypatch.setattr(pipelines.tasks, "TASKS", (*TASKS, *more))
    actions = [key.action for key in fetch_scope().keys]
    assert actions == [*(f"take({place})" for place in range(3 + further)), "no"]


ROOT = Path(__file__).parents[2]
HOMES = (
    "pipelines/tasks", "pipelines/families", "pipelines/parity", "pipelines/checkpoints/registry.py",
    "pipelines/front/task_names.py",
)  # fmt: skip
"""Where a task or a family may be called by its name: everywhere else it is one of those there are."""


def names_in(path: Path, names: set[str]) -> Iterator[str]:
    """The texts of a module that are the name of a task or a family, its docstrings left out."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and node.value in names:
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.value}"


def test_no_room_knows_a_task_or_a_family_by_name() -> None:
    names = {*TASK_NAMES, *(task.short for task in TASKS), *CHECKPOINTS}
    modules = [path for package in ("skyreels_tui", "pipelines") for path in (ROOT / package).rglob("*.py")]
    rooms = [path for path in modules if not str(path.relative_to(ROOT)).startswith(HOMES)]
    assert len(rooms) > 200
    assert [found for path in rooms for found in names_in(path, names)] == []
