"""Measures every kind of media and writes doc/media.md: `python -m tests.media.page doc/media.md`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipelines.families.a2v.generate import read_voice
from pipelines.front.runtime import Runtime
from pipelines.media.read.audio import decode_mono
from pipelines.media.read.check import audio_problem, image_problem, video_problem
from pipelines.media.read.colours import colour_warning
from pipelines.media.read.images import colour_note, load_image, transparency_warning
from pipelines.media.read.probe import probe_audio, probe_video
from pipelines.media.read.video import read_tail
from pipelines.media.write.publish import publish
from pipelines.media.write.video import VideoWriter
from pipelines.tasks.shot_switching_extension import ShotSwitchingExtension
from tests.media.kinds import PICTURES, SOUNDS, VIDEOS, Make
from tests.media.looks import PATCHES
from tests.media.profiles import COLOURS

PAGE = Path(__file__).parents[2] / "doc" / "media.md"
HEAD = """# Media: what goes in and what the model gets

Measured, not promised: a test makes every file of this page, gives it to the program and compares what it finds with
the page. `python -m tests.media.page doc/media.md` writes it anew. The rules, and what the published script does
otherwise: [tasks.md](tasks.md).

"""
VIDEO_HEAD = """## Videos

*Frames* is what a player shows at the file's own rate; *at 24* is what the model and the joined result get. *Lip-sync*
is how far a flash and its beep lie apart in the result. *Colours* is the largest error of grey, red and green bars, in
steps of 255.

| kind | frames | at 24 | size | lip-sync | colours | said |
|---|---|---|---|---|---|---|
"""
SOUND_HEAD = """
## Voices

Two seconds of a swelling tone. *Heard* is how loud the model's copy is: all are brought to the same loudness.

| kind | seconds | channels | heard | said |
|---|---|---|---|---|
"""
PICTURE_HEAD = """
## Pictures

*Colours* is the largest error, in steps of 255, of five colours, or of a ramp of 256 greys.

| kind | size | colours | said |
|---|---|---|---|
"""


def error_in_words(error: float) -> str:
    """Coarse on purpose: encoders of other versions round otherwise."""
    return next((f"within {limit}" for limit in (3, 6, 12) if error <= limit), "wrong")


def video_row(path: Path, folder: Path) -> list[str]:
    """Measure one video through the check, the reading and the finished file."""
    if problem := video_problem(path, 9):
        return ["-", "-", "-", "-", "-", problem]
    info = probe_video(path)
    piece = folder / "piece.mp4"
    with VideoWriter(piece, 128, 64, 24) as writer:
        writer.write(np.random.default_rng(0).integers(0, 60, (9, 64, 128, 3), dtype=np.uint8))
    runtime = Runtime("cpu", folder, folder / "work", folder / "result", "a", folder)
    request = ShotSwitchingExtension(prompt="x", input_video=(str(path),))
    result = publish([piece], runtime, request, task="t", fps=24, num_frames=9, before=path)
    at_24 = result.num_frames - 9
    bars = info.height < 480 or info.width >= 1280
    colours = error_in_words(bar_error(path, upright=info.rotation == 0)) if bars else combs(path)
    sync = lip_sync(result.path) if info.has_audio else "no sound"
    said = colour_warning(info.path, info.look) or "-"
    return [
        f"{info.num_frames} of {info.fps:.3f} a second",
        str(at_24),
        f"{info.width}x{info.height}",
        sync,
        colours,
        said,
    ]


def bar_error(path: Path, upright: bool) -> float:
    """How far the bars of the last frame are from what was filmed."""
    frame = read_tail(path, 1, fps=None)[-1].astype(int)
    frame = frame if upright else np.rot90(frame, -1)
    width = frame.shape[1] // 4
    errors = []
    for index in range(3):
        seen = frame[frame.shape[0] // 2, index * width + width // 2]
        errors.append(np.abs(seen - PATCHES[index]).max())
    return float(max(errors))


def combs(path: Path) -> str:
    """Whether rows of one frame show two moments."""
    frame = read_tail(path, 9)[4].astype(int)[:, :, 0]
    return "combed" if (np.abs(frame[100] - frame[101]) > 100).any() else "no combs"


def lip_sync(path: Path) -> str:
    """Frames between flash and beep of a finished file."""
    frames = read_tail(path, probe_video(path).num_frames, fps=None)
    flash = next(n for n, frame in enumerate(frames) if frame.min() > 180) / 24
    samples = np.abs(decode_mono(path))
    beep = int((samples > 0.15).argmax()) / 16000
    return "within a frame" if abs(flash - beep) <= 1.1 / 24 else f"{1000 * (flash - beep):.0f} ms off"


def sound_row(path: Path, _: Path) -> list[str]:
    """Measure one recording through the check and as the model hears it."""
    if problem := audio_problem(path, 0.4, 200):
        return ["-", "-", "-", problem]
    info, voice = probe_audio(path), read_voice(str(path))
    loud = float(np.sqrt(np.mean(np.square(voice.waveform.numpy()))))
    heard = "nothing" if loud == 0 else "as the others" if 0.04 < loud < 0.12 else f"{loud:.3f}"
    return [f"{info.duration_s:.1f}", str(info.channels), heard, "; ".join(voice.warnings) or "-"]


def picture_row(path: Path, _: Path) -> list[str]:
    """Measure one picture."""
    if problem := image_problem(path):
        return ["-", "-", problem]
    image = load_image(path)
    seen = np.asarray(image)[8].astype(int)
    wanted = np.arange(256)[:, None] if image.width == 256 else COLOURS[0].repeat(16, 0).astype(int)
    step = slice(None) if image.width == 256 else slice(8, None, 16)
    said = [words for words in (transparency_warning(path), colour_note(path)) if words]
    return [f"{image.width}x{image.height}", error_in_words(np.abs(seen - wanted)[step].max()), "; ".join(said) or "-"]


def table(kinds: dict[str, Make], row: Callable[[Path, Path], list[str]], folder: Path) -> str:
    """One line a kind."""
    lines = []
    for number, (name, make) in enumerate(kinds.items()):
        place = folder / f"{row.__name__}-{number}"
        place.mkdir()
        cells = [cell.replace("|", "/") for cell in row(make(place), place)]
        lines.append(f"| {' | '.join([name, *cells])} |\n")
    return "".join(lines)


def page(folder: Path) -> str:
    """The whole page, measured in `folder`."""
    videos, sounds, pictures = (
        table(kinds, row, folder) for kinds, row in ((VIDEOS, video_row), (SOUNDS, sound_row), (PICTURES, picture_row))
    )
    return HEAD + VIDEO_HEAD + videos + SOUND_HEAD + sounds + PICTURE_HEAD + pictures


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        Path(sys.argv[1]).write_text(page(Path(place)), encoding="utf-8")
