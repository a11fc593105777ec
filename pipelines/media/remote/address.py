"""Web addresses as text: telling them from paths, what to send, what to show; opens nothing and loads nothing heavy."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pipelines.front.errors import MediaError
from pipelines.front.language import tr
from pipelines.media.files import plain_line

Media = Literal["image", "video", "audio"]
"""What a file is read as."""

PART_PREFIX, PART_SUFFIX = ".fetch-", ".part"
"""Around the name of a file that is still on its way."""
_DIGITS = 10
_KEPT = re.compile(rf"[A-Za-z0-9_-]+-[0-9a-f]{{{_DIGITS}}}(\.[a-z0-9]{{1,5}})?|\{PART_PREFIX}\w+\{PART_SUFFIX}", re.A)


def is_address(text: str) -> bool:
    """Whether a person means an address on the web rather than a path."""
    return text.strip().lower().startswith(("http://", "https://"))


def host_of(address: str) -> str:
    """The server's name, safe to show: never a name, a password or a query."""
    try:
        return plain_line(urlsplit(address.strip()).hostname or "", limit=60) or "?"
    except ValueError:
        return "?"


def encoded(address: str) -> str:
    """The address as it goes over the wire: letters outside ASCII and spaces escaped; MediaError when it is none."""
    wrong = tr("{host}: no usable web address", host=host_of(address))
    try:
        parts = urlsplit(address.strip())
        host, port = (parts.hostname or "").encode("idna").decode("ascii"), parts.port
    except (ValueError, UnicodeError):
        raise MediaError(wrong) from None
    if not host or not is_address(address):
        raise MediaError(wrong)
    if parts.username is not None:
        raise MediaError(tr("{host}: an address with a name or password in it is not taken", host=host_of(address)))
    host = f"[{host}]" if ":" in host else host
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?-._") for part in (parts.path or "/", parts.query))
    return urlunsplit((parts.scheme.lower(), host if port is None else f"{host}:{port}", path, query, ""))


def file_name(address: str) -> str:
    """A file name from the end of the address, letters and digits only, so that it is harmless everywhere."""
    with suppress(ValueError):
        last = unquote(urlsplit(address.strip()).path).rstrip("/").rpartition("/")[2]
        stem, dot, ending = last.rpartition(".")
        stem, ending = (stem, ending) if dot and re.fullmatch(r"[A-Za-z0-9]{1,5}", ending) else (last, "")
        stem = re.sub(r"[^A-Za-z0-9_]+", "-", stem).strip("-")[:40]
        return (stem or "file") + (f".{ending.lower()}" if ending else "")
    return "file"


def kept_name(address: str, digest: str) -> str:
    """The name under which a fetched file is kept: that of the address, told apart by its content."""
    stem, dot, ending = file_name(address).partition(".")
    return f"{stem}-{digest[:_DIGITS]}{dot}{ending}"


def is_kept_name(name: str) -> bool:
    """Whether `kept_name` may have made a name; that of a part file counts too."""
    return _KEPT.fullmatch(name) is not None
