"""How the house is built, where import contracts cannot say it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import pipelines
import skyreels_tui
from tests.pace import QUICK, SLOW, SLOW_TESTS, STAND_FOR_ALL, modules

ROOTS = [Path(str(package.__file__)).parent for package in (skyreels_tui, pipelines)]
SHARED = ("skyreels_tui/ui/widgets/", "skyreels_tui/ui/panels/")
"""Folders whose classes are made to be inherited: a frame or a list that others fill."""
ALLOWED = {
    "Request": "every task is one",
    "ExtensionRequest": "two tasks share their fields",
    "FieldSpec": "every kind of field is one",
    "Message": "what a screen asks for",
    "QueueIntent": "what a screen asks of the queue",
    "JobIntent": "what a screen asks about one job",
    "Dialog": "the frame of every question",
    "HubApp": "Textual hands widgets their app: the whole one and a lone panel's publish the same signals",
    "TwoLinears": "two embedders of one shape",
    "CheckpointNetworks": "a family with networks of its own besides",
    "_Punctual": "two kinds of connection with one clock",
}
"""Bases of ours that hand their code down elsewhere, and why."""
EXCEPTIONS = {"Exception", "ValueError", "RuntimeError", "OSError", "KeyError", "BaseException"}
PURE = {"Protocol", "Enum", "StrEnum", "IntEnum", "NamedTuple", "TypedDict"}


@cache
def parsed(text: str) -> ast.Module:
    """One file as a tree, which every test of this module goes through and none changes."""
    return ast.parse(text)


@pytest.fixture(autouse=True, scope="module")
def _forget_trees() -> Iterator[None]:
    yield
    parsed.cache_clear()


class House:
    """Every class of some files, by name."""

    def __init__(self, files: dict[str, str]) -> None:
        self.classes: dict[str, tuple[str, list[str]]] = {}
        self._all: list[tuple[str, str, list[str]]] = []
        for path, text in files.items():
            for node in ast.walk(parsed(text)):
                if isinstance(node, ast.ClassDef):
                    bases = [_last_name(base) for base in node.bases]
                    self.classes[node.name] = (path, bases)
                    self._all.append((path, node.name, bases))

    def heirs(self) -> Iterator[str]:
        """Classes that inherit code which nobody allowed."""
        for path, name, bases in self._all:
            for base in bases:
                if base in self.classes and not self._may_be_inherited(base):
                    yield f"{path}: {name} inherits the code of {base}: let it have one instead"

    def _may_be_inherited(self, base: str) -> bool:
        path = self.classes[base][0]
        if base in ALLOWED or path.startswith(SHARED):
            return True
        return bool((EXCEPTIONS | PURE) & self._line(base))

    def _line(self, name: str) -> set[str]:
        _, bases = self.classes.get(name, ("", []))
        return {name, *bases}.union(*(self._line(base) for base in bases if base != name))


def _last_name(base: ast.expr) -> str:
    return ast.unparse(base).split("[")[0].split(".")[-1]


def _ours() -> dict[str, str]:
    return {
        str(path.relative_to(root.parent)): path.read_text(encoding="utf-8")
        for root in ROOTS
        for path in root.rglob("*.py")
    }


def test_no_class_inherits_the_code_of_another():
    assert list(House(_ours()).heirs()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class A: ...\nclass B(A): ...", 1),
        ("class A: ...\nclass B(A): ...\nclass C(B): ...", 2),
        ("class A(Generic[T]): ...\nclass B(A[int], Other): ...", 1),
        ("class A(Exception): ...\nclass B(A): ...\nclass C(B): ...", 0),
        ("class A(Protocol): ...\nclass B(A): ...", 0),
        ("class B(Screen[None]): ...", 0),
    ],
)
def test_an_heir_is_found(text, found):
    assert len(list(House({"skyreels_tui/app/new.py": text}).heirs())) == found


SHARED_NAMES: dict[str, str] = {}
"""Names of types that may stand in several modules, and why."""


def types_of(text: str) -> Iterator[str]:
    """Names of the classes and of the types that a module defines at its top."""
    for node in parsed(text).body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for one in targets if isinstance(one, ast.Name) and _is_type_name(one.id))


def _is_type_name(name: str) -> bool:
    return name[:1].isupper() and not name.isupper()


def shared_names(files: dict[str, str]) -> dict[str, list[str]]:
    """Names of types that more than one module defines, with those modules."""
    homes: dict[str, list[str]] = {}
    for path, text in files.items():
        for name in set(types_of(text)):
            homes.setdefault(name, []).append(path)
    return {name: paths for name, paths in homes.items() if len(paths) > 1 and name not in SHARED_NAMES}


def test_a_name_means_one_type():
    assert shared_names(_ours()) == {}


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("class Place: ...", "class Place: ...", ["Place"]),
        ("class Place: ...", "Place = Literal['here']", ["Place"]),
        ("Place: TypeAlias = int", "Place = str", ["Place"]),
        ("class _Row: ...", "class _Row: ...", ["_Row"]),
        ("class A:\n    class Changed: ...", "class B:\n    class Changed: ...", []),
        ("LIMIT_S = 1.0", "LIMIT_S = 2.0", []),
        ("class Place: ...", "from first import Place", []),
    ],
)
def test_a_shared_name_is_found(first, second, found):
    assert list(shared_names({"first.py": first, "second.py": second})) == found


ENTRY_POINTS = {
    "main": "a program's start",
    "configure": "a command declares its options",
    "run": "a command is carried out",
    "plan": "a task says what a request takes",
    "generate": "a family makes a video",
    "sensor": "a sensor is built from its surroundings",
}
"""Names of functions that every member of a kind has, and what each does there."""


def shared_functions(files: dict[str, str]) -> dict[str, list[str]]:
    """Names of public functions that more than one module defines at its top, with those modules."""
    homes: dict[str, list[str]] = {}
    for path, text in files.items():
        functions = [node for node in parsed(text).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        for name in {node.name for node in functions if not _is_private(node.name)}:
            homes.setdefault(name, []).append(path)
    return {name: paths for name, paths in homes.items() if len(paths) > 1 and name not in ENTRY_POINTS}


def test_a_name_means_one_function():
    assert shared_functions(_ours()) == {}


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("def free_bytes(): ...", "def free_bytes(folder): ...", ["free_bytes"]),
        ("def look(): ...", "async def look(): ...", ["look"]),
        ("def look(): ...", "class Inbox:\n    def look(self): ...", []),
        ("def _look(): ...", "def _look(): ...", []),
        ("def look(): ...", "from first import look", []),
        ("def main(): ...", "def main(): ...", []),
    ],
)
def test_a_shared_function_is_found(first, second, found):
    assert list(shared_functions({"first.py": first, "second.py": second})) == found


BOUNDARIES = {
    "skyreels_tui/queue/engine/runner.py": "a job: whatever it meets is its own end",
    "pipelines/parallel/children.py": "a job's share on another GPU: what ends it is told to the leader",
    "skyreels_tui/executors/cluster/desk.py": "a job on a worker: its end is told to the queue's process",
    "pipelines/front/boundary.py": "a sensor, and whatever else of the outside a thread must outlive",
}
"""Where any error at all is caught, and whose end that is."""


def catchers(text: str) -> Iterator[int]:
    """Lines that catch whatever is raised; what is only cleaned up after and raised again passes."""
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.ExceptHandler):
            kinds = {"BaseException"} if node.type is None else _names_in(node.type)
            again = any(isinstance(inside, ast.Raise) and inside.exc is None for inside in ast.walk(node))
            if "Exception" in kinds or ("BaseException" in kinds and not again):
                yield node.lineno
        elif isinstance(node, ast.Call) and _last_name(node.func) == "suppress":
            kinds = set().union(*map(_names_in, node.args))
            if {"Exception", "BaseException"} & kinds:
                yield node.lineno


def _names_in(node: ast.expr) -> set[str]:
    return {inside.id for inside in ast.walk(node) if isinstance(inside, ast.Name)}


def test_any_error_is_caught_at_the_boundaries_alone():
    assert {path for path, text in _ours().items() if list(catchers(text))} == set(BOUNDARIES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("try: ...\nexcept Exception: ...", 1),
        ("try: ...\nexcept Exception as error:\n    raise", 1),
        ("try: ...\nexcept (OSError, Exception): ...", 1),
        ("try: ...\nexcept: ...", 1),
        ("try: ...\nexcept BaseException: ...", 1),
        ("with suppress(Exception): ...", 1),
        ("with contextlib.suppress(OSError, Exception): ...", 1),
        ("try: ...\nexcept BaseException:\n    raise", 0),
        ("try: ...\nexcept OSError: ...", 0),
        ("with suppress(OSError): ...", 0),
    ],
)
def test_a_catcher_is_found(text, found):
    assert len(list(catchers(text))) == found


PRIVATE = {
    "skyreels_tui/ui/internals.py": "filters, loop and driver of Textual's app",
    "pipelines/models/vae/vae.py": "diffusers decodes frame by frame with caches that it hands to nobody",
    "pipelines/models/transformer/ops.py": "torch's product with a GELU behind it",
    "pipelines/models/lean/scaled_linear.py": "torch's product of float8 matrices",
    "pipelines/models/lean/block_offload.py": "torch's tables of weights: the public setter costs time at every step",
    "pipelines/parallel/gang.py": "torch gives up a group whose other members are gone by this alone",
    "pipelines/models/encoders/audio.py": "transformers takes the kind of attention at construction from this alone",
}
"""The one place of each private name of a library, and why."""


def private_names(files: dict[str, str]) -> Iterator[str]:
    """Private names that a module asks of something else than itself, its class or our own."""
    trees = {path: parsed(text) for path, text in files.items()}
    ours = {name for tree in trees.values() for name in _own_private_names(tree)}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if path in PRIVATE or not isinstance(node, ast.Attribute) or node.attr in ours:
                continue
            if _is_private(node.attr) and ast.unparse(node.value) not in ("self", "cls", "super()", "os"):
                yield f"{path}: {ast.unparse(node)}"


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _own_private_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            yield node.attr


def test_a_private_name_of_a_library_has_one_place():
    assert list(private_names(_ours())) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("app._driver.write('x')", 1),
        ("import argparse\nisinstance(action, argparse._HelpAction)", 1),
        ("class A:\n    def _own(self): ...\nA()._own()", 0),
        ("class A:\n    def show(self):\n        self._size = 1\nA()._size", 0),
        ("type(x).__name__", 0),
        ("import os\nos._exit(1)", 0),  # public, whatever it is called
    ],
)
def test_a_private_name_is_found(text, found):
    assert len(list(private_names({"skyreels_tui/app/new.py": text}))) == found


READERS = {
    "pipelines/front/documents.py": "what others wrote is read here",
    "pipelines/parity/golden.py": "a golden notes which of its numbers were looked at",
}
"""Who may parse JSON and TOML by the standard library itself, and why."""


def test_what_others_wrote_is_read_in_one_place():
    parses = {"json.loads", "json.load", "tomllib.loads", "tomllib.load"}
    found = {
        path
        for path, text in _ours().items()
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in parses
    }
    assert found == set(READERS)


def unexplained(text: str) -> list[str]:
    """Lines that switch a check of types off and do not say why."""
    return [line for line in text.splitlines() if re.search(r"# type: ignore(\[[a-z, -]+\])?\s*$", line)]


def test_whoever_switches_a_check_off_says_why():
    assert {path: lines for path, text in _ours().items() if (lines := unexplained(text))} == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x = y  # type: ignore", 1),
        ("x = y  # type: ignore[arg-type]", 1),
        ("x = y  # type: ignore[arg-type, misc]", 1),
        ("x = y  # type: ignore[arg-type]  # the library has no types", 0),
        ("x = y", 0),
    ],
)
def test_an_unexplained_line_is_found(line, found):
    assert len(unexplained(line)) == found


# Threads of the screens


def lookers(text: str) -> list[int]:
    """Lines in a worker's thread that look for the app from a widget, which may have been taken away meanwhile."""
    found = []
    for function in ast.walk(parsed(text)):
        decorators = [ast.unparse(one) for one in getattr(function, "decorator_list", ())]
        if not any(one.startswith("work(") and "thread=True" in one for one in decorators):
            continue
        # What runs on the screen's thread is handed over by name and is a function of its own.
        found += [
            node.lineno for node in ast.walk(function) if ast.unparse(node) in ("hub(self)", "self.app", "self.screen")
        ]
    return found


def test_no_thread_looks_for_the_app():
    found = {name: lines for name, text in _ours().items() if (lines := lookers(text))}
    assert not found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("@work(thread=True)\ndef a(self):\n    take(hub(self).films())", True),
        ("@work(exclusive=True, thread=True)\ndef a(self):\n    def b():\n        self.app.exit()\n    b()", True),
        ("@work(thread=True)\ndef a(self):\n    self.screen.x()", True),
        ("@work\nasync def a(self):\n    hub(self).films()", False),
        ("def a(self):\n    hub(self).films()", False),
        ("@work(thread=True)\ndef a(self, app):\n    app.films()", False),
    ],
)
def test_a_looking_thread_is_found(text, found):
    assert bool(lookers(text)) is found


def test_every_module_with_a_pace_is_there():
    named = modules(QUICK) | modules(SLOW)
    tests = Path(__file__).parent
    assert [name for name in sorted(named) if not (tests / name).is_file()] == []
    assert modules(QUICK).isdisjoint(modules(SLOW))
    for test in (*SLOW_TESTS.split(), *STAND_FOR_ALL):
        module, name = test.split("::")
        assert f"def {name}(" in (tests / f"{module}.py").read_text("utf-8"), test


def test_what_one_target_leaves_out_another_runs_and_both_are_told_and_run():
    root = Path(__file__).parents[1]
    recipes = (root / "Makefile").read_text("utf-8")
    assert "-m 'not slow'\n" in recipes and "-m slow\n" in recipes
    for name in ("README.md", "README.pt-BR.md", "CONTRIBUTING.md", ".ci/run"):
        text = (root / name).read_text("utf-8")
        assert re.search(r"make test(?!-)", text) and re.search(r"test-long\b", text), name
