"""Attention in 8 bits: found by what is installed, for long self-attention alone, and only where it is asked for."""

import importlib
import sys
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from pipelines.models.transformer import attention, eight_bit
from pipelines.models.transformer.attention_choice import fastest, is_near, measured_once

LONG = attention.EIGHT_BIT_TOKENS

SAGE = """
import torch.nn.functional as F

def sageattn(q, k, v, tensor_layout, is_causal):
    assert (tensor_layout, is_causal) == ("NHD", False)
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    return 2 * F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
"""
FLASHINFER = """
import torch
import torch.nn.functional as F

def single_prefill_with_kv_cache(q, k, v, *, scale_q, scale_k, scale_v, o_dtype):
    assert {x.dtype for x in (q, k, v)} == {torch.float8_e4m3fn}
    assert scale_q.shape == scale_k.shape == scale_v.shape == q.shape[1:2]
    q, k, v = (x.float() * s[:, None] for x, s in ((q, scale_q), (k, scale_k), (v, scale_v)))
    q, k, v = (x.transpose(0, 1) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v).transpose(0, 1).to(o_dtype)
"""
CUDNN = """
import types
import torch
import torch.nn.functional as F

data_type = types.SimpleNamespace(FP8_E4M3="float8", FLOAT="float")
heur_mode = types.SimpleNamespace(A=0)
create_handle = object
set_stream = lambda handle, stream: None


class Place:
    def __init__(self, **layout):
        self.layout = layout

    def __getattr__(self, name):
        def keep(value):
            self.layout[name] = value
            return self
        return keep


class pygraph:
    def __init__(self, **_): ...

    def tensor(self, **layout):
        return Place(**layout)

    def sdpa_fp8(self, **given):
        self.given, self.made = given, [Place() for _ in range(4)]
        return self.made

    def __getattr__(self, name):
        return lambda *_: None

    def get_workspace_size(self):
        return 1

    def execute(self, tensors, _workspace, handle):
        given = {name: tensors[place] for name, place in self.given.items() if isinstance(place, Place)}
        for name in "qkv":
            assert tuple(given[name].transpose(1, 2).shape) == self.given[name].layout["dim"]
        q, k, v = (given[x].float().transpose(1, 2) * given[f"descale_{x}"] for x in "qkv")
        assert given["descale_s"] * given["scale_s"] == 1
        out = F.scaled_dot_product_attention(q, k, v, scale=self.given["attn_scale"]).transpose(1, 2)
        tensors[self.made[0]].copy_((out * given["scale_o"]).to(torch.float8_e4m3fn))
"""
SOURCES = {"sage": SAGE, "flashinfer8": FLASHINFER, "cudnn8": CUDNN}


@pytest.fixture
def libraries(tmp_path, monkeypatch):
    """Stand-ins of the libraries: what they are given is checked, what they give is known."""
    for kernel, source in SOURCES.items():
        module = eight_bit.LIBRARIES[kernel]
        (tmp_path / f"{module}.py").write_text(source)
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    eight_bit._cudnn_graph.cache_clear()
    yield tmp_path
    for module in eight_bit.LIBRARIES.values():
        sys.modules.pop(module, None)
    attention.prefer("cudnn")


def heads(tokens, seed=0, mean=0.0):
    generator = torch.Generator().manual_seed(seed)
    return mean + torch.randn(1, tokens, 2, 16, generator=generator)


def exact(q, k, v):
    return F.scaled_dot_product_attention(*(x.transpose(1, 2) for x in (q, k, v))).transpose(1, 2)


def test_what_is_installed_is_found_and_nothing_else(libraries):
    assert set(eight_bit.installed_libraries()) == set(eight_bit.LIBRARIES)
    (libraries / "flashinfer.py").unlink()
    importlib.invalidate_caches()
    assert set(eight_bit.installed_libraries()) == {"cudnn8", "sage"}


def test_only_long_self_attention_is_in_8_bits(libraries):
    attention.prefer("sage")
    q, few = heads(LONG), heads(64)
    assert torch.allclose(attention.attention(q, q, q), 2 * exact(q, q, q), atol=1e-5), "twice: the stand-in's mark"
    assert torch.allclose(attention.attention(q, few, few), exact(q, few, few), atol=1e-5), "to a prompt"
    assert torch.allclose(attention.attention(few, few, few), exact(few, few, few), atol=1e-5), "short"
    attention.prefer("cudnn")
    assert torch.allclose(attention.attention(q, q, q), exact(q, q, q), atol=1e-5), "an exact job after it"


@pytest.mark.parametrize("kernel", ["flashinfer8", "cudnn8"])
def test_numbers_are_given_in_8_bits_with_their_scales_and_keys_without_their_mean(libraries, kernel, monkeypatch):
    if kernel == "cudnn8":
        monkeypatch.setattr(torch.cuda, "current_stream", lambda _: SimpleNamespace(cuda_stream=0))
    q, k, v = 3 * heads(LONG), heads(LONG, 1) + 50, heads(LONG, 2) / 100
    assert (k.mean() > 40).item(), "so far from zero that 8 bits alone would lose what differs"
    attention.prefer(kernel)
    out = attention.attention(q, k, v)
    assert (out.shape, out.dtype) == (q.shape, q.dtype)
    assert is_near(out, exact(q, k, v))


def test_a_kernel_that_fails_or_is_far_off_is_not_taken(tmp_path):
    one = heads(32)
    assert is_near(one * 1.1, one)
    assert not is_near(one * 1.2, one)
    assert not is_near(one * float("nan"), one)
    times = {"flash4": 0.2, "cudnn8": 0.1, "sage": None}
    path = tmp_path / "attention.json"
    assert measured_once(path, "a GPU", tuple(times), times.__getitem__) == "cudnn8"
    assert measured_once(path, "a GPU", tuple(times), {}.__getitem__) == "cudnn8", "measured once"
    assert measured_once(path, "another", ("flash4", "sage"), times.__getitem__) == "flash4", "no faster one: exact"
    assert fastest(("flash4", "sage"), {"flash4": 0.2, "sage": 0.3}.__getitem__) == "flash4"


def test_without_its_library_a_kernel_cannot_be_preferred(monkeypatch):
    monkeypatch.setitem(sys.modules, "sageattention", None)
    with pytest.raises(ImportError):
        attention.prefer("sage")
