"""The address of the client, also if it is behind proxies that append to X-Forwarded-For.

The server must not change the address of its peer itself, as uvicorn does with `--proxy-headers`.
"""

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Any

# An address with brackets, quotes or a port: 203.0.113.9:51234, [2001:db8::1], "[2001:db8::1]:443".
_entry = re.compile(r'"?(?:\[(?P<bracketed>[^\[\]]*)\](?::\d{1,5})?|(?P<plain>[^:"]*)(?::\d{1,5})?|(?P<ipv6>[^"]*))"?')


def client_address(meta: Mapping[str, Any], trusted_proxy_count: int) -> str | None:
    """Return the address of the client: the peer of the outermost trusted proxy, or of this server without proxies.

    Each proxy appends the address of its peer to X-Forwarded-For. So only the last `trusted_proxy_count` entries can be
    trusted, and the first of them is the client. If the header is missing or that entry is not an address, return the
    peer of this server; None if the server has no address of it (a Unix socket). The result has no port.
    """
    peer = meta.get("REMOTE_ADDR") or None
    return forwarded_address(meta, trusted_proxy_count) or peer


def forwarded_address(meta: Mapping[str, Any], trusted_proxy_count: int) -> str | None:
    """Return the address of the client from X-Forwarded-For; None without trusted proxies or without an address."""
    if not trusted_proxy_count:
        return None
    forwarded = [part.strip() for part in str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if part.strip()]
    if not forwarded:
        return None
    return parse_address(forwarded[-min(trusted_proxy_count, len(forwarded))])


def parse_address(text: str) -> str | None:
    """Return the IP address in an entry of X-Forwarded-For, without its port; None if it has no address.

    The form is that of the module `ipaddress`. An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is IPv4.
    """
    found = _entry.fullmatch(text.strip())
    if found is None:
        return None
    written = found["bracketed"] or found["plain"] or found["ipv6"] or ""
    try:
        address = ip_address(written)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
