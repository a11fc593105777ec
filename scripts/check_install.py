"""Install the wheel of the last commit as a stranger would, make the demo and open the app, each step with its seconds.

python scripts/check_install.py            by pip, and by uv and pipx where they are on PATH
python scripts/check_install.py uv         by one of them
python scripts/check_install.py --newest   the newest packages that the wheel allows, not those of constraints.txt

Nothing is taken from a cache: what is timed holds the download from the index that pip and uv are told to ask.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
from terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("pip", "uv", "pipx")
LIMIT_S = 180.0
"""From the wheel to an open app, on two cores."""


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of somebody who has nothing yet, every folder below `folder`."""
    places = (
        "HOME",
        "UV_TOOL_DIR",
        "UV_TOOL_BIN_DIR",
        "UV_CACHE_DIR",
        "PIPX_HOME",
        "PIPX_BIN_DIR",
        "SKYREELS_TUI_HOME",
    )
    own = {name: str(folder / name.lower()) for name in places}
    Path(own["HOME"]).mkdir()
    return {**os.environ, **own, "TERM": "xterm-256color"}


def install(way: str, wheel: Path, folder: Path, pins: Sequence[Path], environ: Mapping[str, str]) -> Path:
    """Install the wheel and return the program; raises CalledProcessError with what the installer said on stderr."""
    if way == "pip":
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True, env=environ)
        words: list[object] = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--quiet", wheel]
        words += [word for file in pins for word in ("--constraint", file)]
        programs = folder / "venv" / "bin"
    elif way == "uv":
        words = ["uv", "tool", "install", "--quiet", "--python", sys.executable, wheel]
        words += [word for file in pins for word in ("--constraints", file)]
        programs = Path(environ["UV_TOOL_BIN_DIR"])
    else:
        words = ["pipx", "install", "--quiet", "--python", sys.executable, wheel]
        words += [word for file in pins for word in ("--pip-args", f"--constraint '{file}'")]
        programs = Path(environ["PIPX_BIN_DIR"])
    subprocess.run([str(word) for word in words], check=True, env=environ, stdout=subprocess.DEVNULL)
    return programs / "skyreels-tui"


def steps(way: str, wheel: Path, folder: Path, pins: Sequence[Path]) -> Iterator[str]:
    """Do one thing after the other and yield the name of each when it is done."""
    environ = environment(folder)
    program = install(way, wheel, folder, pins, environ)
    yield "installed"

    def said(*words: str) -> str:
        done = subprocess.run([program, *words], check=False, env=environ, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
        return done.stdout

    told = json.loads(said("self", "--json"))["installed"]
    if told != way:
        raise SystemExit(f"installed by {way}, and the program says by {told}")
    yield "started"
    videos = [line for line in said("demo").splitlines() if line.endswith(".mp4")]
    if not videos or not all((folder / video).is_file() for video in videos):
        raise SystemExit(f"the demo made {videos}")
    yield f"demo, {len(videos)} videos"
    terminal = Terminal([str(program)], environ)
    try:
        terminal.wait_for(b"Queue", LIMIT_S)
    finally:
        terminal.close()
    yield "app open"


def main() -> int:
    """Print one line a step; 1 where a way took longer than `LIMIT_S` in all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("ways", nargs="*", metavar="WAY", help=", ".join(WAYS))
    parser.add_argument("--newest", action="store_true", help="without constraints.txt")
    args = parser.parse_args()
    if unknown := set(args.ways) - set(WAYS):
        parser.error(f"no way {min(unknown)!r}: choose of {', '.join(WAYS)}")
    slow = False
    with tempfile.TemporaryDirectory() as built:
        # A clone: what an older build left in the checkout would come along.
        subprocess.run(["git", "clone", "--quiet", ROOT, f"{built}/source"], check=True)
        words = ["wheel", "--quiet", "--no-deps", "--wheel-dir", built, f"{built}/source"]
        subprocess.run([sys.executable, "-m", "pip", *words], check=True)
        (wheel,) = Path(built).glob("*.whl")
        for way in args.ways or [way for way in WAYS if way == "pip" or shutil.which(way)]:
            with tempfile.TemporaryDirectory() as folder:
                began = before = time.monotonic()
                for step in steps(way, wheel, Path(folder), [] if args.newest else [ROOT / "constraints.txt"]):
                    now = time.monotonic()
                    sys.stdout.write(f"{way:5} {now - before:7.1f} s  {step}\n")
                    sys.stdout.flush()
                    before = now
                slow = slow or before - began > LIMIT_S
                sys.stdout.write(f"{way:5} {before - began:7.1f} s  in all, of {LIMIT_S:.0f}\n")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
