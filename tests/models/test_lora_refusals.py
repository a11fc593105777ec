"""Broken and foreign LoRA files: refused in words when the job is queued or before any weight is read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save, save_file
from torch import Tensor

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.front.errors import InvalidRequest, PipelineError
from pipelines.front.lora import Lora, LoraRefused, entries_problem, parse_lora
from pipelines.front.progress import Stage
from pipelines.loading.lora import LoraMerge
from pipelines.models.transformer.load import changeable_shapes, load_transformer
from pipelines.running.pool import ModelPool
from pipelines.tasks import TASKS, task_named
from skyreels_tui.requests.references import check_request
from tests.families.test_v2v import runtime_in
from tests.models.lora_files import comfy, diffusers, kohya, random_factors, write_header, write_lora
from tests.queue.demo_requests import demo_request

Q = "diffusion_model.blocks.0.self_attn.q"
Make = Callable[[Path], Path]


def stored(named: dict[str, Tensor]) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "a.safetensors"
        save_file(named, path)
        return path

    return make


def pair(name: str, width: int = 40, out: int = 40, rank: int = 4) -> dict[str, Tensor]:
    return {f"{name}.lora_down.weight": torch.ones(rank, width), f"{name}.lora_up.weight": torch.ones(out, rank)}


def changed_bytes(change: Callable[[bytes], bytes]) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "a.safetensors"
        path.write_bytes(change(save(pair(Q))))
        return path

    return make


def header(content: object, body: bytes = b"") -> Make:
    return lambda folder: write_header(folder / "a.safetensors", content, body)


def a_pickle(folder: Path) -> Path:
    path = folder / "a.safetensors"
    path.write_bytes(pickle.dumps({"x": [1] * 99}))
    return path


def a_zip(folder: Path) -> Path:
    path = folder / "a.safetensors"
    torch.save(pair(Q), path)
    return path


def renamed(name: str) -> Make:
    def make(folder: Path) -> Path:
        path = folder / name
        torch.save(pair(Q), path)
        return path

    return make


def named(folder: Path) -> Path:
    path = folder / "a.safetensors"
    path.mkdir()
    return path


def entry(dtype: str = "F32", shape: object = (2, 2), offsets: object = (0, 16)) -> dict[str, object]:
    return {f"{Q}.diff": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


REFUSED: dict[str, tuple[Make, str]] = {
    # Not what its name says
    "a file that is not there": (lambda folder: folder / "gone.safetensors", "no such file"),
    "a folder": (named, "is a directory"),
    "an empty file": (changed_bytes(lambda _: b""), "empty"),
    "a few bytes": (changed_bytes(lambda _: b"abc"), "no safetensors file"),
    "text": (changed_bytes(lambda _: b"this is no file of weights at all"), "too long to be true"),
    "a pickle with another name": (a_pickle, "pickle"),
    "a zip with another name": (a_zip, "pickle"),
    "a .pt": (renamed("a.pt"), "only .safetensors files"),
    "a .ckpt": (renamed("a.ckpt"), "only .safetensors files"),
    "a .bin": (renamed("a.bin"), "only .safetensors files"),
    # Damaged
    "cut in its values": (changed_bytes(lambda whole: whole[:-7]), "has .* bytes where its header says"),
    "cut in its header": (changed_bytes(lambda whole: whole[:40]), "cut off in its header"),
    "bytes behind its end": (changed_bytes(lambda whole: whole + b"more"), "has .* bytes where its header says"),
    "a header of a terabyte": (changed_bytes(lambda w: (2**40).to_bytes(8, "little") + w[8:]), "too long to be true"),
    "a header of nothing": (changed_bytes(lambda whole: bytes(8) + whole[8:]), "no safetensors file"),
    "a header that is no JSON": (header(b"{'a': 1,,}" + b" " * 20), "header is damaged"),
    "a header that is a list": (header([1, 2, 3]), "header is damaged"),
    "a header nested without end": (header(b"[" * 100_000), "header is damaged"),
    "an entry that is a number": (header({f"{Q}.diff": 3}), "header is damaged"),
    "a negative shape": (header(entry(shape=(-2, -2)), bytes(16)), "header is damaged"),
    "a shape of fractions": (header(entry(shape=(1.5, 2)), bytes(16)), "header is damaged"),
    "a shape that is no list": (header(entry(shape=4), bytes(16)), "header is damaged"),
    "offsets that do not fit the shape": (header(entry(offsets=(0, 12)), bytes(12)), "header is damaged"),
    "a dtype nobody knows": (header(entry("F13"), bytes(16)), "header is damaged"),
    "whole numbers": (header(entry("I32"), bytes(16)), "stored as I32"),
    "8-bit numbers": (header(entry("F8_E4M3", offsets=(0, 4)), bytes(4)), "stored as F8_E4M3"),
    "no tensors": (header({}), "no tensors"),
    "an empty tensor": (stored({f"{Q}.diff": torch.ones(0, 3)}), "is empty"),
    "a NaN": (stored({f"{Q}.diff": torch.full((40, 40), torch.nan)}), "not finite"),
    "an infinity": (stored({f"{Q}.diff": torch.full((40, 40), torch.inf)}), "not finite"),
    # Not whole
    "one factor alone": (stored({f"{Q}.lora_down.weight": torch.ones(4, 32)}), "one factor of a pair is missing"),
    "the other factor alone": (stored({f"{Q}.lora_up.weight": torch.ones(32, 4)}), "one factor of a pair is missing"),
    "factors of different ranks": (
        stored({f"{Q}.lora_down.weight": torch.ones(4, 32), f"{Q}.lora_up.weight": torch.ones(32, 5)}),
        "do not multiply",
    ),
    "factors that are vectors": (
        stored({f"{Q}.lora_down.weight": torch.ones(32), f"{Q}.lora_up.weight": torch.ones(32)}),
        "do not multiply",
    ),
    "an alpha of two numbers": (stored({**pair(Q), f"{Q}.alpha": torch.ones(2)}), "no single number"),
    "an alpha of NaN": (stored({**pair(Q), f"{Q}.alpha": torch.tensor(torch.nan)}), "not finite"),
    "alphas alone": (stored({f"{Q}.alpha": torch.tensor(4.0)}), "none of its tensors"),
    "a layer in two spellings": (
        stored({**pair(Q), **pair("diffusion_model.blocks.0.attn1.to_q")}),
        "changes one layer twice",
    ),
    # Other methods
    "DoRA": (stored({**pair(Q), f"{Q}.dora_scale": torch.ones(32, 1)}), "another method than LoRA"),
    "LoHa": (stored({f"{Q}.hada_w1_a": torch.ones(32, 4)}), "another method than LoRA"),
    "LoKr": (stored({f"{Q}.lokr_w1": torch.ones(4, 4)}), "another method than LoRA"),
    "LoCon with a core": (stored({**pair(Q), f"{Q}.lora_mid.weight": torch.ones(4, 4)}), "another method than LoRA"),
    # Other networks
    "SDXL": (stored(pair("lora_unet_down_blocks_1_attentions_0_proj_in")), "Stable Diffusion"),
    "SDXL's text encoder": (stored(pair("lora_te1_text_model_encoder_layers_0_mlp_fc1")), "Stable Diffusion"),
    "Flux of diffusers": (stored(pair("transformer.single_transformer_blocks.0.attn.to_q")), "Flux"),
    "Flux of kohya": (stored(pair("lora_unet_double_blocks_0_img_attn_qkv")), "Flux, HunyuanVideo"),
    "HunyuanVideo": (stored(pair("diffusion_model.double_blocks.0.img_attn_proj")), "HunyuanVideo"),
    "LTX": (stored(pair("transformer.transformer_blocks.0.attn1.to_q")), "LTX"),
    "Qwen": (stored(pair("transformer_blocks.0.attn.add_q_proj")), "Qwen"),
    "a language model": (stored(pair("base_model.model.model.layers.0.self_attn.q_proj")), "none of its tensors"),
    "a whole checkpoint": (stored({"blocks.0.self_attn.q.weight": torch.ones(32, 32)}), "none of its tensors"),
    # Other widths and depths
    "the 1.3B model": (stored(pair(Q, 1536, 1536)), "another width.*this model is 40 wide"),
    "the 14B model": (stored(pair(Q, 5120, 5120)), "another width.*this model is 40 wide"),
    "a change of another width": (stored({f"{Q}.diff": torch.ones(64, 64)}), "another width"),
    "more blocks": (
        stored({**pair(Q), **pair("diffusion_model.blocks.39.self_attn.q")}),
        r"2 of its 4 tensors fit no layer.*blocks\.39",
    ),
    "one layer of another width": (
        stored({**pair(Q), **pair("diffusion_model.blocks.1.self_attn.q", 64)}),
        r"1 of its 4 tensors fit no layer.*blocks\.1",
    ),
    "a text encoder beside": (
        stored({**pair(Q), **pair("lora_te_text_model_layers_0_q")}),
        r"2 of its 4 tensors fit no layer.*--lora_partial",
    ),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def request_with(file: object, folder: Path, task: str = "single_shot_extension", **more: object) -> object:
    request = demo_request(task, folder / "inputs")
    return type(request).from_dict({**vars_of(request), "lora": (str(file),), **more})


def vars_of(request: object) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(request)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_words(name: str, cache: Path, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    file = make(tmp_path)
    request = request_with(file, tmp_path)
    problems = check_request(request)  # type: ignore[arg-type]
    stages: list[Stage] = []
    task = task_named("single_shot_extension")
    with pytest.raises(PipelineError, match=words) as caught:
        task.load_entry()(request, runtime_in(tmp_path, cache), ModelPool(), lambda p: stages.append(p.stage))
    assert stages == [], "nothing has been loaded"
    assert file.name in str(caught.value)
    if "not finite" not in words:
        # The values of a file are read once the job runs.
        assert [problem.field for problem in problems] == ["lora"]
        with pytest.raises(InvalidRequest, match=words):
            raise InvalidRequest(problems)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_every_task_refuses_and_takes(task: object, tmp_path: Path) -> None:
    name = task.name  # type: ignore[attr-defined]
    request = request_with(REFUSED["SDXL"][0](tmp_path), tmp_path, name)
    assert [problem.field for problem in check_request(request)] == ["lora"]  # type: ignore[arg-type]
    width = 40 if "extension" in name else 32
    fits = stored(pair(Q, width, width))(tmp_path)
    assert check_request(request_with(fits, tmp_path, name)) == []  # type: ignore[arg-type]
    assert check_request(request_with(f"{fits}:0.5", tmp_path, name)) == []  # type: ignore[arg-type]


def test_what_fits_in_part_is_queued_when_asked(tmp_path: Path) -> None:
    make, _ = REFUSED["more blocks"]
    assert check_request(request_with(make(tmp_path), tmp_path, lora_partial=True)) == []  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["SDXL", "the 1.3B model", "DoRA", "one factor alone", "a NaN"])
def test_what_fits_nowhere_is_refused_even_in_part(name: str, cache: Path, tmp_path: Path) -> None:
    file = REFUSED[name][0](tmp_path)
    folder = demo_checkpoint("v2v", cache) / "transformer"
    with (
        pytest.raises(LoraRefused),
        LoraMerge([Lora(file)], changeable_shapes(folder), partial=True) as merge,
    ):
        merge.check_values()


@pytest.mark.parametrize(
    ("entry", "path", "strength"),
    [
        ("a.safetensors", "a.safetensors", 1.0),
        ("a.safetensors:0.5", "a.safetensors", 0.5),
        ("/x/a b.safetensors:-1", "/x/a b.safetensors", -1.0),
        ("/x/A.SAFETENSORS:1e-1", "/x/A.SAFETENSORS", 0.1),
        ("/x:1/a.safetensors", "/x:1/a.safetensors", 1.0),
        ("/x/b.safetensors:0.2/a.safetensors:0", "/x/b.safetensors:0.2/a.safetensors", 0.0),
    ],
)
def test_an_entry_is_a_path_and_a_strength(entry: str, path: str, strength: float) -> None:
    assert parse_lora(entry) == Lora(Path(path), strength)


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "-inf", "11", "-10.5", "1,5", "0.5:0.5"])
def test_a_strength_that_is_none_is_refused(text: str) -> None:
    assert "from -10 to 10" in entries_problem((f"a.safetensors:{text}",))


def test_a_file_given_twice_is_refused() -> None:
    assert "given twice" in entries_problem(("a.safetensors", "a.safetensors:0.5"))


def test_a_file_that_changes_between_the_check_and_the_load_is_refused(cache: Path, tmp_path: Path) -> None:
    folder = demo_checkpoint("v2v", cache) / "transformer"
    factors = random_factors(load_transformer(folder), "attn1.to_q")
    for spelling in (diffusers, comfy, kohya):
        file = write_lora(tmp_path / "a.safetensors", factors, spelling)
        with LoraMerge([Lora(file)], changeable_shapes(folder), partial=False) as merge:
            merge.check_values()
        file.write_bytes(file.read_bytes()[:-1])
        with pytest.raises(LoraRefused, match="header says"):
            LoraMerge([Lora(file)], changeable_shapes(folder), partial=False)
