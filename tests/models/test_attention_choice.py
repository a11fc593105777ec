"""The choice among attention kernels; the measuring itself needs a GPU."""

import psutil
import pytest
import torch

from pipelines.front.errors import Cancelled
from pipelines.models.transformer import attention
from pipelines.models.transformer.attention_choice import fastest, use_fastest


def test_the_kernel_with_the_least_time_wins():
    times = {"cudnn": 0.3, "flash": 0.2, "efficient": None}
    assert fastest(("cudnn", "flash", "efficient"), times.__getitem__) == "flash"


def test_without_any_time_the_order_of_preference_stands():
    assert fastest(("cudnn", "flash"), lambda _: None) == "cudnn"


def test_a_cpu_has_one_kernel_and_writes_nothing(tmp_path):
    assert use_fastest("cpu", tmp_path, 4000) == "cpu"
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_is_to_stop_does_not_wait_for_the_measurement(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a GPU")
    for name in ("FLASH_ATTENTION_CUTE_DSL_CACHE_ENABLED", "FLASH_ATTENTION_CUTE_DSL_CACHE_DIR", "TRITON_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    told = []

    def told_once() -> None:
        if told:
            raise Cancelled
        told.append("measuring")

    with pytest.raises(Cancelled):
        use_fastest("cuda", tmp_path, 4000, waiting=told_once)
    assert told and not psutil.Process().children()
    assert list(tmp_path.iterdir()) == []


def test_the_math_kernel_is_never_offered():
    attention.prefer("flash")
    assert torch.nn.attention.SDPBackend.MATH not in attention._order
    attention.prefer("cudnn")
