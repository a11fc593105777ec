"""Admission against a made-up memory: runs, runs leaner, waits or refuses, and says so with figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.front.admission import (
    ComputeDevice,
    Memory,
    admit,
    allocator_share,
    floor_bytes,
    next_leaner,
    predict_bytes,
)
from pipelines.front.host_memory import host_memory, meminfo
from pipelines.front.memory import LoadPlan, leaner_plans, requested_plan
from pipelines.front.peaks import PeakBook
from pipelines.front.progress import Stage
from pipelines.front.sizes import GIB, size
from pipelines.tasks.reference_to_video import REFERENCE_TO_VIDEO, ReferenceToVideo
from skyreels_tui.monitors.memory import MemorySensor

PICTURE = str(Path(__file__).parents[2] / "pipelines" / "demo" / "samples" / "astronaut.jpg")
SPARK, DISCRETE = ComputeDevice(), ComputeDevice(discrete=True)
FLOOR = 8 * GIB
PLAIN = LoadPlan()


def request(**changes):
    return ReferenceToVideo(ref_imgs=(PICTURE,), prompt="a walk", **changes)


@pytest.fixture(scope="module")
def plan():
    return REFERENCE_TO_VIDEO.plan(request(duration=5, resolution="720P"))


def decided(plan, available_gib, *, total_gib=119, load=PLAIN, place=SPARK, held_gib=0, **options):
    memory = Memory(int(available_gib * GIB), int(total_gib * GIB), int(held_gib * GIB))
    return admit(plan, load, memory, FLOOR, place, **options)


def test_an_idle_spark_runs_as_asked(plan):
    decision = decided(plan, 110)
    assert decision.plan == LoadPlan()
    assert decision.words == ""
    assert 38 < decision.needed_bytes / GIB < 55


def test_warm_networks_count_as_room(plan):
    assert decided(plan, 20).plan is None
    assert decided(plan, 20, held_gib=40).plan == LoadPlan()


def test_the_text_encoder_goes_before_the_picture_changes(plan):
    full = decided(plan, 110).needed_bytes / GIB
    decision = decided(plan, full + 8 - 1)
    assert decision.plan == LoadPlan(tiled_decode=True, release_text_encoder=True)
    assert decision.words == "memory is short: runs with tiled decode, text encoder released"


def test_it_waits_with_words_rather_than_becoming_approximate(plan):
    decision = decided(plan, 40)
    assert decision.plan is None
    assert not decision.never
    assert 36 < decision.needed_bytes / GIB < 46
    assert decision.words.startswith(f"needs {size(decision.needed_bytes)}, 32 GiB available: ")
    assert "close other programs or choose fp8 (Low VRAM)" in decision.words


def test_a_person_who_chose_fp8_is_not_told_to_choose_it(plan):
    decision = decided(plan, 20, load=LoadPlan(float8_weights=True))
    assert decision.plan is None
    assert decision.words.endswith("close other programs")


def test_a_machine_that_could_never_hold_the_exact_weights_takes_fp8(plan):
    decision = decided(plan, 41, total_gib=42, place=DISCRETE)
    assert decision.plan is not None
    assert decision.plan.float8_weights
    assert not decision.plan.offload_blocks
    assert decision.words.endswith("(approximate)")


def test_a_small_gpu_gets_block_offload(plan):
    decision = decided(plan, 27, total_gib=28, place=DISCRETE)
    assert decision.plan is not None
    assert decision.plan.offload_blocks


def test_a_tiny_machine_refuses_for_good(plan):
    decision = decided(plan, 15, total_gib=16)
    assert decision.plan is None
    assert decision.never
    assert "16 GiB" in decision.words
    assert "lower resolution" in decision.words


def test_measured_peaks_correct_the_prediction(plan, tmp_path):
    book = PeakBook(tmp_path / "state" / "memory.json")
    assert book.correction("r2v") == 1.0
    for measured in (110, 120, 900):
        book.note("r2v", 100, measured)
    assert book.correction("r2v") == 1.2
    book.note("v2v", 100, 900)
    assert book.correction("v2v") == 1.5
    plain, learned = decided(plan, 110).needed_bytes, decided(plan, 110, correction=1.2).needed_bytes
    assert learned == pytest.approx(1.2 * plain)
    book.path.write_text("{ broken")
    assert book.correction("r2v") == 1.0


@pytest.mark.parametrize("place", [SPARK, DISCRETE])
def test_each_rung_of_the_ladder_takes_no_more(plan, place):
    load, peaks, names = LoadPlan(), [], []
    while load is not None:
        peaks.append(max(predict_bytes(plan, load, place).values()))
        names.append(load.words[-1] if load.words else "")
        load = next_leaner(load, place)
    assert peaks == sorted(peaks, reverse=True)
    assert names[:4] == ["", "tiled decode", "text encoder released", "fp8 weights"]
    assert names[4:] == (["block offload"] if place.discrete else [])


def test_every_phase_has_a_figure(plan):
    phases = predict_bytes(plan, LoadPlan(), SPARK)
    assert set(phases) == {Stage.TEXT, Stage.CONDITION, Stage.DENOISE, Stage.DECODE}
    assert phases[Stage.DENOISE] > plan.weights_bytes + plan.denoise_bytes
    exact = predict_bytes(plan, LoadPlan(exact_decode=True), SPARK)
    assert exact[Stage.DECODE] > phases[Stage.DECODE]


def test_flags_map_to_plans():
    assert requested_plan(request()) == LoadPlan()
    assert requested_plan(request(offload=True)) == LoadPlan()
    assert requested_plan(request(offload=True), discrete=True) == LoadPlan(release_text_encoder=True)
    assert requested_plan(request(low_vram=True)) == LoadPlan(float8_weights=True)
    assert requested_plan(request(low_vram=True), discrete=True).offload_blocks
    assert requested_plan(request(quality="fast")).numerics == "fast"
    assert requested_plan(request(quality="fastest")).words == ("fastest precision",)
    assert requested_plan(request(quality="fastest", low_vram=True)).is_approximate
    assert requested_plan(request(exact_decode=True)).exact_decode


def test_the_ladder_starts_where_the_plan_is():
    start = LoadPlan(tiled_decode=True, float8_weights=True)
    assert list(leaner_plans(start)) == [replace(start, release_text_encoder=True)]
    assert list(leaner_plans(replace(start, release_text_encoder=True))) == []


def test_the_floor_shrinks_with_the_machine():
    assert floor_bytes(8 * GIB, 119 * GIB) == 8 * GIB
    assert floor_bytes(8 * GIB, 20 * GIB) == 2 * GIB


def test_the_allocator_leaves_the_floor_of_a_shared_pool():
    assert allocator_share(DISCRETE, 80 * GIB, FLOOR) == 1
    assert allocator_share(SPARK, 119 * GIB, FLOOR) * 119 == pytest.approx(119 - 8)
    assert allocator_share(SPARK, 20 * GIB, FLOOR) == pytest.approx(0.9)


def test_the_kernel_is_asked(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    400 kB\n")
    assert host_memory(tmp_path) == Memory(400 * 1024, 1000 * 1024)
    assert host_memory(tmp_path / "absent") is None


def test_the_kernels_table_has_one_reader(tmp_path, monkeypatch):
    """The admission, the memory panel and the doctor say the same; lines without kB are no sizes."""
    (tmp_path / "meminfo").write_text(
        "MemTotal: 1000 kB\nMemAvailable: 400 kB\nSwapTotal: 8 kB\nHugePages_Total: 3\nodd\nMemFree: x kB\n"
    )
    figures = meminfo(tmp_path)
    assert figures == {"MemTotal": 1024000, "MemAvailable": 409600, "SwapTotal": 8192}
    panel = MemorySensor(tmp_path, owner_pid=lambda: None).read(None)
    assert (panel.total_bytes, panel.available_bytes, panel.swap_total_bytes) == tuple(
        figures[name] for name in figures
    )
    assert host_memory(tmp_path) == Memory(409600, 1024000)
    assert meminfo(tmp_path / "absent") == {}
