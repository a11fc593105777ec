"""The machine's memory as the kernel counts it; page cache that can be given back counts as available."""

from __future__ import annotations

from pathlib import Path

from pipelines.front.admission import Memory, floor_bytes
from pipelines.front.sizes import GIB

PROC = Path("/proc")


def meminfo(proc: Path = PROC) -> dict[str, int]:
    """Name -> bytes of every line of the kernel's table; empty where it cannot be read."""
    return _sizes(proc / "meminfo")


def host_memory(proc: Path = PROC) -> Memory | None:
    """Available and total bytes; None where the kernel does not say."""
    figures = meminfo(proc)
    try:
        return Memory(figures["MemAvailable"], figures["MemTotal"])
    except KeyError:
        return None


def resident_bytes(pid: int | str = "self", proc: Path = PROC) -> int | None:
    """Memory of a process that nobody could take away: file pages, which the kernel can drop, do not count."""
    figures = _sizes(proc / str(pid) / "status")
    held = [figures[name] for name in ("RssAnon", "RssShmem") if name in figures]
    return sum(held) if held else None


def available_bytes() -> int | None:
    """Available memory of the machine."""
    memory = host_memory()
    return None if memory is None else memory.available_bytes


def _sizes(path: Path) -> dict[str, int]:
    """Lines `Name:   123 kB` of a kernel file, in bytes; other lines are none of its sizes."""
    figures = {}
    try:
        for line in path.read_text("ascii", "replace").splitlines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if len(words) == 2 and words[0].isdigit() and words[1] == "kB":
                figures[name] = int(words[0]) * 1024
    except OSError:
        return {}
    return figures


def memory_floor(wanted_gib: float) -> int:
    """Bytes that must stay available on this machine when a person wants `wanted_gib`; 0 where nobody can tell."""
    memory = host_memory()
    return 0 if memory is None else floor_bytes(int(wanted_gib * GIB), memory.total_bytes)
