"""Goldens whose networks several ranks share, and what cannot be shared."""

from pathlib import Path

import pytest

from pipelines.parity.run import run_goldens

GOLDENS = Path(__file__).parents[1] / "goldens"


@pytest.mark.parametrize(
    ("family", "only"),
    [("a2v", "dit_two_speakers"), ("v2v", "transformer"), ("r2v", "vae"), ("r2v", "pipeline_ref2_guided")],
)
def test_two_ranks_pass_the_goldens_of_one(family, only):
    lines = []
    tally = run_goldens(family, GOLDENS / family, lines.append, only=only, ranks=2)
    assert tally.is_clean, [line for line in lines if not line.endswith("PASS")]
    assert not tally.refused


def test_four_ranks_cannot_share_two_heads_and_the_words_say_so():
    lines = []
    tally = run_goldens("a2v", GOLDENS / "a2v", lines.append, only="dit_two_speakers", ranks=4)
    assert (tally.refused, tally.failed) == (1, 0)
    assert any("REFUSED" in line and "4 GPUs cannot share the 2 attention heads" in line for line in lines)
