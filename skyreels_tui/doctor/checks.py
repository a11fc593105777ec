"""Judges a machine from recorded facts: each check says what was found, why it matters and what mends it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipelines.front.language import mark, tr, trn
from pipelines.tasks import TASKS
from skyreels_tui.doctor.facts import PARTS, ClusterMachine, DiskFacts, MachineFacts, TerminalFacts
from skyreels_tui.executors.cluster.judgement import judge_link
from skyreels_tui.monitors.health import FAULT_CLOCK_MHZ, FAULT_LOAD_PERCENT, clock_event_words
from skyreels_tui.words.sizes import GIB, size

TITLES = (
    mark("python"), mark("packages"), mark("torch"), mark("gpu"), mark("cudnn"), mark("attention"), mark("triton"),
    mark("ffmpeg"), mark("memory"), mark("terminal"), mark("letters"), mark("colours"), mark("pictures"), mark("tmux"),
    mark("clipboard"), mark("settings"), mark("cluster"),
    mark("results"), mark("queue and unfinished jobs"), mark("cache"), mark("models"),
)  # fmt: skip
"""Names of checks, and of what disks are for."""
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "glusterfs", "fuse.sshfs"})
"""File systems on which locks and durable writes cannot be trusted."""
RESULT_ROOM = 5 * GIB
WORKING_ROOM = 2 * GIB
SPARE = 1.1
REAL_MODELS = 64 * GIB
"""Memory below which the released models fit only with fp8 weights and offload."""
ROOM_TO_RUN = 8 * GIB
MEASURE = "skyreels-tui cluster link"


class CheckState(StrEnum):
    """How a check ended, from good to bad."""

    OK = mark("ok")
    NOTE = mark("note")
    WARN = mark("warn")
    BAD = mark("bad")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's page."""

    name: str
    """English, for programs and for other checks; people read `title`."""
    state: CheckState
    found: str
    why: str = ""
    """Why it matters; '' where nothing is wrong."""
    fix: str = ""
    """The command that mends it, or '' where none does."""

    @property
    def title(self) -> str:
        """The name in the chosen language."""
        kind, _, rest = self.name.partition(" ")
        match kind:
            case "disk:":
                return tr("disk: {purpose}", purpose=tr(rest))
            case "model":
                return tr("model {name}", name=rest)
            case "machine":
                return tr("machine {name}", name=rest)
            case "link":
                return tr("link {name}", name=rest) if rest else tr("link")
        return tr(self.name)


def run_checks(facts: MachineFacts, known: Container[str] = PARTS) -> list[Check]:
    """Judge everything of which the facts are `known`, in the order of the page."""
    return [check for judge in CHECKS if NEEDS.get(judge, "machine") in known for check in judge(facts)]


def install_torch(facts: MachineFacts) -> str:
    """Return the command that puts a CUDA build of torch in place of what is there."""
    return f"{shlex.quote(facts.executable)} -m pip install --force-reinstall 'torch>=2.11'"


def check_python(facts: MachineFacts) -> Iterator[Check]:
    """The interpreter and what the program is built on."""
    version = tuple(int(part) for part in facts.python.split(".")[:2])
    state = CheckState.OK if version >= (3, 11) else CheckState.BAD
    why = "" if state is CheckState.OK else tr("the program needs Python 3.11 or newer")
    yield Check(
        "python",
        state,
        tr("{python} on {machine}, {system}", python=facts.python, machine=facts.machine, system=facts.system),
        why,
    )
    missing = [name for name, installed in facts.packages if not installed and name not in ("triton", "nvidia-ml-py")]
    if missing:
        fix = f"{shlex.quote(facts.executable)} -m pip install {' '.join(missing)}"
        yield Check(
            "packages",
            CheckState.BAD,
            tr("missing: {names}", names=", ".join(missing)),
            tr("the program is built on them"),
            fix,
        )
    if facts.namesakes:
        yield Check(
            "packages",
            CheckState.BAD,
            tr("pipelines belongs to {names} as well", names=", ".join(facts.namesakes)),
            tr("two packages of one name write over each other's files: install this program where it is alone"),
            "python3 -m venv ~/skyreels-tui",
        )


def check_torch(facts: MachineFacts) -> Iterator[Check]:
    """The torch build, and whether it fits the machine."""
    torch = facts.torch
    if torch.error:
        yield Check(
            "torch", CheckState.BAD, torch.error, tr("nothing can be computed without torch"), install_torch(facts)
        )
        return
    build = f"{torch.version}, " + (f"CUDA {torch.cuda}" if torch.cuda else tr("CPU only"))
    if torch.cuda:
        yield Check("torch", CheckState.OK, build)
    elif facts.has_gpu:
        why = tr("this build cannot use the GPU: one step would take hours")
        if facts.machine == "aarch64":
            why = tr("{why}; on this architecture builds up to 2.10 have no CUDA", why=why)
        yield Check("torch", CheckState.BAD, build, why, install_torch(facts))
    else:
        yield Check("torch", CheckState.NOTE, build, tr("enough for the demo; the released models need an NVIDIA GPU"))


def check_gpu(facts: MachineFacts) -> Iterator[Check]:
    """The GPU, its driver, and whether torch reaches it."""
    gpu, torch = facts.gpu, facts.torch
    if not facts.has_gpu:
        found = tr("none: {problem}", problem=gpu.problem) if gpu.problem else tr("none")
        yield Check(
            "gpu", CheckState.WARN, found, tr("the demo and the queue work; the released models do not run without one")
        )
        return
    name = tr("{gpu}, driver {driver}", gpu=gpu.name or torch.device, driver=gpu.driver or tr("unknown"))
    if not torch.cuda or torch.error:
        yield Check("gpu", CheckState.NOTE, name, tr("waits for a torch that can use it"))
    elif not torch.cuda_available:
        why = tr("torch does not reach the GPU: the driver is older than its CUDA, or not loaded")
        yield Check("gpu", CheckState.BAD, name, why, "nvidia-smi")
    elif not covers(torch.supported, torch.capability):
        major, minor = torch.capability
        why = tr("this torch holds no code for compute capability {major}.{minor}", major=major, minor=minor)
        yield Check("gpu", CheckState.BAD, name, why, install_torch(facts))
    else:
        yield Check(
            "gpu",
            CheckState.OK,
            tr(
                "{name}, compute capability {major}.{minor}",
                name=name,
                major=torch.capability[0],
                minor=torch.capability[1],
            ),
        )


def covers(supported: tuple[str, ...], capability: tuple[int, int]) -> bool:
    """True when a build runs on a GPU: code of the same major version and no newer minor, or older PTX."""
    for name in supported:
        kind, _, number = name.partition("_")
        digits = "".join(char for char in number if char.isdigit())
        if not digits:
            continue
        major, minor = int(digits[:-1] or 0), int(digits[-1])
        if kind == "sm" and major == capability[0] and minor <= capability[1]:
            return True
        if kind == "compute" and (major, minor) <= capability:
            return True
    return not supported


def check_power(facts: MachineFacts) -> Iterator[Check]:
    """Heat and power at this moment; the power-delivery fault of a GB10 shows only while the GPU works."""
    gpu = facts.gpu
    if not gpu.name or gpu.sm_clock_mhz is None:
        return
    found = tr("{clock} MHz, load {load} %", clock=gpu.sm_clock_mhz, load=gpu.util_percent or 0)
    if gpu.temperature_c is not None:
        found = tr("{found}, {degrees} C", found=found, degrees=gpu.temperature_c)
    slowed = [words for words, serious in clock_event_words(gpu.clock_events or 0) if serious]
    is_loaded = (gpu.util_percent or 0) > FAULT_LOAD_PERCENT
    if slowed:
        why = tr("{words}: jobs take longer; let air to the machine, or rest between steps", words=", ".join(slowed))
        yield Check("heat and power", CheckState.WARN, found, why, "skyreels-tui settings set rest on")
    elif "GB10" in gpu.name and is_loaded and gpu.sm_clock_mhz < FAULT_CLOCK_MHZ and not gpu.clock_events:
        why = tr(
            "full load at a low clock and no reason given is a fault of the power delivery: "
            "unplug the power supply for a minute, then plug it in again"
        )
        yield Check("heat and power", CheckState.BAD, found, why)
    elif "GB10" in gpu.name:
        why = tr(
            "if the machine switches off under load, a cap on the clock may prevent it: this program sets none, "
            "and sudo nvidia-smi -rgc takes it away again"
        )
        yield Check("heat and power", CheckState.NOTE, found, why, "sudo nvidia-smi -lgc 300,2100")
    else:
        yield Check("heat and power", CheckState.OK, found)


def check_kernels(facts: MachineFacts) -> Iterator[Check]:
    """cuDNN, attention and Triton; only where the GPU is usable."""
    torch = facts.torch
    if not torch.cuda_available:
        return
    if torch.cudnn:
        yield Check("cudnn", CheckState.OK, torch.cudnn)
    else:
        yield Check(
            "cudnn",
            CheckState.WARN,
            tr("missing"),
            tr("decoding and attention are slower without it"),
            install_torch(facts),
        )
    works = sorted((ms, name) for name, ms in torch.kernels if ms >= 0)
    broken = [name for name, ms in torch.kernels if ms < 0]
    if works:
        found = ", ".join(f"{name} {ms:g} ms" for ms, name in works)
        if broken:
            found = tr("{found}; not here: {names}", found=found, names=", ".join(broken))
        yield Check(
            "attention", CheckState.OK, tr("{found}, on a small input; jobs measure their own size", found=found)
        )
    else:
        why = tr("every kernel refused a small input; videos would need the one with quadratic memory")
        yield Check("attention", CheckState.BAD, tr("no kernel works"), why, install_torch(facts))
    if not torch.triton:
        fix = f"{shlex.quote(facts.executable)} -m pip install triton"
        yield Check("triton", CheckState.WARN, tr("missing"), tr("element-wise work is slower without it"), fix)
    elif torch.triton_error:
        why = tr("kernels do not compile ({error}); plain operations are used, slower", error=torch.triton_error)
        yield Check("triton", CheckState.WARN, torch.triton, why, "sudo apt install build-essential python3-dev")
    else:
        yield Check("triton", CheckState.OK, torch.triton)


def check_ffmpeg(facts: MachineFacts) -> Iterator[Check]:
    """Reading and writing video."""
    ffmpeg = facts.ffmpeg
    install = f"{shlex.quote(facts.executable)} -m pip install imageio-ffmpeg"
    if ffmpeg.error:
        yield Check("ffmpeg", CheckState.BAD, ffmpeg.error, tr("no video can be read or written"), install)
        return
    found = f"{ffmpeg.version}, {ffmpeg.path}"
    if ffmpeg.trouble:
        folder, reason = ffmpeg.trouble[0]
        found = tr("{found}, but it cannot work in {folder}: {reason}", found=found, folder=folder, reason=reason)
        yield Check("ffmpeg", CheckState.BAD, found, tr("videos there cannot be read or written"), install)
        return
    if not ffmpeg.x264:
        yield Check(
            "ffmpeg",
            CheckState.BAD,
            tr("{found}, without x264", found=found),
            tr("results are written with x264"),
            install,
        )
        return
    found = f"{found}, x264"
    if ffmpeg.nvenc == "works":
        found = tr("{found}, NVENC works", found=found)
    elif ffmpeg.nvenc:
        found = tr("{found}, NVENC does not work (not needed)", found=found)
    yield Check("ffmpeg", CheckState.OK, found)


def check_memory(facts: MachineFacts) -> Iterator[Check]:
    """Room for the models."""
    found = tr(
        "{available} of {total} available, swap {swap}",
        available=size(facts.available_bytes),
        total=size(facts.memory_bytes),
        swap=size(facts.swap_bytes),
    )
    if facts.is_spark:
        found = tr("{found}, shared by CPU and GPU", found=found)
    if facts.available_bytes < ROOM_TO_RUN:
        why = tr(
            "a job stops itself below {room}, before the machine freezes: close other programs", room=size(ROOM_TO_RUN)
        )
        yield Check("memory", CheckState.WARN, found, why, "ps aux --sort=-rss | head")
    elif facts.is_spark and facts.memory_bytes < REAL_MODELS:
        yield Check(
            "memory",
            CheckState.WARN,
            found,
            tr("the released models need about {room}: use --low_vram", room=size(60 * GIB)),
        )
    else:
        yield Check("memory", CheckState.OK, found)


def check_disks(facts: MachineFacts) -> Iterator[Check]:
    """Every folder that is written to."""
    wanted = sum(max(m.expected_bytes - m.num_bytes, 0) for m in facts.models if m.state != "present")
    wanted = wanted if facts.has_gpu else 0
    for disk in facts.disks:
        yield _disk(disk, wanted)


def _disk(disk: DiskFacts, missing_models: int) -> Check:
    name = f"disk: {disk.purpose}"
    found = tr(
        "{free} free, {file_system}, {path}",
        free=size(disk.free_bytes),
        file_system=disk.file_system or tr("unknown file system"),
        path=disk.path,
    )
    if not disk.writable:
        return Check(name, CheckState.BAD, found, tr("cannot be written"), f"ls -ld {shlex.quote(disk.path)}")
    if disk.purpose.startswith("queue") and disk.file_system in NETWORK:
        why = tr("locks and durable writes cannot be trusted on a network file system: keep the queue on a local disk")
        return Check(name, CheckState.BAD, found, why, "export SKYREELS_TUI_HOME=/a/local/folder")
    if disk.purpose == "models":
        needed = int(missing_models * SPARE)
        if needed and disk.free_bytes < needed:
            why = tr("downloading every model takes {needed}; one needs less", needed=size(needed))
            return Check(name, CheckState.WARN, found, why, "export HF_HOME=/a/larger/disk")
    elif disk.free_bytes < (RESULT_ROOM if disk.purpose == "results" else WORKING_ROOM):
        return Check(
            name, CheckState.WARN, found, tr("a job waits when its files do not fit"), f"df -h {shlex.quote(disk.path)}"
        )
    return Check(name, CheckState.OK, found)


def check_models(facts: MachineFacts) -> Iterator[Check]:
    """The released checkpoints."""
    for model in facts.models:
        name, fix = f"model {model.model}", f"skyreels-tui models download {model.model}"
        part = tr("{part} of {whole}", part=size(model.num_bytes), whole=size(model.expected_bytes))
        if model.state == "present":
            yield Check(name, CheckState.OK, tr("here, {size}", size=size(model.num_bytes)))
            if model.wide_bytes and facts.has_gpu:
                found = tr("text encoder stored in float32")
                why = tr("a cold start reads {size} less once it is prepared", size=size(model.wide_bytes))
                yield Check(name, CheckState.NOTE, found, why, f"skyreels-tui models prepare {model.model}")
        elif model.state == "corrupt":
            why = tr("a check found damaged files; a download fetches them again")
            yield Check(name, CheckState.BAD, tr("damaged: {names}", names=", ".join(model.missing)), why, fix)
        elif model.state == "partial":
            why = tr("not here: {names}; tasks that need it do not run", names=", ".join(model.missing))
            yield Check(name, CheckState.WARN, tr("in part, {size}", size=part), why, fix)
        elif facts.has_gpu:
            yield Check(
                name, CheckState.NOTE, tr("not here, {size}", size=part), tr("its tasks run in the demo only"), fix
            )
        else:
            yield Check(
                name,
                CheckState.NOTE,
                tr("not here, {size}", size=part),
                tr("nothing to do: it would not run without a GPU"),
            )


def check_terminal(facts: MachineFacts) -> Iterator[Check]:
    """What the terminal can show."""
    terminal = facts.terminal
    if not terminal.is_terminal:
        yield Check("terminal", CheckState.NOTE, tr("none (output goes to a file or a program)"))
        return
    size = f"{terminal.columns}x{terminal.lines}"
    program = " ".join(part for part in (terminal.program, terminal.term, size) if part)
    if terminal.columns < 60 or terminal.lines < 20:
        yield Check("terminal", CheckState.WARN, program, tr("below 60x20 the app only says so: enlarge the window"))
    else:
        yield Check("terminal", CheckState.OK, program)
    yield _colours(facts)
    yield from _pictures(facts)
    if "utf" not in terminal.encoding.lower():
        found = terminal.encoding or tr("no encoding set")
        yield Check("letters", CheckState.WARN, found, tr("symbols come out as ?"), "export LANG=C.UTF-8  # or --ascii")
    if terminal.tmux:
        yield _tmux(facts)
    yield _clipboard(terminal)


def _colours(facts: MachineFacts) -> Check:
    terminal = facts.terminal
    if terminal.no_color:
        return Check("colours", CheckState.NOTE, tr("NO_COLOR is set: none"))
    if terminal.colorterm in ("truecolor", "24bit"):
        return Check("colours", CheckState.OK, tr("16 million"))
    found = "256" if "256" in terminal.term else "16"
    if terminal.ssh:
        why = tr("ssh does not pass COLORTERM on, so the preview shows fewer colours than the terminal may have")
    else:
        why = tr("the preview shows fewer colours than the terminal may have")
    fix = "skyreels-tui settings set colours truecolor  # if the terminal can"
    return Check("colours", CheckState.NOTE, found, why, fix)


def _pictures(facts: MachineFacts) -> Iterator[Check]:
    """How previews are drawn; nothing where the terminal could not be asked."""
    pictures = facts.terminal.pictures
    if pictures in ("kitty", "sixel"):
        yield Check("pictures", CheckState.OK, pictures)
    elif pictures:
        if facts.terminal.tmux:
            why = tr("tmux hands on no pictures here, so the preview is drawn with coloured cells")
        else:
            why = tr("this terminal has not said that it shows pictures, so the preview is drawn with coloured cells")
        yield Check("pictures", CheckState.NOTE, tr("coloured cells"), why)


def _tmux(facts: MachineFacts) -> Check:
    terminal = facts.terminal
    found = tr(
        "{version}, passthrough {passthrough}",
        version=terminal.tmux,
        passthrough=terminal.tmux_passthrough or tr("unknown"),
    )
    if terminal.tmux_passthrough in ("on", "all"):
        return Check("tmux", CheckState.OK, found)
    why = tr(
        "pictures and desktop notifications do not pass; coloured cells and the bell do. "
        "The same line without tmux in ~/.tmux.conf keeps it"
    )
    return Check("tmux", CheckState.NOTE, found, why, "tmux set -g allow-passthrough on")


def _clipboard(terminal: TerminalFacts) -> Check:
    """How far a copied text comes."""
    keep = tr("The same line without tmux in ~/.tmux.conf keeps it")
    if terminal.tmux and not terminal.tmux_hands_on:
        found = tr("copies reach tmux, not the terminal outside")
        why = tr("tmux does not know that the terminal has a clipboard: if it has one, tell it. {keep}", keep=keep)
        return Check("clipboard", CheckState.NOTE, found, why, "tmux set -as terminal-features ',*:clipboard'")
    if terminal.tmux and terminal.tmux_clipboard == "off":
        found = tr("copies reach tmux and the terminal outside; set-clipboard is off")
        why = tr("what is selected in tmux itself stays in it. {keep}", keep=keep)
        return Check("clipboard", CheckState.NOTE, found, why, "tmux set -s set-clipboard external")
    if terminal.tmux:
        found = tr("copies reach tmux and are sent to the terminal outside")
        why = tr("inside a second tmux the outer one takes them only with set-clipboard on")
        return Check("clipboard", CheckState.OK, found, why)
    if not terminal.takes_text:
        why = tr("this terminal takes no text from a program: a copy is shown to be selected; tmux keeps one")
        return Check("clipboard", CheckState.NOTE, tr("none for programs"), why)
    if terminal.screen:
        return Check("clipboard", CheckState.OK, tr("copies are sent through screen to the terminal (OSC 52)"))
    return Check("clipboard", CheckState.OK, tr("copies are sent to the terminal (OSC 52)"))


def check_settings(facts: MachineFacts) -> Iterator[Check]:
    """What in the settings file could not be used."""
    for warning in facts.settings_warnings:
        yield Check(
            "settings", CheckState.WARN, warning, tr("the default is used instead"), "skyreels-tui settings path"
        )


def check_cluster(facts: MachineFacts) -> Iterator[Check]:
    """The machines that work for this one, and the links between them."""
    cluster = facts.cluster
    if not cluster.head:
        return
    if cluster.problem:
        yield Check("cluster", CheckState.BAD, cluster.head, cluster.problem, "skyreels-tui cluster")
    else:
        count = len(cluster.machines)
        machines = trn("{count} machine", "{count} machines", count)
        token = tr("with a token") if cluster.has_token else tr("without a token")
        yield Check("cluster", CheckState.OK, f"{cluster.head}, {machines}, {token}")
    for machine in cluster.machines:
        yield _machine(machine)
    for link in cluster.links:
        judged = judge_link(link)
        name = " - ".join(end.name for end in link.ends)
        why = tr("on both machines: {advice}", advice="; ".join(judged.advice)) if judged.advice else ""
        yield Check(f"link {name}", CheckState[judged.state.upper()], judged.words, why)
    if len(cluster.machines) > 1 and not cluster.links:
        yield Check("link", CheckState.NOTE, tr("not measured yet"), tr("a slow link shows nowhere else"), MEASURE)


def _machine(machine: ClusterMachine) -> Check:
    name = f"machine {machine.name}"
    found = f"{machine.address}, " + trn("{count} worker", "{count} workers", machine.workers)
    if machine.problem:
        return Check(name, CheckState.BAD, found, machine.problem)
    absent = [task.short for task in TASKS if task.components and task.name not in machine.tasks]
    if machine.differences:
        why = tr("{differences}: install the same on both", differences="; ".join(machine.differences))
        return Check(name, CheckState.WARN, found, why)
    if absent:
        why = tr("no model for {tasks}: skyreels-tui models download, there", tasks=", ".join(absent))
        return Check(name, CheckState.NOTE, found, why)
    return Check(name, CheckState.OK, found)


def check_threads(facts: MachineFacts) -> Iterator[Check]:
    """Whether every thread of the process that runs the queue still does its rounds."""
    late = [thread for thread in facts.threads if thread.late]
    for thread in late:
        found = tr("{name} has done no round for {seconds:.0f} s", name=thread.name, seconds=thread.age_s)
        why = tr("what it does stands still; if it stays so, close that window, and the next one goes on")
        yield Check("threads", CheckState.WARN, found, why)
    if facts.threads and not late:
        yield Check("threads", CheckState.OK, ", ".join(thread.name for thread in facts.threads))


CHECKS: tuple[Callable[[MachineFacts], Iterator[Check]], ...] = (
    check_python,
    check_torch,
    check_gpu,
    check_power,
    check_kernels,
    check_ffmpeg,
    check_memory,
    check_disks,
    check_models,
    check_terminal,
    check_settings,
    check_cluster,
    check_threads,
)

NEEDS: dict[Callable[[MachineFacts], Iterator[Check]], str] = {
    check_torch: "torch",
    check_gpu: "torch",
    check_kernels: "torch",
    check_ffmpeg: "ffmpeg",
    check_cluster: "cluster",
    check_disks: "torch",
    check_models: "torch",
}
"""The part of the facts that a check waits for; all others need what is known at once."""
