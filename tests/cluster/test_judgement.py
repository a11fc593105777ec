"""What a measured link is worth, in figures that owners of two joined machines report."""

import dataclasses
import json

import pytest

from skyreels_tui.executors.cluster.judgement import Half, Link, LinkEnd, judge_link, read_link, step_gain

pytestmark = pytest.mark.quick
GB = 1e9


def end(name="spark-01", **changes):
    """A tuned machine: both halves of its port with large packets, each in a network of its own."""
    halves = (
        Half("enp1s0f0np0", "192.168.10.0/24", 9000, 200.0, "rocep1s0f0"),
        Half("enP2p1s0f0np0", "192.168.11.0/24", 9000, 200.0, "roceP2p1s0f0"),
    )
    return dataclasses.replace(LinkEnd(name, halves, "rocep1s0f0,roceP2p1s0f0", "2.28.9", "NVIDIA GB10"), **changes)


def link(bytes_s, one=None, other=None, **changes):
    return Link((one or end(), other or end("spark-02")), bytes_s, copy=1.1 * GB, **changes)


BARE = end(halves=(), chosen="", nccl="")
RATES = (
    # 200 Gb/s ports: well set up, and all of what owners have met.
    (23.7 * GB, "ok", "190 Gb/s: the link runs at its speed (200 Gb/s)", 1.92),
    (17.6 * GB, "ok", "141 Gb/s: the link runs at its speed", 1.90),
    (13 / 8 * GB, "warn", "13 Gb/s: the link runs at a fifteenth of its speed (200 Gb/s)", 1.30),
    (3 * GB, "warn", "24 Gb/s: the link runs at an eighth of its speed", 1.55),
    (12 * GB, "warn", "96 Gb/s: the link runs at half of its speed", 1.86),
    (8 * GB, "warn", "64 Gb/s: the link runs at a third of its speed", 1.80),
    (1.2 * GB, "warn", "10 Gb/s: the link runs at one part in 21 of its speed", 1.16),
    (0.02 * GB, "warn", "160 Mb/s: the link runs at one part in 1250 of its speed", 0.04),
)


@pytest.mark.parametrize(("bytes_s", "state", "words", "gain"), RATES)
def test_a_rate_is_judged_by_what_the_port_can(bytes_s, state, words, gain):
    judged = judge_link(link(bytes_s))
    assert (judged.state, judged.words[: len(words)]) == (state, words)
    assert step_gain(bytes_s) == pytest.approx(gain, abs=0.01)
    assert f"is {step_gain(bytes_s):.1f} times as fast as on one" in judged.words
    assert bool(judged.advice) == (state == "warn")


ADVICE = (
    # What is set wrong on one end, or on one half of it -> what is said, and nothing else.
    (
        {"halves": (end().halves[0], dataclasses.replace(end().halves[1], mtu=1500))},
        "MTU 9000 on both ends and both halves of the port (sudo ip link set enP2p1s0f0np0 mtu 9000)",
    ),
    ({"chosen": ""}, "NCCL_IB_HCA naming both devices of the port (export NCCL_IB_HCA=roceP2p1s0f0,rocep1s0f0)"),
    ({"chosen": "rocep1s0f0"}, "NCCL_IB_HCA naming both devices of the port"),
    ({"nccl": "2.28.9.rc1"}, "a release of NCCL, the same on both (there is 2.28.9 / 2.28.9.rc1)"),
    ({"nccl": "2.27.3"}, "a release of NCCL, the same on both (there is 2.28.9 / 2.27.3)"),
    (
        {"halves": (end().halves[0], dataclasses.replace(end().halves[1], network="192.168.10.0/24"))},
        "a subnet of its own for each half of the port",
    ),
    ({}, "settings look right: restart with the cable in"),
)


@pytest.mark.parametrize(("changes", "words"), ADVICE)
def test_a_slow_link_says_what_to_set(changes, words):
    judged = judge_link(link(13 / 8 * GB, other=end("spark-02", **changes)))
    assert len(judged.advice) == 1
    assert judged.advice[0].startswith(words)
    assert str(judged) == f"{judged.words}; on both machines: {judged.advice[0]}"


def test_of_a_machine_that_says_nothing_everything_is_said():
    judged = judge_link(dataclasses.replace(link(3 * GB, one=BARE, other=BARE)))
    assert judged.state == "note", "no port says what it could be"
    port = (Half("enp1s0f0np0", gbits=200.0),)
    bare = dataclasses.replace(BARE, halves=port)
    judged = judge_link(link(3 * GB, one=bare, other=bare))
    heads = [advice.split(" ")[0] for advice in judged.advice]
    assert heads == ["MTU", "NCCL_IB_HCA", "a", "a"]


def test_what_says_nothing_of_gpus_is_no_judgement_and_what_failed_is_bad():
    assert judge_link(link(GB, over_gpus=False)).state == "note"
    failed = judge_link(link(0.0, problem="Connection refused"))
    assert failed.state == "bad"
    assert "spark-01 and spark-02 cannot exchange anything: Connection refused" in failed.words


@pytest.mark.parametrize("one", [link(GB), link(0.0, problem="no"), link(GB, one=BARE, over_gpus=False)])
def test_a_link_survives_being_stored(one):
    assert read_link(json.loads(json.dumps(dataclasses.asdict(one)))) == one
