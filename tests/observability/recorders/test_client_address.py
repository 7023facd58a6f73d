"""The address of the client, with and without proxies."""

import pytest

from observability.recorders.client_address import client_address


@pytest.mark.parametrize(
    ("proxy_count", "forwarded", "expected"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "forged, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (3, "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "<script>", "10.0.0.1"),
    ],
)
def test_only_entries_of_trusted_proxies_are_used(proxy_count: int, forwarded: str, expected: str) -> None:
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(meta, proxy_count) == expected


def test_client_of_a_unix_socket_has_no_address() -> None:
    assert client_address({"REMOTE_ADDR": ""}, 0) is None
