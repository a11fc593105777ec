"""A stream that is computed one ahead: order, errors, an early end, and that the next is made meanwhile."""

import threading

import pytest
import torch

from pipelines.running.ahead import ahead

LIMIT_S = 20


def numbers(count, closed=None, on_make=None):
    try:
        for n in range(count):
            if on_make is not None:
                on_make(n)
            yield torch.full((2,), float(n))
    finally:
        if closed is not None:
            closed.append(threading.current_thread().name)


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_everything_comes_in_order(count):
    assert [int(value[0]) for value in ahead(numbers(count))] == list(range(count))


def test_the_next_is_made_while_one_is_held():
    second = threading.Event()
    stream = ahead(numbers(3, on_make=lambda n: second.set() if n == 1 else None))
    next(stream)
    assert second.wait(LIMIT_S)
    stream.close()


def test_no_more_than_two_are_waiting_or_in_the_making():
    made = []
    stream = ahead(numbers(50, on_make=made.append))
    for taken in range(1, 20):
        next(stream)
        assert len(made) <= taken + 2
    stream.close()


@pytest.mark.parametrize("before", [0, 1, 3])
def test_an_error_comes_after_what_was_made_before_it(before):
    def broken():
        yield from numbers(before)
        raise MemoryError("no room")

    taken = []
    with pytest.raises(MemoryError, match="no room"):
        taken.extend(ahead(broken()))
    assert len(taken) == before


@pytest.mark.parametrize("taken", [1, 2])
def test_leaving_early_closes_the_stream_before_it_returns(taken):
    closed = []
    stream = ahead(numbers(50, closed))
    for _ in range(taken):
        next(stream)
    stream.close()
    assert [name.startswith("ahead") for name in closed] == [True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_what_is_made_takes_no_gradients():
    (value,) = ahead(numbers(1))
    assert value.is_inference()
