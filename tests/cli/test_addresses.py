"""Inputs given as web addresses, and forms kept under a name, from the shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from pipelines.demo import checkpoints
from skyreels_tui.files.folders import find_folders
from skyreels_tui.requests.presets import Presets
from tests.cli.conftest import Call
from tests.media.web import serving, whole

Cli = Callable[..., Call]
PICTURE = Path(checkpoints.__file__).parent / "samples" / "astronaut.jpg"
DEMO = ("--profile", "demo", "--prompt", "a cup")


def test_an_address_is_fetched_before_the_job_is_queued(cli: Cli, home: Path, picture: Path) -> None:
    with serving() as web:
        address = web("/a.jpg", whole(PICTURE.read_bytes()))
        call = cli("add", *DEMO, "--ref_imgs", address, picture)
    assert (call.code, call.out) == (0, "1\n")
    assert call.errors[-1].startswith("127.0.0.1: ") and call.errors[-1].endswith(" fetched")
    [job] = cli("list", "--json").data
    fetched, local = map(Path, job["request"]["ref_imgs"])
    assert fetched.parent == home / "state" / "downloads" and fetched.read_bytes() == PICTURE.read_bytes()
    assert local == picture


def test_an_address_that_gives_no_picture_is_refused_and_one_beside_another_problem_is_not_opened(cli: Cli) -> None:
    asked = []
    with serving() as web:
        address = web("/a.jpg", lambda handler: (asked.append(1), handler.reply(404)))
        call = cli("add", *DEMO, "--ref_imgs", address)
        assert (call.code, call.out) == (2, "")
        assert call.errors == ["skyreels-tui: ref_imgs: 127.0.0.1: there is no such file (404)"]
        other = cli("add", *DEMO, "--ref_imgs", address, "--duration", "0")
    assert other.errors == ["skyreels-tui: duration: 0 s is outside 1 to 60 s"]
    assert len(asked) == 1
    assert cli("list", "--json").data == []


def test_a_batch_never_asks_the_network(cli: Cli, tmp_path: Path) -> None:
    asked = []
    batch = tmp_path / "batch.json"
    with serving() as web:
        address = web("/a.jpg", lambda handler: (asked.append(1), handler.reply(404)))
        entry = {"task_type": "reference_to_video", "profile": "demo", "prompt": "a cup", "ref_imgs": [address]}
        batch.write_text(json.dumps([entry]))
        call = cli("import", batch)
    assert (call.code, call.out, asked) == (2, "", [])
    assert "a batch takes files alone" in call.err
    assert cli("list", "--json").data == []


def test_add_begins_with_a_preset_and_options_win(cli: Cli, home: Path, picture: Path) -> None:
    presets = Presets(find_folders({"SKYREELS_TUI_HOME": str(home)}).presets)
    values = {"prompt": "as kept", "duration": 9, "seed": 7, "ref_imgs": (str(picture),), "resolution": "128P"}
    presets.save("reference_to_video", "my look", values)
    words = ("--task_type", "reference_to_video", "--profile", "demo")
    assert cli("add", *words, "--preset", "my look", "--seed", "8").code == 0
    [job] = cli("list", "--json").data
    request = job["request"]
    assert (request["prompt"], request["duration"], request["seed"]) == ("as kept", 9, 8)
    assert request["ref_imgs"] == [str(picture)]
    unknown = cli("add", *words, "--preset", "other")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.errors == ["skyreels-tui: preset: reference_to_video has no preset 'other': my look"]
