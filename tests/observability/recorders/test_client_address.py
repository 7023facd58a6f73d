"""The address of the client, with and without proxies."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        (1, "203.0.113.9:51234", "203.0.113.9"),
        (1, "forged:1, 203.0.113.9:51234", "203.0.113.9"),
        (2, "203.0.113.9:51234,198.51.100.7:80", "203.0.113.9"),
        (1, "[2001:db8::1]", "2001:db8::1"),
        (1, "[2001:db8::1]:443", "2001:db8::1"),
        (1, '"[2001:db8::1]:443"', "2001:db8::1"),
        (1, '"203.0.113.9"', "203.0.113.9"),
        (1, "2001:DB8:0:0::1", "2001:db8::1"),
        (1, "::ffff:203.0.113.9", "203.0.113.9"),
        (1, "[::ffff:203.0.113.9]:8080", "203.0.113.9"),
        (1, "fe80::1%eth0", "fe80::1%eth0"),
        (1, "\t203.0.113.9 ", "203.0.113.9"),
        (1, "unknown", "10.0.0.1"),
        (1, "_hidden:80", "10.0.0.1"),
        (1, "203.0.113.9:", "10.0.0.1"),
        (1, "203.0.113.9:port", "10.0.0.1"),
        (1, "203.0.113.9:51234:1", "10.0.0.1"),
        (1, "[2001:db8::1", "10.0.0.1"),
        (1, "[203.0.113.9]:80]", "10.0.0.1"),
        (1, "203.0.113.256", "10.0.0.1"),
    ],
)
def test_only_entries_of_trusted_proxies_are_used(proxy_count: int, forwarded: str, expected: str) -> None:
    meta = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(meta, proxy_count) == expected


def test_client_of_a_unix_socket_has_no_address() -> None:
    assert client_address({"REMOTE_ADDR": ""}, 0) is None


def address_of(text: str, *, port: str = "", is_bracketed: bool = False) -> str | None:
    written = f"[{text}]" if is_bracketed else text
    return client_address({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": f"forged, {written}{port}"}, 1)


@given(st.ip_addresses(v=4), st.integers(0, 65_535))
def test_port_of_an_ipv4_address_is_removed(address: IPv4Address, port: int) -> None:
    assert address_of(str(address)) == address_of(str(address), port=f":{port}") == str(address)


@given(st.ip_addresses(v=6, network="2000::/3"), st.integers(0, 65_535))
def test_port_of_an_ipv6_address_in_brackets_is_removed(address: IPv6Address, port: int) -> None:
    assert address_of(str(address)) == address_of(str(address), is_bracketed=True) == str(address)
    assert address_of(str(address), port=f":{port}", is_bracketed=True) == str(address)


@given(st.text())
def test_result_is_an_address_or_the_peer(text: str) -> None:
    ip_address(client_address({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": text}, 1) or "")
