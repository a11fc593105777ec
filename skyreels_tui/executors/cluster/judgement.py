"""What a measured link between two machines is worth, and what to set where it is slow; pure figures and words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.front.language import mark, tr

GOOD_SHARE = 0.7
"""Of a port's speed: two tuned machines reach nine tenths and more."""
JUMBO = 9000
STEP_S = 67.0
"""R2V 540P on one GB10, a step."""
SHARED_S = 33.6
"""Its computing on each of two."""
EXCHANGED_BYTES = 29.2e9
"""What each of two sends in it."""
_PARTS: Mapping[int, str] = {
    2: mark("half of"),
    3: mark("a third of"),
    4: mark("a quarter of"),
    5: mark("a fifth of"),
    6: mark("a sixth of"),
    7: mark("a seventh of"),
    8: mark("an eighth of"),
    9: mark("a ninth of"),
    10: mark("a tenth of"),
    15: mark("a fifteenth of"),
    20: mark("a twentieth of"),
}


@dataclass(frozen=True, slots=True)
class Half:
    """A network interface of a machine that belongs to its fast port, or is the one that the link takes."""

    interface: str
    network: str = ""
    """Its subnet, as in 192.168.10.0/24."""
    mtu: int = 0
    """Bytes; 0 where the system does not say."""
    gbits: float = 0.0
    """Speed of the port; 0 where the system does not say, as for a loopback."""
    device: str = ""
    """Its RDMA device, such as rocep1s0f0; '' for one without."""


@dataclass(frozen=True, slots=True)
class LinkEnd:
    """One machine's side."""

    name: str
    halves: tuple[Half, ...] = ()
    chosen: str = ""
    """NCCL_IB_HCA as it stands there."""
    nccl: str = ""
    gpu: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """What was measured between two machines, each way at once, in bytes a second."""

    ends: tuple[LinkEnd, LinkEnd]
    all_to_all: float = 0.0
    copy: float = 0.0
    over_gpus: bool = True
    """False where the exchange was made by processors: then it says nothing of NCCL."""
    problem: str = ""
    """Why it could not be measured."""

    @property
    def gbits(self) -> float:
        """What the slower end's port can; 0 where nobody says."""
        return min(max((half.gbits for half in end.halves), default=0.0) for end in self.ends)


def read_link(stored: Mapping[str, Any]) -> Link:
    """What was stored of a link. Raises KeyError, TypeError or ValueError for anything else."""
    first, second = map(_end, stored["ends"])
    figures = float(stored["all_to_all"]), float(stored["copy"])
    return Link((first, second), *figures, bool(stored["over_gpus"]), str(stored["problem"]))


def _end(stored: Mapping[str, Any]) -> LinkEnd:
    return LinkEnd(**{**stored, "halves": tuple(Half(**half) for half in stored["halves"])})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a link is worth."""

    state: Literal["ok", "note", "warn", "bad"]
    words: str
    advice: tuple[str, ...] = ()
    """What to do on both machines, the likeliest first."""

    def __str__(self) -> str:
        if not self.advice:
            return self.words
        return tr("{words}; on both machines: {advice}", words=self.words, advice="; ".join(self.advice))


def judge_link(link: Link) -> Judgement:
    """Say what the measured rates mean."""
    first, second = (end.name for end in link.ends)
    if link.problem:
        words = tr("{first} and {second} cannot exchange anything: {why}", first=first, second=second, why=link.problem)
        return Judgement("bad", words, _advice(link))
    measured = 8 * link.all_to_all / 1e9
    rate = tr("{gbits:.0f} Gb/s", gbits=measured) if measured >= 1 else tr("{mbits:.0f} Mb/s", mbits=1000 * measured)
    if not link.over_gpus:
        words = tr("{rate} between processors, which says nothing of GPUs: there is none on both", rate=rate)
        return Judgement("note", words)
    if not link.gbits:
        return Judgement("note", tr("{rate}: no port says what it could be", rate=rate))
    share = measured / link.gbits
    if share >= GOOD_SHARE:
        words = tr("{rate}: the link runs at its speed ({port:.0f} Gb/s)", rate=rate, port=link.gbits)
        return Judgement("ok", words + _gain(link))
    words = tr(
        "{rate}: the link runs at {part} its speed ({port:.0f} Gb/s)", rate=rate, part=_part(share), port=link.gbits
    )
    return Judgement("warn", words + _gain(link), _advice(link))


def step_gain(all_to_all: float) -> float:
    """How many times as fast two GB10 make a 540P step as one does, at so many bytes a second."""
    return STEP_S / (SHARED_S + EXCHANGED_BYTES / all_to_all)


def _gain(link: Link) -> str:
    if not all("GB10" in end.gpu for end in link.ends):
        return ""
    gain = tr(", one 540P job on both is {gain:.1f} times as fast as on one", gain=step_gain(link.all_to_all))
    return gain


def _part(share: float) -> str:
    whole = max(2, round(1 / share))
    return tr(_PARTS[whole]) if whole in _PARTS else tr("one part in {whole} of", whole=whole)


def _advice(link: Link) -> tuple[str, ...]:
    """What is not known to be right."""
    found = []
    halves = [half for end in link.ends for half in end.halves]
    small = sorted({half.interface for half in halves if half.mtu < JUMBO})
    if small or not halves:
        commands = ", ".join(f"sudo ip link set {name} mtu {JUMBO}" for name in small or ["INTERFACE"])
        found.append(tr("MTU 9000 on both ends and both halves of the port ({commands})", commands=commands))
    if not all(_names_both(end) for end in link.ends):
        devices = ",".join(sorted({half.device for half in halves if half.device})) or "DEVICE,DEVICE"
        found.append(tr("NCCL_IB_HCA naming both devices of the port (export NCCL_IB_HCA={devices})", devices=devices))
    versions = {end.nccl for end in link.ends}
    if len(versions) > 1 or not all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in versions):
        here = " / ".join(end.nccl or "?" for end in link.ends)
        found.append(tr("a release of NCCL, the same on both (there is {versions})", versions=here))
    if not all(_has_own_subnets(end) for end in link.ends):
        found.append(tr("a subnet of its own for each half of the port"))
    return tuple(found) or (
        tr("settings look right: restart with the cable in, and look at the port's own speed with ethtool"),
    )


def _names_both(end: LinkEnd) -> bool:
    chosen = {word.partition(":")[0] for word in end.chosen.lstrip("=").split(",")}
    devices = {half.device for half in end.halves if half.device}
    return len(devices) > 1 and devices <= chosen


def _has_own_subnets(end: LinkEnd) -> bool:
    networks = [half.network for half in end.halves]
    return len(networks) > 1 and "" not in networks and len(set(networks)) == len(networks)
