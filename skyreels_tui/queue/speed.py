"""The speed of the running stage in words; one stage's speed never stands beside another's name."""

from __future__ import annotations

from pipelines.front.language import tr
from pipelines.front.progress import Stage
from skyreels_tui.queue.events import JobProgress
from skyreels_tui.words.sizes import size


def speed_words(event: JobProgress) -> str:
    """`268.4 s/step`, `1.2 GiB/s` while loading, `0.4 s each` while decoding; '' where nothing is counted yet.

    `resting 0:40 at 84 C` while it rests, whatever the stage.
    """
    if event.resting_s is not None:
        return resting_words(event.resting_s, event.degrees)
    stage, seconds = event.progress.stage, event.unit_seconds
    if stage is Stage.DENOISE:
        return tr("{seconds:.1f} s/step", seconds=event.step_seconds[-1]) if event.step_seconds else ""
    if seconds is None or seconds <= 0:
        return ""
    if stage is Stage.LOAD:
        return tr("{size}/s", size=size(round(1 / seconds)))
    return tr("{seconds:.1f} s each", seconds=seconds) if stage is Stage.DECODE else ""


def resting_words(seconds: float, degrees: int | None) -> str:
    """`resting 0:40 at 84 C`; without the degrees where nobody knows them."""
    time = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    if degrees is None:
        return tr("resting {time}", time=time)
    return tr("resting {time} at {degrees} C", time=time, degrees=degrees)
