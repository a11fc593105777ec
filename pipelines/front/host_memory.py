"""The machine's memory as the kernel counts it; page cache that can be given back counts as available."""

from __future__ import annotations

from pathlib import Path

from pipelines.front.admission import Memory, floor_bytes
from pipelines.front.sizes import GIB

_MEMINFO = Path("/proc/meminfo")


def host_memory(meminfo: Path = _MEMINFO) -> Memory | None:
    """Available and total bytes; None where the kernel does not say."""
    figures = {}
    try:
        for line in meminfo.read_text("ascii", "replace").splitlines():
            name, _, rest = line.partition(":")
            if name in ("MemAvailable", "MemTotal"):
                figures[name] = int(rest.split()[0]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    if len(figures) < 2:
        return None
    return Memory(figures["MemAvailable"], figures["MemTotal"])


def resident_bytes(pid: int | str = "self", proc: Path = Path("/proc")) -> int | None:
    """Memory of a process that nobody could take away: file pages, which the kernel can drop, do not count."""
    figures = []
    try:
        for line in (proc / str(pid) / "status").read_text("ascii", "replace").splitlines():
            name, _, rest = line.partition(":")
            if name in ("RssAnon", "RssShmem"):
                figures.append(int(rest.split()[0]) * 1024)
    except (OSError, ValueError, IndexError):
        return None
    return sum(figures) if figures else None


def available_bytes() -> int | None:
    """Available memory of the machine."""
    memory = host_memory()
    return None if memory is None else memory.available_bytes


def memory_floor(wanted_gib: float) -> int:
    """Bytes that must stay available on this machine when a person wants `wanted_gib`; 0 where nobody can tell."""
    memory = host_memory()
    return 0 if memory is None else floor_bytes(int(wanted_gib * GIB), memory.total_bytes)
