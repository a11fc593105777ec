"""What was typed into the forms and not sent yet, kept in one small file; knows nothing of Textual."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.front.documents import read_json
from pipelines.front.durable import write_whole
from pipelines.front.errors import DiskFull

DRAFTS_FILE = "drafts.json"


@dataclass(frozen=True, slots=True)
class Draft:
    """One form as it was left."""

    values: dict[str, Any] = field(default_factory=dict)
    label: str = ""


@dataclass(slots=True)
class Drafts:
    """All forms, the task used last and the profile; `save` after each change of these two."""

    path: Path
    task: str = ""
    profile: str = "full"
    forms: dict[str, Draft] = field(default_factory=dict)

    def keep(self, task: str, draft: Draft) -> None:
        """Keep a task's form as it is; writes only what is new."""
        if self.forms.get(task) != draft:
            self.forms[task] = draft
            self.save()

    def drop(self, task: str) -> None:
        """Forget a task's form: it was sent."""
        self.forms.pop(task, None)
        self.save()

    def save(self) -> None:
        """Write the file in one step. A disk that is full loses the draft, never the form."""
        content = {
            "task": self.task,
            "profile": self.profile,
            "forms": {name: {"values": draft.values, "label": draft.label} for name, draft in self.forms.items()},
        }
        with suppress(OSError, DiskFull):
            # Only ASCII leaves json.dumps: names of files that are not UTF-8 come back as they were.
            write_whole(self.path, json.dumps(content, indent=1).encode("ascii"), durable=False)


def load_drafts(path: Path) -> Drafts:
    """Read the file; one that is missing or damaged gives empty forms."""
    try:
        content = read_json(path.read_text(encoding="utf-8"))
        forms = {name: Draft(dict(entry["values"]), str(entry["label"])) for name, entry in content["forms"].items()}
        profile = "demo" if content["profile"] == "demo" else "full"
        return Drafts(path, str(content["task"]), profile, forms)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Drafts(path)
