"""`bench --gpus`: what one call takes by one, two and more devices; on a CPU the way is shown by processes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.front.errors import InvalidRequest
from skyreels_tui.commands.system.bench_gpus import show_gpus, sizes_up_to
from tests.cli.conftest import Call

Cli = Callable[..., Call]


def test_two_processes_of_a_cpu_show_the_table_and_say_what_it_is(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "scaling.json"
    words = ("--profile", "demo", "--case", "r2v 540P", "--repeats", "1", "--output", str(file))
    call = cli("bench", "--gpus", "2", *words)
    assert call.code == 0, call.err
    assert "processes of the CPU" in call.out
    assert "no GPU's speed" in call.out
    report = json.loads(file.read_text("utf-8"))
    assert report["demo"]
    assert report["facts"]
    one, two = report["scaling"]
    assert (one["gpus"], two["gpus"]) == (1, 2)
    assert two["steps"][0]["relative_l2"] < 1e-5
    for figure in (one["steps"][0]["step_s"], two["steps"][0]["step_s"], one["decode_s"], two["decode_s"]):
        assert figure > 0
        assert f"{figure:.2f} s" in call.out
    for rate in two["exchange_gb_per_s"].values():
        assert f"{rate:.1f} GB/s" in call.out
    assert f"({one['decode_s'] / two['decode_s']:.2f}x)" in call.out


def test_gpus_have_a_column_each_with_speed_up_rates_and_memory(capsys: pytest.CaptureFixture[str]) -> None:
    def measured(gpus: int) -> dict[str, object]:
        step = {"name": "r2v 540P 5 s", "step_s": 8.0 / gpus, "peak_bytes": 40 * 2**30 // gpus}
        found = {"gpus": gpus, "steps": [step], "decode_s": 2.0, "decode_peak_bytes": 2**30}
        if gpus > 1:
            step["relative_l2"] = 0.0107
            found["exchange_gb_per_s"] = {"64": 100.0 + gpus}
        return found

    facts = {"gpu": "NVIDIA H100", "demo": False, "torch": "2.11", "attention": "flash4", "layers": 8}
    show_gpus({**facts, "scaling": [measured(count) for count in (1, 2, 4)]})
    said = capsys.readouterr().out
    assert "NVIDIA H100" in said
    assert "8 of 40 blocks" in said
    for figure in ("8.00 s", "4.00 s (2.00x)", "2.00 s (4.00x)", "102.0 GB/s", "104.0 GB/s", "0.011", "40 GiB"):
        assert figure in said


@pytest.mark.parametrize(
    ("asked", "there", "sizes"),
    [("1", 1, [1]), ("2", 2, [1, 2]), ("4", 4, [1, 2, 4]), ("8", 8, [1, 2, 4, 5, 8]), ("all", 3, [1, 2]),
     ("all", 1, [1]), ("2", None, [1, 2])],
)  # fmt: skip
def test_every_number_that_shares_the_heads_is_measured(asked: str, there: int | None, sizes: list[int]) -> None:
    assert sizes_up_to(asked, there) == sizes


@pytest.mark.parametrize(
    ("asked", "there", "words"),
    [("4", 2, "4 GPUs are asked for, 2 can be seen"), ("3", 4, "cannot share the 40 attention heads"),
     ("0", 4, "cannot share"), ("two", 4, "a number of GPUs, or all"), ("-1", 4, "a number of GPUs"),
     ("²", 4, "a number of GPUs"), ("9" * 5000, 4, "a number of GPUs")],
)  # fmt: skip
def test_another_number_is_refused_in_words(asked: str, there: int | None, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        sizes_up_to(asked, there)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--profile", "demo"), "--profile demo goes with --gpus"),
        (("--gpus", "3", "--profile", "demo"), "cannot share the 40 attention heads"),
        (("--gpus", "2", "--case", "XYZ", "--profile", "demo"), "no case"),
        (("--gpus", "2"), "no CUDA GPU here"),
    ],
)
def test_the_command_refuses_in_words(cli: Cli, words: tuple[str, ...], said: str) -> None:
    call = cli("bench", *words)
    assert call.code != 0
    assert said in call.err
