"""Joins a film: places its scenes, copies or encodes their pictures, makes the sound, publishes once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.front.documents import read_json
from pipelines.front.durable import discard_parts, make_folder, put_in_place, write_whole
from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.front.progress import Progress, Report, Stage
from pipelines.front.runtime import Output, Runtime
from pipelines.joining.captions import chapters, subtitles
from pipelines.joining.layout import FilmLayout, ScenePlace, lay_out
from pipelines.joining.sound import make_sound
from pipelines.media.files import need_room, shown
from pipelines.media.read.frames import frame_times, read_frames, shown_at
from pipelines.media.read.probe import probe_video
from pipelines.media.write.mux import Sound, join_by_copy
from pipelines.media.write.publish import make_recipe, output_facts, own_stem
from pipelines.media.write.verify import examine
from pipelines.media.write.video import VideoWriter
from pipelines.tasks.film import FILM, FilmJoin

_TOLD_FRAMES = 12
"""How often encoding tells where it is, and may be stopped."""

Frame = NDArray[np.uint8]
TellPlace = Callable[[Stage, int], Callable[[], None]]
"""(stage, scene) -> what reports it."""


def generate(request: FilmJoin, runtime: Runtime, _pool: object, report: Report) -> Output:
    """Write `<result_dir>/films/<output_stem>.mp4`, its sidecar and its subtitles; begins anew after a crash.

    Raises MediaError, DiskFull, or Cancelled from `report`.
    """
    # 1. Where everything stands
    report(Progress(Stage.LOAD))
    layout = lay_out(request)
    count = len(layout.scenes)
    folder = runtime.result_dir / FILM.name
    make_folder(folder, private=False)
    need_room(folder, 3 * sum(scene.clip.path.stat().st_size for scene in layout.scenes))
    bench = runtime.work_dir / "join"
    shutil.rmtree(bench, ignore_errors=True)
    make_folder(bench)

    def tell(stage: Stage, scene: int = 0) -> Callable[[], None]:
        return lambda: report(Progress(stage, scene, count, detail=layout.scenes[min(scene, count - 1)].label))

    # 2. Pictures
    pieces = _copied_pieces(layout, bench, tell) if layout.copied else None
    if pieces is None:
        pieces = [_encoded(layout, request.cross_fade, bench / "encoded.mp4", tell)]

    # 3. Sound and words
    poll = tell(Stage.DECODE, count)
    track = make_sound(layout, request.music_percent, bench, poll, fade_frames=request.cross_fade)
    spoken = subtitles(layout)
    captions = bench / "subtitles.srt"
    if spoken:
        write_whole(captions, spoken.encode("utf-8", "replace"), durable=False)

    # 4. One file, looked at before it gets its name
    recipe = make_recipe(FILM.name, request, runtime)
    final = folder / f"{own_stem(folder, runtime)}.mp4"
    made = final.with_suffix(".part.mp4")
    for suffix in (".srt", ".json"):
        discard_parts(final.with_suffix(suffix))
    try:
        join_by_copy(
            pieces,
            made,
            bench,
            length_s=layout.seconds,
            sound=None if track is None else Sound(track),
            title=request.title or request.film,
            comment=recipe,
            chapters=chapters(layout),
            subtitles=captions if spoken else None,
            untouched=True,
            poll=tell(Stage.WRITE, count),
        )
        facts = examine(made)
        if facts.num_frames != layout.num_frames:
            raise MediaError(
                tr(
                    "{name}: {count} frames were joined instead of {wanted}",
                    name=shown(request.film or "film"),
                    count=facts.num_frames,
                    wanted=layout.num_frames,
                )
            )
        tell(Stage.WRITE, count)()
    except BaseException:
        made.unlink(missing_ok=True)
        raise

    # 5. In place, with subtitles and sidecar beside it
    put_in_place(made, final)
    warnings = (*runtime.warnings, *layout.remarks)
    output = Output(final, facts.width, facts.height, facts.num_frames, layout.fps, facts.suspect, warnings)
    if spoken:
        write_whole(final.with_suffix(".srt"), spoken.encode("utf-8", "replace"), private=False)
    sidecar = read_json(recipe) | {
        "output": output_facts(output),
        "scenes": [_told(layout, one) for one in layout.scenes],
    }
    text = json.dumps(sidecar, indent=2, sort_keys=True) + "\n"
    write_whole(final.with_suffix(".json"), text.encode("ascii"), private=False)
    shutil.rmtree(bench, ignore_errors=True)
    return output


def _told(layout: FilmLayout, scene: ScenePlace) -> dict[str, Any]:
    """A scene as the sidecar has it."""
    return {
        "label": scene.label,
        "clip": str(scene.clip.path),
        "narration": None if scene.narration is None else str(scene.narration),
        "music": scene.music,
        "starts_s": round(scene.first_frame / layout.fps, 6),
        "num_frames": scene.num_frames,
    }


def _copied_pieces(layout: FilmLayout, bench: Path, tell: TellPlace) -> list[Path] | None:
    """The clips themselves, with pieces of held frames between; None where these would not fit the clips' coding."""
    pieces: list[Path] = []
    for number, scene in enumerate(layout.scenes):
        pieces.append(scene.clip.path)
        if not scene.held:
            continue
        tell(Stage.DECODE, number)()
        piece = bench / f"held-{number:05d}.mp4"
        last = list(read_frames(scene.clip.path, [scene.clip.num_frames - 1], layout.width, layout.height))[-1]
        with VideoWriter(piece, layout.width, layout.height, layout.fps) as writer:
            for _ in range(scene.held):
                writer.write(last[None])
        if probe_video(piece).coding != scene.clip.coding:
            return None
        pieces.append(piece)
    return pieces


def _encoded(layout: FilmLayout, fade: int, path: Path, tell: TellPlace) -> Path:
    """Encode all scenes as one video, each fitted into the size on black, blended over `fade` frames."""
    before: list[Frame] = []
    with VideoWriter(path, layout.width, layout.height, layout.fps) as writer:
        for number, scene in enumerate(layout.scenes):
            keep = fade if number + 1 < len(layout.scenes) else 0
            waiting: list[Frame] = []
            for place, frame in enumerate(_frames(layout, scene)):
                if place % _TOLD_FRAMES == 0:
                    tell(Stage.DECODE, number)()
                shown_frame = _blended(before[place], frame, (place + 1) / (fade + 1)) if place < len(before) else frame
                waiting.append(shown_frame)
                if len(waiting) > keep:
                    writer.write(waiting.pop(0)[None])
            before = waiting
    return path


def _frames(layout: FilmLayout, scene: ScenePlace) -> Iterator[Frame]:
    times = frame_times(scene.clip.path)
    once = shown_at(times, scene.clip.held_s, layout.fps, scene.frames)
    indices = [*once, *[once[-1]] * scene.held]
    yield from read_frames(scene.clip.path, indices, layout.width, layout.height, keep_shape=scene.clip)


def _blended(first: Frame, second: Frame, share: float) -> Frame:
    mixed = first.astype(np.float32) * (1 - share) + second.astype(np.float32) * share
    return np.rint(mixed).astype(np.uint8)
