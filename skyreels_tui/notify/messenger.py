"""Runs a person's hook command and posts to a webhook, on one small thread that nobody waits for."""

from __future__ import annotations

import json
import logging
import os
import queue
import shlex
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from skyreels_tui.notify.notice import Notice
from skyreels_tui.queue.model import JobState

log = logging.getLogger(__name__)

TRIES = 3
PAUSE_S = 2.0
"""Before the second try; four times as long before the third."""
WEB_TIMEOUT_S = 10.0
HOOK_TIMEOUT_S = 60.0
WAITING = 100
"""Notices kept while the network is slow; the oldest matter least."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where notices go; '' switches one off."""

    hook: str = ""
    """A command and its arguments, split as a shell would but run without one."""
    webhook: str = ""
    """An http or https address."""


class Messenger:
    """Delivers notices in order; `send` never blocks and never raises."""

    def __init__(self, targets: Callable[[], Targets], pause: Callable[[float], None] | None = None) -> None:
        """`targets` is asked for every notice, so that a changed setting works at once."""
        self._targets = targets
        self._stop = threading.Event()
        self._pause = pause or self._wait
        self._notices: queue.Queue[Notice | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="messenger", daemon=True)
        self._thread.start()

    def send(self, notice: Notice) -> None:
        """Deliver a notice some time soon; dropped when a hundred wait already."""
        try:
            self._notices.put_nowait(notice)
        except queue.Full:
            log.warning("dropped a notification: a hundred are waiting")

    def stop(self, timeout_s: float = 3.0) -> None:
        """Deliver what waits, for at most `timeout_s`, then leave the rest."""
        try:
            self._notices.put_nowait(None)
        except queue.Full:
            self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._stop.set()

    def _wait(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            notice = self._notices.get()
            if notice is None:
                return
            targets = self._targets()
            if targets.hook and (problem := run_hook(targets.hook, notice)):
                log.warning("%s", problem)
            if targets.webhook:
                self._post(targets.webhook, notice)

    def _post(self, address: str, notice: Notice) -> None:
        if urllib.parse.urlsplit(address).scheme not in ("http", "https"):
            log.warning("the webhook is no http or https address: nothing was sent")
            return
        for attempt in range(TRIES):
            if attempt:
                self._pause(PAUSE_S * 4 ** (attempt - 1))
            if self._stop.is_set():
                return
            problem = post(address, notice)
            if not problem:
                return
            log.warning("webhook, try %d of %d: %s", attempt + 1, TRIES, problem)


def post(address: str, notice: Notice) -> str:
    """Post a notice once; returns why it did not arrive, '' when it did."""
    body = json.dumps(notice_facts(notice)).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "skyreels-tui"}
    request = urllib.request.Request(address, body, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=WEB_TIMEOUT_S):
            return ""
    except (OSError, urllib.error.URLError, ValueError) as error:
        return str(error)


def notice_facts(notice: Notice) -> dict[str, object]:
    """Return what hook and webhook are told."""
    told: dict[str, object] = {"event": notice.kind, "title": notice.title, "text": notice.text}
    job = notice.job
    if job is not None:
        told["job"] = {
            "id": job.id, "label": job.label, "task": job.task_type, "state": job.state.value,
            "output": job.output, "error": job.error, "seconds": round(job.run_seconds, 1),
        }  # fmt: skip
    if (film := notice.film) is not None:
        told["film"] = {
            "name": film.name,
            "project": film.project,
            "scenes": len(film.scenes),
            "states": {str(state): count for state, count in film.counts.items()},
            "seconds": round(film.seconds, 1),
            "outputs": [scene.chosen.output for scene in film.scenes if scene.chosen],
            "failed": [scene.name for scene in film.scenes if scene.state is JobState.FAILED],
        }
    told["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return told


def run_hook(command: str, notice: Notice) -> str:
    """Run a command without a shell, with the facts in its environment and as JSON on its input.

    Returns what went wrong, '' when nothing did.
    """
    told = notice_facts(notice)
    job = notice.job
    environ = {
        "SKYREELS_EVENT": notice.kind,
        "SKYREELS_TITLE": notice.title,
        "SKYREELS_TEXT": notice.text,
        "SKYREELS_JOB": str(job.id) if job else "",
        "SKYREELS_LABEL": job.label if job else "",
        "SKYREELS_OUTPUT": job.output if job else "",
        "SKYREELS_FILM": notice.film.name if notice.film else "",
    }
    # A zero byte cannot stand in an environment.
    environ = {name: value.replace("\0", "") for name, value in environ.items()}
    try:
        arguments = shlex.split(command)
        done = subprocess.run(
            arguments,
            input=json.dumps(told).encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=HOOK_TIMEOUT_S,
            env={**os.environ, **environ},
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"the hook command did not run: {error}"
    if done.returncode:
        words = done.stderr.decode(errors="replace").strip()[-200:]
        return f"the hook command ended with {done.returncode}: {words}"
    return ""
