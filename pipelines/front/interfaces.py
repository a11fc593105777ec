"""Network interfaces of this machine and their IPv4 addresses, as the system says them."""

from __future__ import annotations

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

_SIOCGIFADDR, _SIOCGIFNETMASK = 0x8915, 0x891B


def interfaces_with(address: str) -> Iterator[str]:
    """Names of those that have an address."""
    for _, name in socket.if_nameindex():
        if _ask(name, _SIOCGIFADDR) == address:
            yield name


def interface_of(address: str) -> str:
    """The one that has an address. Raises ValueError."""
    for name in interfaces_with(address):
        return name
    raise ValueError(f"{address} is no address of this machine")


def subnet_of(interface: str) -> str:
    """Its network, as in '192.168.10.0/24'; '' without an address."""
    address, mask = _ask(interface, _SIOCGIFADDR), _ask(interface, _SIOCGIFNETMASK)
    return str(ipaddress.ip_network(f"{address}/{mask}", strict=False)) if address and mask else ""


def _ask(interface: str, what: int) -> str:
    # One without an address says so by an error.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asks, suppress(OSError):
        answer = fcntl.ioctl(asks, what, struct.pack("256s", interface.encode()[:15]))
        return socket.inet_ntoa(answer[20:24])
    return ""
