"""An engine's start: no search for garbage holds up the threads beside it, nothing is imported that it does not use."""

import gc
import subprocess
import sys

import pytest

from skyreels_tui.executors.large_imports import large_imports

START = """
import gc, sys
seen = []
gc.callbacks.append(lambda phase, info: seen.append(info["generation"]) if phase == "start" else None)
from skyreels_tui.executors.local import LocalExecutor
from skyreels_tui.files.folders import find_folders
executor = LocalExecutor(find_folders({"SKYREELS_TUI_HOME": sys.argv[1]}), device="cpu")
seen.clear()
executor.warm_up()
frozen = gc.get_freeze_count()
executor.warm_up()
print(len(seen), frozen > 100_000, gc.get_freeze_count() == frozen, gc.isenabled())
print(*{"torch", "diffusers", "transformers", "scipy", "torchvision", "pandas", "sklearn"} & set(sys.modules))
import scipy.signal
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """What an engine's start in a process of its own prints."""
    home = str(tmp_path_factory.mktemp("home"))
    done = subprocess.run([sys.executable, "-c", START, home], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_an_engine_that_loads_searches_for_no_garbage_and_its_libraries_once_at_most(start):
    assert start[0].split() == ["0", "True", "True", "True"]


def test_an_engine_imports_no_library_that_it_does_not_use(start):
    """And what it kept from importing scipy keeps nobody else from it."""
    assert set(start[1].split()) == {"torch", "diffusers", "transformers"}


def test_a_failed_import_leaves_the_search_for_garbage_on():
    with pytest.raises(ImportError), large_imports():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
