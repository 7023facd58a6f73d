"""The address of the client, also if it is behind proxies that append to X-Forwarded-For."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any


def client_address(meta: Mapping[str, Any], trusted_proxy_count: int) -> str | None:
    """Return the address of the client: the peer of the outermost trusted proxy, or of this server without proxies.

    Each proxy appends the address of its peer to X-Forwarded-For. So only the last `trusted_proxy_count` entries can be
    trusted, and the first of them is the client. If the header is missing or that entry is not an address, return the
    peer of this server; None if the server has no address of it (a Unix socket).
    """
    peer = meta.get("REMOTE_ADDR") or None
    if not trusted_proxy_count:
        return peer
    forwarded = [part.strip() for part in str(meta.get("HTTP_X_FORWARDED_FOR", "")).split(",") if part.strip()]
    if not forwarded:
        return peer
    candidate = forwarded[-min(trusted_proxy_count, len(forwarded))]
    return candidate if _is_address(candidate) else peer


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
