"""LoRA files in whole jobs: named in the result, warm for the next job with the same set, on several ranks too."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.a2v.networks import load_transformer as load_avatar
from pipelines.families.networks import CheckpointNetworks, Layout
from pipelines.families.v2v.networks import load_transformer as load_extension
from pipelines.front.errors import Cancelled, InputChanged
from pipelines.front.lora import Lora
from pipelines.front.progress import Progress, Stage, ignore_progress
from pipelines.front.request import Request
from pipelines.loading.lora import LoraMerge
from pipelines.media.write.publish import read_metadata
from pipelines.models.transformer.load import changeable_shapes, load_transformer
from pipelines.models.transformer.transformer import SkyReelsTransformer
from pipelines.running.pool import ModelPool
from pipelines.running.resume import WorkDir
from pipelines.tasks import TASKS, task_of
from skyreels_tui.queue.engine.attempt.work_folder import prepare
from tests.cli.conftest import Call, cli, home
from tests.families.test_v2v import StopOnce, run_with_stops, runtime_in
from tests.models.lora_files import comfy, kohya, random_factors, write_lora
from tests.parallel.test_jobs import assert_same_steps, attempt, executor, until_decode
from tests.queue.demo_requests import SAMPLES, demo_request

pytestmark = pytest.mark.usefixtures("small_pictures")

__all__ = ["attempt", "cli", "executor", "home"]
LOADS = {
    "reference_to_video": ("r2v", "transformer", load_transformer),
    "single_shot_extension": ("v2v", "transformer", load_extension),
    "shot_switching_extension": ("v2v", "shot_transformer", load_extension),
    "talking_avatar": ("a2v", ".", load_avatar),
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def network_of(task: str, cache: Path) -> SkyReelsTransformer:
    family, folder, load = LOADS[task]
    return load(demo_checkpoint(family, cache) / folder)


def lora_for(task: str, cache: Path, path: Path, seed: int = 1) -> Path:
    return write_lora(path, random_factors(network_of(task, cache), "attn1.to_", "ffn.", seed=seed), comfy)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_job_of_every_task_runs_on_the_merged_network(task: object, cache: Path, tmp_path: Path) -> None:
    name = task.name  # type: ignore[attr-defined]
    file = lora_for(name, cache, tmp_path / "style.safetensors")
    request = dataclasses.replace(demo_request(name, tmp_path / "inputs"), lora=(f"{file}:0.5",))
    family, folder, _ = LOADS[name]
    runtime = dataclasses.replace(runtime_in(tmp_path, cache), checkpoint=demo_checkpoint(family, cache))
    pool = ModelPool()
    with pytest.raises(Cancelled):
        task.load_entry()(request, runtime, pool, StopOnce(lambda p: p.stage is Stage.DENOISE))  # type: ignore[attr-defined]
    (network,) = (model for model in pool._models.values() if isinstance(model, SkyReelsTransformer))
    with LoraMerge([Lora(file, 0.5)], changeable_shapes(runtime.checkpoint / folder), partial=False) as merge:
        wanted = LOADS[name][2](runtime.checkpoint / folder, loras=merge)
    plain = network_of(name, cache)
    for layer in ("blocks.0.attn1.to_q", "blocks.1.ffn.net.2"):
        got, want, was = (one.get_submodule(layer).weight for one in (network, wanted, plain))
        assert torch.equal(got, want)
        assert not torch.equal(got, was)


def first_steps(request: Request, folder: Path, cache: Path, pool: ModelPool) -> list[Progress]:
    """What a job reports until its first step."""
    reports: list[Progress] = []
    stops = StopOnce(lambda progress: progress.stage is Stage.DENOISE)

    def report(progress: Progress) -> None:
        reports.append(progress)
        stops(progress)

    runtime = dataclasses.replace(runtime_in(folder, cache), checkpoint=demo_checkpoint("r2v", cache))
    with pytest.raises(Cancelled):
        task_of(request).load_entry()(request, runtime, pool, report)
    return reports


def transformer_loads(reports: list[Progress]) -> bool:
    return any(one.stage is Stage.LOAD and "diffusion_pytorch" in one.detail for one in reports)


def test_equal_sets_are_one_warm_model_and_others_are_loaded(cache: Path, tmp_path: Path) -> None:
    pool, request = ModelPool(), demo_request("reference_to_video", tmp_path / "inputs")
    one, two = (lora_for("reference_to_video", cache, tmp_path / f"{n}.safetensors", n) for n in (1, 2))
    both = dataclasses.replace(request, lora=(str(one), f"{two}:0.5"))
    loads = [
        transformer_loads(first_steps(wanted, tmp_path / str(number), cache, pool))
        for number, wanted in enumerate(
            (
                both,
                dataclasses.replace(both, lora=both.lora[::-1], seed=8),
                dataclasses.replace(both, lora=(*both.lora[:1], f"{two}:0.6")),
                request,
                dataclasses.replace(request, lora=(f"{one}:0",), seed=9),
            )
        )
    ]
    assert loads == [True, False, True, True, False]


def test_a_stopped_job_goes_on_with_the_same_set(cache: Path, tmp_path: Path) -> None:
    file = lora_for("reference_to_video", cache, tmp_path / "a.safetensors")
    request = dataclasses.replace(demo_request("reference_to_video", tmp_path / "inputs"), lora=(str(file),))
    runtime = dataclasses.replace(runtime_in(tmp_path / "stops", cache), checkpoint=demo_checkpoint("r2v", cache))
    stops = StopOnce(lambda progress: progress.stage is Stage.DENOISE and progress.step == 2)
    stopped = run_with_stops(task_of(request).load_entry(), request, runtime, stops)
    assert stops.stopped_at
    assert read_metadata(stopped)["request"]["lora"] == [str(file)]


def test_a_changed_file_ends_a_job_that_has_steps(
    executor: object, attempt: Callable[..., object], cache: Path, tmp_path: Path
) -> None:
    file = lora_for("reference_to_video", cache, tmp_path / "a.safetensors")
    request = dataclasses.replace(demo_request("reference_to_video", tmp_path / "inputs"), lora=(f"{file}:0.5",))
    context = attempt(request)
    prepare(context.work_dir, context.job)  # type: ignore[attr-defined]
    WorkDir(context.work_dir).piece_path(0).write_bytes(b"x")  # type: ignore[attr-defined]
    assert prepare(context.work_dir, context.job)  # type: ignore[attr-defined]
    lora_for("reference_to_video", cache, file, seed=2)
    with pytest.raises(InputChanged, match=r"a\.safetensors"):
        prepare(context.work_dir, context.job)  # type: ignore[attr-defined]


def test_two_ranks_merge_before_they_share(
    executor: object, attempt: Callable[..., object], cache: Path, tmp_path: Path
) -> None:
    file = lora_for("reference_to_video", cache, tmp_path / "a.safetensors")
    request = dataclasses.replace(demo_request("reference_to_video", tmp_path / "inputs"), lora=(str(file),))
    contexts = (
        attempt(request, "alone", report=until_decode),
        attempt(dataclasses.replace(request, gpus="2"), "together", report=until_decode),
    )
    for context in contexts:
        with pytest.raises(Cancelled):
            executor.run(context)  # type: ignore[attr-defined]
    assert_same_steps(*contexts)


def test_block_offload_gives_the_same_weights(cache: Path, tmp_path: Path) -> None:
    from pipelines.models.lean.block_offload import BlockOffload
    from tests.models.test_lora import FAMILIES, Lora, folder_of, merged, predict

    family = FAMILIES[1]
    folder = folder_of(family, cache)
    file = lora_for("single_shot_extension", cache, tmp_path / "a.safetensors")
    resident, visiting = (merged(family, folder, Lora(file)) for _ in range(2))
    BlockOffload(visiting, "cpu")
    assert torch.equal(predict(resident), predict(visiting))


def test_the_shell_takes_several_and_says_them_back(cli: Callable[..., Call], cache: Path, tmp_path: Path) -> None:
    network = network_of("reference_to_video", cache)
    one, two = (
        write_lora(tmp_path / f"{name}.safetensors", random_factors(network, "attn1.to_q"), kohya)
        for name in ("one", "two, three")
    )
    base = ("--profile", "demo", "--task", "reference_to_video", "--ref_imgs", SAMPLES / "astronaut.jpg",
            "--prompt", "x")  # fmt: skip
    added = cli("add", *base, "--lora", f"{one}:0.5", "--lora", two, "--json")
    assert added.code == 0, added.err
    assert cli("show", "1", "--json").data["request"]["lora"] == [f"{one}:0.5", str(two)]
    assert f"{one}:0.5" in cli("show", "1").out
    batch = tmp_path / "batch.json"
    batch.write_text(
        '[{"task_type": "reference_to_video", "profile": "demo", "prompt": "x", "resolution": "128P",'
        f' "ref_imgs": ["{SAMPLES}/astronaut.jpg"], "lora": ["one.safetensors:-0.5"]}}]'
    )
    assert (imported := cli("import", batch)).code == 0, imported.err
    assert cli("show", "2", "--json").data["request"]["lora"] == [f"{one}:-0.5"]
    refused = cli("add", *base, "--lora", tmp_path / "gone.safetensors:0.5")
    assert refused.code != 0
    assert "lora:" in refused.err
    assert "no such file" in refused.err
    assert "gone.safetensors" in refused.err
    address = cli("add", *base, "--lora", "https://example.org/x.safetensors")
    assert address.code != 0
    assert len(cli("list", "--json").data) == 2


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_thread_that_reads_ahead_merges_as_any_other_does(task: object, cache: Path, tmp_path: Path) -> None:
    name = task.name  # type: ignore[attr-defined]
    family, folder, load = LOADS[name]
    file = lora_for(name, cache, tmp_path / "style.safetensors")
    request = dataclasses.replace(demo_request(name, tmp_path / "inputs"), lora=(f"{file}:0.5",))
    runtime = dataclasses.replace(runtime_in(tmp_path, cache), checkpoint=demo_checkpoint(family, cache))
    read_by: list[threading.Thread] = []

    def heard(*words: Any, **options: Any) -> SkyReelsTransformer:
        read_by.append(threading.current_thread())
        return load(*words, **options)

    def merged(*, ahead: bool) -> dict[str, torch.Tensor]:
        layout = Layout("vae", "text_encoder", "tokenizer", heard)
        models = CheckpointNetworks(layout, runtime, ModelPool(), ignore_progress, request)
        with (
            models.reading_ahead(folder) if ahead else nullcontext(),
            models.transformer(folder, 64) as network,
        ):
            return {key: value.clone() for key, value in network.state_dict().items()}

    here, beside = merged(ahead=False), merged(ahead=True)
    assert [thread is threading.current_thread() for thread in read_by] == [True, False]
    assert all(torch.equal(value, beside[key]) for key, value in here.items())
    plain = load(runtime.checkpoint / folder).state_dict()
    assert any(not torch.equal(value, plain[key]) for key, value in here.items())
