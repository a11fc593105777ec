"""Threads beside an import of a large library are not held up by searches for garbage."""

import gc
import subprocess
import sys

import pytest

from skyreels_tui.executors.large_imports import large_imports

SEARCHES = """
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
"""


def test_an_engine_that_loads_searches_for_no_garbage_and_its_libraries_once_at_most(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SEARCHES, str(tmp_path)], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.split() == ["0", "True", "True", "True"], done.stderr


def test_a_failed_import_leaves_the_search_for_garbage_on():
    with pytest.raises(ImportError), large_imports():
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()
