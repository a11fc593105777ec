"""Write tiny checkpoints in the released layout from a manifest of names and shapes; the same bytes everywhere.

Only the layout is real: the weights are random numbers, a video made with them is noise.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.front.documents import read_json
from pipelines.front.durable import make_folder

_HERE = Path(__file__).parent


def demo_checkpoint(family: str, cache_dir: Path) -> Path:
    """Return the folder of a family's tiny checkpoint, writing it below `cache_dir` on first use."""
    manifest = _HERE / "manifests" / f"{family}.json"
    version = hashlib.sha256(manifest.read_bytes()).hexdigest()[:12]
    folder = cache_dir / "demo" / f"{family}-{version}"
    if folder.is_dir():
        return folder
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    write_checkpoint(manifest, temporary)
    try:
        temporary.replace(folder)
    except OSError:
        # Another process has finished the same folder in the meantime.
        if not folder.is_dir():
            raise
        shutil.rmtree(temporary)
    return folder


def write_checkpoint(manifest: Path, folder: Path, seed: int = 0) -> Path:
    """Write every file that a manifest names into `folder` and return it.

    Folders to copy (a tokenizer) are looked up beside the manifest's folder, beside the manifest, then in the demo.
    """
    # The front layer may ask where a demo checkpoint lies without paying for torch.
    import torch
    from safetensors.torch import save

    plan = read_json(manifest.read_text("utf-8"))
    for entry in plan["files"]:
        path = folder / entry["path"]
        make_folder(path.parent)
        dtype = getattr(torch, entry["dtype"])
        tensors = {
            name: torch.from_numpy(random_values(name, shape, seed)).to(dtype).contiguous()
            for name, shape in entry["tensors"].items()
        }
        if entry["format"] == "safetensors":
            # Written by ourselves: the library hides the number of a disk's error in a sentence.
            path.write_bytes(save(tensors, {"format": "pt"}))
        else:
            torch.save(tensors, path)
    for name, content in plan.get("json", {}).items():
        path = folder / name
        make_folder(path.parent)
        path.write_text(json.dumps(content, indent=2), "utf-8")
    for target, source in plan.get("copy", {}).items():
        roots = (manifest.parent.parent, manifest.parent, _HERE)
        origin = next(root / source for root in roots if (root / source).is_dir())
        shutil.copytree(origin, folder / target, dirs_exist_ok=True)
    return folder


def random_values(name: str, shape: Sequence[int], seed: int) -> npt.NDArray[np.float32]:
    """Weights that depend on seed, name and shape alone, scaled so that activations stay of order one.

    Biases are small, vectors sit near 1, everything else is divided by the square root of its fan-in.
    """
    draw = np.random.RandomState(zlib.crc32(f"{seed}:{name}".encode()))
    values = np.asarray(draw.standard_normal(size=tuple(shape)), dtype=np.float32)
    if name.endswith("bias"):
        values = values * np.float32(0.02)
    elif sum(size > 1 for size in shape) <= 1:
        values = np.float32(1) + np.float32(0.1) * values
    else:
        values = values / np.sqrt(np.prod(list(shape[1:])))
    return np.asarray(values, dtype=np.float32).reshape(tuple(shape))
