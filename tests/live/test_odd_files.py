"""A memory of speeds, or a settings file, that makes no sense ends no thread that reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyreels_tui.eta.forecast import Forecast
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.settings.live import LiveSettings
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import Settings, setting_specs
from tests.live.conftest import job_of


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "[" * 100_000, '{"a": 1}', '{"reference_to_video 1x1 x": {"flops_per_s": 1}}',
        '{"reference_to_video 1x1 5": {"flops_per_s": "x", "vae_flops_per_s": 1e9, "prepare_s": 1}}',
        '{"reference_to_video 1x1 5": {"flops_per_s": 0, "vae_flops_per_s": 1e9, "prepare_s": 1}}',
        '{"reference_to_video 1x1 5": {"flops_per_s": NaN, "vae_flops_per_s": 1e9, "prepare_s": 1}}',
        '{"reference_to_video 1x1 5": {"flops_per_s": 1e9, "vae_flops_per_s": null, "prepare_s": 1}}',
        '{"reference_to_video 1x1 5": {"flops_per_s": 1e9, "vae_flops_per_s": 1e9, "prepare_s": [1]}}',
        '{"reference_to_video 1x1 5": {"flops_per_s": ' + "9" * 5000 + ', "vae_flops_per_s": 1e9, "prepare_s": 1}}',
        '{"reference_to_video 1x1 5": {"flops_per_s": ' + "9" * 400 + ', "vae_flops_per_s": 1e9, "prepare_s": 1}}',
        '{"reference_to_video 1x1 five": {"flops_per_s": 1e9, "vae_flops_per_s": 1e9, "prepare_s": 1}}',
    ],
    ids=range(13),
)  # fmt: skip
def test_a_memory_of_speeds_that_makes_no_sense_is_none(text: str, tmp_path: Path, photo: str) -> None:
    (tmp_path / "rates.json").write_text(text)
    found = Forecast(lambda: [job_of(photo)], EtaBook(tmp_path / "rates.json")).read()
    assert found == Forecast(lambda: [job_of(photo)], EtaBook(tmp_path / "none.json")).read()


@pytest.mark.parametrize(
    "content",
    [b"= x", b"\xff\xfe", b"a = " + b"[" * 100_000, b"a = 2020-13-45"],
    ids=["no key", "not UTF-8", "deep", "date"],
)
def test_a_settings_file_that_cannot_be_read_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(content)
    live = LiveSettings(path, Settings(theme="night"))
    live.look()
    assert live.now.theme == "night" and len(live.warnings) == 1
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "value", ["9" * 400, "-" + "9" * 400, "0x" + "f" * 400, "9" * 5000, "0x" + "f" * 5000, "inf", "nan", "1e400"]
)
@pytest.mark.parametrize("key", [name for name, _ in setting_specs()])
def test_a_number_beyond_every_range_is_refused_by_its_setting(key: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"{key} = {value}\n")
    (warning,) = load(path).warnings
    assert repr(key) in warning
