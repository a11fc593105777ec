"""What a worker tells of its work folder while a thread of its own stores steps and removes older ones."""

import os

from skyreels_tui.executors.cluster.copies import Mirror, put
from skyreels_tui.executors.cluster.messages import PART_BYTES, FileRemoved


def told(mirror, folder, between=lambda: None):
    """Take in what is told into `folder`, with something that happens after each message."""
    for change in mirror.changes():
        if isinstance(change, FileRemoved):
            (folder / change.name).unlink(missing_ok=True)
        else:
            put(folder, change)
        between()


def whole_files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("[!.]*")}


def test_files_that_go_while_they_are_told_end_nothing(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    mirror = Mirror(here)
    (here / "a").write_bytes(b"1" * (PART_BYTES + 1))
    (here / "b").write_bytes(b"2")
    os.utime(here / "a", ns=(1, 1))

    def remove_both():
        for path in list(here.glob("*")):
            path.unlink()

    told(mirror, there, remove_both)
    # The one that was being read came whole; the other had gone before it was begun.
    assert whole_files(there) == {"a": b"1" * (PART_BYTES + 1)}
    (here / "c").write_bytes(b"3")
    told(mirror, there)
    assert whole_files(there) == {"c": b"3"}
