"""Files are whole or absent, never behind a link, and what is private is so by its own mode."""

from __future__ import annotations

import errno
import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.front import durable as writing
from pipelines.front.durable import make_folder, put_in_place, write_whole
from pipelines.media.write.video import VideoWriter
from skyreels_tui.files.app_log import log_to_file
from skyreels_tui.files.folders import find_folders
from tests.queue.demo_requests import SAMPLES

UMASKS = (0o000, 0o002, 0o022, 0o077)


@pytest.fixture
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """A process with this umask, for one test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    """The permission bits."""
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.mark.parametrize("umask", UMASKS, indirect=True)
@pytest.mark.parametrize("durable", [True, False])
def test_a_private_file_is_private_whatever_the_umask_and_whoever_wrote_it_before(tmp_path, umask, durable):
    path = tmp_path / "state.json"
    write_whole(path, b"1", durable=durable)
    assert (path.read_bytes(), mode(path)) == (b"1", 0o600)
    path.chmod(0o666)
    write_whole(path, b"2", durable=durable)
    assert (path.read_bytes(), mode(path)) == (b"2", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", UMASKS, indirect=True)
def test_a_persons_file_is_as_their_umask_says(tmp_path, umask):
    path = tmp_path / "batch.json"
    write_whole(path, b"1", private=False)
    assert mode(path) == 0o666 & ~umask


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("dangling", [True, False])
def test_a_link_is_replaced_and_what_it_names_stays(tmp_path, durable, dangling):
    precious, path = tmp_path / "precious", tmp_path / "state.json"
    if not dangling:
        precious.write_text("mine")
    path.symlink_to(precious)
    write_whole(path, b"ours", durable=durable)
    assert not path.is_symlink()
    assert path.read_bytes() == b"ours"
    assert precious.exists() is not dangling
    assert dangling or precious.read_text() == "mine"


def test_a_link_in_the_place_of_a_finished_file_is_replaced(tmp_path):
    precious, path, temporary = tmp_path / "precious", tmp_path / "a.mp4", tmp_path / "a.part.mp4"
    precious.write_text("mine")
    temporary.write_text("video")
    path.symlink_to(precious)
    put_in_place(temporary, path)
    assert (precious.read_text(), path.read_text(), path.is_symlink()) == ("mine", "video", False)


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "a\udcff\n[b]" + "y" * 200, "-rf", ".hidden"])
def test_any_name_that_the_file_system_takes(tmp_path, name):
    write_whole(tmp_path / name, b"1")
    assert [os.fsencode(one.name) for one in tmp_path.iterdir()] == [os.fsencode(name)]


@pytest.mark.parametrize("target", ["/dev/null", "/dev/full", "pipe", "folder"])
def test_what_is_no_file_is_never_replaced(tmp_path, target):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    path, before = tmp_path / target, (tmp_path / target).lstat()
    with pytest.raises(OSError) as caught:
        write_whole(path, b"1")
    assert caught.value.errno in (errno.EINVAL, errno.EISDIR)
    assert path.lstat().st_ino == before.st_ino
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "pipe"]


def test_a_write_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("old")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from pipelines.front.durable import write_whole\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "write_whole(Path(sys.argv[1]), bytes(9999))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_side_by_side_never_mix(tmp_path):
    path, torn = tmp_path / "state.json", []
    versions = [bytes([65 + number]) * 50_000 for number in range(4)]
    write_whole(path, versions[0])

    def write(data: bytes) -> None:
        for _ in range(40):
            write_whole(path, data, durable=False)
            if path.read_bytes() not in versions:
                torn.append(data[:1])

    threads = [threading.Thread(target=write, args=(data,)) for data in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torn == []
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("umask", UMASKS, indirect=True)
def test_folders_are_private_with_all_that_was_made_above_them(tmp_path, umask):
    make_folder(tmp_path / "a" / "b" / "c")
    assert {mode(folder) for folder in (tmp_path / "a", tmp_path / "a/b", tmp_path / "a/b/c")} == {0o700}
    make_folder(tmp_path / "p" / "q", private=False)
    assert {mode(folder) for folder in (tmp_path / "p", tmp_path / "p/q")} == {0o755 & ~umask}


def test_a_folder_that_is_there_stays_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    make_folder(tmp_path / "mine")
    make_folder(tmp_path / "link" / "sub")
    assert (mode(tmp_path / "mine"), mode(tmp_path / "mine/sub")) == (0o755, 0o700)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        make_folder(tmp_path / "file" / "sub")


@pytest.mark.parametrize("umask", [0o000, 0o022], indirect=True)
def test_logs_are_private_also_old_ones_and_rotated_ones(tmp_path, umask):
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path)})
    folders.create()
    old = folders.logs / "app.log"
    old.write_text("from another version\n")
    handler = log_to_file(folders)
    handler.maxBytes = 200
    for number in range(9):
        logging.getLogger("skyreels_tui.test").warning("line %d %s", number, "x" * 60)
    handler.close()
    assert {mode(path) for path in folders.logs.iterdir()} == {0o600}
    assert len(list(folders.logs.iterdir())) == 3


def test_a_log_that_is_a_link_writes_into_nothing_else(tmp_path, capfd):
    folders = find_folders({"SKYREELS_TUI_HOME": str(tmp_path)})
    folders.create()
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (folders.logs / "app.log").symlink_to(precious)
    log_to_file(folders)
    logging.getLogger("skyreels_tui.test").warning("a line")
    assert precious.read_text() == "mine"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("umask", [0o000, 0o022], indirect=True)
def test_a_piece_of_a_job_is_private(tmp_path, umask):
    import numpy as np

    with VideoWriter(tmp_path / "piece.mp4", 64, 64, 24) as writer:
        writer.write(np.zeros((2, 64, 64, 3), np.uint8))
    assert mode(tmp_path / "piece.mp4") == 0o600


@pytest.mark.parametrize("umask", ["000", "022"])
def test_everything_that_the_program_keeps_is_private_after_real_use(tmp_path, umask):
    """Every file and folder of config, state and logs, and every folder made on the way to them."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    wish = ["--profile", "demo", "--task_type", "reference_to_video", "--ref_imgs", str(SAMPLES / "astronaut.jpg")]
    calls = [
        ["settings", "set", "bell", "no"],
        ["settings", "set", "result_dir", str(home / "result")],
        ["add", *wish, "--prompt", "x", "--resolution", "128P", "--duration", "1"],
        ["list"],
        ["run"],
        ["add", *wish, "--prompt", "y", "--resolution", "128P", "--duration", "1"],
        ["hold", "2"],
        ["list"],
    ]
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "SKYREELS_"))},
        "HOME": str(home),
    }
    code = (
        f"import os, sys; os.umask(0o{umask})\n"
        "from skyreels_tui.cli import main\n"
        "from skyreels_tui.executors.fake import FakeExecutor, Script\n"
        "sys.exit(main(sys.argv[1:], executor=lambda: FakeExecutor(Script(num_steps=3, preview=True))))"
    )
    for words in calls:
        done = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=home, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    kept = [home / ".config", home / ".local", home / ".cache"]
    found = [path for folder in kept for path in (folder, *folder.rglob("*"))]
    open_ones = {str(path.relative_to(home)): oct(mode(path)) for path in found if mode(path) & 0o077}
    assert open_ones == {}
    assert {"queue.db", "settings.toml", "engine.log"} <= {path.name for path in found}
    assert any(path.suffix == ".db" and path.parent.name == "backups" for path in found)
    # A person's videos are theirs to share, but nobody else's to change.
    assert {mode(path) & 0o022 for path in (home / "result").rglob("*") if path.is_dir()} == {0}


@pytest.mark.parametrize("name", ["film.srt", "[a]*?.json", "n" * 240 + ".json", "\udcff.json"])
def test_what_a_killed_write_began_goes_before_the_next(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    begun = writing._beside(path)
    begun.write_bytes(b"half")
    others = [tmp_path / "x.json", writing._beside(tmp_path / "x.json"), tmp_path / ".film.srt.notes.part"]
    for other in (path, *others):
        other.write_bytes(b"whole")
    writing.discard_parts(path)
    assert not begun.exists()
    assert all(other.read_bytes() == b"whole" for other in (path, *others))
