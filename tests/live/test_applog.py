from __future__ import annotations

import logging
from pathlib import Path

import pytest

from skyreels_tui.files.app_log import MAX_BYTES, PACKAGE, log_to_file
from skyreels_tui.files.folders import find_folders
from skyreels_tui.monitors.monitor import Monitor
from skyreels_tui.monitors.sample import Sample


@pytest.fixture
def handler(tmp_path: Path):
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path)})
    folders.create()
    made = log_to_file(folders)
    yield made
    logging.getLogger(PACKAGE).removeHandler(made)
    made.close()


def test_a_sensor_that_breaks_leaves_its_traceback_in_the_file_and_nothing_on_the_terminal(
    handler, tmp_path: Path, capfd
) -> None:
    def broken(_: Sample) -> object:
        raise ArithmeticError("the kernel said nonsense")

    sample = Monitor([("weather", broken)], lambda sample: None).sample()
    assert (sample.readings, sample.errors) == ({}, {"weather": "the kernel said nonsense"})
    text = (tmp_path / "logs" / "app.log").read_text()
    assert "the weather sensor failed" in text and "ArithmeticError: the kernel said nonsense" in text
    assert capfd.readouterr() == ("", "")


def test_the_file_rotates(handler, tmp_path: Path) -> None:
    for _ in range(4):
        logging.getLogger(f"{PACKAGE}.notify").warning("x" * (MAX_BYTES // 3))
    assert {path.name for path in (tmp_path / "logs").iterdir()} == {"app.log", "app.log.1"}


def test_a_folder_that_cannot_be_written_is_no_reason_to_speak(handler, tmp_path: Path, capfd) -> None:
    (tmp_path / "logs").rmdir()
    logging.getLogger(PACKAGE).warning("lost")
    assert capfd.readouterr() == ("", "")
