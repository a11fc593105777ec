"""The finished file: frames, sound, recipe, sidecar, and the same bytes when it is published twice."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from pipelines.front.errors import DiskFull, MediaError
from pipelines.front.runtime import Runtime
from pipelines.media import files
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.probe import probe_audio, probe_video
from pipelines.media.read.thumbnail import frames_at, play
from pipelines.media.read.video import read_tail
from pipelines.media.write.join import join_clips
from pipelines.media.write.mux import Sound
from pipelines.media.write.publish import publish, read_metadata
from pipelines.media.write.verify import examine
from pipelines.media.write.video import VideoWriter
from pipelines.tasks.reference_to_video import ReferenceToVideo
from tests.media.films import KEEP, LOSSLESS, counted, ffmpeg, film, h264, halves, moving, tone, turn

HOSTILE = '[ZOOM_IN_CUT] café = ; # \\ "quoted" \n\x1b]0;x\x07 \x00 \u202e 🎬'


@pytest.fixture
def runtime(tmp_path):
    """A job whose folders have names that need care."""
    home = tmp_path / "it's #1 ? [x] é"
    home.mkdir()
    metadata = {"job": 7, "label": "[red]x"}
    return Runtime("cpu", home, home / "work", home / "result", "42_stem", home, metadata=metadata)


@pytest.fixture
def pieces(runtime):
    """Three pieces of 10 frames, as a long job leaves them."""
    frames = moving(30)
    paths = [runtime.cache_dir / f"{index}.mp4" for index in range(3)]
    for index, path in enumerate(paths):
        with VideoWriter(path, 96, 64, 24) as writer:
            writer.write(frames[10 * index : 10 * index + 10])
    return paths


REQUEST = ReferenceToVideo(prompt=HOSTILE, ref_imgs=("a.png", "b,c.png"), seed=2**63 - 1)


def test_the_mp4_alone_re_creates_the_job(runtime, pieces):
    output = publish(pieces, runtime, REQUEST, task="reference_to_video", fps=24, num_frames=30)
    assert output.path == runtime.result_dir / "reference_to_video" / "42_stem.mp4"
    assert (output.num_frames, output.width, output.height, output.suspect) == (30, 96, 64, "")
    recipe = read_metadata(output.path)
    assert ReferenceToVideo.from_dict(recipe["request"]) == REQUEST
    assert (recipe["task"], recipe["job"], recipe["label"]) == ("reference_to_video", 7, "[red]x")
    sidecar = json.loads(output.path.with_suffix(".json").read_text())
    assert sidecar["request"] == recipe["request"]
    assert sidecar["output"]["num_frames"] == 30
    assert sorted(path.name for path in output.path.parent.iterdir()) == ["42_stem.json", "42_stem.mp4"]
    joined = read_tail(output.path, 30).astype(int)
    parts = np.concatenate([read_tail(piece, 10) for piece in pieces])
    assert np.array_equal(joined, parts), "pieces are joined without encoding them again"


def test_a_prompt_longer_than_an_argument_may_be(runtime, pieces):
    request = dataclasses.replace(REQUEST, prompt=HOSTILE * 5000)
    output = publish(pieces, runtime, request, task="t", fps=24, num_frames=30)
    assert read_metadata(output.path)["request"]["prompt"] == request.prompt


def test_publishing_again_gives_the_same_bytes(runtime, pieces):
    sound = tone(runtime.cache_dir / "a.wav", 2)
    arguments = {"task": "t", "fps": 24, "num_frames": 30, "sound": Sound(Path(sound))}
    first = publish(pieces, runtime, REQUEST, **arguments).path.read_bytes()
    assert publish(pieces, runtime, REQUEST, **arguments).path.read_bytes() == first


def test_what_is_known_of_the_finished_file_is_what_another_look_finds(runtime, pieces):
    output = publish(pieces, runtime, REQUEST, task="reference_to_video", fps=24, num_frames=30)
    known = probe_video(output.path)
    assert known.path == output.path
    again = output.path.with_name("another.mp4")
    again.write_bytes(output.path.read_bytes())
    assert probe_video(again) == dataclasses.replace(known, path=again)


def test_a_short_recording_is_padded_and_a_long_one_cut(runtime, pieces):
    for seconds in (0.5, 4):
        sound = tone(runtime.cache_dir / "a.flac", seconds, "-ac", 2, rate=48000)
        output = publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=30, sound=Sound(Path(sound)))
        info = probe_audio(output.path)
        assert info.duration_s == pytest.approx(30 / 24, abs=1 / 24)
        assert (info.sample_rate, info.channels) == (48000, 2)
        heard = np.abs(decode_mono(output.path))
        assert heard[:4000].max() > 0.05
        assert (heard[12000:].max() > 0.05) == (seconds > 1)
        assert probe_video(output.path).num_frames == 30


def test_a_recording_of_six_channels_keeps_its_place(runtime, pieces):
    sound = tone(runtime.cache_dir / "a.wav", 2, "-af", "pan=6c|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0")
    output = publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=30, sound=Sound(Path(sound), seconds=0.5))
    heard = np.abs(decode_mono(output.path))
    assert heard[:6000].max() > 0.03 > heard[10000:].max()


def test_the_input_video_comes_first_upright_with_its_sound(runtime, pieces):
    flat = h264(runtime.cache_dir / "flat.mp4", halves(60), 60)
    turned = turn(flat, runtime.cache_dir / "turned.mp4", 180)
    sound, before = tone(runtime.cache_dir / "s.wav", 1), runtime.cache_dir / "before.mp4"
    ffmpeg("-i", turned, "-i", sound, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", before)
    output = publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=30, before=before)
    assert output.num_frames == 24 + 30 == probe_video(output.path).num_frames
    frames = read_tail(output.path, 54)
    assert frames[0, 8, :, 2].mean() > 150 > 60 > frames[0, 8, :, 0].mean(), "turned by half: blue is above"
    assert np.abs(frames[24:].astype(int) - moving(30)).mean() < 12
    heard = np.abs(decode_mono(output.path))
    assert heard[2000:14000].max() > 0.05 > heard[18000:].max()
    assert probe_audio(output.path).duration_s == pytest.approx(54 / 24, abs=1 / 24)


ODD_FILMS = {
    "odd size": ((63, 97), 24, ("-c:v", "ffv1", "-pix_fmt", "bgr0"), 25),
    "alpha": ((64, 96), 24, ("-c:v", "ffv1", "-pix_fmt", "bgra"), 25),
    "10 bit": ((64, 96), 24, ("-c:v", "libx264", "-pix_fmt", "yuv420p10le", "-crf", 4), 25),
    "60 fps": ((64, 96), 60, ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", 4), 10),
    "variable": ((64, 96), 30, ("-vf", "setpts='if(lt(N,9),N/10,0.9+(N-9)/30)/TB'", *KEEP, *LOSSLESS), 34),
}


@pytest.mark.parametrize("name", ODD_FILMS)
def test_any_input_video_is_shown_upright_ahead_of_the_new_part(runtime, pieces, name):
    (height, width), fps, options, frames_at_24 = ODD_FILMS[name]
    before = film(runtime.cache_dir / "before.mkv", halves(25, height, width), fps, *options)
    output = publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=30, before=before)
    assert output.num_frames == frames_at_24 + 30
    frames = read_tail(output.path, output.num_frames)
    for shown in frames[:frames_at_24]:
        upper, lower = shown[8].mean(axis=0), shown[-8].mean(axis=0)
        assert upper[0] > 150 > 90 > lower[0] and lower[2] > 150 > 90 > upper[2]


@pytest.mark.parametrize("degrees", [90, 270])
def test_a_telephones_video_stands_upright_ahead_of_the_new_part(runtime, pieces, degrees):
    flat = h264(runtime.cache_dir / "flat.mp4", halves(25))
    before = turn(flat, runtime.cache_dir / "turned.mp4", degrees)
    output = publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=30, before=before)
    shown = read_tail(output.path, 55)[0]
    red, blue = (shown[:, 8], shown[:, -8]) if degrees == 90 else (shown[:, -8], shown[:, 8])
    assert red.mean(axis=0)[0] > 150 > 90 > blue.mean(axis=0)[0]


def test_a_silent_input_video_gives_no_sound(runtime, pieces):
    before = film(runtime.cache_dir / "b.mkv", counted(25))
    output = publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=30, before=before)
    assert not probe_video(output.path).has_audio


def test_a_wrong_number_of_frames_is_noticed_and_nothing_is_published(runtime, pieces):
    with pytest.raises(MediaError, match="30 frames instead of 31"):
        publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=31)
    assert not list((runtime.result_dir / "t").iterdir())


def test_no_room_is_said_with_figures(runtime, pieces, monkeypatch):
    usage = files.shutil.disk_usage(runtime.cache_dir)
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DiskFull) as caught:
        publish(pieces, runtime, REQUEST, task="t", fps=24, num_frames=30)
    assert caught.value.free_bytes == 1000 < caught.value.needed_bytes


@pytest.mark.parametrize(
    ("frames", "word"),
    [
        (np.zeros((30, 64, 96, 3), np.uint8), "black"),
        (np.full((30, 64, 96, 3), 120, np.uint8), "flat colour"),
        (np.repeat(moving(1), 30, axis=0), "stands still"),
        (moving(30), ""),
    ],
)
def test_a_wrong_looking_picture_is_suspected(tmp_path, frames, word):
    with VideoWriter(tmp_path / "a.mp4", 96, 64, 24) as writer:
        writer.write(frames)
    suspect = examine(tmp_path / "a.mp4").suspect
    assert word in suspect and bool(word) == bool(suspect)


def test_a_foreign_film_holds_no_recipe(tmp_path):
    assert read_metadata(h264(tmp_path / "a.mp4", moving(5), 24, "-metadata", "comment={not ours")) == {}
    assert read_metadata(h264(tmp_path / "b.mp4", moving(5))) == {}


def test_clips_of_one_kind_are_joined_by_copy(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        with VideoWriter(tmp_path / name, 96, 64, 24) as writer:
            writer.write(moving(20))
    joined = join_clips([tmp_path / "a.mp4", tmp_path / "b.mp4"], tmp_path / "out" / "j.mp4")
    assert np.array_equal(read_tail(joined, 40), np.concatenate([read_tail(tmp_path / "a.mp4", 20)] * 2))
    assert [path.name for path in joined.parent.iterdir()] == ["j.mp4"]


def test_different_clips_are_fitted_into_the_most_common_size(tmp_path):
    with_sound = tmp_path / "c.mp4"
    h264(tmp_path / "a.mp4", moving(24))
    h264(tmp_path / "b.mp4", moving(24, 96, 64), 24)
    ffmpeg("-i", tmp_path / "a.mp4", "-i", tone(tmp_path / "s.wav", 1), "-c:v", "copy", "-c:a", "aac", with_sound)
    joined = join_clips([tmp_path / "a.mp4", tmp_path / "b.mp4", with_sound], tmp_path / "j.mp4")
    info = probe_video(joined)
    assert (info.width, info.height, info.num_frames, info.has_audio) == (96, 64, 72, True)
    middle = read_tail(joined, 40)[0]
    assert middle[:, :20].max() < 8, "a tall clip stands between black bars"
    heard = np.abs(decode_mono(joined))
    assert heard[:30000].max() < 0.02 < 0.05 < heard[34000:46000].max()


def test_strips_and_playing_show_the_whole_picture_small(tmp_path):
    path = film(tmp_path / "a.mkv", counted(48, 32, 64))
    strip = frames_at(path, [0, 1, 99], 32, 32)
    pictures = [np.frombuffer(rgb, np.uint8).reshape(32, 32, 3) for rgb in strip]
    assert [int(picture[16, 16, 0]) for picture in pictures] == [0, 96, 188]
    assert not pictures[1][:7].any(), "black above a wide picture"
    playing = play(path, 16, 8, fps=4)
    assert [len(next(playing)) for _ in range(3)] == [384] * 3
    playing.close()
    assert len(list(play(path, 16, 8, fps=4))) == 8


def test_only_the_same_job_writes_to_the_same_name(runtime, pieces):
    """A job that died after its rename writes its file again; another job's file under that name stays."""

    def again(job):
        return publish(pieces, job, REQUEST, task="reference_to_video", fps=24, num_frames=30).path

    first = again(runtime)
    content = first.read_bytes()
    assert again(runtime) == first and first.read_bytes() == content
    other = dataclasses.replace(runtime, work_dir=runtime.cache_dir / "other", metadata={"job": 8})
    second = again(other)
    assert second.name == "42_stem-2.mp4" and again(other) == second
    assert first.read_bytes() == content
    assert sorted(path.name for path in first.parent.iterdir()) == [
        "42_stem-2.json",
        "42_stem-2.mp4",
        "42_stem.json",
        "42_stem.mp4",
    ]
