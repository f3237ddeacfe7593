"""Addresses that notices may be sent to. Pure.

Whoever registers an endpoint makes this server call an address of their choice. So an address is read once, by a strict
pattern, and what was read is what is called; it is https on 443 or 8443; and every address its name stands for must
be public. The operator may allow receivers inside, each by scheme, host and port.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from api.delivery.errors import BadAddress

LONGEST = 1_000
PORTS = frozenset({443, 8443})
USUAL = {"https": 443, "http": 80}
LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
URL = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{LABEL}(?:\.{LABEL})*\.?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?P<path>[/?](?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*)?",
    re.ASCII,
)
MAILBOX = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{LABEL}(?:\.{LABEL})+", re.ASCII)

UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out; the rest is inside, or not in use."""
NOT_PUBLIC = tuple(
    IPv4Network(net) if "." in net else IPv6Network(net)
    for net in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
"""What older Pythons call global although it leads inside, through a tunnel, or nowhere (IANA's registries)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address as it was read; `is_inside` when the operator allowed it."""

    scheme: str
    host: str
    port: int
    path: str
    is_inside: bool

    @property
    def bare_host(self) -> str:
        """The host without the brackets of IPv6."""
        return self.host.strip("[]")


def origin(scheme: str, host: str, port: int) -> str:
    """Scheme, host and port in the one way they are compared in."""
    return f"{scheme}://{host}:{port}"


def origin_of(address: str) -> str:
    """The origin of an address that the operator allows. Raises BadAddress, also for more than an origin."""
    found = _read(address)
    if found.path != "/":
        raise BadAddress(f"“{address}” has a path: give scheme, host and port alone")
    return origin(found.scheme, found.host, found.port)


def target(address: str, allowed: Collection[str]) -> Target:
    """What to call for an address; `allowed` are the operator's origins. Raises BadAddress with a sentence."""
    found = _read(address)
    if origin(found.scheme, found.host, found.port) in allowed:
        return Target(scheme=found.scheme, host=found.host, port=found.port, path=found.path, is_inside=True)
    if found.scheme != "https":
        raise BadAddress("An address begins with https://.")
    if found.port not in PORTS:
        raise BadAddress("The port of an address is 443 or 8443.")
    if (literal := _literal(found.bare_host)) is not None and not is_public(literal):
        raise BadAddress("The address leads inside; only public addresses are called.")
    return found


def mailbox(address: str) -> str:
    """The address of a mailbox. Raises BadAddress with a sentence."""
    if len(address) > 254 or not MAILBOX.fullmatch(address):
        raise BadAddress("This is not the address of one mailbox, such as team@example.org.")
    return address


def is_public(address: str) -> bool:
    """Whether an IP address leads outside: every one that is given out for hosts, and none else."""
    found = ip_address(address)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if found.is_multicast or found.is_reserved or not found.is_global:
        return False
    if any(found in net for net in NOT_PUBLIC if net.version == found.version):
        return False
    return isinstance(found, IPv4Address) or found in UNICAST


def _read(address: str) -> Target:
    found = URL.fullmatch(address)
    if len(address) > LONGEST or found is None:
        raise BadAddress(
            f"This is not an address such as https://example.org/hook: {LONGEST:,} characters at most, in ASCII,"
            " without a name, a password or a fragment."
        )
    scheme, host, path = found["scheme"], found["host"].lower(), found["path"] or "/"
    port = int(found["port"] or USUAL[scheme])
    if len(host) > 253 or not 1 <= port <= 65535 or (host[0] == "[" and _literal(host.strip("[]")) is None):
        raise BadAddress("The host or the port of the address cannot be one.")
    path = path if path[0] == "/" else f"/{path}"
    return Target(scheme=scheme, host=host, port=port, path=path, is_inside=False)


def _literal(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None
