"""The doctor: pages from recorded machines, single judgements, and what leaves the machine in a support file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.tasks import TASKS
from skyreels_tui.commands.system.doctor import page
from skyreels_tui.doctor.bundle import make_bundle, traceback_frames
from skyreels_tui.doctor.checks import CheckState, covers, run_checks
from skyreels_tui.doctor.facts import (
    PARTS,
    ClusterFacts,
    ClusterMachine,
    DiskFacts,
    GpuFacts,
    MachineFacts,
    TerminalFacts,
    TorchFacts,
    facts_json,
    from_json,
)
from skyreels_tui.doctor.gather import gather, namesakes
from skyreels_tui.executors.cluster.judgement import Half, Link, LinkEnd
from skyreels_tui.files.folders import find_folders
from skyreels_tui.queue.model import Job, JobState
from skyreels_tui.settings.settings import Settings
from tests.cli.conftest import Call

Cli = Callable[..., Call]
MACHINES = Path(__file__).parent / "machines"
NAMES = ("spark", "spark_cpu_torch", "desktop")
ALL_TASKS = tuple(task.name for task in TASKS if task.components)


def machine(name: str) -> MachineFacts:
    """Facts of one machine."""
    return from_json((MACHINES / f"{name}.json").read_text("utf-8"))


def judged(facts: MachineFacts) -> dict[str, tuple[CheckState, str, str, str]]:
    """Check name -> (state, found, why, fix)."""
    return {check.name: (check.state, check.found, check.why, check.fix) for check in run_checks(facts)}


@pytest.mark.parametrize("name", NAMES)
def test_page_of_a_recorded_machine(name: str) -> None:
    expected = (MACHINES / f"{name}.txt").read_text("utf-8")
    assert "\n".join(page(run_checks(machine(name)))) + "\n" == expected


@pytest.mark.parametrize("name", NAMES)
def test_facts_survive_being_written(name: str) -> None:
    assert from_json(facts_json(machine(name))) == machine(name)


def test_a_cpu_only_torch_on_a_spark_gets_the_exact_command(cli: Cli) -> None:
    call = cli("doctor", "--facts", MACHINES / "spark_cpu_torch.json")
    assert call.code == 1
    assert "BAD   torch" in call.out
    assert "$ /home/ana/skyreels-tui/.venv/bin/python -m pip install --force-reinstall 'torch>=2.11'" in call.out


def test_an_ffmpeg_that_cannot_work_in_a_folder_of_ours_is_bad() -> None:
    spark = machine("spark")
    confined = dataclasses.replace(spark.ffmpeg, trouble=(("/home/ana/.local/state", "Permission denied"),))
    facts = dataclasses.replace(spark, ffmpeg=confined)
    state, found, why, fix = judged(facts)["ffmpeg"]
    assert (
        state is CheckState.BAD and "/home/ana/.local/state: Permission denied" in found and spark.ffmpeg.path in found
    )
    assert why and fix.endswith("-m pip install imageio-ffmpeg")
    assert from_json(facts_json(facts)) == facts


def test_a_good_spark_is_exit_0_and_json_has_the_same(cli: Cli) -> None:
    call = cli("doctor", "--json", "--facts", MACHINES / "spark.json")
    assert call.code == 0
    assert set(call.data) == {"facts", "checks"}
    assert {check["state"] for check in call.data["checks"]} <= {"ok", "note"}
    assert set(call.data["checks"][0]) == {"name", "state", "found", "why", "fix"}


def test_facts_that_are_none(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"a": 1}')
    assert cli("doctor", "--facts", tmp_path / "other.json").code == 2
    assert cli("doctor", "--facts", tmp_path / "none.json").code == 3


@pytest.mark.parametrize(
    ("supported", "capability", "fits"),
    [
        (("sm_80", "sm_90", "sm_120"), (12, 1), True),
        (("sm_80", "sm_90"), (12, 1), False),
        (("sm_90", "compute_90"), (12, 1), True),
        (("sm_90a",), (9, 0), True),
        (("sm_89",), (8, 6), False),
    ],
)
def test_code_for_a_gpu(supported: tuple[str, ...], capability: tuple[int, int], fits: bool) -> None:
    assert covers(supported, capability) is fits


def test_single_judgements() -> None:
    spark = machine("spark")
    crashed = judged(dataclasses.replace(spark, torch=TorchFacts(error="OSError: libcudart.so.13 not found")))
    assert crashed["torch"][0] is CheckState.BAD
    assert "libcudart" in crashed["torch"][1]
    old = dataclasses.replace(spark.torch, supported=("sm_80", "sm_90"))
    assert "12.1" in judged(dataclasses.replace(spark, torch=old))["gpu"][2]
    unloaded = dataclasses.replace(spark.torch, cuda_available=False)
    assert judged(dataclasses.replace(spark, torch=unloaded))["gpu"][3] == "nvidia-smi"
    no_kernel = dataclasses.replace(spark.torch, kernels=(("cudnn", -1.0), ("flash", -1.0)))
    assert judged(dataclasses.replace(spark, torch=no_kernel))["attention"][0] is CheckState.BAD
    little = dataclasses.replace(spark, available_bytes=4 << 30)
    assert judged(little)["memory"][0] is CheckState.WARN
    nfs = DiskFacts("queue and unfinished jobs", "/net/ana/it's", "nfs4", 10**12, True)
    state, _, why, fix = judged(dataclasses.replace(spark, disks=(nfs,)))["disk: queue and unfinished jobs"]
    assert (state, fix) == (CheckState.BAD, "export SKYREELS_TUI_HOME=/a/local/folder")
    assert "network file system" in why
    damaged = tuple(dataclasses.replace(model, state="corrupt", missing=("vae",)) for model in spark.models)
    assert judged(dataclasses.replace(spark, models=damaged))["model r2v"][0::3] == (
        CheckState.BAD,
        "skyreels-tui models download r2v",
    )
    locked = dataclasses.replace(nfs, file_system="ext4", writable=False)
    assert judged(dataclasses.replace(spark, disks=(locked,)))["disk: queue and unfinished jobs"][0] is CheckState.BAD


def test_terminals() -> None:
    spark = machine("spark")

    def of(**values: object) -> dict[str, tuple[CheckState, str, str, str]]:
        base = {"is_terminal": True, "term": "xterm-256color", "encoding": "utf-8", "columns": 120, "lines": 40}
        return judged(dataclasses.replace(spark, terminal=TerminalFacts(**{**base, **values})))  # type: ignore[arg-type]

    assert of(colorterm="truecolor")["colours"][0] is CheckState.OK
    assert of(ssh=True)["colours"][2].startswith("ssh does not pass COLORTERM on")
    assert of(no_color=True, colorterm="truecolor")["colours"][1].startswith("NO_COLOR")
    assert of(tmux="3.5a", tmux_passthrough="off")["tmux"][3] == "tmux set -g allow-passthrough on"
    assert of(tmux="3.5a", tmux_passthrough="on")["tmux"][0] is CheckState.OK
    assert of()["clipboard"][0] is CheckState.OK
    assert of(takes_text=False)["clipboard"][0] is CheckState.NOTE
    assert "screen" in of(screen=True)["clipboard"][1]
    inside = {"tmux": "3.5a", "tmux_hands_on": True}
    assert of(**inside, tmux_clipboard="external")["clipboard"][0] is CheckState.OK
    assert of(**inside, tmux_clipboard="off")["clipboard"][3] == "tmux set -s set-clipboard external"
    assert of(tmux="3.5a")["clipboard"][3] == "tmux set -as terminal-features ',*:clipboard'"
    assert of(encoding="ANSI_X3.4-1968")["letters"][0] is CheckState.WARN
    assert of(pictures="sixel")["pictures"][:2] == (CheckState.OK, "sixel")
    assert "pictures" not in of()
    assert of(columns=50)["terminal"][0] is CheckState.WARN


def test_this_machine(home: Path, tmp_path: Path) -> None:
    told: list[tuple[list[str], tuple[str, ...]]] = []

    def tell(so_far: MachineFacts, known: Sequence[str]) -> None:
        told.append(([check.name for check in run_checks(so_far, known)], tuple(known)))

    facts = gather(find_folders(), Settings(), tmp_path / "result", {"TERM": "xterm-256color"}, tell=tell)
    checks = judged(facts)
    # Each check is told as soon as it ends, and what has been told stays.
    assert [known for _, known in told] == [PARTS[:count] for count in range(1, len(PARTS))]
    assert "python" in told[0][0] and "torch" not in told[0][0] and "ffmpeg" in told[2][0]
    assert all(set(before) <= set(after) for (before, _), (after, _) in pairwise(told))
    assert set(told[-1][0]) < set(checks) and "torch" in checks
    assert facts.torch.error == ""
    assert facts.torch.version.startswith("2.")
    assert checks["ffmpeg"][0] is CheckState.OK
    assert checks["disk: results"][0] is CheckState.OK
    assert facts.memory_bytes > facts.available_bytes > 0
    assert from_json(facts_json(facts)) == facts


TRACEBACK = """Traceback (most recent call last):
  File "/home/ana/skyreels-tui/pipelines/media/write/publish.py", line 40, in publish
    encode("secret/prompt.mp4")
pipelines.front.errors.MediaError: secret words in /home/ana/private.mp4
"""


def test_the_bundle_holds_no_private_text() -> None:
    job = Job(
        id=1,
        label="secret label",
        task_type="reference_to_video",
        request_json=json.dumps({"prompt": "secret prompt", "ref_imgs": ["/home/ana/secret.png"]}),
        state=JobState.FAILED,
        position=1.0,
        created_at="2026-01-01",
        output="/home/ana/secret.mp4",
        error="secret error",
        traceback=TRACEBACK,
    )
    facts = dataclasses.replace(machine("spark"), settings_warnings=("unknown setting 'secret' was ignored",))
    settings = dataclasses.asdict(Settings(webhook="https://secret.example", inbox="/home/ana/secret"))
    text = make_bundle(facts, run_checks(facts), [job, job], settings, "/home/ana", "ana")
    assert "secret" not in text
    assert "/home/ana" not in text
    assert '"ana"' not in text
    content = json.loads(text)
    assert content["jobs"] == {"reference_to_video failed": 2}
    assert content["failures"][0] == ["pipelines/media/write/publish.py:40", "pipelines.front.errors.MediaError"]
    assert content["settings"]["memory_floor_gib"] == 8.0
    assert content["facts"]["settings_warnings"] == 1


def test_frames_of_an_empty_traceback() -> None:
    assert traceback_frames("") == []


def test_the_bundle_is_written_where_it_says(cli: Cli, tmp_path: Path) -> None:
    call = cli("doctor", "--facts", MACHINES / "spark.json", "--bundle", tmp_path / "support.json")
    assert call.out == f"{tmp_path / 'support.json'}\n"
    assert json.loads((tmp_path / "support.json").read_text())["facts"]["product"] == "NVIDIA_DGX_Spark"


def test_without_a_gpu_nobody_is_told_to_download(cli: Cli) -> None:
    bare = dataclasses.replace(
        machine("desktop"), gpu=GpuFacts(), torch=TorchFacts(version="2.13.0"), product="", settings_warnings=()
    )
    missing = tuple(dataclasses.replace(model, state="missing", num_bytes=0) for model in bare.models)
    text = "\n".join(page(run_checks(dataclasses.replace(bare, models=missing))))
    assert "models download" not in text
    assert text.endswith(": the demo runs here, a real video needs an NVIDIA GPU")


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("spark", "0 bad, 0 warnings: ready for real videos"),
        ("spark_cpu_torch", "1 bad, 2 warnings: begin with the first BAD line: what stands after $ mends it"),
        ("desktop", "0 bad, 2 warnings: the demo runs here, for a real video download a model"),
    ],
)
def test_the_last_line_says_what_it_means(name: str, verdict: str) -> None:
    assert page(run_checks(machine(name)))[-1] == verdict


@pytest.mark.parametrize(
    ("packages", "found"),
    [
        ({"pipelines": ["skyreels-tui"]}, ()),
        ({"pipelines": ["skyreels-tui", "skyreels-tui"], "torch": ["torch"]}, ()),
        ({"pipelines": ["skyreels-tui", "pipelines"]}, ("pipelines",)),
        ({"pipelines": ["zz", "skyreels-tui", "aa"]}, ("aa", "zz")),
        ({}, ()),
    ],
)
def test_another_package_of_our_name_is_named(packages: dict[str, list[str]], found: tuple[str, ...]) -> None:
    assert namesakes(packages) == found
    checks = judged(dataclasses.replace(machine("spark"), namesakes=found))
    assert ("packages" in checks) is bool(found)
    if found:
        state, words, why, _ = checks["packages"]
        assert state is CheckState.BAD and all(name in words for name in found) and why


def test_each_check_is_said_as_it_ends_and_the_page_comes_last(cli: Cli) -> None:
    call = cli("doctor")
    said = [line.split(maxsplit=1)[1] for line in call.errors[1:] if " " in line]
    titles = [check.title for check in run_checks(gathered(cli))]
    assert len(said) == len(set(said)) and sorted(said) == sorted(set(titles))
    assert call.out.splitlines()[0].split()[0] in call.errors[1]


def gathered(cli: Cli) -> MachineFacts:
    """The facts of this machine, as the command sees them."""
    return from_json(json.dumps(cli("doctor", "--json").data["facts"]))


PAIR = ClusterFacts(
    "192.168.10.1:6379",
    True,
    machines=(
        ClusterMachine("spark-01", "192.168.10.1", 1, ALL_TASKS),
        ClusterMachine("spark-02", "192.168.10.2", 1, ALL_TASKS),
    ),
)
SLOW = Link((LinkEnd("spark-01", (Half("a", gbits=200.0),)), LinkEnd("spark-02", (Half("b", gbits=200.0),))), 13e9 / 8)


def test_the_doctor_says_nothing_of_a_cluster_that_there_is_not() -> None:
    assert "cluster" not in judged(machine("spark"))


@pytest.mark.parametrize(
    ("cluster", "name", "state", "words"),
    [
        (PAIR, "cluster", CheckState.OK, "192.168.10.1:6379, 2 machines, with a token"),
        (PAIR, "machine spark-02", CheckState.OK, "192.168.10.2, 1 worker"),
        (PAIR, "link", CheckState.NOTE, "skyreels-tui cluster link"),
        (dataclasses.replace(PAIR, problem="no token"), "cluster", CheckState.BAD, "no token"),
        (dataclasses.replace(PAIR, links=(SLOW,)), "link spark-01 - spark-02", CheckState.WARN, "a fifteenth of"),
        (dataclasses.replace(PAIR, links=(SLOW,)), "link spark-01 - spark-02", CheckState.WARN, "MTU 9000 on both"),
        (
            dataclasses.replace(PAIR, links=(dataclasses.replace(SLOW, problem="cut"),)),
            "link spark-01 - spark-02",
            CheckState.BAD,
            "cut",
        ),
        (
            dataclasses.replace(
                PAIR, machines=(ClusterMachine("b", "10.0.0.2", 1, ALL_TASKS, ("torch is 2.9 there",)),)
            ),
            "machine b",
            CheckState.WARN,
            "torch is 2.9 there: install the same on both",
        ),
        (
            dataclasses.replace(PAIR, machines=(ClusterMachine("b", "10.0.0.2", 1, ALL_TASKS[1:]),)),
            "machine b",
            CheckState.NOTE,
            "skyreels-tui models download, there",
        ),
        (
            dataclasses.replace(PAIR, machines=(ClusterMachine("b", "10.0.0.2", 1, problem="it is gone"),)),
            "machine b",
            CheckState.BAD,
            "it is gone",
        ),
    ],
)
def test_a_cluster_is_judged(cluster: ClusterFacts, name: str, state: CheckState, words: str) -> None:
    facts = dataclasses.replace(machine("spark"), cluster=cluster)
    check = judged(facts)[name]
    assert check[0] is state
    assert words in " ".join(check)
    assert from_json(facts_json(facts)) == facts
