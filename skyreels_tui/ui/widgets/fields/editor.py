"""A text in the editor of the person's choice; knows nothing of fields."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from pipelines.front.language import reason_of, tr


class EditorError(Exception):
    """No text came back, in words."""


def edit(text: str, environ: Mapping[str, str], suspended: Callable[[], AbstractContextManager[None]]) -> str:
    """Return `text` as the editor has left it; `suspended` gives the terminal away for as long.

    Raises EditorError; what stood in the field is the caller's and stays.
    """
    chosen = environ.get("VISUAL") or environ.get("EDITOR") or ""
    try:
        words = shlex.split(chosen)
    except ValueError:
        words = []
    if not words:
        raise EditorError(tr("Set VISUAL or EDITOR to the editor you want, such as export EDITOR=nano"))
    with tempfile.TemporaryDirectory(prefix="skyreels-tui-") as folder:
        file = Path(folder) / "prompt.txt"
        file.write_text(text, encoding="utf-8")
        try:
            with suspended():
                code = subprocess.run([*words, str(file)], check=False).returncode
            if code:
                raise EditorError(
                    tr("{editor} ended with {code}; the prompt stays as it was", editor=words[0], code=code)
                )
            return file.read_text(encoding="utf-8", errors="replace").rstrip("\n")
        except OSError as error:
            raise EditorError(tr("{editor}: {why}", editor=words[0], why=reason_of(error))) from error
