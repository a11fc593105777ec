"""Paths and addresses mean the same wherever a person gives them: options, form fields, pastes, batch files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from skyreels_tui.requests.typed_paths import expand, split_list, split_pasted
from tests.cli.conftest import Call

NAMES = (
    "a b.png",
    "a,b.png",
    "it's.png",
    'say "hi".png',
    "a(1)[2].png",
    "100%.png",
    "é#1?.png",
    "a%20b.png",
    "<x>.png",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for place, name in enumerate(NAMES):
        Image.new("RGB", (64, 64), (place * 9, 99, 199)).save(tmp_path / name, "PNG")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path) -> dict[str, str]:
    """The ways in which one file is named."""
    address = "file://" + quote(str(path))
    return {
        "path": str(path),
        "name": path.name,
        "spaces around": f"  {path}  ",
        "address": address,
        "host": address.replace("file://", "file://localhost"),
        "one slash": address.replace("file://", "file:"),
        "capitals": address.replace("file:", "FILE:"),
        "brackets": f"<{address}>",
        "quotes": f'"{address}"',
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", list(written(Path("/x"))))
def test_every_way_to_name_a_file(folder: Path, name: str, way: str) -> None:
    text = written(folder / name)[way]
    assert expand(text) == str(folder / name)
    assert [expand(path) for path in split_list(text)] == [str(folder / name)]
    if way not in ("name", "spaces around"):
        assert [expand(path) for path in split_pasted(text)] == [str(folder / name)]


@pytest.mark.parametrize("name", NAMES)
def test_the_shell_and_a_batch_read_file_addresses(
    cli: Callable[..., Call], folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    address = written(folder / name)["address"]
    call = cli("add", "--profile", "demo", "--prompt", "x", "--ref_imgs", address, "--json")
    assert call.code == 0, call.err
    assert call.data["request"]["ref_imgs"] == [str(folder / name)]
    batch = folder / "film.json"
    entry = {"task_type": "reference_to_video", "profile": "demo", "resolution": "128P", "prompt": "x"}
    for given in (address, [address]):
        batch.write_text(json.dumps([{**entry, "ref_imgs": given}]))
        call = cli("import", batch, "--json")
        assert call.code == 0, call.err
    assert [job["request"]["ref_imgs"] for job in cli("list", "--json").data] == [[str(folder / name)]] * 3


ADDRESSES = (
    "https://h.example/a,b.png",
    "https://h.example/a(1)[2].png?x=1,2&y='z'",
    "https://h.example/it's.png",
    "https://h.example/a b.png",
    "http://[::1]:8080/x,y.png",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_comma_inside_an_address_is_its_own(folder: Path, address: str) -> None:
    assert split_list(address) == [address]
    assert split_list(f"{address},https://h.example/2.png") == [address, "https://h.example/2.png"]
    assert split_list(f"{address},a b.png") == [address, "a b.png"]
    assert split_list(f"a b.png,{address},./c.png") == ["a b.png", address, "./c.png"]
    assert split_list(f"{address},{{{{prev}}}},~/x.png") == [address, "{{prev}}", "~/x.png"]
    for wrapped in (address, f"<{address}>", f'"{address}"', f" {address} "):
        assert [expand(path) for path in split_list(wrapped)] == [address]
        assert [path.strip() for path in split_pasted(wrapped)] == [address]


def test_pasted_addresses_with_quotes_stay_apart() -> None:
    pasted = "https://h.example/it's.png https://h.example/b\"c.png"
    assert split_pasted(pasted) == pasted.split()


def test_a_file_of_another_machine_is_refused(cli: Callable[..., Call], folder: Path) -> None:
    call = cli("add", "--profile", "demo", "--prompt", "x", "--ref_imgs", "file://nas/share/a.png")
    assert (call.code, call.out) == (2, "")
    assert "no such file" in call.err


def test_a_batch_shows_the_whole_path_that_was_looked_for(cli: Callable[..., Call], folder: Path) -> None:
    below = folder / "uploads" / "q"
    below.mkdir(parents=True)
    (below / "b.json").write_text(
        '[{"task_type": "reference_to_video", "prompt": "x", "ref_imgs": ["uploads/q/a.png"]}]'
    )
    call = cli("import", below / "b.json")
    assert call.code == 2
    assert f"{below}/uploads/q/a.png: no such file" in call.err


def test_a_file_of_queues_is_a_film_whose_mistakes_are_told_by_scene(cli: Callable[..., Call], tmp_path: Path) -> None:
    job = {"id": 1, "status": "queued", "task_type": "reference_to_video", "prompt": "x", "created_at": "2026-02-24"}
    (tmp_path / "queues.json").write_text(json.dumps([{"id": 1, "name": "q", "jobs": [job, job]}]))
    call = cli("import", tmp_path / "queues.json")
    assert call.code == 2
    assert [error.split(": ")[1] for error in call.errors] == ["scene 1.ref_imgs", "scene 2.ref_imgs"]
    (tmp_path / "flat.json").write_text(json.dumps([job] * 60))
    call = cli("import", tmp_path / "flat.json")
    assert (call.code, len(call.errors)) == (2, 20)
    assert "scene 1.ref_imgs: " in call.errors[0]
    assert call.errors[-1].endswith("and 41 problems more")
    assert cli("list", "--json").data == []
