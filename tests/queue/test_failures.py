"""Why a job failed is a sentence with a way out, whatever ended it."""

from __future__ import annotations

import errno
import os

import pytest

from pipelines.front.errors import MediaError
from skyreels_tui.executors.fake import FakeExecutor, Script
from skyreels_tui.queue.engine.attempt.failures import failure_words
from skyreels_tui.queue.model import JobState
from tests.queue.conftest import WAIT_S, make_request

NUMBERS = sorted(errno.errorcode)


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.__getitem__)
def test_an_error_of_the_system_is_a_sentence(number: int) -> None:
    words = failure_words(OSError(number, os.strerror(number), "/films/a.mp4"))
    assert "Errno" not in words and os.strerror(number) in words
    assert any(way in words for way in ("retry", "label")), words


@pytest.mark.parametrize(
    "error",
    [OSError(), OSError("gone"), OSError(errno.EIO, "Input/output error"), OSError(99999, "odd"), TimeoutError(),
     PermissionError(errno.EACCES, "Permission denied", b"/a\xff"), MemoryError(), RuntimeError(""), KeyError("x"),
     ValueError("a\nb"), type("AcceleratorError", (RuntimeError,), {})("CUDA error: unspecified launch failure")],
    ids=repr,
)  # fmt: skip
def test_an_error_without_a_number_or_a_name_is_a_sentence_too(error: Exception) -> None:
    words = failure_words(error)
    assert "Errno" not in words and "retry" in words and not words.startswith(type(error).__name__)


def test_our_own_errors_speak_for_themselves() -> None:
    assert failure_words(MediaError("no picture in x.mp4")) == "no picture in x.mp4"


class Refused(FakeExecutor):
    """An executor whose disk gives nothing any more."""

    def run(self, context):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/films")


def test_the_row_of_a_failed_job_says_it_in_words(open_service) -> None:
    service = open_service(Refused(Script()))
    job = service.wait(service.actions.add(make_request()).id, WAIT_S)
    assert job.state is JobState.FAILED
    assert job.error.startswith("no permission for /films: change its owner or rights") and "Errno" not in job.error
