"""Addresses of syslog servers, and the other options of the syslog handler."""

import pytest

from observability.logs.syslog import SyslogAddress, SyslogHandler


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("udp://logs.example.com:5514", SyslogAddress("udp", "logs.example.com", 5514)),
        ("udp://logs.example.com", SyslogAddress("udp", "logs.example.com", 514)),
        ("tcp://10.0.0.1", SyslogAddress("tcp", "10.0.0.1", 601)),
        ("tcp://[::1]:601", SyslogAddress("tcp", "::1", 601)),
        ("unix:/dev/log", SyslogAddress("unix", path="/dev/log")),
    ],
)
def test_address_is_parsed(text: str, address: SyslogAddress) -> None:
    assert SyslogAddress.parse(text) == address


@pytest.mark.parametrize(
    "text", ["", "host:514", "http://host", "udp://", "udp://host:0", "udp://host:70000", "unix:log"]
)
def test_invalid_address_is_reported_with_the_allowed_forms(text: str) -> None:
    with pytest.raises(ValueError, match="Allowed: udp://host:514, tcp://host:601 or unix:/dev/log") as raised:
        SyslogAddress.parse(text)
    assert f"is {text!r}." in str(raised.value)


def test_invalid_facility_is_reported_with_the_allowed_values() -> None:
    with pytest.raises(ValueError, match=r"facility is 'vitrine'. Allowed: .*local7"):
        SyslogHandler("udp://127.0.0.1", facility="vitrine")


def test_max_message_bytes_below_the_minimum_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"maxMessageBytes is 100\. Allowed: a number of bytes, 4096 or more"):
        SyslogHandler("udp://127.0.0.1", maxMessageBytes=100)
