"""The tests read English sentences, whatever language the developer's machine speaks, and know their pace."""

import gc
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pace import CLUSTER, QUICK, SLOW, SLOW_TESTS, is_slow, modules

os.environ["LC_ALL"] = "C.UTF-8"
# Neither the language nor the size and the abilities of the terminal they are started from.
for name in ("LANGUAGE", "COLUMNS", "LINES", "NO_COLOR"):
    os.environ.pop(name, None)
os.environ["TERM"] = "xterm-256color"
# Hundreds of tests start the program: where a shell forbids compiled modules each start would compile them all again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

TESTS = Path(__file__).parent
SINGLE = frozenset(SLOW_TESTS.split())
MARKS = {"quick": modules(QUICK), "slow": modules(SLOW), "cluster": modules(CLUSTER)}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m quick` the other modules are not even imported, with `-m "not slow"` not those in `SLOW`."""
    inside = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    if not inside or not collection_path.is_relative_to(TESTS):
        return None
    name = str(collection_path.relative_to(TESTS))
    left_out = {"quick": name not in MARKS["quick"], "not slow": name in MARKS["slow"]}
    return left_out.get(config.option.markexpr) or None


def pytest_collection_finish() -> None:
    """What has been imported stays: the collector of garbage need not go through it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of a module by its pace; SKYREELS_TESTS_ORDER is the seed of another order."""
    if seed := os.environ.get("SKYREELS_TESTS_ORDER"):
        random.Random(seed).shuffle(items)
    kept, left_out = set(), set()
    for item in items:
        name = str(item.path.relative_to(TESTS)) if item.path.is_relative_to(TESTS) else ""
        for mark, members in MARKS.items():
            if name in members:
                item.add_marker(mark)
        if isinstance(item, pytest.Function):
            test = f"{name.removesuffix('.py')}::{item.originalname}"
            slow = is_slow(test, item.callspec.id if hasattr(item, "callspec") else "")
            (left_out if slow else kept).add(test)
            if slow:
                item.add_marker("slow")
    if (forgotten := left_out - kept - SINGLE) and not any("::" in argument for argument in config.args):
        raise pytest.UsageError(f"tests/pace.py: no case stands for all of {', '.join(sorted(forgotten))}")


@pytest.fixture(scope="module")
def small_pictures() -> Iterator[None]:
    """Buckets of a quarter of the demo's pixels, in this process: for tests of a job's course, not of its size."""
    from pipelines.front.shapes import AVATAR_BUCKETS, WAN_BUCKETS

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(WAN_BUCKETS, "128P", {"0.50": (48, 96), "0.75": (48, 64), "1.33": (64, 48)})
        patch.setitem(AVATAR_BUCKETS, "128P", {"1.00": (32, 32)})
        yield
