from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from textual.app import ComposeResult
from textual.style import Style
from textual.visual import RenderOptions

from pipelines.front.progress import PreviewStrip, Progress, Stage
from pipelines.sampling.preview import LATENT_TO_RGB, RGB_BIAS, preview_frames, preview_strip
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.events import JobChanged, JobProgress
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.ui.drawing.pictures import as_picture, choose_drawing, pictures
from skyreels_tui.ui.hub import HubApp
from skyreels_tui.ui.panels.preview import PreviewPanel, arrange, draw_strip, fit_strip, resize
from tests.live.test_alone import until
from tests.media.films import film, moving

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (120, 200, 40)]


def latents_of(rgb: tuple[int, int, int], frames: int = 31, height: int = 6, width: int = 10) -> torch.Tensor:
    """[1, 16, F, H, W]: the least-norm latents whose linear picture is this colour."""
    wanted = np.asarray(rgb) / 127.5 - 1.0 - RGB_BIAS
    latent = np.linalg.pinv(LATENT_TO_RGB.T.astype(np.float64)) @ wanted
    column = torch.tensor(latent, dtype=torch.float32).view(1, 16, 1, 1, 1)
    return column.expand(1, 16, frames, height, width).contiguous()


@pytest.mark.parametrize("rgb", COLOURS)
def test_known_latents_have_their_colours(rgb: tuple[int, int, int]) -> None:
    strip = preview_strip(latents_of(rgb))
    pixels = np.frombuffer(strip.rgb, dtype=np.uint8).reshape(4, 6, 10, 3)
    assert np.abs(pixels.astype(int) - np.asarray(rgb)).max() <= 1
    assert (strip.width, strip.height, strip.frames) == (10, 6, (0, 10, 20, 30))


def test_each_picture_is_its_own_frame_and_place() -> None:
    latents = latents_of((0, 0, 0), frames=31)
    latents[:, :, 10] = latents_of((255, 0, 0), frames=1)[:, :, 0]
    latents[:, :, 20, 2, 7] = latents_of((0, 255, 0), frames=1)[:, :, 0, 0, 0]
    first, second, third, _ = pictures(preview_strip(latents))
    assert first.max() <= 1
    assert tuple(second[0, 0]) == (255, 0, 0)
    assert tuple(third[2, 7]) == (0, 255, 0)
    assert third[2, 6].max() <= 1


def test_bfloat16_without_a_batch_axis_works() -> None:
    strip = preview_strip(latents_of((255, 255, 255))[0].bfloat16())
    assert min(strip.rgb) >= 250


def test_not_a_number_turns_black_and_harms_no_other_pixel() -> None:
    latents = latents_of((0, 0, 255))
    latents[0, 3, 0, 1, 1] = float("nan")
    picture = pictures(preview_strip(latents))[0]
    assert tuple(picture[1, 1]) == (0, 0, 0)
    assert tuple(picture[0, 0]) == (0, 0, 255)


def test_short_videos_have_fewer_pictures() -> None:
    assert preview_frames(1) == (0,)
    assert preview_frames(3) == (0, 1, 2)
    assert preview_frames(31) == (0, 10, 20, 30)


def test_a_strip_reads_the_frames_that_it_shows_alone() -> None:
    """The largest latents would cost twenty times as much when all of them were turned into colours."""
    latents = torch.randn(1, 16, 31, 90, 160)
    strip = preview_strip(latents)
    others = [frame for frame in range(31) if frame not in preview_frames(31)]
    latents[:, :, others] = torch.nan
    assert preview_strip(latents) == strip


def test_cells_show_upper_and_lower_pixel() -> None:
    red, blue = bytes((255, 0, 0)), bytes((0, 0, 255))
    picture = red * 4 + blue * 4
    strip = PreviewStrip(width=4, height=2, frames=(0,), rgb=picture)
    drawn = draw_strip(strip, 1, 4, 1)
    assert drawn.plain == "▀▀▀▀"
    (line,) = drawn.render_strips(4, 1, Style(), RenderOptions(lambda style: Style(), {}))
    assert [(part.text, str(part.style)) for part in line] == [("▀▀▀▀", "#ff0000 on #0000ff")]


def test_a_strip_never_leaves_its_room() -> None:
    strip = preview_strip(latents_of((120, 200, 40), height=68, width=120))
    for width, height in ((34, 4), (60, 8), (200, 50), (10, 2)):
        lines = draw_strip(strip, 4, width, height).plain.split("\n")
        assert len(lines) <= height
        assert max(map(len, lines)) <= width


def test_a_tall_panel_shows_two_rows_of_two() -> None:
    strip = preview_strip(latents_of((120, 200, 40), height=68, width=120))
    assert arrange(4, strip, 56, 7)[0] == 4
    assert arrange(4, strip, 56, 20)[0] == 2
    assert max(map(len, draw_strip(strip, 4, 56, 20).plain.split("\n"))) <= 56


def test_without_colour_brightness_becomes_letters() -> None:
    strip = PreviewStrip(2, 2, (0,), bytes((255,) * 6 + (0,) * 6))
    assert draw_strip(strip, 1, 2, 1, monochrome=True).plain == "=="


def test_scaling_averages() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = 200
    assert (resize(picture, 2, 2)[:, 0, 0] == (200, 0)).all()
    assert resize(picture, 1, 1)[0, 0, 0] == 100
    assert resize(picture, 8, 8).shape == (8, 8, 3)
    assert fit_strip(68, 120, 8, 14) == (6, 14)


def test_cells_unless_the_terminal_may_show_pictures() -> None:
    plain, kitty = {"TERM": "xterm-256color"}, {"TERM": "xterm-kitty"}
    assert choose_drawing("auto", plain, is_tty=True) == "cells"
    assert choose_drawing("auto", kitty, is_tty=False) == "cells"
    assert choose_drawing("auto", {**kitty, "TMUX": "/tmp/t,1,0"}, is_tty=True) == "cells"
    assert choose_drawing("sixel", plain, is_tty=True) == "sixel"
    assert choose_drawing("off", kitty, is_tty=True) == "off"


def test_a_candidate_is_asked_and_a_silent_one_gets_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    renderable = importlib.import_module("textual_image.renderable")
    for answer, expected in (("TGPImage", "kitty"), ("SixelImage", "sixel"), ("UnicodeImage", "cells")):
        monkeypatch.setattr(renderable, "Image", getattr(renderable, answer))
        assert choose_drawing("auto", {"TERM": "xterm-kitty"}, is_tty=True) == expected


@pytest.mark.parametrize("drawing", ["kitty", "sixel"])
async def test_capable_terminals_get_a_real_picture(drawing: str) -> None:
    class App(HubApp):
        def compose(self) -> ComposeResult:
            yield PreviewPanel()

    app = App()
    app.looks.drawing = drawing  # type: ignore[attr-defined]
    strip = preview_strip(latents_of((255, 0, 0)))
    event = JobProgress(12, Progress(Stage.DENOISE, 5, 8, preview=strip), 60.0)
    async with app.run_test(size=(60, 12)) as pilot:
        panel = app.query_one(PreviewPanel)
        panel.styles.height = "100%"
        panel.focus()
        app.publish_event(event)
        await pilot.pause()
        image = panel.children[0]
        assert image.display
        assert image.image.getpixel((5, 5)) == (255, 0, 0)  # type: ignore[attr-defined]
        await pilot.press("v", "v", "v")
        assert not image.display
        assert "off" in panel.render().plain


class Panel(HubApp):
    """The panel alone."""

    def compose(self) -> ComposeResult:
        yield PreviewPanel()


def job(state: JobState, job_id: int = 12, output: str = "") -> Job:
    return Job(job_id, "hero", "reference_to_video", "{}", state, 1.0, "2026-01-06T01:00:00+00:00", output=output)


def looks_like(panel: PreviewPanel) -> bytes:
    assert panel._strip is not None
    return panel._strip.rgb


async def test_the_last_picture_stays_until_the_finished_frame_stands_there(tmp_path: Path) -> None:
    clip = film(tmp_path / "clip.mp4", moving(30, 48, 64), 24)
    app = Panel()
    last = preview_strip(latents_of((255, 0, 0)))
    async with app.run_test(size=(80, 24)) as pilot:
        panel = app.query_one(PreviewPanel)
        panel.styles.height = "100%"
        app.publish_event(JobChanged(job(JobState.RUNNING)))
        app.publish_event(JobProgress(12, Progress(Stage.DENOISE, 8, 8, preview=last), 60.0))
        for stage, step in ((Stage.DECODE, 0), (Stage.DECODE, 5), (Stage.WRITE, 0)):
            app.publish_event(JobProgress(12, Progress(stage, step, 9), 61.0))
            await pilot.pause()
            assert looks_like(panel) == last.rgb
        app.publish_event(JobChanged(job(JobState.DONE, output=str(clip))))
        await until(pilot, lambda: looks_like(panel) != last.rgb)
        assert panel._strip is not None and len(panel._strip.frames) == 1
        assert "finished · hero" in str(panel.border_title)
        finished = looks_like(panel)
        app.publish_event(JobProgress(12, Progress(Stage.WRITE, 1, 1), 62.0))
        await pilot.pause()
        assert looks_like(panel) == finished, "a late report takes nothing away"
        app.publish_event(JobChanged(job(JobState.RUNNING, 13)))
        await pilot.pause()
        assert panel._strip is None, "the next job begins without a picture"


async def test_another_process_says_which_step_it_shows_while_later_ones_are_told(tmp_path: Path) -> None:
    owner, viewer = LiveFiles(tmp_path), LiveFiles(tmp_path)
    viewer.want_preview()
    strip = preview_strip(latents_of((255, 0, 0)))
    owner.write(JobProgress(12, Progress(Stage.DENOISE, 8, 8, preview=strip), 60.0), important=True)
    owner.write(JobProgress(12, Progress(Stage.DECODE, 16, 31), 61.0), important=True)
    [read] = viewer.read()
    app = Panel()
    async with app.run_test(size=(80, 24)) as pilot:
        app.publish_event(JobChanged(job(JobState.RUNNING)))
        app.publish_event(read)
        await pilot.pause()
        assert "step 8 " in str(app.query_one(PreviewPanel).border_title)


@pytest.mark.parametrize(
    ("stage", "segment", "words"),
    [
        (Stage.LOAD, 0, "after the next step"),
        (Stage.DENOISE, 1, "after the next step"),
        (Stage.DECODE, 0, "after the next step"),
        (Stage.DECODE, 1, "with the finished video"),
        (Stage.WRITE, 1, "with the finished video"),
    ],
)
async def test_who_looks_too_late_for_the_last_step_is_told_when_a_picture_comes(
    stage: Stage, segment: int, words: str
) -> None:
    app = Panel()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(PreviewPanel).styles.height = "100%"
        app.publish_event(JobChanged(job(JobState.RUNNING)))
        app.publish_event(JobProgress(12, Progress(stage, 1, 9, segment=segment, num_segments=2), 60.0))
        await pilot.pause()
        assert words in str(app.query_one(PreviewPanel).body(60, 5))


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED])
async def test_what_has_made_no_video_keeps_its_last_picture(state: JobState) -> None:
    app = Panel()
    last = preview_strip(latents_of((0, 255, 0)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.publish_event(JobProgress(12, Progress(Stage.DENOISE, 3, 8, preview=last), 60.0))
        app.publish_event(JobChanged(job(state)))
        await pilot.pause()
        assert looks_like(app.query_one(PreviewPanel)) == last.rgb


async def test_a_video_that_has_gone_leaves_the_last_picture(tmp_path: Path) -> None:
    app = Panel()
    last = preview_strip(latents_of((0, 255, 0)))
    async with app.run_test(size=(80, 24)) as pilot:
        app.publish_event(JobProgress(12, Progress(Stage.DENOISE, 3, 8, preview=last), 60.0))
        app.publish_event(JobChanged(job(JobState.DONE, output=str(tmp_path / "gone.mp4"))))
        await until(pilot, lambda: app.query_one(PreviewPanel)._finished is not None)
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert looks_like(app.query_one(PreviewPanel)) == last.rgb


@pytest.mark.parametrize(("longer", "scale"), [(16, 4), (104, 4), (384, 1), (700, 1)])
def test_small_pictures_alone_are_enlarged(longer: int, scale: int) -> None:
    strip = PreviewStrip(longer, 8, (0,), bytes(longer * 8 * 3))
    assert as_picture(strip, 1).size == (longer * scale, 8 * scale)
