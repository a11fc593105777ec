"""The pool: text encoder and one transformer at least, more when the budget allows, least recently used first."""

import pytest
import torch

from pipelines.running.pool import ModelPool, model_bytes

TEXT, FIRST, SECOND, VAE = "text encoder", "first transformer", "second transformer", "vae"
SIZES = {TEXT: 400, FIRST: 1000, SECOND: 1000, VAE: 40}


class Shelf:
    """Builds networks of known sizes and remembers which were built."""

    def __init__(self, budget):
        self.pool, self.built = ModelPool(budget), []

    def use(self, name):
        def build():
            self.built.append(name)
            return torch.nn.Linear(SIZES[name] // 4, 1, bias=False)

        return self.pool.use(name, build, SIZES[name])

    def job(self, transformer):
        for name in (TEXT, VAE, transformer, VAE):
            with self.use(name):
                assert self.pool.budget_bytes is None or self.pool.num_bytes() <= self.pool.budget_bytes

    @property
    def warm(self):
        return {name for name in SIZES if self.pool.is_warm(name)}


def test_one_transformer_and_the_text_encoder_stay():
    shelf = Shelf(1500)
    shelf.job(FIRST)
    shelf.job(FIRST)
    assert shelf.built == [TEXT, VAE, FIRST]
    shelf.job(SECOND)
    assert shelf.built == [TEXT, VAE, FIRST, SECOND]
    assert shelf.warm == {TEXT, VAE, SECOND}


def test_more_stays_when_the_budget_allows():
    shelf = Shelf(2500)
    for transformer in (FIRST, SECOND, FIRST, SECOND):
        shelf.job(transformer)
    assert shelf.built == [TEXT, VAE, FIRST, SECOND]
    assert shelf.warm == set(SIZES)


def test_no_budget_keeps_all():
    shelf = Shelf(None)
    shelf.job(FIRST)
    shelf.job(SECOND)
    assert shelf.warm == set(SIZES)


def test_a_smaller_budget_takes_effect_at_once_but_not_from_hands():
    shelf = Shelf(2500)
    shelf.job(SECOND)
    with shelf.use(FIRST):
        shelf.pool.limit(500)
        assert shelf.warm == {FIRST}
    assert shelf.warm == set()


def test_a_failed_build_leaves_nothing_behind():
    pool = ModelPool(1000)

    def fail():
        raise MemoryError

    with pytest.raises(MemoryError), pool.use("x", fail, 10):
        pass
    assert not pool.is_warm("x")
    with pool.use("x", lambda: torch.nn.Linear(2, 2)) as model:
        assert model_bytes(model) == 24
