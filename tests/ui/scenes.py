"""Every screen with the same queue, sensors, files and clock on any machine: for snapshots and walks.

The app is the real one without an engine: the board lists fixed jobs, and the sensors read like those of a DGX Spark.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import shutil
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import skyreels_tui
from pipelines.checkpoints.download.meter import Moved
from pipelines.checkpoints.registry import CHECKPOINTS
from pipelines.front.language import tr
from pipelines.front.progress import PreviewStrip, Progress, Stage
from pipelines.front.request import Request
from pipelines.tasks.reference_to_video import ReferenceToVideo
from pipelines.tasks.shot_switching_extension import ShotSwitchingExtension
from pipelines.tasks.single_shot_extension import SingleShotExtension
from pipelines.tasks.talking_avatar import TalkingAvatar
from skyreels_tui.app.app import SkyreelsApp
from skyreels_tui.app.services import Services
from skyreels_tui.downloads.transfers import Transfer, TransferKind, TransferState
from skyreels_tui.eta.forecast import QueueForecast, RunningJob
from skyreels_tui.executors.fake import FakeExecutor
from skyreels_tui.files.folders import Folders
from skyreels_tui.monitors.sample import (
    DiskReading,
    FileSystem,
    GpuReading,
    HealthReading,
    MemoryReading,
    Pool,
    Sample,
)
from skyreels_tui.queue.events import JobProgress, LogLine, QueueChanged, QueueStatus
from skyreels_tui.queue.film import Film, SceneFacts
from skyreels_tui.queue.film import Scene as FilmScene
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.queue.reasons import Code, because
from skyreels_tui.settings.settings import Settings
from skyreels_tui.ui import intents
from skyreels_tui.ui.intents import ShowText
from tests.models_hub.conftest import FakeHub, Repo
from tests.ui.conftest import SAMPLES, Session, end

NOW = datetime(2026, 3, 1, 14, 3)
"""By the clock of UTC, where the scenes are played."""
GIB = 2**30
FACTS = Path(__file__).parents[1] / "cli" / "machines" / "spark_cpu_torch.json"
BACKGROUND = {"follow"}
"""Groups of workers that go on as long as their screen is open."""
RESULT = Path("result")
"""Relative, as every path here: what a screen shows of it is the same in any folder."""


# The queue


def _at(minutes_ago: float) -> str:
    return f"{(NOW - timedelta(minutes=minutes_ago)).isoformat()}+00:00"


def _reference(prompt: str, **values: object) -> ReferenceToVideo:
    return ReferenceToVideo(prompt=prompt, ref_imgs=("hero.png",), resolution="128P", profile="demo", **values)  # type: ignore[arg-type]


WALK = "[ZOOM_IN_CUT] A woman walks through a long corridor and turns to the camera"


def _job(job_id: int, state: JobState, label: str, request: Request | None = None, **values: object) -> Job:
    request = request or _reference(WALK)
    names = {ReferenceToVideo: "reference_to_video", SingleShotExtension: "single_shot_extension",
             ShotSwitchingExtension: "shot_switching_extension", TalkingAvatar: "talking_avatar"}  # fmt: skip
    made = Job(job_id, label, names[type(request)], request.to_json(), state, float(job_id), _at(200 - job_id))
    return replace(made, **values)  # type: ignore[arg-type]


_CLIP = {"input_video": ("clip.mp4",), "resolution": "128P", "profile": "demo"}
_DONE = {"started_at": _at(120), "finished_at": _at(90), "run_seconds": 1790.0, "attempts": 1}
AVATAR = TalkingAvatar(
    prompt="A woman speaks", input_image=("hero.png",), input_audio=("voice.wav",), resolution="128P", profile="demo"
)
SPEAKERS = replace(AVATAR, second_audio=("voice.wav",), regions="8,12,36,70 56,20,36,60")
RUNNING = _job(
    12, JobState.RUNNING, "corridor-A", stage="denoise", step=5, num_steps=8, num_segments=1, attempts=1,
    started_at=_at(22.7),
)  # fmt: skip
FAILED = _job(
    10, JobState.FAILED, "line-02", AVATAR, stage="write", num_segments=3, segment=2, attempts=1,
    error="disk full at /data: needs 1.20 GiB, 0.30 GiB free", started_at=_at(80), finished_at=_at(61),
    run_seconds=1140.0, traceback="Traceback (most recent call last):\n  …\nDiskFull: disk full at /data",
)  # fmt: skip
JOBS = (
    RUNNING,
    _job(13, JobState.QUEUED, "line-03", AVATAR),
    _job(14, JobState.BLOCKED, "corridor-B", SingleShotExtension(prompt="It goes on", **_CLIP),  # type: ignore[arg-type]
         reason=because(Code.WAITS_FOR_JOB, id=12)),
    _job(15, JobState.HELD, "close-up", ShotSwitchingExtension(prompt="Closer", cut="[ZOOM_IN_CUT]", **_CLIP)),  # type: ignore[arg-type]
    _job(16, JobState.INTERRUPTED, "night", step=3, num_steps=8, stage="denoise", attempts=1,
         reason=because(Code.INTERRUPTED, step=3, num_steps=8)),
    _job(11, JobState.DONE, "corridor-0", **_DONE, output="result/reference_to_video/corridor-0.mp4"),
    _job(9, JobState.DONE, "test-cut", **_DONE, output="result/reference_to_video/test-cut.mp4",
         suspect="every frame looked at is black"),
    FAILED,
    _job(8, JobState.CANCELLED, "wrong seed", finished_at=_at(300)),
)  # fmt: skip
_BY_LABEL = {job.label: job for job in JOBS}


def _scene(scene_id: int, label: str, *takes: str, **facts: str) -> FilmScene:
    made = tuple(_BY_LABEL[name] for name in takes)
    return FilmScene(scene_id, made, None, label, "reference_to_video", _reference(WALK).to_json(), SceneFacts(**facts))


FILMS = (
    Film("ep02", _at(10), tuple(_scene(20 + n, f"plan {n}", words="Then she said it") for n in range(3)), "show"),
    Film(
        "ep01",
        _at(500),
        (
            _scene(1, "opening", "corridor-0", narration="opening.wav", words="It was a long corridor."),
            _scene(2, "corridor", "wrong seed", "corridor-A"),
            _scene(3, "line", "line-02"),
            _scene(4, "street", "corridor-B", words="And then the street"),
            _scene(5, "end", notes="slow"),
        ),
        "show",
    ),
)
STRIP = PreviewStrip(
    16, 16, (0, 10, 20, 30),
    bytes(value for frame in range(4) for y in range(16) for x in range(16) for value in (x * 15, y * 15, frame * 60)),
)  # fmt: skip
PROGRESS = JobProgress(
    12, Progress(Stage.DENOISE, 5, 8, detail="cudnn attention", preview=STRIP), 1361.0,
    (268.1, 268.4, 267.9, 268.8, 268.4),
    (("load", 6.1), ("text", 0.1), ("condition", 2.0)), 842.0,
)  # fmt: skip
LOG = (
    LogLine(_at(3), "info", "step 4/8 268.8 s", 12),
    LogLine(_at(1.4), "warning", "memory pressure 12 %", 12),
    LogLine(_at(0.1), "info", "step 5/8 268.4 s  cudnn attention  peak 58.0 GiB", 12),
)


def reading() -> Sample:
    """What the sensors say."""
    return Sample(NOW.replace(tzinfo=UTC).timestamp(), dict(
        gpu=GpuReading(
            name="NVIDIA GB10", util_percent=98, sm_clock_mhz=2412, max_sm_clock_mhz=3003, temperature_c=71,
            power_w=92.0, unified=True,
        ),
        memory=MemoryReading(
            pool=Pool.UNIFIED, total_bytes=round(119.7 * GIB), used_bytes=round(64.6 * GIB),
            available_bytes=round(55.1 * GIB), weights_bytes=round(40.5 * GIB), ours_bytes=round(54.7 * GIB),
            spare_bytes=round(3.0 * GIB), peak_bytes=round(58.0 * GIB), page_cache_bytes=round(3.1 * GIB),
            swap_used_bytes=0, swap_total_bytes=16 * GIB,
        ),
        disk=DiskReading(
            (FileSystem(("results", "cache", "state"), "/data", 4 * 2**40, round(1.7 * 2**40)),),
            result_bytes=41 * GIB, models=(("SkyReels-V3-R2V-14B", 52 * GIB), ("SkyReels-V3-A2V-19B", 42 * GIB)),
        ),
        health=HealthReading(),
    ))  # fmt: skip


def forecast() -> QueueForecast:
    """What the queue will take."""
    waiting = ((13, 450.0), (14, 5340.0))
    plan = RUNNING.task.plan(RUNNING.request)
    return QueueForecast(
        waiting,
        6632.0,
        3 * plan.output_bytes,
        held_seconds=((15, 1160.0),),
        running=RunningJob(RUNNING, plan),
        running_seconds=(842.0,),
    )


class SceneApp(SkyreelsApp):
    """The app over the fixed queue: nothing runs, nothing is read from this machine."""

    CSS_PATH = Path(skyreels_tui.__file__).with_name("app") / "app.tcss"

    jobs: tuple[Job, ...] = JOBS

    def refresh_css(self, animate: bool = True) -> None:
        """Textual leaves its own screens, as the palette is one, out: only a test changes the theme over them."""
        super().refresh_css(animate)
        for screen in self.screen_stack[-1:]:
            self.stylesheet.update(screen, animate=animate)

    def _list_jobs(self) -> list[Job]:
        return list(self.jobs)

    def films(self) -> list[Film]:
        """One that is half made, and one that is only planned."""
        return list(FILMS) if self.jobs else []

    def _open_queue(self) -> None:
        self.board.apply(QueueStatus(is_owner=True, engine="running" if self.jobs else "idle"))
        for event in (QueueChanged(), *(LOG if self.jobs else ())):
            self.publish_event(event)
        if self.jobs:
            self.publish_event(PROGRESS)
            self.publish_sample(reading())
            self.publish_forecast(forecast())


class EmptyApp(SceneApp):
    """The app of a new user."""

    jobs = ()


# The hub

GB = 10**9
SHARDS = tuple(f"diffusion_pytorch_model-0000{number}-of-00006.safetensors" for number in range(1, 7))
R2V_BYTES = {
    "README.md": 9_000,
    "transformer/config.json": 612,
    "transformer/diffusion_pytorch_model.safetensors.index.json": 78_000,
    **{f"transformer/{shard}": round(4.76 * GB) for shard in SHARDS},
    "text_encoder/config.json": 824,
    "text_encoder/model.safetensors": round(22.73 * GB),
    "tokenizer/tokenizer.json": 16_800_000,
    "vae/config.json": 724,
    "vae/diffusion_pytorch_model.safetensors": 507_591_892,
}
V2V_BYTES = {
    "transformer/config.json": 612,
    **{f"transformer/{shard}": round(4.76 * GB) for shard in SHARDS},
    "shot_transformer/config.json": 613,
    **{f"shot_transformer/{shard}": round(4.77 * GB) for shard in SHARDS},
    "models_t5_umt5-xxl-enc-bf16.pth": 11_361_920_418,
    "google/umt5-xxl/tokenizer.json": 16_800_001,
    "Wan2.1_VAE.pth": 507_609_880,
}


def fill_hub(hub: FakeHub) -> None:
    """Two checkpoints, one of them under the second of its names alone, as large as the released ones."""
    for repo_id, sizes in (
        (CHECKPOINTS["r2v"].repo_ids[1], R2V_BYTES),
        (CHECKPOINTS["v2v"].repo_ids[0], V2V_BYTES),
    ):
        hub.repos[repo_id] = Repo({path: path.encode() for path in sizes}, sizes=sizes)


FETCHING = Transfer(
    TransferKind.DOWNLOAD, "r2v", state=TransferState.RUNNING,
    moved=Moved(
        round(9.7 * GB), round(51.8 * GB), 74_500_000.0, 565.0,
        ((f"transformer/{SHARDS[1]}", round(3.1 * GB), round(4.76 * GB)),
         ("text_encoder/model.safetensors", round(1.85 * GB), round(22.73 * GB))),
    ),
    said="Skywork/SkyReels-V3-R2V-14B does not exist on the hub (404)",
)  # fmt: skip

# Files


def make_files(folder: Path) -> None:
    """Inputs of the forms, and finished videos with and without recipes."""
    y, x = np.mgrid[0:160, 0:120].astype(np.uint8)
    Image.fromarray(np.stack([x * 2, y, 255 - y], axis=-1)).save(folder / "hero.png", compress_level=0)
    shutil.copy(SAMPLES / "clip.mp4", folder / "clip.mp4")
    with wave.open(str(folder / "voice.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        tone = np.sin(np.arange(48000) / 16000 * 2 * np.pi * 220) * 8000 * np.linspace(0, 1, 48000)
        sound.writeframes(tone.astype("<i2").tobytes())
    made: tuple[tuple[str, str, Request | None, int], ...] = (
        ("reference_to_video", "corridor-0", _reference(WALK, seed=7), 5),
        ("talking_avatar", "line-01", AVATAR, 240),
        ("single_shot_extension", "corridor-1", SingleShotExtension(prompt="It goes on", **_CLIP), 1500),  # type: ignore[arg-type]
        ("joined", "holiday [2026]", None, 4000),
    )
    for task, label, request, minutes_ago in made:
        path = folder / RESULT / task / f"{label}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SAMPLES / "clip.mp4", path)
        moment = (NOW - timedelta(minutes=minutes_ago)).replace(tzinfo=UTC).timestamp()
        os.utime(path, (moment, moment))
        if request is not None:
            recipe = {"label": label, "task": task, "request": json.loads(request.to_json()), "recipe": 1,
                      "output": {"num_frames": 60, "fps": 24, "suspect": ""}}  # fmt: skip
            path.with_suffix(".json").write_text(json.dumps(recipe))


def still(monkeypatch: pytest.MonkeyPatch, folder: Path, zone: str = "UTC") -> None:
    """Name the machine and its time zone, fix the size of its disk, and go to `folder`."""
    locale = ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")
    for name in (*locale, "NO_COLOR", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TZ": zone, "HF_HOME": "hub", "COLORTERM": "truecolor", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    time.tzset()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(platform, "node", lambda: "spark-01")
    usage = SimpleNamespace(total=4 * 2**40, used=2**41, free=round(1.7 * 2**40))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr("skyreels_tui.ui.screens.form.browse.cut_path", lambda path, _: Path(path).name[:4])
    from skyreels_tui.doctor.facts import from_json

    facts = from_json(FACTS.read_text(encoding="utf-8"))
    monkeypatch.setattr("skyreels_tui.ui.screens.system.doctor.gather", lambda *_, **__: facts)


def _wall_clock() -> datetime:
    """That moment by the clock of the zone that the process is in."""
    return NOW.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)


@asynccontextmanager
async def open_app(
    folder: Path, size: tuple[int, int], *, theme: str = "night", empty: bool = False
) -> AsyncIterator[Session]:
    """Run the app in `folder`, where `make_files` and `still` have been."""
    home = Path("home")
    services = Services(
        folders=Folders(home / "config", home / "state", home / "cache", home / "logs", home / "result"),
        settings=Settings(),
        result_dir=RESULT,
        executor=FakeExecutor,
        clock=lambda: 0.0,
        wall_clock=_wall_clock,
    )
    services.gpu_name = lambda: "NVIDIA GB10"
    app = (EmptyApp if empty else SceneApp)(services, theme=theme)
    async with app.run_test(size=size, notifications=True) as pilot:
        session = Session(app, pilot, FakeExecutor())
        await session.until(
            lambda: empty or (app.last_sample is not None and app.last_forecast is not None), "sensors and forecast"
        )
        await quiet(session)
        yield session
    end(app)


async def quiet(session: Session) -> None:
    """Wait until no worker and no timer of a form has anything to do."""
    app = session.app

    def rests() -> bool:
        busy = [worker for worker in app.workers if worker.is_running and worker.group not in BACKGROUND]
        timers = (getattr(screen, "_timer", None) for screen in app.screen_stack)
        waiting = [task for timer in timers if timer and (task := timer._task) is not None and not task.done()]
        return not busy and not waiting

    calm, deadline = 0, time.monotonic() + 60
    while calm < 5:
        assert time.monotonic() < deadline, f"waited in vain for the workers to rest\n{session.text}"
        await asyncio.sleep(0.02)
        calm = calm + 1 if rests() else 0
    await session.pilot.pause()


# The scenes

Open = Callable[[Session], Awaitable[None]]


@dataclass(frozen=True)
class Scene:
    """One state of one screen and the way there."""

    name: str
    open: Open
    shows: str = "HomeScreen"
    """The class of the screen that it ends on."""
    empty: bool = False
    """In the app of a new user."""


async def _home(_: Session) -> None:
    return


def _keys(*keys: str) -> Open:
    async def open_(session: Session) -> None:
        for key in keys:
            await session.press(key)
            await quiet(session)

    return open_


def _form(task: str, request: Request | None) -> Open:
    async def open_(session: Session) -> None:
        values = json.loads(request.to_json()) if request is not None else None
        session.app.post_message(intents.OpenForm(task, values, "corridor-C" if request is not None else ""))
        await session.until(lambda: hasattr(session.app.screen, "form_task"), "the form")
        await session.until(lambda: getattr(session.app.screen, "_checked", None) is not None, "the checks")

    return open_


def _job_screen(job_id: int, *keys: str) -> Open:
    async def open_(session: Session) -> None:
        session.app.post_message(intents.OpenJob(job_id))
        await session.until(lambda: len(session.app.screen_stack) > 1, "the job")
        await session.press(*keys)

    return open_


async def _leave(session: Session) -> None:
    from skyreels_tui.ui.screens.dialogs.leave import LeaveScreen

    session.app.push_screen(LeaveScreen(RUNNING))


async def _unusable(session: Session) -> None:
    from skyreels_tui.ui.screens.dialogs.damaged_queue import UnusableScreen

    what = tr("It is damaged: {detail}.", detail="file is not a database")
    copy = "queue-20260228-231507-104211-daily.db"
    session.app.push_screen(UnusableScreen("home/state/queue.db", what, copy))


async def _results(session: Session) -> None:
    await session.press("R")
    await session.until(lambda: "416x240" in session.text, "the strip")


async def _rename(session: Session) -> None:
    await _results(session)
    await session.press("r")


async def _note(session: Session) -> None:
    await _results(session)
    await session.press("n")


async def _still(session: Session) -> None:
    await _results(session)
    await session.press("L")
    await session.until(lambda: "Start again" in session.text or "Recomeçar" in session.text, "the question")


async def _compare(session: Session) -> None:
    await _results(session)
    await session.press("space", "space", "c")
    await session.until(lambda: getattr(session.app.screen, "_at_s", 0.0) > 0.0, "both play")
    session.app.screen._show(1.0)  # type: ignore[attr-defined]  # stands still: how far it gets is the machine's affair
    await session.until(lambda: "1.00 s" in session.text, "the moment")


IMPORTED = {
    "name": "ep03",
    "project": "show",
    "jobs": [
        {"label": "opening", "task_type": "reference_to_video", "prompt": WALK, "ref_imgs": ["hero.png"],
         "audio_text": "It was a long corridor.", "resolution": "128P", "profile": "demo"},
        {"label": "on", "task_type": "single_shot_extension", "prompt": "It goes on", "input_video": "{{prev}}",
         "resolution": "128P", "profile": "demo", "mood": "blue"},
        {"label": "street", "task_type": "reference_to_video", "prompt": "[PAN_LEFT_CUT] A street",
         "ref_imgs": ["lost.png"], "resolution": "128P", "profile": "demo"},
        {"label": "end", "task_type": "reference_to_video", "prompt": "An end", "ref_imgs": ["hero.png"],
         "duration": "long", "profile": "demo"},
    ],
}  # fmt: skip


async def _import(session: Session) -> None:
    from skyreels_tui.ui.screens.films.importing import ImportScreen

    await _keys("F")(session)
    Path("ep03.json").write_text(json.dumps(IMPORTED))
    session.app.push_screen(ImportScreen(Path("ep03.json"), Path("downloads")))
    await session.until(lambda: isinstance(session.app.screen, ImportScreen) and "ep03" in session.text, "the plan")


async def _export(session: Session) -> None:
    from skyreels_tui.ui.screens.dialogs.line import LineScreen

    await _keys("F")(session)
    session.app.push_screen(LineScreen(tr("Write {film} to which file?", film="ep01"), "", "ep01.json"))


async def _prompt_help(session: Session) -> None:
    from skyreels_tui.films.prompting import Agreed, Endpoint
    from skyreels_tui.ui.screens.form.prompt_help import AskedPrompt, PromptHelpScreen

    await _form("reference_to_video", _reference(WALK))(session)
    prompts = [
        AskedPrompt("reference_to_video", WALK, "opening"),
        AskedPrompt("reference_to_video", "Uma rua", "street"),
    ]
    screen = PromptHelpScreen(Endpoint("http://127.0.0.1:8080/v1"), Agreed(Path("agreed.json")), prompts)
    session.app.push_screen(screen)
    await session.until(lambda: session.app.screen is screen and screen.is_mounted, "it")
    await quiet(session)
    screen._compare(WALK, WALK.replace("A woman walks", "A woman in red walks slowly"))


def _from_form(*keys: str) -> Open:
    async def open_(session: Session) -> None:
        await _form("reference_to_video", _reference(WALK))(session)
        await quiet(session)
        form = session.app.screen
        for key in keys:
            await session.press(key)
        await session.until(lambda: session.app.screen is not form, "what the form opens")

    return open_


async def _regions(session: Session) -> None:
    await _form("talking_avatar", SPEAKERS)(session)
    await quiet(session)
    form = session.app.screen
    form.query_one("More").open = True  # type: ignore[attr-defined]
    await session.pilot.pause()
    form.query_one("#field-regions Input").focus()
    await session.press("ctrl+g")
    await session.until(lambda: getattr(session.app.screen, "_view", None) is not None, "the portrait")


def _trim(task: str, request: Request, field: str, *keys: str) -> Open:
    async def open_(session: Session) -> None:
        await _form(task, request)(session)
        session.app.screen.query_one(f"#{field} FileRows").focus()
        await quiet(session)
        await session.press("alt+t")
        await session.until(lambda: type(session.app.screen).__name__ == "TrimScreen", "the part of the file")
        await session.until(lambda: "3.000" in session.words or "2.500" in session.words, "its length")
        for key in keys:
            await session.press(key)
            await quiet(session)

    return open_


async def _fetching(session: Session) -> None:
    await _keys("M")(session)
    session.app.publish_transfers((FETCHING,))
    await session.until(lambda: "encoder/model.safetensors" in session.text, "the files in flight")


def _fetch(*keys: str) -> Open:
    async def open_(session: Session) -> None:
        await _keys("M", *keys)(session)
        await session.until(lambda: "48.2 GiB" in session.text or "64.3 GiB" in session.text, "what the hub says")

    return open_


def _model_files(*keys: str, says: str) -> Open:
    async def open_(session: Session) -> None:
        await _keys("M", *keys)(session)
        await session.until(lambda: says in session.words, "what the hub says")

    return open_


async def _no_command(session: Session) -> None:
    await session.press("ctrl+p")
    await quiet(session)
    await session.type("zzz")


async def _shown_text(session: Session) -> None:
    session.app.post_message(ShowText("scp me@spark:/home/ana/videos/" + "corridor-" * 20 + "A.mp4 ."))
    await session.until(lambda: type(session.app.screen).__name__ == "TextScreen", "the text")


SCENES = (
    Scene("home", _home),
    Scene("home-empty", _home, empty=True),
    Scene("home-progress", _keys("2")),
    Scene("commands", _keys("ctrl+p"), "CommandScreen"),
    Scene("commands-nothing", _no_command, "CommandScreen"),
    Scene("form-reference", _form("reference_to_video", _reference(WALK)), "FormScreen"),
    Scene("form-reference-empty", _form("reference_to_video", None), "FormScreen"),
    Scene(
        "form-single-shot",
        _form("single_shot_extension", SingleShotExtension(prompt="It goes on", **_CLIP)),  # type: ignore[arg-type]
        "FormScreen",
    ),
    Scene("form-shot-switching", _form("shot_switching_extension", JOBS[3].request), "FormScreen"),
    Scene("form-avatar", _form("talking_avatar", AVATAR), "FormScreen"),
    Scene("form-two-speakers", _form("talking_avatar", SPEAKERS), "FormScreen"),
    Scene("regions", _regions, "RegionsScreen"),
    Scene(
        "trim-video",
        _trim(
            "single_shot_extension",
            SingleShotExtension(prompt="It goes on", **_CLIP),  # type: ignore[arg-type]
            "field-input_video",
            *("pagedown", "i", "pagedown", "o"),
        ),
        "TrimScreen",
    ),
    Scene("trim-voice", _trim("talking_avatar", AVATAR, "field-input_audio", "pagedown", "i", "end"), "TrimScreen"),
    Scene("browse", _from_form("ctrl+g"), "BrowseScreen"),
    Scene("history", _from_form("f7"), "HistoryScreen"),
    Scene("presets", _from_form("f8"), "PresetsScreen"),
    Scene("seeds", _from_form("f9"), "SeedsScreen"),
    Scene("job-running", _job_screen(12), "JobScreen"),
    Scene("job-failed", _job_screen(10, "t"), "JobScreen"),
    Scene("results", _results, "ResultsScreen"),
    Scene("films", _keys("F", "down"), "FilmsScreen"),
    Scene("film", _keys("F", "down", "enter"), "FilmScreen"),
    Scene("film-sound", _keys("F", "down", "enter", "s"), "WrittenScreen"),
    Scene("film-new", _keys("F", "n"), "WrittenScreen"),
    Scene("film-import", _import, "ImportScreen"),
    Scene("film-export", _export, "LineScreen"),
    Scene("prompt-help", _prompt_help, "PromptHelpScreen"),
    Scene("models", _keys("M"), "ModelsScreen"),
    Scene("models-fetching", _fetching, "ModelsScreen"),
    Scene("models-folder", _keys("M", "u"), "FolderScreen"),
    Scene("model-files", _model_files("enter", says="13 "), "ModelFilesScreen"),
    Scene("model-files-unknown", _model_files("j", "j", "enter", says="(404)"), "ModelFilesScreen"),
    Scene("fetch", _fetch("w"), "FetchScreen"),
    Scene("fetch-parts", _fetch("j", "w"), "FetchScreen"),
    Scene("text", _shown_text, "TextScreen"),
    Scene("doctor", _keys("D"), "DoctorScreen"),
    Scene("settings", _keys("S"), "SettingsScreen"),
    Scene("themes", _keys("ctrl+t"), "ThemeScreen"),
    Scene("help", _keys("question_mark"), "HelpScreen"),
    Scene("leave", _leave, "LeaveScreen"),
    Scene("cancel", _keys("x"), "ConfirmScreen"),
    Scene("rename", _rename, "RenameScreen"),
    Scene("note", _note, "NoteScreen"),
    Scene("compare", _compare, "CompareScreen"),
    Scene("still", _still, "StillScreen"),
    Scene("unusable", _unusable, "UnusableScreen"),
)
"""Every screen at least once, in the order a person meets them."""
