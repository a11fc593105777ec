"""Reference to video from request to mp4 on the demo models."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipelines.demo.checkpoints import demo_checkpoint
from pipelines.families.r2v.generate import generate
from pipelines.front.errors import Cancelled, InputChanged, InvalidRequest
from pipelines.front.progress import Stage, ignore_progress
from pipelines.front.runtime import Runtime
from pipelines.media.read.probe import probe_video
from pipelines.models.encoders.text import PromptCache
from pipelines.running.pool import ModelPool
from pipelines.tasks.reference_to_video import ReferenceToVideo

SAMPLES = Path(__file__).parents[2] / "pipelines" / "demo" / "samples"
pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture(scope="module")
def pool():
    return ModelPool()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def runtime(tmp_path, cache):
    return Runtime(
        device="cpu",
        cache_dir=cache,
        work_dir=tmp_path / "work",
        result_dir=tmp_path / "result",
        output_stem="clip",
        checkpoint=demo_checkpoint("r2v", cache),
    )


@pytest.fixture
def request_(tmp_path):
    picture = tmp_path / "coffee.jpg"
    shutil.copy(SAMPLES / "coffee.jpg", picture)
    return ReferenceToVideo(
        prompt="A cup of coffee", resolution="128P", profile="demo", ref_imgs=(str(picture),), duration=1
    )


def stop_at(stage, step):
    def report(progress):
        if (progress.stage, progress.step) == (stage, step):
            raise Cancelled

    return report


def test_a_clip_of_the_promised_size(runtime, request_, pool):
    stages = []
    output = generate(request_, runtime, pool, lambda progress: stages.append(progress.stage))
    info = probe_video(output.path)
    assert (info.width, info.height, info.num_frames, info.fps) == (64, 48, 25, 24)
    assert output.path == runtime.result_dir / "reference_to_video" / "clip.mp4"
    order = list(dict.fromkeys(stage for stage in stages if stage is not Stage.LOAD))
    assert order == [Stage.TEXT, Stage.CONDITION, Stage.DENOISE, Stage.DECODE, Stage.WRITE]


def test_a_stopped_job_continues_to_the_same_bytes(runtime, request_, pool):
    whole = generate(request_, runtime, pool, ignore_progress).path.read_bytes()
    for stage, step in ((Stage.DENOISE, 3), (Stage.DENOISE, 8), (Stage.DECODE, 4), (Stage.WRITE, 0)):
        shutil.rmtree(runtime.work_dir)
        with pytest.raises(Cancelled):
            generate(request_, runtime, pool, stop_at(stage, step))
        seen = []
        again = generate(request_, runtime, pool, seen.append)
        assert again.path.read_bytes() == whole
        steps = [progress.step for progress in seen if progress.stage is Stage.DENOISE]
        assert steps == (list(range(step, 9)) if (stage, step) == (Stage.DENOISE, 3) else [])


def test_seed_and_references_matter(runtime, request_, pool):
    def frames(request, name):
        return generate(request, replace(runtime, work_dir=runtime.work_dir / name), pool, ignore_progress)

    first = frames(request_, "a").path.read_bytes()
    assert frames(replace(request_, seed=43), "b").path.read_bytes() != first


def test_changed_picture_and_bad_requests_are_refused(runtime, request_, pool):
    with pytest.raises(Cancelled):
        generate(request_, runtime, pool, stop_at(Stage.DENOISE, 1))
    shutil.copy(SAMPLES / "astronaut.jpg", request_.ref_imgs[0])
    with pytest.raises(InputChanged):
        generate(request_, runtime, pool, ignore_progress)
    with pytest.raises(InvalidRequest):
        generate(replace(request_, prompt=""), runtime, pool, ignore_progress)


def test_preview_is_computed_only_when_someone_looks(runtime, request_, pool):
    seen = []
    generate(request_, replace(runtime, wants_preview=lambda: True), pool, seen.append)
    strips = [progress.preview for progress in seen if progress.preview]
    assert len(strips) == 8
    assert (strips[0].width, strips[0].height) == (64, 48)


def test_prompt_features_come_from_disk_the_second_time(tmp_path):
    def no_encoder():
        raise AssertionError("the encoder must stay unloaded")

    class Encoder:
        def __enter__(self):
            return lambda prompt: torch.cat((torch.randn(1, 7, 4), torch.zeros(1, 505, 4)), dim=1)

        def __exit__(self, *error):
            return None

    cache, options = PromptCache(tmp_path), {"weights": "w", "dtype": torch.float32, "device": "cpu"}
    first = cache.embed("a  cat", encoder=Encoder, **options)
    assert torch.equal(cache.embed("a cat ", encoder=no_encoder, **options), first)
    with pytest.raises(AssertionError):
        cache.embed("a dog", encoder=no_encoder, **options)


def test_fields_without_effect_are_told(runtime, request_, pool):
    Image.new("RGBA", (64, 64), (9, 9, 9, 0)).save(runtime.cache_dir / "clear.png")
    references = (*request_.ref_imgs[:1], str(runtime.cache_dir / "clear.png"))
    long = replace(request_, prompt="a " * 900, negative_prompt="blur", ref_imgs=references)
    warnings = generate(long, runtime, pool, ignore_progress).warnings
    assert [w for w in warnings if "transparency" in w] == [w for w in warnings if w.startswith("clear.png")] != []
    assert any("tokens" in warning for warning in warnings)
    assert any("negative prompt" in warning for warning in warnings)
