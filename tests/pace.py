"""Three paces: `make check` runs the quick modules, `make test` all that is not slow, `make test-long` the slow tests.

A slow test is a grid, a stress or a kill run: it repeats, over many sizes, faults, moments, files or languages, what a
test of `make test` shows for real in one or a few. A whole module stands in `SLOW`; a single test has
`@pytest.mark.slow`; a parametrised one is given its values by `sweep`, which says those that stand for all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import pytest

QUICK = """
cli/test_addresses cli/test_docs cli/test_manual cli/test_refusals cli/test_release cli/test_result_folder
cli/test_typed_paths
families/test_a2v_plan families/test_estimates
files/test_documents files/test_folders files/test_odd_documents files/test_places
i18n/test_reasons i18n/test_shell
kinds/test_architecture kinds/test_planning
live/test_applog live/test_engine_memory live/test_eta live/test_gpu live/test_monitor live/test_notify
live/test_odd_files live/test_recipes live/test_running_times live/test_sensors
media/test_images media/test_tones
memory/test_admission memory/test_watchdog
models/test_attention_choice models/test_transformer
models_hub/test_locate models_hub/test_transfers models_hub/test_usable
parity/test_keymap
queue/test_attempt_clock queue/test_batch queue/test_board queue/test_clock_trust queue/test_failures queue/test_films
queue/test_hours queue/test_listing queue/test_odd_rows queue/test_read_only queue/test_room
queue/test_store queue/test_sweep
ui/test_shellwords
test_house
"""
"""Modules of which each takes about a second of one core, all tests of it together."""

SLOW = """
cli/test_broken_media
kinds/test_extending
live/test_soak
media/test_page
queue/test_crash queue/test_crash_real queue/test_windows
ui/test_broken_media
"""
"""Modules that `make test` leaves out whole."""

CLUSTER = """
cluster/test_ray
"""
"""Modules that start nodes of Ray on this machine; `-m cluster` runs them alone, `-m 'not cluster'` no Ray at all.

There is no such list for a GPU: every test runs on the processor, what needs a GPU is measured by `bench/`.
"""


def modules(names: str) -> frozenset[str]:
    """Paths below `tests/`."""
    return frozenset(f"{name}.py" for name in names.split())


def sweep(
    values: Iterable[Any],
    stand_for_all: Collection[Any] | Callable[[Any], bool],
    ids: Callable[[Any], str] | None = None,
) -> list[Any]:
    """Values of a parametrised test: those that do not stand for all are slow. A tuple is several arguments."""
    stands = stand_for_all if callable(stand_for_all) else stand_for_all.__contains__
    every = [(value, stands(value)) for value in values]
    assert any(always for _, always in every), "nothing stands for all"
    return [
        pytest.param(
            *(value if isinstance(value, tuple) else (value,)),
            marks=() if always else pytest.mark.slow,
            id=ids(value) if ids else None,
        )
        for value, always in every
    ]
