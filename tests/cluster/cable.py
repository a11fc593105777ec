"""A second machine's own network on this one, behind a cable that can be pulled: Linux namespaces, for root alone.

Without root: `unshare --user --map-root-user --net python -m tests.cluster.chaos`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence


class Cable:
    """A bridge with this side's address, and one cable from it into a network namespace with the other's."""

    def __init__(self, number: int) -> None:
        """Lay it; `number` below 2 ** 14 tells the cables of one machine apart.

        Raises OSError or CalledProcessError where this user or this system may not.
        """
        subnet = f"10.{128 + (number >> 8)}.{number & 255}"
        self.near, self.far = f"{subnet}.1", f"{subnet}.2"
        self._bridge, self._plug, end = f"cb{number}", f"cp{number}", f"ce{number}"
        # The namespace lives as long as somebody is in it.
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        try:
            if not self._holder.stdout.read(1):
                raise OSError("no network namespace can be made here")
            _ip("link", "set", "lo", "up")
            _ip("link", "add", self._bridge, "type", "bridge")
            _ip("addr", "add", f"{self.near}/24", "dev", self._bridge)
            _ip("link", "set", self._bridge, "up")
            _ip("link", "add", self._plug, "type", "veth", "peer", "name", end)
            _ip("link", "set", end, "netns", str(self._holder.pid))
            _ip("link", "set", self._plug, "master", self._bridge, "up")
            for words in (
                ("link", "set", "lo", "up"),
                ("addr", "add", f"{self.far}/24", "dev", end),
                ("link", "set", end, "up"),
            ):
                subprocess.run(self.beyond(["ip", *words]), check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            self.close()
            raise

    def beyond(self, words: Sequence[str]) -> list[str]:
        """The command that runs another one at the far end."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *words]

    def pull(self) -> None:
        """Nothing passes any more, and no end is told: both keep their addresses and connections."""
        _ip("link", "set", self._plug, "down")

    def plug_in(self) -> None:
        """Everything passes again."""
        _ip("link", "set", self._plug, "up")

    def close(self) -> None:
        """Take it all away."""
        self._holder.kill()
        self._holder.wait()
        for name in (self._plug, self._bridge):
            subprocess.run(["ip", "link", "delete", name], check=False, capture_output=True)


def cable_here(number: int) -> Cable | None:
    """A cable, or None where this user or this system may not lay one."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))):
        return None
    try:
        return Cable(number)
    except (OSError, subprocess.CalledProcessError):
        return None


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
