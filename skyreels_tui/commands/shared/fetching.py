"""Inputs given as web addresses: fetched before the job is queued, with lines of progress on stderr."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.front.errors import InvalidRequest, MediaError, Problem
from pipelines.front.language import tr
from pipelines.front.request import Request, check_fields
from pipelines.media.remote.address import host_of, is_address
from skyreels_tui.commands.shared import output
from skyreels_tui.requests.typed_paths import address_fields
from skyreels_tui.words.sizes import size

EVERY_S = 1.0
"""Between two lines about one transfer."""


def fetch_inputs(request: Request, folder: Path) -> Request:
    """Return the request with every http(s) address replaced by the fetched file's path.

    Nothing is fetched for a request that is refused anyway. Raises InvalidRequest.
    """
    wanted = address_fields(request)
    if not wanted:
        return request
    if problems := check_fields(request):
        raise InvalidRequest(problems)
    # urllib and the probes are paid by those who give an address.
    from pipelines.media.remote.fetch import fetch

    found: dict[str, Any] = {}
    for name, media in wanted.items():
        paths = list(getattr(request, name))
        for place, entry in enumerate(paths):
            if is_address(entry):
                try:
                    paths[place] = str(fetch(entry, media, folder, _told(host_of(entry))))
                except MediaError as error:
                    problems.append(Problem(name, str(error)))
        found[name] = tuple(paths)
    if problems:
        raise InvalidRequest(problems)
    return dataclasses.replace(request, **found)


def _told(host: str) -> Callable[[int, int | None], None]:
    last = time.monotonic() - EVERY_S

    def tell(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < EVERY_S and done != total:
            return
        last = now
        if total is None:
            output.note(tr("{host}: {done} fetched", host=host, done=size(done)))
        else:
            output.note(tr("{host}: {done} of {total} fetched", host=host, done=size(done), total=size(total)))

    return tell
