"""Which language the program speaks: the setting, else the locale, else English; asked of the real program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.i18n.pseudo import ROOT

PORTUGUESE, ENGLISH = "a fila está vazia", "the queue is empty"


def said(home: Path, *words: str, **locale: str) -> subprocess.CompletedProcess[str]:
    """What `skyreels-tui` says in a locale."""
    names = ("LC_ALL", "LC_MESSAGES", "LANG", "LANGUAGE")
    environ = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "-m", "skyreels_tui", *words],
        env={**environ, "SKYREELS_TUI_HOME": str(home), "PYTHONUTF8": "1", **locale},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ({"LANG": "pt_BR.UTF-8"}, PORTUGUESE),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "pt_BR.UTF-8"}, PORTUGUESE),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "pt_BR:en"}, PORTUGUESE),
        ({"LANG": "pt_PT.UTF-8"}, PORTUGUESE),
        ({"LANG": "pt_BR.UTF-8", "LC_ALL": "C.UTF-8"}, ENGLISH),
        ({"LANG": "fr_FR.UTF-8"}, ENGLISH),
        ({}, ENGLISH),
    ],
)
def test_the_locale_chooses(tmp_path: Path, locale: dict[str, str], words: str) -> None:
    assert words in said(tmp_path, "list", **locale).stderr


def test_the_setting_wins_over_the_locale(tmp_path: Path) -> None:
    assert said(tmp_path, "settings", "set", "language", "pt_BR").returncode == 0
    assert PORTUGUESE in said(tmp_path, "list", LANG="fr_FR.UTF-8").stderr
    assert said(tmp_path, "settings", "set", "language", "en").returncode == 0
    assert ENGLISH in said(tmp_path, "list", LANG="pt_BR.UTF-8").stderr


def test_help_and_refusals_follow_the_setting(tmp_path: Path) -> None:
    said(tmp_path, "settings", "set", "language", "pt_BR")
    assert said(tmp_path, "list", "--help").stdout.startswith("uso: skyreels-tui list")
    assert "espera um argumento" in said(tmp_path, "add", "--seed").stderr


def test_programs_read_english(tmp_path: Path) -> None:
    rows = json.loads(said(tmp_path, "models", "list", "--json", LANG="pt_BR.UTF-8").stdout)
    assert {row["status"] for row in rows} == {"missing"}
