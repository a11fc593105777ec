"""The part of an input, chosen by keys: marks, frames, channels, and what becomes of them."""

from __future__ import annotations

import gettext
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from pipelines.front import language
from pipelines.media.read.thumbnail import picture_of
from skyreels_tui.requests.trimming import Marks, Stretchable
from skyreels_tui.ui import intents
from skyreels_tui.ui.screens.form.form import FormScreen
from skyreels_tui.ui.screens.form.trim import TrimScreen
from skyreels_tui.ui.screens.home.job import JobScreen
from skyreels_tui.ui.widgets.fields.files import FileRows
from skyreels_tui.ui.widgets.more import More
from tests.media.films import film
from tests.media.test_trim import FILMS, coded, numbers
from tests.ui.conftest import ASTRONAUT, Session
from tests.ui.test_form import field, problem


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """120 numbered frames at 24 fps: 5 s."""
    return film(tmp_path / "clip [1].mp4", coded(120), 24, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", 8)


def sound(path: Path, channels: int, seconds: float = 3.0) -> Path:
    rate = 22050
    time = np.arange(round(seconds * rate)) / rate
    tones = np.stack([0.3 * np.sin(2 * np.pi * (200 + 90 * n) * time) for n in range(channels)], axis=1)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((tones * 32767).astype("<i2").tobytes())
    return path


async def form(s: Session, task: str, **values: object) -> FormScreen:
    s.app.post_message(intents.OpenForm(task, {"profile": "demo", "resolution": "128P", "prompt": "x", **values}, ""))
    await s.until(lambda: isinstance(s.app.screen, FormScreen) and s.app.screen._checked is not None, "the form")
    screen = s.app.screen
    assert isinstance(screen, FormScreen)
    return screen


async def at_file(s: Session, name: str) -> None:
    rows = field(s, name).query_one(FileRows)
    rows.focus()
    await s.until(lambda: rows.has_focus)


async def part(s: Session, name: str) -> TrimScreen:
    await at_file(s, name)
    await s.press("alt+t")
    await s.until(lambda: isinstance(s.app.screen, TrimScreen) and s.app.screen._marks is not None, "the part")
    screen = s.app.screen
    assert isinstance(screen, TrimScreen)
    return screen


async def test_a_video_is_cut_at_frames_by_keys_at_80x24(start, clip):
    async with start((80, 24), gated=True) as s:
        screen = await form(s, "single_shot_extension", input_video=(str(clip),))
        await part(s, "input_video")
        await s.shows("frame 1 of 120, 0.000 s")
        await s.shows("cuts nothing")
        await s.press("pagedown", "right", "right", "i")
        await s.shows("frame 27 of 120, 1.083 s")
        await s.shows("cuts the first 1.083 s")
        await s.press("end", "pageup", "left", "o")
        await s.shows("frame 95 of 120, 3.917 s")
        await s.shows("used 1.083 to 3.958 s, 2.875 s")
        await s.shows("cuts the last 1.042 s")
        for words in ("i Start", "o End", "Enter Take", "Esc Back"):
            assert words in s.footer, s.footer
        await s.press("enter")
        await s.until(lambda: s.app.screen is screen and screen._checked is not None)
        # In the form: under More, and as what the estimate says.
        assert (screen.values()["trim_start"], screen.values()["trim_end"]) == (1.083333, 3.958333)
        await s.shows("uses frames 27 to 95 of 120")
        await s.shows("cuts the first 1.083 s")
        assert "end at 3.958333" in screen.query_one(More).summary()
        await s.press("ctrl+s")
        await s.until(lambda: len(s.app.board.jobs) == 1)
        request = s.job(1).request
        assert (request.trim_start, request.trim_end) == (1.083333, 3.958333)
        # On the job's page.
        s.app.post_message(intents.OpenJob(1))
        await s.until(lambda: isinstance(s.app.screen, JobScreen))
        await s.until(lambda: "uses frames 27 to 95 of 120" in str(s.app.screen.query_one("#job-text").render()))
        assert "cuts the last 1.042 s" in str(s.app.screen.query_one("#job-text").render())


async def test_the_frame_under_the_cursor_is_shown(start, clip):
    async with start((80, 24), gated=True) as s:
        await form(s, "shot_switching_extension", input_video=(str(clip),))
        screen = await part(s, "input_video")
        for keys, number in (
            (("right",), 1),
            (("pagedown",), 25),
            (("end",), 119),
            (("left", "left"), 117),
            (("home",), 0),
        ):
            screen._picture = None
            await s.press(*keys)
            await s.until(lambda: screen._picture is not None, "the frame")
            rgb, across, down = screen._picture
            pixels = np.frombuffer(rgb, dtype=np.uint8).reshape(1, down, across, 3)
            assert numbers(pixels[:, :, : across // 8 * 8]) == [number]


@pytest.mark.parametrize("name", FILMS)
def test_a_picture_is_found_by_its_number(tmp_path, name):
    fps, options = FILMS[name]
    path = film(tmp_path / name, coded(120), fps, *options)
    for number in (0, 1, 39, 40, 41, 77, 119):
        pixels = np.frombuffer(picture_of(path, number, 96, 48), dtype=np.uint8).reshape(1, 48, 96, 3)
        assert numbers(pixels) == [number]


async def test_a_voice_is_cut_and_taken_from_one_channel(start, tmp_path):
    voice = sound(tmp_path / "voice.wav", 2)
    async with start((80, 24), gated=True) as s:
        screen = await form(s, "talking_avatar", input_image=(str(ASTRONAUT),), input_audio=(str(voice),))
        trim = await part(s, "input_audio")
        await s.shows("at 0.000 s of 3.000 s")
        await s.until(lambda: trim._peaks and trim._loudness is not None, "wave and loudness")
        assert trim._loudness == pytest.approx(-16.5, abs=4)
        mixed = f"loudness {trim._loudness:.1f} LUFS"
        await s.shows(mixed)
        await s.shows("channel all mixed")
        await s.press("right", "right", "full_stop", "i")
        await s.shows("cuts the first 0.210 s")
        await s.press("pagedown", "pagedown", "comma", "o")
        await s.shows("used 0.210 to 2.200 s, 1.990 s")
        await s.press("c")
        await s.shows("channel left")
        await s.press("c")
        await s.shows("channel right")
        await s.until(lambda: trim._loudness is not None and mixed not in s.text, "its own loudness")
        await s.press("enter")
        await s.until(lambda: s.app.screen is screen and screen._checked is not None)
        values = screen.values()
        assert (values["trim_start"], values["trim_end"], values["voice_channel"]) == (0.21, 2.2, "right")
        await s.shows("right channel alone")
        await s.shows("uses 0.210 to 2.200 s of 3.000 s")
        await s.shows("50 frames")
        assert screen._checked.found.problems == ()


async def test_a_recording_of_one_channel_offers_none(start, tmp_path):
    voice = sound(tmp_path / "voice.wav", 1)
    async with start((80, 24), gated=True) as s:
        await form(s, "talking_avatar", input_image=(str(ASTRONAUT),), input_audio=(str(voice),))
        await part(s, "input_audio")
        await s.shows("LUFS")
        assert "channel" not in s.text.lower()
        await s.press("c", "x")
        assert "channel" not in s.text.lower()


async def test_what_is_left_is_as_it_was_and_whole_takes_all_back(start, clip):
    async with start((80, 24), gated=True) as s:
        screen = await form(s, "single_shot_extension", input_video=(str(clip),), trim_start=1.0, trim_end=4.0)
        await part(s, "input_video")
        await s.shows("used 1.000 to 4.000 s")
        await s.press("home", "i", "escape")
        await s.until(lambda: s.app.screen is screen)
        assert (screen.values()["trim_start"], screen.values()["trim_end"]) == (1, 4)
        await part(s, "input_video")
        await s.press("x")
        await s.shows("cuts nothing")
        await s.press("enter")
        await s.until(lambda: s.app.screen is screen)
        assert (screen.values()["trim_start"], screen.values()["trim_end"]) == (0, 0)
        await s.until(lambda: screen._checked is not None)
        assert "cuts" not in s.text


async def test_another_file_is_used_whole(start, clip, tmp_path):
    other = film(tmp_path / "other.mp4", coded(60), 24, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    async with start((80, 24), gated=True) as s:
        screen = await form(s, "single_shot_extension", input_video=(str(clip),), trim_start=1.0, trim_end=4.0)
        await at_file(s, "input_video")
        await s.press("tab")
        await s.type(other.name)
        await s.press("enter")
        await s.until(lambda: screen.values()["input_video"] == (str(other),))
        await s.until(lambda: (screen.values()["trim_start"], screen.values()["trim_end"]) == (0, 0))
        await s.shows("Another file is used whole")


async def test_a_part_that_is_too_short_is_refused_under_its_field(start, clip):
    async with start((80, 24), gated=True) as s:
        await form(s, "single_shot_extension", input_video=(str(clip),), trim_start=4.5)
        await s.press("ctrl+s")
        await s.until(lambda: "start to end holds 12" in problem(s, "trim_start"))
        assert not s.app.board.jobs
        assert field(s, "trim_start").has_focus_within


async def test_a_time_keeps_its_last_digit_in_the_form(start, clip):
    async with start((80, 24), gated=True) as s:
        screen = await form(s, "single_shot_extension", input_video=(str(clip),), trim_start=1.234567)
        assert screen.values()["trim_start"] == 1.234567
        field(s, "trim_end").set_value(43210.123456)
        assert screen.values()["trim_end"] == 43210.123456


async def test_the_key_does_nothing_where_there_is_no_part(start, tmp_path):
    async with start((80, 24), gated=True) as s:
        screen = await form(s, "reference_to_video", ref_imgs=(str(ASTRONAUT),))
        await at_file(s, "ref_imgs")
        await s.press("alt+t")
        await s.until(lambda: s.app.screen is screen)
        screen = await form(s, "single_shot_extension")
        await s.press("alt+t")
        await s.until(lambda: s.app.screen is screen)


async def test_a_file_that_cannot_be_read_is_said_and_left(start, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no film")
    async with start((80, 24), gated=True) as s:
        screen = await form(s, "single_shot_extension", input_video=(str(broken),))
        await at_file(s, "input_video")
        await s.press("alt+t")
        await s.shows("not a video that ffmpeg can read")
        await s.press("right", "i", "o", "c", "x", "enter")
        assert isinstance(s.app.screen, TrimScreen)
        await s.press("escape")
        await s.until(lambda: s.app.screen is screen)


async def test_in_portuguese(start, clip, tmp_path):
    catalogue = Path(language.__file__).parent / "locale/pt_BR/LC_MESSAGES/skyreels-tui.mo"
    with catalogue.open("rb") as stored:
        words = gettext.GNUTranslations(stored)
    language.choose("pt_BR")
    try:
        async with start((80, 24), gated=True) as s:
            await form(s, "single_shot_extension", input_video=(str(clip),))
            await part(s, "input_video")
            await s.press("pagedown", "i")
            await s.shows(words.gettext("cuts the first {seconds:.3f} s").format(seconds=1.0))
            await s.shows("quadro 25 de 120")
    finally:
        language.choose(language.ENGLISH)


# Marks


def test_marks_never_cross_and_stay_in_the_file():
    marks = Marks(Stretchable(10.0), 0.0, 0.0)
    marks.leap(4)
    marks.start_here()
    marks.leap(-2)
    marks.end_here()
    assert (marks.start_s, marks.end_s) == (0.0, 2.0)
    marks.leap(5)
    marks.start_here()
    assert (marks.start_s, marks.end_s) == (7.0, 0.0)
    marks.step(10**9)
    marks.end_here()
    assert marks.end_s == 0.0 and marks.now_s == 10.0
    marks.step(-(10**9))
    assert marks.now_s == 0.0


def test_drafts_keep_them(tmp_path):
    from pipelines.tasks import task_named
    from skyreels_tui.requests.forms import initial_values

    task = task_named("talking_avatar")
    values = json.loads(json.dumps({"trim_start": 1.25, "trim_end": 3.5, "voice_channel": "left"}))
    kept = initial_values(task, values)
    assert (kept["trim_start"], kept["trim_end"], kept["voice_channel"]) == (1.25, 3.5, "left")
