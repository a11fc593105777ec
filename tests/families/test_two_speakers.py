"""Two speakers of one portrait, and one face of several, from request to mp4 on the demo models."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.families.a2v.generate import generate, read_portrait, read_speech
from pipelines.front.crop import fill_crop
from pipelines.front.errors import Cancelled, InputChanged, InvalidRequest
from pipelines.front.progress import Stage, ignore_progress
from pipelines.front.regions import Box, RegionsRefused, boxes_text, parse_boxes, speaker_grid
from pipelines.front.request import check_fields
from pipelines.front.shapes import AVATAR_BUCKETS
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.probe import probe_audio, probe_video
from pipelines.media.read.video import read_tail
from pipelines.media.write.mux import Sound, join_by_copy
from pipelines.media.write.publish import read_metadata
from pipelines.media.write.video import VideoWriter
from pipelines.tasks.talking_avatar import plan
from tests.families.test_a2v import both, cache, pool, request_, runtime, speech, stop_at  # noqa: F401 - fixtures

HALVES = "0,0,50,100 50,0,50,100"
pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture
def two(request_, tmp_path):  # noqa: F811 - a fixture
    """Voices of 0.5 and 0.7 s at different rates and pitches."""
    return replace(
        request_,
        second_audio=(tone(tmp_path / "second.wav", 0.7, 700, rate=48000),),
        regions=HALVES,
        num_inference_steps=1,
    )


def tone(path, seconds, pitch, rate=16000, level=0.3):
    from scipy.io import wavfile

    times = np.arange(round(seconds * rate)) / rate
    wavfile.write(path, rate, (level * np.sin(2 * np.pi * pitch * times)).astype(np.float32))
    return str(path)


def onset(samples, pitch, rate=16000, window=160):
    """When a pitch is first heard, and last, in seconds."""
    blocks = samples[: len(samples) // window * window].reshape(-1, window)
    wave = np.exp(-2j * np.pi * pitch * np.arange(window) / rate)
    heard = np.flatnonzero(np.abs(blocks @ wave) / window > 0.03)
    return heard[0] * window / rate, (heard[-1] + 1) * window / rate


# The regions


@pytest.mark.parametrize(
    "text",
    ["10,20,30,40", " 10 , 20 , 30 , 40 ",
     "10,20,30,40;50,20,30,40", "10,20,30,40\n50,20,30,40", "0,0,50,100 50,0,50,100",
     "0,0,33.3,100 33.3,0,66.7,100", "99.9,0,0.1,100"],
)  # fmt: skip
def test_boxes_are_read_and_written_back(text):
    boxes = parse_boxes(text)
    assert [len(str(box).split(",")) for box in boxes] == [4] * (text.count(",") // 3)
    assert parse_boxes(boxes_text(boxes)) == boxes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("10,20,30", "no left,top,width,height"),
        ("10,20,30,40,50", "no left,top,width,height"),
        ("left", "no left,top,width,height"),
        ("nan,0,10,10", "no left,top,width,height"),
        ("0,0,inf,10", "no left,top,width,height"),
        ("1e999,0,10,10", "no left,top,width,height"),
        ("10%,20%,30%,40%", "no left,top,width,height"),
        ("10,20,0,40", "empty"),
        ("10,20,30,-40", "empty"),
        ("-1,20,30,40", "outside"),
        ("80,20,30,40", "outside"),
        ("10,70,30,40", "outside"),
        ("120,300,200,400", "outside"),
        ("10,20,30,40 30,20,30,40", "overlap"),
        ("10,20,30,40 10,20,30,40", "overlap"),
        ("0,0,10,10 30,0,10,10 60,0,10,10", "at most 2"),
        ("[bold]10,20,30,40", "no left,top,width,height"),
    ],
)
def test_boxes_that_are_none_are_refused_in_words(request_, text, words):  # noqa: F811 - a fixture
    (problem, *_) = [p for p in check_fields(replace(request_, regions=text)) if p.field == "regions"]
    assert words in problem.message


def test_the_tokens_follow_the_crop():
    # 200 x 100 into a square: the outer quarters of the width fall away.
    crop = fill_crop(100, 200, (64, 64))
    assert speaker_grid(parse_boxes("0,0,50,100 50,0,50,100"), crop)[-1] == (0, 0, 1, 1)
    assert speaker_grid(parse_boxes("0,0,37.5,100 62.5,0,37.5,100"), crop)[-1] == (0, 2, 2, 1)
    assert speaker_grid(parse_boxes("25,50,12.5,50"), crop) == ((2, 2, 2, 2), (1, 1, 1, 1), (0, 1, 1, 1), (0, 1, 1, 1))
    with pytest.raises(RegionsRefused, match="region 1: 0,0,20,100 is cut away"):
        speaker_grid(parse_boxes("0,0,20,100 50,0,50,100"), crop)
    with pytest.raises(RegionsRefused, match="region 2"):
        speaker_grid(parse_boxes("25,0,25,100 50,50,1,1"), crop)
    # Tall: the same from above.
    tall = speaker_grid([Box(0, 25, 100, 25), Box(0, 50, 100, 25)], fill_crop(200, 100, (64, 64)))
    assert [row[0] for row in tall] == [2, 0, 1, 1]


def test_a_region_that_is_all_of_the_picture_leaves_nobody_else():
    with pytest.raises(RegionsRefused, match="leave nothing"):
        speaker_grid(parse_boxes("0,0,100,100"), fill_crop(100, 100, (64, 64)))


@pytest.mark.parametrize("turned", [False, True])
def test_the_masks_lie_where_the_picture_does(tmp_path, monkeypatch, turned):
    """The half that is white is the first speaker's, also in a photograph that is turned upright."""
    monkeypatch.setitem(AVATAR_BUCKETS, "128P", {"1.00": (64, 64), "2.00": (128, 64)})
    lying = Image.new("RGB", (160, 80), "black")
    lying.paste("white", (0, 0, 80, 80))
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    lying.save(tmp_path / "phone.png", exif=exif)
    portrait = read_portrait(str(tmp_path / "phone.png"), "128P")
    masks = portrait.masks("0,0,100,50 0,50,100,50" if turned else HALVES)
    height, width = portrait.crop.target
    assert masks.shape == (3, height // 8, width // 8)
    assert masks.sum(0).eq(1).all()
    white = portrait.picture[0, 0, 0, 4::8, 4::8] > 0
    assert masks[0].bool().logical_and(~white).sum() == 0
    assert masks[1].bool().logical_and(white).sum() == 0


# Which fields go together


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"regions": ""}, "regions", "two voices need two regions"),
        ({"regions": "0,0,50,100"}, "regions", "1 given"),
        ({"second_audio": ()}, "second_audio", "two regions need two voices"),
        ({"input_audio": ()}, "input_audio", "at least 1"),
        ({"second_audio": ("nothing.wav",)}, "second_audio", "nothing.wav"),
        ({"regions": "0,0,2,2 50,0,50,100"}, "regions", "region 1: 0,0,2,2 is cut away"),
        ({"speaking": "never"}, "speaking", "not offered"),
    ],
)
def test_what_does_not_go_together_is_refused_before_a_model_loads(runtime, two, pool, changes, field, words):  # noqa: F811 - fixtures
    with pytest.raises(InvalidRequest) as caught:
        generate(replace(two, **changes), runtime, pool, ignore_progress)
    (problem,) = caught.value.problems
    assert (problem.field, words in problem.message) == (field, True), problem
    assert not runtime.work_dir.exists()


def test_two_voices_in_turn_share_the_200_seconds(two, tmp_path):
    long = replace(
        two,
        input_audio=(tone(tmp_path / "one.wav", 120, 200, 8000),),
        second_audio=(tone(tmp_path / "two.wav", 81, 200, 8000),),
    )
    (problem,) = long.check()
    assert problem.field == "second_audio"
    assert "201.0 s" in problem.message
    assert not replace(long, speaking="together").check()
    assert plan(replace(long, speaking="together")).num_frames == 120 * 25


def test_the_estimate_knows_both_voices(two, request_):  # noqa: F811 - a fixture
    turns, together, alone = plan(two), plan(replace(two, speaking="together")), plan(request_)
    assert (turns.num_frames, together.num_frames, alone.num_frames) == (30, 18, 13)
    assert "two voices one after the other (experimental)" in turns.parts
    assert "two voices at the same time (experimental)" in together.parts
    assert "experimental" not in alone.parts
    assert "one face of several" in plan(replace(request_, regions="0,0,50,100")).parts


# Whole jobs


@pytest.mark.parametrize("speaking", ["turns", "together"])
def test_a_film_of_two_voices_keeps_both_in_their_place(runtime, two, pool, tmp_path, speaking):  # noqa: F811 - fixtures
    voices = {"input_audio": (tone(tmp_path / "first.wav", 0.5, 300, rate=44100),), "speaking": speaking}
    output = generate(replace(two, **voices), runtime, pool, ignore_progress)
    film, sound = probe_video(output.path), probe_audio(output.path)
    start = 0.5 if speaking == "turns" else 0.0
    length = round((start + 0.7) * 25 + 0.499)
    assert (film.num_frames, film.fps) == (length, 25)
    assert sound.sample_rate == 48000
    heard = decode_mono(output.path)
    frame = 1 / 25
    assert onset(heard, 300) == pytest.approx((0, 0.5), abs=frame)
    assert onset(heard, 700) == pytest.approx((start, start + 0.7), abs=frame)
    assert any("experimental" in warning for warning in output.warnings)
    recipe = read_metadata(output.path)["request"]
    assert (recipe["regions"], recipe["speaking"], len(recipe["second_audio"])) == (HALVES, speaking, 1)


def test_the_tracks_are_as_long_as_each_other_and_silent_where_the_other_speaks(two):
    said = read_speech(two)
    assert [len(track) for track in said.tracks] == [19200, 19200]
    assert said.tracks[0][8000:].abs().max() == said.tracks[1][:8000].abs().max() == 0
    assert said.tracks[0][:8000].abs().max() > 0.05 < said.tracks[1][8000:].abs().max()
    assert said.plan.num_frames == 30
    together = read_speech(replace(two, speaking="together"))
    assert [len(track) for track in together.tracks] == [11200, 11200]
    assert together.tracks[0][8000:].abs().max() == 0


def test_two_loud_voices_together_are_not_clipped(two, tmp_path):
    loud = replace(
        two,
        input_audio=(tone(tmp_path / "a.wav", 0.5, 300, level=0.9),),
        second_audio=(tone(tmp_path / "b.wav", 0.5, 300, level=0.9),),
    )
    assert [sound.volume for sound in read_speech(loud).sounds] == [1, 1]
    volumes = [sound.volume for sound in read_speech(replace(loud, speaking="together")).sounds]
    assert volumes == pytest.approx([1 / 1.8] * 2, rel=0.02)


def frames_of(output):
    return read_tail(output.path, probe_video(output.path).num_frames, fps=None)


def test_each_region_and_each_voice_counts(runtime, two, pool):  # noqa: F811 - fixtures
    """Exchanged regions, exchanged voices, one region alone and none: five other films."""
    short = replace(two, speaking="together")
    first, second = HALVES.split()
    asked = {
        "two": short,
        "regions exchanged": replace(short, regions=f"{second} {first}"),
        "voices exchanged": replace(short, input_audio=short.second_audio, second_audio=short.input_audio),
        "left": replace(short, second_audio=(), regions=first),
        "right": replace(short, second_audio=(), regions=second),
        "all": replace(short, second_audio=(), regions=""),
    }
    made = {}
    for name, request in asked.items():
        shutil.rmtree(runtime.work_dir, ignore_errors=True)
        made[name] = frames_of(generate(request, runtime, pool, ignore_progress))[:13]
    for one in made:
        for other in made:
            assert one == other or not np.array_equal(made[one], made[other]), (one, other)


@pytest.mark.parametrize("changes", [{}, {"second_audio": (), "regions": "0,0,50,100"}], ids=["two", "one of several"])
def test_a_stopped_film_of_several_windows_ends_with_the_same_bytes(runtime, two, pool, tmp_path, changes):  # noqa: F811 - fixtures
    changes = {"input_audio": (speech(tmp_path / "longer.wav", 3.3),), **changes}
    longer = replace(two, **changes)
    whole = generate(longer, runtime, pool, ignore_progress)
    assert whole.num_frames == (100 if longer.second_audio else 83)
    expected = whole.path.read_bytes()
    shutil.rmtree(runtime.work_dir)
    for place in ((Stage.DENOISE, 0, 1), (Stage.DECODE, 1, 3), (Stage.WRITE, 2, 0)):
        with pytest.raises(Cancelled):
            generate(longer, runtime, pool, stop_at(*place))
    assert generate(longer, runtime, pool, ignore_progress).path.read_bytes() == expected


def test_guidance_of_the_voices_works_with_two(runtime, two, pool):  # noqa: F811 - fixtures
    guided = replace(two, audio_guidance_scale=2.0, guidance_scale=2.0, speaking="together")
    plain = frames_of(generate(replace(two, speaking="together"), runtime, pool, ignore_progress))
    shutil.rmtree(runtime.work_dir)
    assert not np.array_equal(frames_of(generate(guided, runtime, pool, ignore_progress)), plain)


def test_a_changed_second_recording_is_noticed_on_resuming(runtime, two, pool, tmp_path):  # noqa: F811 - fixtures
    with pytest.raises(Cancelled):
        generate(two, runtime, pool, stop_at(Stage.DENOISE, 0, 1))
    tone(tmp_path / "second.wav", 0.6, 500)
    with pytest.raises(InputChanged, match=r"second\.wav"):
        generate(two, runtime, pool, ignore_progress)


@pytest.mark.parametrize(
    ("first", "second", "channels"),
    [
        (dict(rate=8000), dict(rate=96000), 1),
        (dict(rate=44100), dict(rate=11025, channels=2), 2),
        (dict(rate=48000, channels=2), dict(rate=22050), 2),
        (dict(rate=16000, channels=6), dict(rate=48000), 2),
        (dict(rate=12345, channels=3), dict(rate=48000, channels=8), 2),
    ],
)
def test_recordings_of_any_kind_are_mixed_in_their_place(tmp_path, first, second, channels):
    with VideoWriter(tmp_path / "piece.mp4", 32, 32, 25) as writer:
        writer.write(np.zeros((30, 32, 32, 3), np.uint8))
    sounds = (
        Sound(Path(spoken(tmp_path / "a.wav", 0.5, 300, **first)), seconds=1.2),
        Sound(Path(spoken(tmp_path / "b.wav", 0.6, 700, **second)), seconds=1.2, delay_s=0.5),
    )
    output = tmp_path / "out.mp4"
    join_by_copy([tmp_path / "piece.mp4"], output, tmp_path, length_s=1.2, sound=sounds)
    info, heard = probe_audio(output), decode_mono(output)
    assert info.channels == channels
    assert info.duration_s == pytest.approx(1.2, abs=0.04)
    assert onset(heard, 300) == pytest.approx((0, 0.5), abs=0.04)
    assert onset(heard, 700) == pytest.approx((0.5, 1.1), abs=0.04)


def spoken(path, seconds, pitch, rate, channels=1):
    from scipy.io import wavfile

    times = np.arange(round(seconds * rate)) / rate
    mono = (0.3 * np.sin(2 * np.pi * pitch * times)).astype(np.float32)
    wavfile.write(path, rate, mono[:, None].repeat(channels, axis=1))
    return str(path)


def test_trims_of_both_voices_keep_their_place(runtime, two, pool, tmp_path):  # noqa: F811 - fixtures
    """0.2 to 0.7 s of the first, then all but the first 0.3 s of the second."""
    trimmed = replace(
        two,
        input_audio=(tone(tmp_path / "first.wav", 1.0, 300),),
        trim_start=0.2,
        trim_end=0.7,
        second_audio=(tone(tmp_path / "second.wav", 0.9, 700),),
        second_start=0.3,
    )
    assert plan(trimmed).num_frames == 28
    output = generate(trimmed, runtime, pool, ignore_progress)
    heard = decode_mono(output.path)
    assert probe_video(output.path).num_frames == 28
    assert onset(heard, 300) == pytest.approx((0, 0.5), abs=0.04)
    assert onset(heard, 700) == pytest.approx((0.5, 1.1), abs=0.04)
