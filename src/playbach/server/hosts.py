"""Names of hosts: reads those of the headers Host and Origin into one form, and lists this computer's own.

All comparisons use this form: `LOCALHOST`, `localhost.` and `localhost` are one name, and so are all spellings of an
IPv6 address. Knows neither requests nor what a server accepts.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
"""The names under which only this computer reaches itself."""
DEFAULT_PORTS = {"http": 80, "https": 443}
_HEADER = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?", re.ASCII)
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class HostHeader:
    """The header Host, or what stands for it in an address."""

    name: str
    """As `normal_name` returns it."""
    port: int | None


def parse_host(text: str) -> HostHeader | None:
    """The name and the port; None if the text is malformed."""
    match = _HEADER.fullmatch(text)
    if match is None:
        return None
    inside_brackets, plain, digits = match.groups()
    name = normal_name(inside_brackets or plain)
    port = None if digits is None else int(digits)
    if name is None or (inside_brackets and ":" not in inside_brackets) or port == 0 or (port or 1) > 65_535:
        return None
    return HostHeader(name, port)


def normal_name(name: str) -> str | None:
    """An address in its usual spelling, or a name in lower case without a dot at its end; None if it is neither."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(name.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return str(mapped or address)
    plain = name.lower().removesuffix(".")
    labels = plain.split(".")
    # A browser takes a name that ends with a number for an address: there is no such name.
    if len(plain) > _LONGEST_NAME or labels[-1].isdigit() or not all(map(_LABEL.fullmatch, labels)):
        return None
    return plain


@dataclass(frozen=True, slots=True)
class Origin:
    """The scheme, the host and the port of a page."""

    scheme: str
    name: str
    port: int

    def matches(self, host: HostHeader) -> bool:
        """Whether it is a page of this host. Behind a proxy the port may be left out."""
        return self.name == host.name and self.port == (host.port or DEFAULT_PORTS[self.scheme])


def parse_origin(text: str) -> Origin | None:
    """The origin in an address without a path; None if it is malformed or not one of http or https."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    host = parse_host(parts.netloc)
    if host is None or parts.scheme not in DEFAULT_PORTS or text != f"{text.partition(':')[0]}://{parts.netloc}":
        return None
    return Origin(parts.scheme, host.name, host.port or DEFAULT_PORTS[parts.scheme])


def own_addresses() -> list[str]:
    """This computer's addresses in its network, the likeliest first. Sends nothing."""
    addresses: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # an address for documentation: only the route is looked up
        addresses.append(probe.getsockname()[0])
    with contextlib.suppress(OSError):
        addresses += socket.gethostbyname_ex(socket.gethostname())[2]
    outside = [address for address in dict.fromkeys(addresses) if not address.startswith("127.")]
    return outside or ["127.0.0.1"]


def own_names() -> frozenset[str]:
    """The names under which this computer and, often, its network know it. Asks nobody."""
    hostname = socket.gethostname()
    first = hostname.partition(".")[0]
    return frozenset(filter(None, map(normal_name, (*LOOPBACK_NAMES, hostname, first, f"{first}.local"))))
