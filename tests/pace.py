"""What marks the modules of the tests: `make check` runs the quick ones, `-m 'not slow'` leaves slow ones out."""

from __future__ import annotations

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
cli/test_broken_media cli/test_install cli/test_terminal
kinds/test_extending
live/test_soak
media/test_page
queue/test_crash queue/test_crash_real queue/test_windows
ui/test_broken_media ui/test_hostile
"""
"""Modules with a test of more than ten seconds: whole programs that are killed, watched for long or fed with much."""

CLUSTER = """
cluster/test_ray
"""
"""Modules that start nodes of Ray on this machine; `-m cluster` runs them alone, `-m 'not cluster'` no Ray at all.

There is no such list for a GPU: every test runs on the processor, what needs a GPU is measured by `bench/`.
"""


def modules(names: str) -> frozenset[str]:
    """Paths below `tests/`."""
    return frozenset(f"{name}.py" for name in names.split())
