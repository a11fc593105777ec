"""The smallest request of each task on the tiny models, with inputs made here."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from pipelines.demo import __file__ as demo_package
from pipelines.front.request import Request
from pipelines.media.write.video import VideoWriter
from pipelines.tasks import task_named

SAMPLES = Path(demo_package).parent / "samples"


def demo_request(task: str, folder: Path) -> Request:
    """A valid request of `task`; its inputs are written to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    common = {"prompt": "a small test", "resolution": "128P", "profile": "demo", "seed": 7}
    picture = str(SAMPLES / "astronaut.jpg")
    match task:
        case "reference_to_video":
            special = {"ref_imgs": (picture,), "duration": 1, "num_inference_steps": 4}
        case "single_shot_extension":
            special = {"input_video": (_video(folder / "in.mp4"),), "duration": 10, "num_inference_steps": 4}
        case "shot_switching_extension":
            special = {"input_video": (_video(folder / "in.mp4"),), "duration": 2, "num_inference_steps": 4}
        case _:
            special = {
                "input_image": (picture,),
                "input_audio": (voice(folder / "voice.wav", 4.0),),
                "num_inference_steps": 2,
            }
    return task_named(task).request_type.from_dict({**common, **special})


def _video(path: Path) -> str:
    """Two seconds of a moving gradient."""
    if not path.exists():
        ramp = np.linspace(0, 255, 128, dtype=np.uint8)
        with VideoWriter(path, 128, 128, 24) as writer:
            for frame in range(48):
                picture = np.repeat(np.roll(ramp, 2 * frame)[None, :, None], 128, axis=0)
                writer.write(np.repeat(picture, 3, axis=2)[None])
    return str(path)


def voice(path: Path, seconds: float) -> str:
    """Where a tone that swells and fades is written, 16 kHz mono."""
    if not path.exists():
        time = np.arange(int(16000 * seconds)) / 16000
        sound = 0.4 * np.sin(2 * np.pi * 180 * time) * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * time))
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16000)
            file.writeframes((sound * 32767).astype("<i2").tobytes())
    return str(path)
