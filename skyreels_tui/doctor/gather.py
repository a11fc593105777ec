"""Asks this machine for the doctor's facts; the only file of the doctor that looks at anything real."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from pipelines.checkpoints.damage import DAMAGE_FILE, DamageBook
from pipelines.checkpoints.inventory import Presence
from pipelines.checkpoints.locate import hub_cache
from pipelines.checkpoints.prepared import prepared_file, saves_bytes
from pipelines.checkpoints.shelf import Shelved, shelf
from pipelines.front.documents import read_json
from pipelines.front.errors import MediaError, PipelineError
from pipelines.front.host_memory import meminfo
from pipelines.front.language import reason_of, tr
from pipelines.front.places import is_folder, nearest_existing, real
from pipelines.media.ffmpeg import ffmpeg_path, trouble_in
from skyreels_tui import __version__
from skyreels_tui.doctor.facts import (
    PARTS,
    ClusterFacts,
    ClusterMachine,
    DiskFacts,
    FfmpegFacts,
    GpuFacts,
    MachineFacts,
    ModelFacts,
    TerminalFacts,
    ThreadFacts,
    TorchFacts,
    frozen,
)
from skyreels_tui.executors.cluster.choice import head_in
from skyreels_tui.files.folders import Folders
from skyreels_tui.files.installed import NAME
from skyreels_tui.monitors.gpu import GpuSensor, load_nvml
from skyreels_tui.notify.clipboard import hands_on, takes_text
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import Settings

PACKAGES = (
    "textual",
    "torch",
    "diffusers",
    "transformers",
    "huggingface_hub",
    "safetensors",
    "numpy",
    "pillow",
    "nvidia-ml-py",
    "triton",
)
PROBE_S = 180
"""A cold import of torch from a slow disk takes a minute."""


def gather(
    folders: Folders,
    settings: Settings,
    result_dir: Path,
    environ: Mapping[str, str] | None = None,
    *,
    pictures: str = "",
    tell: Callable[[MachineFacts, Sequence[str]], object] = lambda facts, known: None,
) -> MachineFacts:
    """Collect everything; takes seconds, because torch is imported in a process of its own.

    `pictures` is how the terminal shows pictures: only who holds the terminal can ask it. `tell` hears the facts
    so far, with the PARTS that are known, each time another part is, but for the last.
    """
    environ = os.environ if environ is None else environ
    memory = meminfo()
    facts = MachineFacts(
        app_version=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        machine=platform.machine(),
        system=f"{platform.system()} {platform.release()}, {_distribution()}",
        product=_read("/sys/class/dmi/id/product_name"),
        memory_bytes=memory.get("MemTotal", 0),
        available_bytes=memory.get("MemAvailable", 0),
        swap_bytes=memory.get("SwapTotal", 0),
        cpus=os.cpu_count() or 1,
        packages=tuple((name, _version(name)) for name in PACKAGES),
        settings_warnings=load(folders.settings_file).warnings,
        gpu=_gpu(),
        disks=_disks(folders, result_dir),
        terminal=_terminal(environ, pictures),
        threads=_threads(folders),
        namesakes=namesakes(importlib.metadata.packages_distributions()),
    )
    tell(facts, PARTS[:1])
    facts = replace(facts, models=_models(folders, settings))
    tell(facts, PARTS[:2])
    facts = replace(facts, ffmpeg=_ffmpeg((folders.state, result_dir)))
    tell(facts, PARTS[:3])
    facts = replace(facts, cluster=gather_cluster(folders, settings, environ))
    tell(facts, PARTS[:4])
    return replace(facts, torch=_torch())


def gather_cluster(folders: Folders, settings: Settings, environ: Mapping[str, str]) -> ClusterFacts:
    """The cluster that the settings name; seconds, and a minute where it does not answer."""
    head = head_in(settings)
    if not head:
        return ClusterFacts()
    # Its helper's pipes and Ray's questions are for who has a cluster.
    from skyreels_tui.executors.cluster.ray.examine import examine_machines, joined, last_measured
    from skyreels_tui.executors.cluster.ray.nodes import cluster_refusal
    from skyreels_tui.executors.cluster.ray.site import TOKEN_FILE, ray_environ, ray_is_missing

    within = ray_environ(folders.config / TOKEN_FILE, environ)
    facts = ClusterFacts(head, within.get("RAY_AUTH_MODE") == "token", ray_is_missing())
    if facts.problem:
        return facts
    try:
        with joined(head, within, settings.language) as helper:
            found = examine_machines(helper)
    except PipelineError as error:
        return replace(facts, problem=str(error))
    return replace(
        facts,
        problem=cluster_refusal([machine.node for machine in found], within),
        machines=tuple(
            ClusterMachine(
                machine.node.name,
                machine.node.address,
                machine.node.workers,
                machine.facts.tasks,
                machine.differences,
                machine.problem,
            )
            for machine in found
        ),
        links=last_measured(folders.state).links,
    )


def namesakes(packages: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the distributions besides ours that hold a package `pipelines`; `packages` maps package -> those."""
    return tuple(sorted(set(packages.get("pipelines", ())) - {NAME}))


def _threads(folders: Folders) -> tuple[ThreadFacts, ...]:
    if OwnerLock(folders.lock).living_owner_pid() is None:
        return ()
    return tuple(ThreadFacts(name, round(age, 1), late) for name, age, late in LiveFiles(folders.live).read_threads())


def _torch() -> TorchFacts:
    text, error = _output([sys.executable, "-m", "skyreels_tui.doctor.torch_probe"], timeout_s=PROBE_S)
    try:
        values = read_json(text.splitlines()[-1])
    except (ValueError, IndexError):
        return TorchFacts(error=error or tr("importing torch ended the process"))
    return TorchFacts(**frozen(values))


def _gpu() -> GpuFacts:
    reading = GpuSensor().read()
    driver = _read("/sys/module/nvidia/version")
    with suppress(ImportError, OSError):
        nvml = load_nvml()
        with suppress(nvml.NVMLError):
            nvml.nvmlInit()
            version = nvml.nvmlSystemGetDriverVersion()
            driver = version.decode() if isinstance(version, bytes) else str(version)
            nvml.nvmlShutdown()
    return GpuFacts(
        name=reading.name,
        driver=driver,
        problem=reading.problem,
        util_percent=reading.util_percent,
        sm_clock_mhz=reading.sm_clock_mhz,
        temperature_c=reading.temperature_c,
        clock_events=reading.clock_events,
    )


def _ffmpeg(places: Sequence[Path]) -> FfmpegFacts:
    try:
        path = ffmpeg_path()
    except MediaError as error:
        return FfmpegFacts(error=str(error))
    banner, _ = _output([path, "-hide_banner", "-version"])
    encoders, _ = _output([path, "-hide_banner", "-encoders"])
    return FfmpegFacts(
        path=str(path),
        version=banner.split(" ")[2] if banner.count(" ") > 2 else "",
        x264="libx264" in encoders,
        nvenc=_nvenc(path) if "h264_nvenc" in encoders else "",
        trouble=tuple((str(place), reason) for place in places if (reason := _trouble(place))),
    )


def _trouble(place: Path) -> str:
    """Try a film in a folder that this program may write to; whether it may is said with the disks."""
    return trouble_in(place) if is_folder(place) and os.access(place, os.W_OK) else ""


def _nvenc(path: Path) -> str:
    """Encode one frame: whether the encoder is built in says nothing about driver and hardware."""
    frame = ["-f", "lavfi", "-i", "color=size=256x256:rate=24", "-frames:v", "1"]
    words = [str(path), "-hide_banner", "-loglevel", "error", *frame, "-c:v", "h264_nvenc", "-f", "null", "-"]
    _, error = _output(words)
    return error.splitlines()[-1][:200] if error else "works"


def _disks(folders: Folders, result_dir: Path) -> tuple[DiskFacts, ...]:
    wanted = (
        ("results", result_dir),
        ("queue and unfinished jobs", folders.state),
        ("cache", folders.cache),
        ("models", hub_cache()),
    )
    return tuple(_disk(purpose, path) for purpose, path in wanted)


def _disk(purpose: str, path: Path) -> DiskFacts:
    there = nearest_existing(path)
    return DiskFacts(
        purpose=purpose,
        path=str(path),
        file_system=_file_system(there),
        free_bytes=shutil.disk_usage(there).free,
        writable=os.access(there, os.W_OK),
    )


def _file_system(path: Path) -> str:
    """Kind of the file system that holds `path`: the longest mount point above it."""
    best, kind = "", ""
    for line in _read("/proc/self/mounts").splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        point = words[1].replace("\\040", " ")
        if real(path).is_relative_to(point) and len(point) >= len(best):
            best, kind = point, words[2]
    return kind


def _models(folders: Folders, settings: Settings) -> tuple[ModelFacts, ...]:
    damaged = DamageBook(folders.state / DAMAGE_FILE).damaged()
    return tuple(
        ModelFacts(
            model=shelved.checkpoint.family,
            state=str(shelved.presence),
            num_bytes=shelved.num_bytes,
            missing=tuple(part.component.name for part in shelved.parts if part.presence is not Presence.PRESENT),
            expected_bytes=shelved.checkpoint.num_bytes,
            wide_bytes=_wide_bytes(folders, shelved),
        )
        for shelved in shelf(settings.models, damaged=damaged)
    )


def _wide_bytes(folders: Folders, shelved: Shelved) -> int:
    """What preparing its text encoder would save; 0 once that is done."""
    encoder = shelved.text_encoder
    return 0 if encoder is None or prepared_file(folders.cache, encoder) else saves_bytes(encoder)


def _terminal(environ: Mapping[str, str], pictures: str) -> TerminalFacts:
    size = shutil.get_terminal_size((0, 0))
    # The app puts a capture in the place of sys.stdout while it draws.
    stdout = sys.__stdout__
    tmux = ""
    passthrough = clipboard = ""
    if environ.get("TMUX"):
        tmux = _output(["tmux", "-V"])[0].strip().removeprefix("tmux ") or "?"
        passthrough = _output(["tmux", "show", "-gv", "allow-passthrough"])[0].strip()
        clipboard = _output(["tmux", "show", "-sv", "set-clipboard"])[0].strip()
    return TerminalFacts(
        is_terminal=stdout is not None and stdout.isatty(),
        term=environ.get("TERM", ""),
        colorterm=environ.get("COLORTERM", ""),
        program=environ.get("TERM_PROGRAM", "") or ("kitty" if environ.get("KITTY_WINDOW_ID") else ""),
        ssh=bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY")),
        tmux=tmux,
        tmux_passthrough=passthrough,
        tmux_clipboard=clipboard,
        tmux_hands_on=bool(tmux) and hands_on(),
        screen=bool(environ.get("STY")),
        takes_text=takes_text(environ),
        pictures=pictures,
        encoding=(stdout.encoding or "") if stdout is not None else "",
        columns=size.columns,
        lines=size.lines,
        no_color=bool(environ.get("NO_COLOR")),
    )


def _output(words: Sequence[str | Path], timeout_s: float = 20) -> tuple[str, str]:
    """Run a program and return its stdout, and its stderr or why it failed ('' when it succeeded)."""
    try:
        done = subprocess.run(
            words, capture_output=True, timeout=timeout_s, stdin=subprocess.DEVNULL, check=False, cwd=_root()
        )
    except subprocess.TimeoutExpired:
        return "", tr("{program} did not answer within {limit:g} s", program=words[0], limit=timeout_s)
    except OSError as error:
        return "", f"{words[0]}: {reason_of(error)}"
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        return text, ""
    return text, done.stderr.decode("utf-8", "replace").strip() or tr(
        "{program} ended with {code}", program=words[0], code=done.returncode
    )


def _root() -> Path:
    """The folder that holds the packages, so that a child finds them when nothing is installed."""
    return Path(__file__).parents[2]


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
