"""The page of predictions, the files of `bench`, what is said of two of them, and the first guess from one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.benchmark import speed as benchmark
from pipelines.tasks import task_named
from skyreels_tui.eta.predictions import predictions_page
from skyreels_tui.eta.rates import EtaBook
from skyreels_tui.eta.speeds import CASES, GB10, predicted_report, read_measured
from skyreels_tui.requests.planning import Asked, plan_of
from tests.cli.conftest import Call, cli, home  # noqa: F401 - fixtures
from tests.queue.conftest import make_request

Cli = Callable[..., Call]
DOC = Path(__file__).parents[2] / "doc/gb10.md"


def rows(text: str) -> dict[str, list[list[str]]]:
    """Cells of the page's tables by their first one."""
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("| ") and not line.startswith("| call"):
            name, *cells = (cell.strip(" *") for cell in line.strip("|").split("|"))
            found.setdefault(name, []).append(cells)
    return found


def test_the_page_is_what_its_program_writes() -> None:
    assert DOC.read_text("utf-8") == predictions_page(), "python -m skyreels_tui.eta.predictions doc/gb10.md"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_figure_follows_from_the_formulas_of_the_page(case) -> None:
    """Worked out here a second time, from the text's own constants."""
    context, square = (801, 8) if case.family == "a2v" else (512, 6)
    tokens = case.latent_frames * (case.height // 16) * (case.width // 16)
    attention = 40 * 4 * 5120 * tokens * (tokens + context)
    linear = 40 * 2 * tokens * (square * 5120 * 5120 + 2 * 5120 * 13824)
    parts = [attention / 93e12, linear / 90e12, 40 * 245_000 * tokens / 230e9]
    decode = 8.55e6 * case.height * case.width * (4 * case.latent_frames - 3)
    decode_s = decode / (0.33 * 90e12)
    steps = 4 if case.family == "a2v" else 8
    step_row, clip_row, *_ = rows(DOC.read_text("utf-8"))[case.name]
    assert step_row == [
        str(tokens),
        f"{attention / 1e15:.2f}",
        f"{linear / 1e15:.2f}",
        *(f"{part:.1f} s" for part in parts),
        f"{sum(parts):.1f} s",
    ]
    minutes = (steps * sum(parts) + decode_s) / 60
    assert clip_row == [f"{decode / 1e12:.0f}", f"{decode_s:.1f} s", str(steps), f"{minutes:.1f} min"]


def test_the_rates_of_the_page_are_those_that_are_used() -> None:
    table = rows(DOC.read_text("utf-8"))
    told = [float(cells[0][0]) for name, cells in table.items() if re.match("R_l|R_a|B:", name)]
    assert told == [GB10.matmul_tflops, GB10.attention_tflops, GB10.copy_gb_per_s]


def test_the_cases_are_those_that_bench_measures() -> None:
    assert CASES == benchmark.CASES


def measurement(path: Path, gpu: str = "NVIDIA GB10", slower: float = 1.0) -> Path:
    """A file as `bench --output` writes it, `slower` than predicted."""
    report = predicted_report(gpu, GB10) | {"predicted": False}
    for case in report["cases"]:
        case["step_s"] *= slower
        case["tflops"] /= slower
    path.write_text(json.dumps(report), "utf-8")
    return path


def test_compare_says_where_the_prediction_was_wrong_and_by_how_much(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    spark = measurement(tmp_path / "spark.json", slower=1.25)
    predicted = tmp_path / "gb10.json"
    assert cli("bench", "--predict", "--output", str(predicted)).code == 0
    call = cli("bench", "--compare", str(predicted), str(spark))
    assert call.code == 0
    line = next(line for line in call.out.splitlines() if "r2v 540P 5 s: step" in line)
    assert line.split()[-2:] == ["+25.0", "%"]
    assert all("+0.0 %" in line for line in call.out.splitlines() if "decode, s" in line or "TFLOP/s" in line)
    assert "NVIDIA GB10, predicted" in call.out
    data = cli("bench", "--compare", str(predicted), str(spark), "--json").data
    assert {row["what"]: row["ratio"] for row in data["rows"]}["r2v 720P 5 s: step, s"] == pytest.approx(1.25)
    assert [entry["gpu"] for entry in data["formula"]] == ["NVIDIA GB10"] * len(CASES)
    assert all(entry["off"] == pytest.approx(1 / 1.25 - 1) for entry in data["formula"])


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"gpu": "x", "ceilings": {}, "cases": []}', "no json", '{"ceilings": null, "cases": 3}']
)
def test_a_file_that_is_none_is_refused_in_words(cli: Cli, tmp_path: Path, text: str) -> None:  # noqa: F811
    good, bad = measurement(tmp_path / "a.json"), tmp_path / "b.json"
    bad.write_text(text)
    for words in (("--compare", str(good), str(bad)), ("--use", str(bad))):
        call = cli("bench", *words)
        assert call.code != 0
        assert "b.json" in call.err
        assert "Traceback" not in call.err
    assert cli("bench", "--use", str(tmp_path / "gone.json")).code == 3


@pytest.mark.parametrize("field", ["step_s", "tflops", "decode_s", "tokens"])
@pytest.mark.parametrize("value", [0, -1, "fast", None, True, 1e400])
def test_odd_numbers_are_no_speeds(tmp_path: Path, field: str, value: object) -> None:
    path = measurement(tmp_path / "a.json")
    report = json.loads(path.read_text())
    report["cases"][0][field] = value
    path.write_text(json.dumps(report))
    with pytest.raises(ValueError, match=r".+"):
        read_measured(path)


def test_the_first_guess_comes_from_the_file_of_this_gpu(tmp_path: Path) -> None:
    plan = plan_of(Asked(task_named("reference_to_video"), make_request(profile="full", resolution="540P")))
    speed = measurement(tmp_path / "speed.json", slower=1.5)

    def step_s(gpu: str, file: Path | None) -> float:
        return EtaBook(tmp_path / "none.json", lambda: gpu, file).estimate("reference_to_video", plan).step_s

    near = read_measured(speed).nearest(plan.num_tokens)
    assert near is not None
    segment = plan.denoise_flops / plan.segments[0].num_steps
    assert step_s("NVIDIA GB10", speed) == pytest.approx(segment / (near.tflops * 1e12))
    assert step_s("NVIDIA GB10", speed) != step_s("NVIDIA GB10", None)
    for other in ("NVIDIA H200", ""):
        assert step_s(other, speed) == step_s(other, None), "another GPU's file says nothing"
    speed.write_text("torn")
    assert step_s("NVIDIA GB10", speed) == step_s("NVIDIA GB10", None)


def test_use_takes_a_measurement_and_no_prediction(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    predicted = tmp_path / "gb10.json"
    cli("bench", "--predict", "--output", str(predicted))
    assert "only a measurement" in cli("bench", "--use", str(predicted)).err
    call = cli("bench", "--use", str(measurement(tmp_path / "spark.json")))
    assert call.code == 0
    assert "NVIDIA GB10" in call.err


def test_the_doctor_reads_the_facts_of_such_a_file(cli: Cli, tmp_path: Path) -> None:  # noqa: F811
    record, both = tmp_path / "facts.json", tmp_path / "spark.json"
    cli("doctor", "--record", str(record))
    report = json.loads(measurement(both).read_text()) | {"facts": json.loads(record.read_text())}
    both.write_text(json.dumps(report))
    assert cli("doctor", "--facts", str(both)).out == cli("doctor", "--facts", str(record)).out
    assert read_measured(both).gpu == "NVIDIA GB10"
