"""The form counts a long prompt with the tokenizer of the checkpoint that the job will use."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines import demo
from pipelines.front.prompts import clean_prompt, may_be_cut
from pipelines.tasks import task_named
from skyreels_tui.requests.forms import Reading, build_request, check_form
from tests.models_hub.conftest import r2v_files
from tests.models_hub.test_locate import put

TOKENIZER = (Path(demo.__path__[0]) / "tokenizer" / "tokenizer.json").read_bytes()
LONG = "a cat  walks slowly " * 40


def reading(folder: Path, prompt: str, tokenizer: bytes) -> Reading:
    task = task_named("reference_to_video")
    put(folder, {**r2v_files(), "tokenizer/tokenizer.json": tokenizer})
    checked = check_form(task, build_request(task, {"prompt": prompt, "model_id": str(folder)}, "full"), folder)
    assert checked.checkpoint == ""
    return checked.reading


def test_a_long_prompt_is_counted_exactly_and_a_short_one_not_at_all(tmp_path: Path) -> None:
    import transformers

    own = transformers.PreTrainedTokenizerFast(tokenizer_file=str(Path(demo.__path__[0]) / "tokenizer/tokenizer.json"))
    found = reading(tmp_path, LONG, TOKENIZER)
    assert found.text == clean_prompt(LONG) == ("a cat walks slowly " * 40).strip()
    assert found.tokens == len(own(found.text).input_ids) > 500
    assert reading(tmp_path / "short", "a cat", TOKENIZER) == Reading("a cat", None)
    assert not may_be_cut("é" * 255) and may_be_cut("é" * 256)


@pytest.mark.parametrize("damaged", [b"", b"{", b"[]", b'{"model": 3}', b"\xff\xfe", TOKENIZER[:5000]])
def test_a_damaged_tokenizer_costs_the_count_alone(tmp_path: Path, damaged: bytes) -> None:
    assert reading(tmp_path, LONG, damaged).tokens is None
