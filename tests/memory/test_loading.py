"""Reading weights: exact for every container and cast, nothing held twice, stoppable, told in bytes."""

import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bench.loading import cached_bytes
from pipelines.front.errors import Cancelled, CheckpointMismatch, CheckpointMissing
from pipelines.loading.float8 import quantize_linears
from pipelines.loading.keymap import KeyMap
from pipelines.loading.load import Precision, load_network
from pipelines.loading.reading import CHUNK_BYTES
from pipelines.models.lean.block_offload import BlockOffload

WIDTH = 3000
"""A matrix of this width is 36 MB: three chunks, the last one shorter."""
MIB = 2**20


class Two(torch.nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.first, self.second = torch.nn.Linear(width, width), torch.nn.Linear(width, 5)
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.register_buffer("nothing", torch.zeros(0))


def tensors(dtype, width=WIDTH):
    draw = torch.Generator().manual_seed(0)
    found = {name: value.clone() for name, value in Two(width).state_dict().items()}
    for name, value in found.items():
        if value.is_floating_point():
            found[name] = torch.randn(value.shape, generator=draw).to(dtype)
    found["count"] += 7
    return found


def written(path, values, **options):
    if path.suffix == ".safetensors":
        save_file(values, path)
    else:
        torch.save(values, path, **options)
    return [path]


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_every_value_arrives(tmp_path, name, stored, wanted):
    values = tensors(stored)
    assert values["first.weight"].nbytes > 1.05 * CHUNK_BYTES
    network = load_network(Two, written(tmp_path / name, values), precision=Precision(wanted, ("second",)))
    for key, value in network.state_dict().items():
        expected = torch.float32 if "second" in key else wanted if value.is_floating_point() else torch.int64
        assert value.dtype == expected
        assert torch.equal(value, values[key].to(expected)), key


def test_a_container_without_a_zip_loads(tmp_path):
    values = tensors(torch.float32, 8)
    files = written(tmp_path / "model.pth", values, _use_new_zipfile_serialization=False)
    network = load_network(lambda: Two(8), files)
    assert torch.equal(network.first.weight, values["first.weight"])


def test_views_of_one_storage_load(tmp_path):
    whole = torch.randn(16, 8)
    values = tensors(torch.float32, 8) | {"first.weight": whole[8:], "second.weight": whole.t()[:5, :8]}
    network = load_network(lambda: Two(8), written(tmp_path / "model.pth", values))
    assert torch.equal(network.first.weight, whole[8:])
    assert torch.equal(network.second.weight, whole.t()[:5, :8])


def test_a_compressed_container_loads(tmp_path):
    values = tensors(torch.float32, 8)
    (plain,) = written(tmp_path / "model.pth", values)
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert torch.equal(load_network(lambda: Two(8), [packed]).first.weight, values["first.weight"])


def test_a_mismatch_is_found_before_anything_is_read(tmp_path):
    values = tensors(torch.float32)
    del values["second.bias"]
    reports = []
    with pytest.raises(CheckpointMismatch, match=r"second\.bias"):
        load_network(Two, written(tmp_path / "model.safetensors", values), report=reports.append)
    assert reports == []


def test_what_the_network_does_not_take_is_not_read(tmp_path):
    values = tensors(torch.float32, 8)
    files = written(tmp_path / "model.safetensors", values | {"text.weight": torch.zeros(4, MIB)})
    reports = []
    keymap = KeyMap(title="half", heads=(), ignored=("text",))
    load_network(lambda: Two(8), files, keymap=keymap, report=reports.append)
    assert reports[-1].bytes_total == sum(value.nbytes for value in values.values())


def test_a_stopped_load_ends_within_the_chunks_under_way(tmp_path):
    files = written(tmp_path / "model.safetensors", tensors(torch.float32))
    told = []

    def stop(progress):
        told.append(progress.bytes_done)
        raise Cancelled

    with pytest.raises(Cancelled):
        load_network(Two, files, report=stop)
    assert len(told) == 1
    assert told[0] < files[0].stat().st_size


@pytest.mark.parametrize("name", ["model.safetensors", "model.pth"])
@pytest.mark.parametrize("share", [0.0001, 0.5])
def test_a_cut_file_is_refused_in_words(tmp_path, name, share):
    (file,) = written(tmp_path / name, tensors(torch.float32))
    os.truncate(file, int(file.stat().st_size * share))
    with pytest.raises(CheckpointMissing, match="Download it again"):
        load_network(Two, [file])


def test_weights_are_rounded_to_8_bits_while_they_are_read(tmp_path):
    values = tensors(torch.bfloat16, 64)

    def build():
        network = Two(64)
        quantize_linears(network)
        return network

    read = load_network(build, written(tmp_path / "model.safetensors", values), precision=Precision(torch.bfloat16))
    later = load_network(lambda: Two(64), [tmp_path / "model.safetensors"], precision=Precision(torch.bfloat16))
    quantize_linears(later)
    assert read.first.codes.dtype == torch.float8_e4m3fn
    x = torch.randn(3, 64, dtype=torch.bfloat16)
    assert torch.equal(read.first(x), later.first(x))


class Chain(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = torch.nn.ModuleList(torch.nn.Sequential(torch.nn.Linear(6, 6)) for _ in range(5))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return x


def test_offloaded_blocks_compute_the_same(tmp_path):
    network, x = Chain(), torch.randn(2, 6)
    expected, alone = network(x), network.blocks[3][0](x)
    BlockOffload(network, "cpu")
    for _ in range(3):
        assert torch.equal(network(x), expected)
        assert torch.equal(network.blocks[3][0](x), alone)


def resident_bytes():
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


def test_a_large_file_is_held_once(tmp_path):
    """200 MB: the process grows by the weights and a few chunks, not by a mapping of the file besides."""
    weight = torch.zeros(100, MIB, dtype=torch.bfloat16)
    save_file({"weight": weight.view(25600, 4096), "bias": torch.zeros(25600)}, tmp_path / "model.safetensors")
    del weight
    before, seen = resident_bytes(), []
    network = load_network(
        lambda: torch.nn.Linear(4096, 25600),
        [tmp_path / "model.safetensors"],
        precision=Precision(torch.bfloat16, ("bias",)),
        report=lambda progress: seen.append(resident_bytes()),
    )
    assert max(seen) - before < 1.15 * 200 * MIB
    assert network.weight.shape == (25600, 4096)


def test_nothing_of_a_loaded_file_stays_in_the_page_cache(tmp_path):
    if file_system(tmp_path) == "tmpfs":
        pytest.skip("files of a tmpfs are the page cache")
    file = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(8192, 4096, dtype=torch.bfloat16)}, file)
    with file.open("rb") as stream:
        # What is not on the disk yet cannot be dropped.
        os.fsync(stream.fileno())
    assert cached_bytes(file) > 0.5 * file.stat().st_size
    load_network(lambda: torch.nn.Linear(4096, 8192, bias=False), [file], precision=Precision(torch.bfloat16))
    assert cached_bytes(file) < 0.1 * file.stat().st_size


def file_system(path):
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return max((point, kind) for point, kind in mounts if path.is_relative_to(point))[1]
