"""What a cluster refuses, in words that say what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.front.errors import InvalidRequest
from pipelines.front.gang import gang_problem, gang_sizes, ranks_of
from skyreels_tui.executors.cluster.ray.facts import NodeFacts, machine_differences
from skyreels_tui.executors.cluster.ray.nodes import Node, cluster_refusal

pytestmark = pytest.mark.quick
ROOT = Path(__file__).parents[2]
TWO = [Node("1", "192.168.10.1", "spark-01", 1, True), Node("2", "192.168.10.2", "spark-02", 1, True)]


@pytest.mark.parametrize(
    ("nodes", "environ", "words"),
    [
        (TWO, {}, "several machines and no token"),
        (TWO, {"RAY_AUTH_MODE": "disabled"}, "several machines and no token"),
        (TWO, {"RAY_AUTH_MODE": "token"}, ""),
        (TWO[:1], {}, ""),
        ([], {}, "the cluster has no GPU"),
        ([Node("1", "192.168.10.1", "desk", 0, False)], {}, "--workers N gives some"),
    ],
)
def test_a_cluster_that_anybody_could_use_is_not_used(nodes, environ, words):
    said = cluster_refusal(nodes, environ)
    assert words in said
    assert bool(said) == bool(words)


@pytest.mark.parametrize("size", [n for n in range(1, 41) if 40 % n])
def test_a_number_that_does_not_share_the_heads_is_refused(size):
    assert f"{size} GPUs cannot share the 40 attention heads" in gang_problem(size)
    assert size not in gang_sizes()


@pytest.mark.parametrize(("asked", "there"), [("2", 1), ("4", 2), ("8", 5), ("5", 0)])
def test_more_gpus_than_there_are_is_refused(asked, there):
    with pytest.raises(InvalidRequest, match=f"{asked} GPUs are asked for, {there} can be seen here"):
        ranks_of(asked, there)


@pytest.mark.parametrize("name", ["skyreels-tui", "python", "driver", "torch", "ray"])
def test_a_version_that_differs_is_named(name):
    mine = NodeFacts({"skyreels-tui": "1", "python": "1", "driver": "1", "torch": "1", "ray": "1"}, ())
    theirs = NodeFacts({**mine.versions, name: "2"}, ())
    assert machine_differences(mine, theirs) == [f"{name} is 2 there and 1 here"]
    assert machine_differences(mine, NodeFacts({**mine.versions, name: ""}, ())) == [f"{name} is - there and 1 here"]
    assert machine_differences(mine, mine) == []


@pytest.mark.parametrize(
    "words",
    [("cluster", "start"), ("cluster", "join", "192.168.10.1:6379"), ("cluster",), ("cluster", "link")],
)
def test_without_ray_the_command_says_what_installs_it(words, tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    for path in sys.path:
        if path.endswith("-packages"):
            for entry in Path(path).iterdir():
                if not entry.name.lower().startswith("ray"):
                    (packages / entry.name).symlink_to(entry)
    home = tmp_path / "home"
    (home / "config").mkdir(parents=True)
    (home / "config" / "settings.toml").write_text('cluster = "192.168.10.1:6379"\n', encoding="utf-8")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-S", "-m", "skyreels_tui", *words],
        env={**environ, "PYTHONPATH": str(packages), "SKYREELS_TUI_HOME": str(home), "LANGUAGE": "en"},
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done
    assert "pip install 'skyreels-tui[cluster]'" in done.stderr
    assert done.stdout == ""
