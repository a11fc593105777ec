"""Lends the families the command line of its own tests, and small pictures."""

from collections.abc import Iterator

import pytest

from pipelines.front.shapes import AVATAR_BUCKETS, WAN_BUCKETS
from tests.cli.conftest import cli, home

__all__ = ["cli", "home", "small_pictures"]


@pytest.fixture(scope="module")
def small_pictures() -> Iterator[None]:
    """Buckets of a quarter of the demo's pixels: for tests of a job's course, not of its size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(WAN_BUCKETS, "128P", {"0.50": (48, 96), "0.75": (48, 64), "1.33": (64, 48)})
        patch.setitem(AVATAR_BUCKETS, "128P", {"1.00": (32, 32)})
        yield
