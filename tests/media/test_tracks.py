"""The model hears what a person hears: the right track, every channel, silence in gaps; so does the result."""

import math
import struct

import numpy as np
import pytest

from pipelines.families.a2v.generate import read_voice
from pipelines.front.runtime import Runtime
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.check import audio_problem
from pipelines.media.read.headers import mp3_frame_bytes
from pipelines.media.read.probe import probe_audio
from pipelines.media.write.mux import Sound
from pipelines.media.write.publish import publish
from pipelines.media.write.video import VideoWriter
from pipelines.tasks.talking_avatar import TalkingAvatar
from tests.media.films import ffmpeg, h264, moving

SPEECH = "aevalsrc='0.4*sin(2*PI*220*t)*abs(sin(2*PI*2*t))':s=48000:d=2"
NOTHING = "anullsrc=r=48000:cl=mono:d=2"


@pytest.fixture
def voice(tmp_path):
    ffmpeg("-f", "lavfi", "-i", SPEECH, tmp_path / "voice.wav")
    return tmp_path / "voice.wav"


def loud(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


LAYOUTS = {
    "mono": "pan=mono|c0=c0",
    "two alike": "pan=stereo|c0=c0|c1=c0",
    "left only": "pan=stereo|c0=c0|c1=0*c0",
    "right only": "pan=stereo|c0=0*c0|c1=c0",
    "opposite": "pan=stereo|c0=c0|c1=-1*c0",
    "nearly opposite": "pan=stereo|c0=c0|c1=-0.8*c0",
    "5.1, centre": "pan=5.1|c0=0*c0|c1=0*c0|c2=c0|c3=0*c0|c4=0*c0|c5=0*c0",
    "5.1, opposite fronts": "pan=5.1|c0=c0|c1=-1*c0|c2=0*c0|c3=0*c0|c4=0*c0|c5=0*c0",
    "7.1, side": "pan=7.1|c0=0*c0|c1=0*c0|c2=0*c0|c3=0*c0|c4=0*c0|c5=0*c0|c6=c0|c7=0*c0",
    "quad": "pan=quad|c0=c0|c1=c0|c2=c0|c3=c0",
    "three": "pan=3c|c0=0*c0|c1=0*c0|c2=c0",
    "sixteen": "pan=16c|" + "|".join(f"c{n}={int(n == 9)}*c0" for n in range(16)),
}


@pytest.mark.parametrize("ending", ["wav", "flac"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_heard(tmp_path, voice, name, ending):
    if ending == "flac" and name == "sixteen":
        ending = "caf"
    path = tmp_path / f"a.{ending}"
    ffmpeg("-i", voice, "-af", LAYOUTS[name], path)
    assert audio_problem(path, 0.4, 200) == ""
    assert not probe_audio(path).is_silent
    plain, heard = read_voice(str(voice)), read_voice(str(path))
    assert len(heard.waveform) == len(plain.waveform) == 32000
    assert np.corrcoef(np.abs(heard.waveform.numpy()), np.abs(plain.waveform.numpy()))[0, 1] > 0.99
    assert loud(heard.waveform.numpy()) == pytest.approx(loud(plain.waveform.numpy()), rel=0.02)
    assert [("opposite" in words) for words in heard.warnings] == ([True] if "opposite" in name else [])


def test_music_that_is_partly_opposite_keeps_its_mean(tmp_path):
    noise = "anoisesrc=d=2:seed=1:r=48000[a];anoisesrc=d=2:seed=2:r=48000[b];[a][b]amerge"
    ffmpeg("-f", "lavfi", "-i", noise, tmp_path / "wide.wav")
    assert probe_audio(tmp_path / "wide.wav").channel is None


TRACKS = {
    "first silent.mkv": ((NOTHING, SPEECH), (), 1),
    "first silent.mp4": ((NOTHING, SPEECH), ("-c:a", "aac"), 1),
    "two silent.mov": ((NOTHING, NOTHING, SPEECH), ("-c:a", "pcm_s16le"), 2),
    "second default.mkv": (("sine=d=3:r=48000", SPEECH), ("-disposition:a:0", 0, "-disposition:a:1", "default"), 1),
    "second default but silent.mkv": ((SPEECH, NOTHING), ("-disposition:a:0", 0, "-disposition:a:1", "default"), 0),
    "first.mkv": ((SPEECH, "sine=d=3:r=48000"), (), 0),
    "broadcast.ts": ((NOTHING, SPEECH), ("-c:a", "mp2"), 1),
}


@pytest.mark.parametrize("name", TRACKS)
def test_the_track_that_a_player_plays_is_heard_unless_it_is_silent(tmp_path, name):
    sources, options, track = TRACKS[name]
    inputs = [word for one in sources for word in ("-f", "lavfi", "-i", one)]
    maps = [word for n in range(len(sources)) for word in ("-map", n)]
    path = tmp_path / name
    ffmpeg(*inputs, *maps, *options, path)
    info = probe_audio(path)
    assert (info.track, info.is_silent) == (track, False)
    assert info.duration_s == pytest.approx(2, abs=0.06)
    assert loud(decode_mono(path)) > 0.1
    said = [words for words in read_voice(str(path)).warnings if "silent" in words]
    assert len(said) == ("silent" in name or name == "broadcast.ts")


@pytest.mark.parametrize("count", [1, 2])
def test_only_a_recording_without_any_sound_is_silent(tmp_path, count):
    ffmpeg(*("-f", "lavfi", "-i", NOTHING) * count, *(w for n in range(count) for w in ("-map", n)), tmp_path / "a.mkv")
    assert read_voice(str(tmp_path / "a.mkv")).warnings == ("the recording is silent: the mouth has nothing to follow",)
    ffmpeg("-f", "lavfi", "-i", SPEECH, "-af", "volume=-66dB", "-c:a", "pcm_f32le", tmp_path / "quiet.wav")
    assert "silent" not in " ".join(read_voice(str(tmp_path / "quiet.wav")).warnings)


HOLE = ("-af", "asetpts='if(lt(T,0.8),PTS,PTS+3/TB)'")
GAPS = {
    "hole.webm": (HOLE, ("-c:a", "libopus"), 5, 0),
    "hole.m4a": (HOLE, ("-c:a", "aac"), 5, 0),
    "hole.mkv": (HOLE, ("-c:a", "flac"), 5, 0),
    "hole.ts": (HOLE, ("-c:a", "mp2"), 5, 0),
    "late.m4a": ((), ("-c:a", "aac"), 4, 2),
    "late.mka": ((), ("-c:a", "libopus"), 4, 2),
    "late.mov": ((), ("-c:a", "pcm_s16le"), 4, 2),
    "years late.mka": ((), ("-c:a", "flac"), 2, 0),
}


@pytest.mark.parametrize("name", GAPS)
def test_a_gap_or_a_late_start_is_silence_and_no_damage(tmp_path, voice, name):
    filters, options, seconds, late = GAPS[name]
    shift = ("-itsoffset", 9000 if "years" in name else late) if late or "years" in name else ()
    path = tmp_path / name
    ffmpeg(*shift, "-i", voice, *filters, *options, path)
    assert audio_problem(path, 0.4, 200) == ""
    samples = decode_mono(path)
    assert len(samples) / 16000 == pytest.approx(seconds, abs=0.08)
    if filters:
        assert loud(samples[: 12 * 1000]) > 0.1 > 0.001 > loud(samples[16000 : 3 * 16000])
    assert loud(samples[int(late * 16000) :]) > 0.1 and (not late or loud(samples[:30000]) < 0.001)


def sized(voice, data: int, riff: int | None = None) -> bytes:
    """The recording with other sizes in its header."""
    raw = voice.read_bytes()
    at = raw.index(b"data")
    riff = data + 36 if riff is None else riff
    return raw[:4] + struct.pack("<I", riff & 0xFFFFFFFF) + raw[8 : at + 4] + struct.pack("<I", data) + raw[at + 8 :]


PLACEHOLDERS = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFFF000, 0x3FFFFFFF, 2_000_000_000, 0xFFFFFFFF - 36, 1 << 28)


@pytest.mark.parametrize("size", PLACEHOLDERS)
def test_a_placeholder_is_no_promise(tmp_path, voice, size):
    path = tmp_path / "streamed.wav"
    path.write_bytes(sized(voice, size))
    assert audio_problem(path, 0.4, 200) == ""
    assert len(decode_mono(path)) == 32000


WHOLE = {
    "no length.ogg": ("-c:a", "libvorbis"),
    "no length.opus": ("-c:a", "libopus"),
    "no length.webm": ("-c:a", "libopus", "-live", 1),
    "stream.aac": ("-c:a", "aac"),
    "no header.mp3": ("-write_xing", 0),
    "live.flac": ("-c:a", "flac"),
}


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("name", WHOLE)
def test_no_length_and_joined_files_are_read_whole(tmp_path, voice, name, twice):
    path = tmp_path / name
    ffmpeg("-i", voice, *WHOLE[name], path)
    joinable = name.endswith(("aac", "mp3", "ogg", "opus"))
    if twice and joinable:
        path.write_bytes(path.read_bytes() * 2)
    assert audio_problem(path, 0.4, 200) == ""
    assert probe_audio(path).duration_s == pytest.approx(4 if twice and joinable else 2, abs=0.2)


@pytest.mark.parametrize("options", [(), ("-ar", 16000, "-b:a", "32k"), ("-q:a", 2), ("-write_id3v1", 1)])
def test_an_mp3_with_the_header_of_a_longer_one_is_whole_unless_a_frame_is_cut(tmp_path, voice, options):
    whole, kept = tmp_path / "whole.mp3", tmp_path / "kept.mp3"
    ffmpeg("-stream_loop", 2, "-i", voice, *options, whole)
    data, ends = whole.read_bytes(), [0]
    at = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    while data[at : at + 2] in (b"\xff\xfb", b"\xff\xf3"):
        at += mp3_frame_bytes(data[at : at + 4])
        ends.append(at)
    middle = ends[len(ends) // 2]
    kept.write_bytes(data[:middle] + data[at:])
    assert audio_problem(kept, 0.4, 200) == ""
    assert probe_audio(kept).duration_s == pytest.approx(3, abs=0.2)
    kept.write_bytes(data[: middle + 40])
    assert "cut off" in audio_problem(kept, 0.4, 200)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a"])
def test_what_follows_the_recording_does_no_harm(tmp_path, voice, name):
    path = tmp_path / name
    ffmpeg("-i", voice, path)
    path.write_bytes(path.read_bytes() + b"\0" * 3000)
    assert audio_problem(path, 0.4, 200) == ""
    assert probe_audio(path).duration_s == pytest.approx(2, abs=0.1)


RESULTS = {
    "opposite.wav": (("-af", LAYOUTS["opposite"]), 0),
    "centre.wav": (("-af", LAYOUTS["5.1, centre"]), 0),
    "hole.webm": ((*HOLE, "-c:a", "libopus"), 0),
    "late.m4a": (("-c:a", "aac"), 2),
    "second.mkv": ((), 0),
}


@pytest.mark.parametrize("name", RESULTS)
def test_the_result_sounds_as_what_drove_the_mouth(tmp_path, voice, name):
    options, late = RESULTS[name]
    silent = ("-f", "lavfi", "-i", NOTHING, "-map", 1, "-map", 0) if name == "second.mkv" else ()
    ffmpeg("-itsoffset", late, "-i", voice, *silent, *options, tmp_path / name)
    heard = decode_mono(tmp_path / name)
    frames = math.ceil(len(heard) / 16000 * 25)
    with VideoWriter(tmp_path / "piece.mp4", 96, 64, 25) as writer:
        writer.write(np.resize(moving(20), (frames, 64, 96, 3)))
    runtime = Runtime("cpu", tmp_path, tmp_path / "work", tmp_path / "result", "a", tmp_path)
    request = TalkingAvatar(prompt="x", input_audio=(str(tmp_path / name),))
    sound = {"sound": Sound(tmp_path / name, seconds=frames / 25)}
    out = publish([tmp_path / "piece.mp4"], runtime, request, task="t", fps=25, num_frames=frames, **sound)
    again = decode_mono(out.path)[: len(heard)]
    assert np.abs(again - heard).max() < 0.05
    assert np.corrcoef(again, heard)[0, 1] > 0.99


def test_a_film_is_heard_with_its_picture(tmp_path, voice):
    picture = h264(tmp_path / "p.mp4", moving(96))
    ffmpeg("-i", picture, "-itsoffset", 1.5, "-i", voice, "-c:v", "copy", "-c:a", "aac", tmp_path / "film.mp4")
    samples = decode_mono(tmp_path / "film.mp4")
    assert len(samples) / 16000 == pytest.approx(3.5, abs=0.05)
    assert loud(samples[:23000]) < 0.001 < 0.1 < loud(samples[25000:])
