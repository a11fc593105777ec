"""Video extension for a job runner: the mp4's path on stdout, progress as JSON lines on stderr, an exit code.

Takes the options of `skyreels-tui generate`: the job is added to the queue, run here or by the process that
runs the queue, and waited for. `--task_type shot_switching_extension`
makes the other kind of extension.
"""

from __future__ import annotations

import sys

from skyreels_tui.cli import main

if __name__ == "__main__":
    sys.exit(main(["generate", "--task_type", "single_shot_extension", "--progress", "json", *sys.argv[1:]]))
