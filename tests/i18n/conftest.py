"""Speaking through the pseudo catalogue, as a person whose locale is Brazil's would speak Portuguese."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.front import language
from tests.cli.conftest import cli, home, picture  # noqa: F401 - fixtures
from tests.i18n.pseudo import write_pseudo


@pytest.fixture(scope="session")
def pseudo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A locale folder whose Portuguese is the pseudo catalogue."""
    folder = tmp_path_factory.mktemp("locale")
    write_pseudo(folder)
    return folder


@pytest.fixture
def pseudo(pseudo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Everything looked up in this process comes out in Cyrillic letters; English afterwards."""
    monkeypatch.setattr(language, "LOCALE_DIR", pseudo_folder)
    for name in ("LC_ALL", "LC_MESSAGES", "LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "pt_BR.UTF-8")
    language.choose("")
    yield
    language.choose(language.ENGLISH)
