"""doc/media.md is what is measured: forty kinds and more, their frames, lip-sync, colours and warnings."""

from tests.media.kinds import PICTURES, SOUNDS, VIDEOS
from tests.media.page import PAGE, page


def test_the_page_says_what_is_measured(tmp_path):
    measured = page(tmp_path)
    assert len(VIDEOS) + len(SOUNDS) + len(PICTURES) >= 40
    assert PAGE.read_text("utf-8").splitlines() == measured.splitlines()
    assert " ms off |" not in measured and "| wrong |" not in measured and "| combed |" not in measured
