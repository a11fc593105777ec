"""JSON, TOML and numbers of a person, another program or a damaged disk: refused or forgotten, never an end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.checkpoints.damage import DamageBook
from pipelines.checkpoints.verify import content_problem
from pipelines.front.documents import plain_number
from pipelines.front.errors import CheckpointMissing
from pipelines.front.peaks import PeakBook
from pipelines.loading.load import read_config, tensor_files
from pipelines.loading.stored import stored_tensors
from skyreels_tui.cli import main
from skyreels_tui.downloads.elsewhere import TransferFile
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.queue.engine.live import LiveFiles
from skyreels_tui.queue.engine.log import LogFollower, parse_line
from skyreels_tui.queue.reasons import Reason, reason_words
from skyreels_tui.queue.store.lock import OwnerLock
from skyreels_tui.queue.store.old_reasons import read_old_reason
from skyreels_tui.requests.drafts import load_drafts
from skyreels_tui.requests.history import History
from skyreels_tui.requests.presets import Presets, PresetsError
from skyreels_tui.results import gallery
from skyreels_tui.settings.file import change_file
from skyreels_tui.settings.reading import load
from skyreels_tui.settings.settings import Settings, SettingsError
from skyreels_tui.settings.typed import with_text
from skyreels_tui.web.tab import BadMessage, packet_of

ODD = {
    "long number": "9" * 5000,
    "number beyond floats": "9" * 400,
    "long negative": "-" + "9" * 5000,
    "infinite": "1e999",
    "not a number": "NaN",
    "word of infinity": "-Infinity",
    "deep lists": "[" * 100_000,
    "deep tables": '{"a":' * 100_000,
    "cut": '{"a": ',
    "nothing": "",
}
UNREADABLE = {name: odd for name, odd in ODD.items() if odd not in ("1e999", "NaN", "-Infinity", "9" * 400)}
"""What no part of may be used; a value that is no number to calculate with is refused by the field it is for."""
AROUND = ["{}", "[1, {}]", '{{"a": {}}}', '{{"written": {}, "threads": {}, "forms": {}, "code": {}}}']


READERS: dict[str, Callable[[Path, Path], object]] = {
    "speeds": lambda file, _: EtaBook(file),
    "peaks": lambda file, _: PeakBook(file).correction("a"),
    "damage": lambda file, _: DamageBook(file).damaged(),
    "history": lambda file, _: History(file).entries("prompt"),
    "drafts": lambda file, _: load_drafts(file),
    "checkpoint file": lambda file, _: content_problem(file),
    "owner": lambda file, _: OwnerLock(file).living_owner_pid(),
    "log": lambda file, _: LogFollower(file, tail_bytes=1 << 20).new_lines(),
    "videos": lambda _, folder: gallery.videos(folder),
    "settings": lambda file, _: load(file),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_file_of_ours_that_makes_no_sense_is_none(reader: Callable, odd: str, tmp_path: Path) -> None:
    for around in AROUND:
        text = around.replace("{}", odd).replace("{{", "{").replace("}}", "}")
        (tmp_path / "a.json").write_text(text)
        (tmp_path / "a.mp4").write_bytes(b"no film")
        reader(tmp_path / "a.json", tmp_path)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_what_other_processes_say_makes_no_sense(odd: str, tmp_path: Path) -> None:
    live = LiveFiles(tmp_path)
    for around in AROUND:
        text = around.replace("{}", odd).replace("{{", "{").replace("}}", "}")
        for path in (live._threads, live._want, live._memory, live._progress, live._window):
            path.write_text(text)
        (tmp_path / "transfers-1-x.json").write_text(text)
        assert (live.read(), live.read_memory(), live.read_threads()) == ([], None, [])
        assert not live.preview_wanted()
        live.window_pid()
        assert TransferFile(tmp_path).others() == ()
        assert reason_words(Reason.from_json(text)) or not text
        with pytest.raises(BadMessage):
            packet_of(text)


@pytest.mark.parametrize("odd", UNREADABLE.values(), ids=UNREADABLE)
def test_a_checkpoint_that_makes_no_sense_is_refused_in_words(odd: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"a": {odd}}}')
    (tmp_path / "a.safetensors.index.json").write_text(f'{{"weight_map": {{"a": {odd or 5}}}}}')
    header = f'{{"a": {odd}}}'.encode()
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    for read in (
        lambda: read_config(tmp_path),
        lambda: tensor_files(tmp_path),
        lambda: stored_tensors(tmp_path / "b.safetensors"),
    ):
        with pytest.raises(CheckpointMissing):
            read()


@pytest.mark.parametrize("odd", UNREADABLE.values(), ids=UNREADABLE)
def test_presets_that_make_no_sense_are_named(odd: str, tmp_path: Path) -> None:
    (tmp_path / "reference_to_video.json").write_text(f'{{"a": {{"seed": {odd}}}}}')
    with pytest.raises(PresetsError, match="reference_to_video"):
        Presets(tmp_path).of_task("reference_to_video")


@pytest.mark.parametrize("text", ["a = " + "9" * 5000, "a = " + "[" * 100_000, "= x"], ids=["long", "deep", "no key"])
def test_settings_that_are_no_toml_are_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.toml"):
        change_file(path, Settings(), Settings(bell=False))
    assert path.read_text() == text


@pytest.mark.parametrize("kind", ["folder", "bytes", "circle", "utf-16"])
def test_settings_that_cannot_be_read_are_said_in_words(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    match kind:
        case "folder":
            path.mkdir()
        case "circle":
            path.symlink_to(path.name)
        case _:
            path.write_bytes(b"a = '\xff'" if kind == "bytes" else "bell = false".encode("utf-16"))
    loaded = load(path)
    assert not loaded.is_readable and loaded.settings == Settings()
    with pytest.raises(SettingsError) as refused:
        change_file(path, Settings(), Settings(bell=False))
    for words in (*loaded.warnings, str(refused.value)):
        assert "settings.toml" in words and "Errno" not in words and "codec" not in words


HUGE = {"decimal": "9" * 5000, "hex": "0x" + "f" * 5000, "octal": "0o" + "7" * 6000, "below zero": "-" + "9" * 5000}


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize("key", ["memory_floor_gib", "bell", "theme", "preview", "models", "defaults", "no_such"])
def test_a_setting_of_thousands_of_digits_is_named_and_the_rest_holds(key: str, number: str, tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(f"ascii = true\n{key} = {HUGE[number]}\n")
    loaded = load(path)
    assert loaded.is_readable and loaded.settings == Settings(ascii=True)
    [warning] = loaded.warnings
    assert repr(key) in warning and len(warning) < 200


@pytest.mark.parametrize("key", ["result_dir", "inbox", "hook", "webhook", "theme", "language", "preview", "hang_up"])
@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0 "], ids=["space", "tab", "wide"])
def test_a_setting_of_blanks_is_refused_where_it_is_written_and_where_it_is_read(
    key: str, blank: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=key):
        with_text(Settings(), key, blank)
    path = tmp_path / "settings.toml"
    path.write_text(f'{key} = "{blank}"\n')
    loaded = load(path)
    assert loaded.settings == Settings() and repr(key) in loaded.warnings[0]


NO_NUMBERS = ["", "-1", "+1", " 1", "1_0", "1.0", "²", "٣", "9" * 19, "9" * 5000, "x"]


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_plain_number_is_none(text: str, tmp_path: Path) -> None:
    assert plain_number(text) is None
    (tmp_path / "lock").write_text(text)
    assert text == " 1" or OwnerLock(tmp_path / "lock").living_owner_pid() is None
    assert (
        parse_line(f"2026-01-01 info {text} words") is None
        or parse_line(f"2026-01-01 info {text} words").job_id is None
    )
    assert read_old_reason(f"waits for job {text}") is not None


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000])
@pytest.mark.parametrize(
    "words",
    [
        "show {}",
        "move 1 {}",
        "wait 1 --timeout {}",
        "settings set memory_floor_gib {}",
        "settings set defaults.reference_to_video.seed {}",
        "duplicate 1 --seeds {}",
    ],
)
def test_a_long_number_on_the_command_line_is_refused(words: str, number: str, tmp_path, monkeypatch, capfd) -> None:
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(tmp_path))
    assert main(words.format(number).split()) in (2, 3)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("number", [text for text in NO_NUMBERS if 0 < len(text) < 99] + ["0", "#0", "##1", "#"])
def test_what_is_no_plain_number_is_no_job_id(number: str, tmp_path, monkeypatch, capfd) -> None:
    monkeypatch.setenv("SKYREELS_TUI_HOME", str(tmp_path))
    assert main(["show", "--", number]) == 2
    assert "is no job id" in capfd.readouterr().err
