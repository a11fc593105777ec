"""A stop is heard while what a job goes on from is encoded, not only once its steps begin."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.front.errors import Cancelled
from pipelines.front.progress import Progress, Stage
from pipelines.running.pool import ModelPool
from tests.families.test_step_preview import cache as cache
from tests.families.test_step_preview import job as job

CHUNKS = {"reference_to_video": 1, "single_shot_extension": 3, "shot_switching_extension": 3, "talking_avatar": 3}
"""Task -> the call of the encoder before which it is stopped."""


@pytest.mark.parametrize("task", CHUNKS)
def test_a_stop_is_heard_between_the_chunks_of_an_encode(job: Any, task: str) -> None:
    seen: list[Progress] = []
    asked: list[int] = []

    def poll() -> None:
        asked.append(1)
        if len(asked) == CHUNKS[task]:
            raise Cancelled

    with pytest.raises(Cancelled):
        job(task, "stopped", ModelPool(), seen.append, poll=poll)
    stages = [progress.stage for progress in seen]
    assert Stage.CONDITION in stages and Stage.DENOISE not in stages
