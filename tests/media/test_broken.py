"""Every broken file is refused or read within 5 seconds, in bounded memory, without any error but MediaError."""

import resource
import time
from concurrent.futures import ThreadPoolExecutor

from pipelines.errors import MediaError
from pipelines.media.audio import decode_mono
from pipelines.media.check import audio_problem, image_problem, video_problem
from pipelines.media.images import load_image
from pipelines.media.video import read_tail
from tests.media.broken import Broken, broken_files

LIMIT_S = 5.0
MEMORY_BYTES = 1200 << 20
CHECKS = {
    "image": image_problem,
    "video": lambda path: video_problem(path, 9),
    "audio": lambda path: audio_problem(path, 0.4, 200),
}
READS = {"image": load_image, "video": lambda path: read_tail(path, 9), "audio": decode_mono}


def look(file: Broken) -> tuple[Broken, str, float]:
    """Check a file as a form does, and read what was accepted."""
    begun = time.monotonic()
    problem = CHECKS[file.kind](file.path)
    taken = time.monotonic() - begun
    if not problem:
        try:
            READS[file.kind](file.path)
        except MediaError as error:
            assert str(error).isprintable()
    return file, problem, taken


def peaks() -> list[int]:
    """Largest memory so far of this process and of any that it started, in bytes."""
    return [resource.getrusage(who).ru_maxrss * 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def test_every_broken_file_is_refused_or_read_quickly_and_cheaply(tmp_path):
    """One test, because the files are looked at once: refusals, times and memory are three sides of it."""
    before = peaks()
    with ThreadPoolExecutor(2) as pool:
        looks = list(pool.map(look, broken_files(tmp_path)))
    assert len(looks) > 250
    assert [file.path.name for file, problem, _ in looks if file.refused and not problem] == []
    assert sum(1 for _, problem, _ in looks if problem) >= 200
    for file, problem, _ in looks:
        assert problem.isprintable() and len(problem) < 300, file.path.name
        assert "Traceback" not in problem and " @ 0x" not in problem, problem
    assert {file.path.name: taken for file, _, taken in looks if taken > LIMIT_S} == {}
    # Other tests in this process may have needed more: what counts is how far these files drove it up.
    for low, high in zip(before, peaks(), strict=True):
        assert high - low < MEMORY_BYTES
