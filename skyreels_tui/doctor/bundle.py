"""The support file: a machine's facts, the doctor's findings and counts, with nothing that a person wrote."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from skyreels_tui.doctor.checks import Check
from skyreels_tui.doctor.facts import MachineFacts
from skyreels_tui.queue.model import Job

_FRAME = re.compile(r'File "[^"]*?/(?P<file>(?:site-packages|skyreels_tui|pipelines)/[^"]+)", line (?P<line>\d+)')


def make_bundle(
    facts: MachineFacts, checks: Iterable[Check], jobs: Iterable[Job], settings: Mapping[str, Any], home: str, user: str
) -> str:
    """Return the file's text.

    Prompts, labels, file names, error texts and text settings stay out; `home` and `user` are replaced
    wherever a path holds them.
    """
    rows = list(jobs)
    # What could not be used in the settings file is quoted there: a person's own words.
    quoted = len(facts.settings_warnings)
    content = {
        "about": "machine facts for support; prompts, labels, file names and messages were left out",
        "facts": {**dataclasses.asdict(facts), "settings_warnings": quoted},
        "checks": [dataclasses.asdict(check) for check in checks if check.name != "settings"],
        "jobs": dict(sorted(Counter(f"{job.task_type} {job.state}" for job in rows).items())),
        "failures": [frames for job in rows if (frames := traceback_frames(job.traceback))][:20],
        "settings": {key: value for key, value in settings.items() if isinstance(value, bool | int | float)},
    }
    return _without(json.dumps(content, indent=2, sort_keys=True), home, user) + "\n"


def traceback_frames(text: str) -> list[str]:
    """Return where an error passed through code, and the kind of error, without its message."""
    frames = [f"{match['file']}:{match['line']}" for match in _FRAME.finditer(text)]
    lines = text.strip().splitlines()
    kind = re.match(r"[A-Za-z_][\w.]*", lines[-1]) if lines else None
    return [*frames, kind[0]] if kind else frames


def _without(text: str, home: str, user: str) -> str:
    if len(home) > 1:
        text = text.replace(home, "~")
    return re.sub(rf"(?<![\w-]){re.escape(user)}(?![\w-])", "user", text) if len(user) > 1 else text
