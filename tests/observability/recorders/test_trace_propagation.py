"""Which hosts get trace headers."""

import pytest
from pytest_django import Settings

from observability.core.observation import Observation
from observability.recorders.trace_propagation import is_host, is_propagated_to, trace_headers


@pytest.mark.parametrize(
    ("entry", "host", "is_match"),
    [
        ("api.example.com", "api.example.com", True),
        ("API.Example.com", "api.example.com", True),
        ("api.example.com", "api.example.com:8443", False),
        ("api.example.com", "other.example.com", False),
        ("api.example.com", "v1.api.example.com", False),
        ("api.example.com", "api.example.com.attacker.net", False),
        ("api.example.com:8443", "api.example.com:8443", True),
        ("api.example.com:8443", "api.example.com", False),
        (".example.com", "api.example.com", True),
        (".example.com", "v1.api.example.com:8443", True),
        (".example.com", "example.com", False),
        (".example.com", "myexample.com", False),
        (".example.com:8443", "api.example.com:8443", True),
        (".example.com:8443", "api.example.com", False),
        ("[::1]:8000", "[::1]:8000", True),
        ("[::1]", "[::1]:8000", False),
    ],
)
def test_entry_matches_its_host_only(settings: Settings, entry: str, host: str, is_match: bool) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": ["first.example.org", entry]}
    assert is_host(entry)
    assert is_propagated_to(host) is is_match


def test_string_instead_of_a_list_matches_no_host(settings: Settings) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": "api.example.com"}
    assert not is_propagated_to("api.example.com")


def test_only_a_listed_host_gets_trace_headers(settings: Settings) -> None:
    settings.OBSERVABILITY = {"PROPAGATE_TO": ["api.example.com"]}
    work = Observation("span", "work")
    assert trace_headers("other.example.com", work) == {}
    assert trace_headers("api.example.com", work) == {
        "traceparent": f"00-{work.trace_id}-{work.span_id}-01",
        "X-Request-ID": work.request_id,
    }
