"""What ended a job, as a sentence with a way out; decides by types and error numbers, never by words."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from pipelines.front.errors import PipelineError
from pipelines.front.language import mark, reason_of, tr

_SENTENCES: Mapping[int, str] = {
    errno.EACCES: mark("no permission for {path}: change its owner or rights, then retry"),
    errno.EPERM: mark("no permission for {path}: change its owner or rights, then retry"),
    errno.ENOENT: mark("{path} is not there any more: put it back, then retry"),
    errno.ENOTDIR: mark("{path} leads through something that is no folder: move that away, then retry"),
    errno.EISDIR: mark("{path} is a folder where a file belongs: move it away, then retry"),
    errno.EEXIST: mark("{path} is in the way: move it, then retry"),
    errno.ENOTEMPTY: mark("{path} is in the way: move it, then retry"),
    errno.EROFS: mark("{path} lies on a disk that only lets itself be read: mount it for writing, then retry"),
    errno.EIO: mark("the disk failed at {path}: look into the system's log (dmesg) before you retry"),
    errno.EMFILE: mark("too many files are open: close other programs or raise the limit (ulimit -n), then retry"),
    errno.ENFILE: mark("too many files are open: close other programs or raise the limit (ulimit -n), then retry"),
    errno.EFBIG: mark(
        "{path} may not grow further: raise the limit of the shell or of the disk (ulimit -f), then retry"
    ),
    errno.ENAMETOOLONG: mark("the name {path} is too long for its disk: give the job a shorter label"),
    errno.ETXTBSY: mark("{path} is in use by another program: end it, then retry"),
    errno.EBUSY: mark("{path} is in use by another program: end it, then retry"),
    errno.ESTALE: mark("the network folder of {path} has gone: mount it again, then retry"),
    errno.EHOSTDOWN: mark("the network folder of {path} has gone: mount it again, then retry"),
    errno.ENOTCONN: mark("the network folder of {path} has gone: mount it again, then retry"),
    errno.ETIMEDOUT: mark("the network folder of {path} does not answer: mount it again, then retry"),
    errno.ENODEV: mark("the device under {path} has gone: connect it again, then retry"),
    errno.ENXIO: mark("the device under {path} has gone: connect it again, then retry"),
    errno.ENOMEM: mark("the system has no memory left: end other programs, then retry"),
    errno.EAGAIN: mark("the system has no processes or memory left: end other programs, then retry"),
}
"""Error number -> what happened, to what, and what helps."""

_GPU_ERRORS = frozenset({"AcceleratorError", "DeferredCudaCallError", "CudaError"})
"""Names of torch's error types of a device: this module never imports torch."""


def failure_words(error: Exception) -> str:
    """Return one sentence for a person; the system's own words stand behind it in brackets."""
    if isinstance(error, PipelineError):
        return str(error)
    if isinstance(error, OSError):
        return _os_words(error)
    if isinstance(error, MemoryError):
        return tr("the system has no memory left: end other programs, then retry")
    kind = type(error).__name__
    detail = f"{kind}: {error}".strip().rstrip(":")
    if kind in _GPU_ERRORS:
        return tr("the GPU failed ({detail}): retry, and restart the machine if it comes again", detail=detail)
    return tr(
        "a fault of this program ({detail}): retry, and report it with skyreels-tui doctor --bundle if it comes again",
        detail=detail,
    )


def _os_words(error: OSError) -> str:
    path = _place(error)
    sentence = _SENTENCES.get(error.errno or 0)
    if sentence is None:
        detail = reason_of(error) or type(error).__name__
        return tr("the system refused {path} ({detail}): retry when that has changed", path=path, detail=detail)
    return f"{tr(sentence, path=path)} ({reason_of(error)})"


def _place(error: OSError) -> str:
    """The file that the error names, or a word for what is unknown."""
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return " -> ".join(names) or tr("a file of this job")
