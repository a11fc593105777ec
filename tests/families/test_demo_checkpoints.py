"""A disk that refuses a demo checkpoint says so by its error number, which decides what becomes of the job."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pipelines.demo

CODE = """
import resource, sys
from pathlib import Path
from pipelines.demo.checkpoints import write_checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    write_checkpoint(Path(sys.argv[1]), Path(sys.argv[2]))
except OSError as error:
    print(error.errno)
"""


def test_a_limit_on_files_is_an_error_of_the_system(tmp_path: Path) -> None:
    manifest = Path(pipelines.demo.__file__).parent / "manifests" / "r2v.json"
    root = Path(pipelines.demo.__file__).parents[2]
    words = [sys.executable, "-c", CODE, str(manifest), str(tmp_path)]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(errno.EFBIG)], done.stderr
