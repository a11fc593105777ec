"""The recipes of doc/messages.md, run by the hook as they stand there, with programs that write down what they got."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import skyreels_tui
from skyreels_tui.notify.messenger import run_hook
from skyreels_tui.notify.notice import Notice

PAGE = Path(skyreels_tui.__file__).parents[1] / "doc" / "messages.md"
RECORDER = '#!/bin/sh\n{{ printf "%s\\n" "$@"; cat; }} > "{out}"\n'


@pytest.mark.parametrize(("recipe", "program"), [("skyreels-ntfy", "curl"), ("skyreels-mail", "mail")])
@pytest.mark.parametrize("title", ["done: rain", '-x "quoted" $(touch made) `touch made` ção'])
def test_a_recipe_hands_on_what_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, program: str, title: str
) -> None:
    found = re.search(rf"`~/bin/{recipe}`.*?```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    out = tmp_path / "got"
    for path, text in (
        (tmp_path / recipe, found[1]),
        (tmp_path / "bin" / program, RECORDER.format(out=out)),
    ):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    run_hook(shlex.quote(str(tmp_path / recipe)), Notice("done", title, "the text"))
    got = out.read_text("utf-8").splitlines()
    assert any(line.endswith(title) for line in got) and "the text" in got
    assert not (tmp_path / "made").exists()
