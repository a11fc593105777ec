"""A program of its own that runs a command and ends it with the program that asked: standard library alone.

A killed program ends nothing by itself. This one asks a few times a second whether it still has its parent, and takes
the command and whatever it has started with it. It is run as a file, in a session of its own.
"""

from __future__ import annotations

import os
import resource
import signal
import sys

LOOK_S = 0.3


def main(words: list[str]) -> int:
    """Run `words[3:]`; the first three are the parent, a pipe for the reason why it cannot start, and its bytes.

    Returns the command's exit status; a signal that ended it ends this program too.
    """
    parent, said, num_bytes = (int(word) for word in words[:3])
    os.set_inheritable(said, False)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    num_bytes = num_bytes if most == resource.RLIM_INFINITY else min(num_bytes, most)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, num_bytes))
    # Waited for below, so that its end is known at once.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    given_back = [signal.SIGPIPE, signal.SIGXFSZ]
    try:
        child = os.posix_spawnp(words[3], words[3:], os.environ, setsigmask=[], setsigdef=given_back)
    except OSError as error:
        os.write(said, str(error.errno).encode())
        return 127
    os.close(said)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return _like(os.waitstatus_to_exitcode(status))
        if os.getppid() != parent:
            os.killpg(0, signal.SIGKILL)
        signal.sigtimedwait([signal.SIGCHLD], LOOK_S)


def _like(code: int) -> int:
    """An exit status, or the end by the same signal."""
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
