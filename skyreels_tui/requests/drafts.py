"""What was typed into the forms and not sent yet, kept in one small file; knows nothing of Textual."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DRAFTS_FILE = "drafts.json"


@dataclass(frozen=True, slots=True)
class Draft:
    """One form as it was left."""

    values: dict[str, Any] = field(default_factory=dict)
    label: str = ""


@dataclass(slots=True)
class Drafts:
    """All forms, the task used last and the profile; `save` after each change."""

    path: Path
    task: str = ""
    profile: str = "full"
    forms: dict[str, Draft] = field(default_factory=dict)

    def save(self) -> None:
        """Write the file in one step. A disk that is full loses the draft, never the form."""
        content = {
            "task": self.task,
            "profile": self.profile,
            "forms": {name: {"values": draft.values, "label": draft.label} for name, draft in self.forms.items()},
        }
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        try:
            # Only ASCII leaves json.dumps: names of files that are not UTF-8 come back as they were.
            temporary.write_text(json.dumps(content, indent=1), encoding="ascii")
            temporary.replace(self.path)
        except OSError:
            temporary.unlink(missing_ok=True)


def load_drafts(path: Path) -> Drafts:
    """Read the file; one that is missing or damaged gives empty forms."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        forms = {name: Draft(dict(entry["values"]), str(entry["label"])) for name, entry in content["forms"].items()}
        profile = "demo" if content["profile"] == "demo" else "full"
        return Drafts(path, str(content["task"]), profile, forms)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return Drafts(path)
