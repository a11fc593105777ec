"""Say what keeps this commit from being released; changes nothing: python scripts/check_release.py [FOLDER]."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST = 71
"""Letters of a commit's subject."""
KEPT = ("state/queue.db", "config/settings.toml", "expected.json")
"""What the test of an upgrade reads of each version."""


def git(root: Path, *words: str) -> str:
    """Return what git says about `root`; '' where it refuses."""
    return subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False).stdout.strip()


def problems(root: Path) -> Iterator[str]:
    """Yield what is missing, a sentence each."""
    version = re.search(r'__version__ = "([^"]+)"', (root / "skyreels_tui" / "__init__.py").read_text(encoding="utf-8"))
    number = version.group(1) if version else ""
    newest = re.search(r"^## (.+)$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    entry = newest.group(1) if newest else "nothing"
    if not re.fullmatch(re.escape(number) + r", \d{4}-\d\d-\d\d", entry):
        yield f"CHANGELOG.md begins with '{entry}': it must be '{number}, YEAR-MONTH-DAY'"
    kept = root / "tests" / "cli" / "versions" / number
    if not all((kept / name).is_file() for name in KEPT):
        yield f"{kept.relative_to(root)} must keep {' and '.join(KEPT)} of this version, for ever"
    if git(root, "status", "--porcelain"):
        yield "there are changes that no commit holds"
    if git(root, "tag", "--list", f"v{number}"):
        yield f"the tag v{number} is there already"
    last = git(root, "describe", "--tags", "--abbrev=0")
    if last:
        for line in git(root, "log", "--format=%h %s", f"{last}..HEAD").splitlines():
            name, _, subject = line.partition(" ")
            if len(subject) > LONGEST:
                yield f"the subject of {name} has {len(subject)} letters, more than {LONGEST}"


def main() -> int:
    """Say every problem; 0 when there is none."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    found = list(problems(root))
    sys.stdout.write("".join(f"{problem}\n" for problem in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
