"""Command line of the parity tool: exit code 0 when something was compared in every file and no value differs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipelines.parity.run import SUITES, run_goldens


def main(argv: list[str] | None = None) -> int:
    """Replay a folder of goldens and print one line for each tensor or table."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.parity", description=__doc__)
    parser.add_argument("family", choices=SUITES)
    parser.add_argument("--goldens", type=Path, required=True, metavar="DIR")
    parser.add_argument("--manifest", type=Path, metavar="FILE", help="instead of the one each golden names")
    parser.add_argument("--slow", action="store_true", help="also the goldens that take minutes")
    parser.add_argument("--only", default="", metavar="PREFIX", help="only goldens whose name starts with this")
    parser.add_argument("--ranks", type=int, default=1, metavar="N", help="processes that share every call and decode")
    options = parser.parse_args(argv)
    if options.ranks < 1:
        parser.error(f"--ranks {options.ranks}: at least 1")
    if not options.goldens.is_dir():
        parser.error(f"{options.goldens} is no folder")

    def write(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    tally = run_goldens(
        options.family,
        options.goldens,
        write,
        manifest=options.manifest,
        slow=options.slow,
        only=options.only,
        ranks=options.ranks,
    )
    return 0 if tally.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
