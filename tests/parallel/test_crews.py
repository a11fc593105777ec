"""The crew that a pool keeps: one at a time, replaced when a rank of it is gone."""

from pipelines.running.crews import warm_crew
from pipelines.running.pool import ModelPool


def test_a_crew_is_kept_warm_replaced_when_lost_and_alone_in_its_process():
    pool = ModelPool()
    with warm_crew(pool, 2, "cpu") as first:
        pass
    with warm_crew(pool, 2, "cpu") as again:
        assert again is first
    first.followers.processes[0].kill()
    first.followers.processes[0].join()
    with warm_crew(pool, 2, "cpu") as second:
        assert second is not first
    with warm_crew(pool, 3, "cpu") as larger:
        assert larger.size == 3
    assert second.is_over
    pool.release()
    del larger
    assert not pool.is_warm(("crew", "cpu", 3))
