"""Ask the package index for a wheel of every pin in constraints.txt: python scripts/check_wheels.py [--platform NAME].

Downloads each wheel into a folder that goes away again; ends with 1 and names the pins that have none.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
PLATFORMS = (
    "manylinux_2_39_aarch64",
    "manylinux_2_34_aarch64",
    "manylinux_2_28_aarch64",
    "manylinux_2_17_aarch64",
    "manylinux2014_aarch64",
)
"""What the C library of DGX OS runs, the newest first; pip takes the older name of 2.17 for a platform of its own."""


def pins(text: str) -> list[str]:
    """Return the requirements of a constraints file, without comments."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def without_wheel(requirements: Sequence[str], has_wheel: Callable[[str], bool]) -> Iterator[str]:
    """Yield the requirements that have no wheel, saying each on stderr as it is asked."""
    for number, requirement in enumerate(requirements, 1):
        found = has_wheel(requirement)
        sys.stderr.write(f"{number}/{len(requirements)} {requirement}: {'ok' if found else 'NO WHEEL'}\n")
        if not found:
            yield requirement


def main() -> int:
    """Ask for each pin; 0 when all have a wheel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--platform", action="append", metavar="NAME", help=f"instead of {', '.join(PLATFORMS)}")
    parser.add_argument("--python", default="3.12", metavar="VERSION")
    parser.add_argument("constraints", nargs="?", type=Path, default=CONSTRAINTS)
    args = parser.parse_args()

    def has_wheel(requirement: str) -> bool:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        for platform in args.platform or PLATFORMS:
            words += ["--platform", platform]
        with tempfile.TemporaryDirectory() as folder:
            words += ["--python-version", args.python, "--dest", folder, requirement]
            return subprocess.run(words, capture_output=True, check=False).returncode == 0

    missing = list(without_wheel(pins(args.constraints.read_text(encoding="utf-8")), has_wheel))
    sys.stdout.write("".join(f"{requirement}\n" for requirement in missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
