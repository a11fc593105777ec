"""Who may come in: the names a request may call this server by, where it may come from, and the token it must hold.

Knows nothing of pages, of the web library, or of what is served.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine that no name server decides."""

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Door:
    """The rules of one server; a refusal is a reason for the log, never a hint for the one who was refused."""

    port: int
    secure: bool = False
    """Whether it speaks TLS."""
    names: frozenset[str] = LOOPBACK_NAMES
    """Host names in lower case that a browser may use with our port, or with a port of their own: 'box:9000'."""
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """Part of the printed address."""
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What a browser gets for the token."""

    @property
    def cookie_name(self) -> str:
        """Cookies know no ports, so the name does."""
        return f"skyreels-tui-{self.port}"

    @property
    def scheme(self) -> str:
        """What the address begins with."""
        return "https" if self.secure else "http"

    def opens(self, token: str) -> bool:
        """Whether this is the token of the printed address."""
        return _same(token, self.token)

    def knows(self, cookie: str) -> bool:
        """Whether this is the cookie that the token was exchanged for."""
        return _same(cookie, self.cookie)

    def refusal(self, hosts: Sequence[str], origins: Sequence[str], local: str, *, wants_origin: bool) -> str:
        """Why a request with these Host and Origin headers stays out, or ''.

        Args:
            local: the address of this machine that the connection came to.
            wants_origin: a websocket always says where it comes from.
        """
        if len(hosts) != 1 or not self._is_ours(hosts[0], local):
            return "Host"
        if len(origins) > 1 or (wants_origin and not origins):
            return "Origin"
        if origins and not self._is_own_origin(origins[0], hosts[0]):
            return "Origin"
        return ""

    def _is_ours(self, host: str, local: str) -> bool:
        """A name that another name server may point at us is not ours: that is how DNS rebinding gets in."""
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        name, port = found[1], int(found[2] or (443 if self.secure else 80))
        if f"{name}:{port}" in self.names:
            return True
        return port == self.port and (name in self.names or _address(name) == (_address(local) or name))

    def _is_own_origin(self, origin: str, host: str) -> bool:
        default = ":443" if self.secure else ":80"
        return origin.lower() == f"{self.scheme}://{host.lower().removesuffix(default)}"


def is_loopback(host: str) -> bool:
    """True when only this machine reaches `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def in_address(host: str) -> str:
    """A host as an address spells it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _address(name: str) -> str:
    """An IP address in its one spelling, '' for a name."""
    try:
        address = ipaddress.ip_address(name.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
