"""What the doctor knows about a machine: plain data that can be recorded, sent and read back."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from pipelines.front.documents import read_json
from skyreels_tui.executors.cluster.judgement import Link, read_link


@dataclass(frozen=True, slots=True)
class TorchFacts:
    """What a fresh interpreter found when it imported torch."""

    error: str = ""
    """Why torch could not be imported or did not answer; '' when it did."""
    version: str = ""
    cuda: str = ""
    """CUDA version of the build; '' for a CPU-only one."""
    cuda_available: bool = False
    device: str = ""
    """Name of the first GPU as torch sees it."""
    capability: tuple[int, int] = (0, 0)
    supported: tuple[str, ...] = ()
    """GPU architectures the build holds code for: 'sm_90', 'compute_120'."""
    cudnn: str = ""
    triton: str = ""
    triton_error: str = ""
    """Why a tiny kernel did not compile; '' when it did, or without a GPU."""
    kernels: tuple[tuple[str, float], ...] = ()
    """Attention kernel -> milliseconds at a small size; below 0 when it does not work here."""


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """What the driver says."""

    name: str = ""
    driver: str = ""
    problem: str = ""
    """Why there are no figures."""
    util_percent: int | None = None
    sm_clock_mhz: int | None = None
    temperature_c: int | None = None
    clock_events: int | None = None
    """Bits of NVML's clock-event reasons."""


@dataclass(frozen=True, slots=True)
class FfmpegFacts:
    """The ffmpeg that the program will use."""

    path: str = ""
    version: str = ""
    error: str = ""
    x264: bool = False
    nvenc: str = ""
    """'works', why it does not, or '' when ffmpeg was built without it."""
    trouble: tuple[tuple[str, str], ...] = ()
    """Folders in which it cannot read or write a film, each with the reason."""


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """One folder the program writes to."""

    purpose: str
    path: str
    file_system: str
    free_bytes: int
    writable: bool


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One checkpoint."""

    model: str
    state: str
    num_bytes: int
    missing: tuple[str, ...]
    """Components that are absent, in whole or in part."""
    expected_bytes: int
    wide_bytes: int = 0
    """Bytes less to read at a cold start if its text encoder were prepared."""


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """One thread of the process that runs the queue."""

    name: str
    age_s: float
    """Seconds since it last did a round."""
    late: bool
    """Longer than it promised."""


@dataclass(frozen=True, slots=True)
class TerminalFacts:
    """The terminal the program was started in."""

    is_terminal: bool = False
    term: str = ""
    colorterm: str = ""
    program: str = ""
    ssh: bool = False
    tmux: str = ""
    """Version, '' outside tmux."""
    tmux_passthrough: str = ""
    """'on', 'all', 'off', or '' when tmux does not know the option."""
    tmux_clipboard: str = ""
    """tmux's set-clipboard: 'on', 'external', 'off', or '' when it does not say."""
    tmux_hands_on: bool = False
    """tmux can fill the clipboard of the terminal outside."""
    screen: bool = False
    """Inside GNU screen."""
    takes_text: bool = True
    """The terminal is not known to refuse a text for its clipboard."""
    pictures: str = ""
    """How it shows pictures: 'kitty', 'sixel', 'cells' (coloured text), or '' when nobody asked it."""
    encoding: str = ""
    columns: int = 0
    lines: int = 0
    no_color: bool = False


@dataclass(frozen=True, slots=True)
class ClusterMachine:
    """One machine of the cluster."""

    name: str
    address: str
    workers: int
    tasks: tuple[str, ...] = ()
    """Tasks whose checkpoint is there."""
    differences: tuple[str, ...] = ()
    """What differs from this machine, a sentence each."""
    problem: str = ""
    """Why it could not be asked."""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The cluster that this machine uses."""

    head: str = ""
    """HOST:PORT; '' where the settings name none."""
    has_token: bool = False
    problem: str = ""
    """Why it cannot be used."""
    machines: tuple[ClusterMachine, ...] = ()
    links: tuple[Link, ...] = ()
    """As they were measured last."""


PARTS = ("machine", "models", "ffmpeg", "cluster", "torch")
"""Parts of the facts in the order in which they become known: the last imports torch in a process of its own."""


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """One machine at one moment."""

    app_version: str
    python: str
    executable: str
    machine: str
    """'aarch64' or 'x86_64'."""
    system: str
    """Kernel and distribution."""
    product: str
    """What the firmware calls the machine, such as 'NVIDIA_DGX_Spark'."""
    memory_bytes: int
    available_bytes: int
    swap_bytes: int
    cpus: int
    packages: tuple[tuple[str, str], ...]
    """Installed versions of what the program is built on; '' for one that is missing."""
    settings_warnings: tuple[str, ...] = ()
    torch: TorchFacts = field(default_factory=TorchFacts)
    gpu: GpuFacts = field(default_factory=GpuFacts)
    ffmpeg: FfmpegFacts = field(default_factory=FfmpegFacts)
    disks: tuple[DiskFacts, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    terminal: TerminalFacts = field(default_factory=TerminalFacts)
    cluster: ClusterFacts = field(default_factory=ClusterFacts)
    threads: tuple[ThreadFacts, ...] = ()
    """Of the process that runs the queue; empty while none does."""
    namesakes: tuple[str, ...] = ()
    """Other distributions of this environment that write into the folder of a package of ours."""

    @property
    def is_spark(self) -> bool:
        """True on a machine whose CPU and GPU share one memory, as a DGX Spark does."""
        names = f"{self.product} {self.gpu.name} {self.torch.device}"
        return any(mark in names for mark in ("GB10", "DGX_Spark", "DGX Spark", "Thor"))

    @property
    def has_gpu(self) -> bool:
        """True when the driver or torch sees an NVIDIA GPU."""
        return bool(self.gpu.name or self.torch.device)


def facts_json(facts: MachineFacts) -> str:
    """Write facts for a file."""
    return json.dumps(dataclasses.asdict(facts), indent=2, sort_keys=True)


def from_json(text: str) -> MachineFacts:
    """Read what `facts_json` wrote; raises ValueError, TypeError or KeyError for anything else."""
    values: dict[str, Any] = frozen(read_json(text))
    # A file of `bench --output` holds them too.
    values = values.get("facts", values)
    nested = {"torch": TorchFacts, "gpu": GpuFacts, "ffmpeg": FfmpegFacts, "terminal": TerminalFacts}
    listed = {"disks": DiskFacts, "models": ModelFacts, "threads": ThreadFacts}
    cluster = values.get("cluster", {})
    values["cluster"] = ClusterFacts(
        **{
            **cluster,
            "machines": tuple(ClusterMachine(**one) for one in cluster.get("machines", ())),
            "links": tuple(map(read_link, cluster.get("links", ()))),
        }
    )
    for key, kind in nested.items():
        values[key] = kind(**values[key])
    for key, entry in listed.items():
        values[key] = tuple(entry(**one) for one in values.get(key, ()))
    return MachineFacts(**values)


def frozen(value: Any) -> Any:
    """Turn the lists of JSON into the tuples of facts, all the way down."""
    if isinstance(value, dict):
        return {key: frozen(entry) for key, entry in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value
