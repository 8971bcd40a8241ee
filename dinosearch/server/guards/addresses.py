"""Which web addresses the server may fetch from: those of public servers, and nothing in its own network.

A client that gives a web address lets this machine connect in its place. So an address counts as public only when it is
known to be; the names of the private ranges are those of the IANA registries of special-purpose addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import httpx

PORTS: Mapping[str, frozenset[int]] = {"http": frozenset({80}), "https": frozenset({443})}
"""Ports that may be fetched from, by scheme: on any other port of a public machine stands something else than a page,
and who may choose the port can have this machine look which ones are open."""
_LONGEST = 2048
_GLOBAL_V6 = ip_network("2000::/3")  # all that is routed; mapped, compatible and NAT64 forms of IPv4 lie outside
_REFUSED = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",  # answers inside of Azure only
        "192.0.0.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo and other carriers of IPv4
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]", re.ASCII
)


@dataclass(frozen=True)
class Target:
    """A web address that may be fetched if its name leads to public addresses.

    Attributes:
        url: without fragment.
        host: name, lower case, or the address it is.
        port: where to connect.
        literal: the address, where the host is one.
    """

    url: httpx.URL
    host: str
    port: int
    literal: str | None


def target(text: str, ports: Mapping[str, frozenset[int]] = PORTS) -> Target:
    """Read a web address.

    Raises:
        ValueError: one clause that says why it will not be fetched.
    """
    if len(text) > _LONGEST or not text.isprintable() or "\\" in text or any(c.isspace() for c in text):
        raise ValueError("it is no web address")
    try:
        url = httpx.URL(text).copy_with(fragment=None)
        host, port = url.raw_host.decode("ascii").lower().rstrip("."), url.port
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise ValueError("it is no web address") from None
    if url.scheme not in ports:
        raise ValueError("only http and https addresses are fetched")
    if url.userinfo:
        raise ValueError("addresses with a user name are not fetched")
    port = {"http": 80, "https": 443}[url.scheme] if port is None else port
    if port not in ports[url.scheme]:
        raise ValueError("only ports 80 (http) and 443 (https) are fetched from")
    literal = _literal(host)
    # A last label that is a number makes a host an address in one of the old spellings (0x7f.1, 017700000001): those
    # are read differently by different programs. One label alone is a name of the own network.
    if literal is None and not _NAME.fullmatch(host):
        raise ValueError("its host is no public name")
    return Target(url, host, port, literal)


def is_public(address: str) -> bool:
    """Whether an address is one of a public server.

    Args:
        address: IPv4 or IPv6 as text; anything else is not public.
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and (found not in _GLOBAL_V6 or found.scope_id):
        return False
    return found.is_global and not any(found in network for network in _REFUSED if network.version == found.version)


def _literal(host: str) -> str | None:
    try:
        found: IPv4Address | IPv6Address = ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return str(found)
