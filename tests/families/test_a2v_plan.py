"""The arithmetic of the avatar's windows against the published tables."""

import json
from pathlib import Path

import pytest

from pipelines.families.a2v.windows import WindowPlan, known_mask
from pipelines.front.shapes import AVATAR_BUCKETS, nearest_bucket
from pipelines.tasks import talking_avatar
from pipelines.tasks.talking_avatar import audio_frames

TABLES = json.loads((Path(__file__).parents[1] / "goldens/a2v/tables.json").read_text())
STEPS = TABLES["constants"]["sampling_steps"]


def plan_of(num_samples: int) -> WindowPlan:
    return WindowPlan(num_frames=min(audio_frames(num_samples), TABLES["constants"]["max_frames_num"]))


def key_frames(plan: WindowPlan) -> list[int]:
    return [plan.key_frame(index) for index in range(1, plan.num_passes)]


def table_row(num_samples: int) -> dict[str, object]:
    """One row of the published table, worked out by our plan."""
    plan = plan_of(num_samples)
    return {
        "samples_16k": num_samples,
        "seconds": round(num_samples / 16000, 4),
        "frames_in": plan.num_frames,
        "is_clip": plan.num_windows == 0,
        "padded": plan.padded_frames,
        "windows": plan.num_windows,
        "calls": STEPS * plan.num_passes,
        "frames_out": sum(last - first for first, last in (plan.new_frames(k) for k in range(plan.num_passes))),
        "key_first": key_frames(plan)[:3],
        "key_last": key_frames(plan)[-2:],
    }


def test_table_of_audio_length_windows_calls_and_frames(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [table_row(row["samples_16k"]) for row in TABLES["audio_plan"]]
    with capsys.disabled():
        print("\n  seconds  windows  calls  frames")  # noqa: T201
        for row in rows:
            print("{seconds:9.2f}{windows:9}{calls:7}{frames_out:8}".format(**row))  # noqa: T201
    assert rows == TABLES["audio_plan"]


@pytest.mark.parametrize("num_frames", TABLES["key_frames"])
def test_every_key_frame_of_the_published_lengths(num_frames: str) -> None:
    assert key_frames(WindowPlan(num_frames=int(num_frames))) == TABLES["key_frames"][num_frames]


def test_frame_counts_that_double_precision_rounds_up() -> None:
    surprises = {multiple: frames for multiple, frames in TABLES["video_frames_float_surprises"]}
    ours = {n: audio_frames(640 * n) for n in range(10, 5001)}  # 0.4 s to 200 s
    assert {n: frames for n, frames in ours.items() if frames != n} == surprises


def test_the_form_counts_windows_as_the_pipeline_does() -> None:
    for num_frames in (10, 80, 81, 82, 145, 146, 1000, 5000):
        assert talking_avatar.num_windows(num_frames) == WindowPlan(num_frames=num_frames).num_windows


@pytest.mark.parametrize(("name", "known", "tail"), list(zip(TABLES["masks"], (1, 1, 5), (0, 5, 5), strict=True)))
def test_masks_of_the_three_kinds_of_pass(name: str, known: int, tail: int) -> None:
    assert known_mask(81, known, tail) == TABLES["masks"][name]["channels_by_latent_frame"]


def test_pieces_of_windows_follow_each_other_without_gap_or_overlap() -> None:
    for num_frames in range(81, 500, 7):
        plan = WindowPlan(num_frames=num_frames)
        ranges = [plan.new_frames(index) for index in range(1, plan.num_passes)]
        place = 0
        for index, (first, last) in enumerate(ranges, start=1):
            assert plan.audio_start(index) + first == place
            assert first < last <= plan.window_frames
            place += last - first
        assert place == num_frames


def test_draws_of_a_later_window_are_noise_then_motion_noise_per_step() -> None:
    plan = WindowPlan(num_frames=200)
    assert list(plan.draws(0, 4)) == [21]
    assert list(plan.draws(1, 4)) == [21]
    assert list(plan.draws(2, 4)) == [21, 2, 2, 2, 2, 2]


def test_buckets_are_the_published_ones() -> None:
    published = {
        resolution: {label: tuple(size) for label, size in table.items()}
        for resolution, table in TABLES["buckets"].items()
    }
    ours = {resolution: dict(AVATAR_BUCKETS[resolution]) for resolution in published}
    assert ours == published
    assert [list(table) for table in ours.values()] == [list(table) for table in published.values()]
    assert "540P" not in AVATAR_BUCKETS


@pytest.mark.parametrize("resolution", ["480P", "720P"])
def test_picture_sizes_choose_the_published_target(resolution: str) -> None:
    for row in TABLES["image_sizes"]:
        target = nearest_bucket(AVATAR_BUCKETS[resolution], *row["image"])
        assert list(target) == row[resolution]["target"]
