"""URLs without secrets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observability.profiler.links import redact_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("/books/", "/books/"),
        ("/books/?fixed&page=2&q=a+b%2Fc", "/books/?fixed&page=2&q=a+b%2Fc"),
        ("/books/?token=hunter2&page=2", "/books/?token=[redacted]&page=2"),
        ("/books/?access%5Ftoken=hunter2", "/books/?access%5Ftoken=[redacted]"),
        ("/books/?q=Bearer%20abcdefghijklmnopqrstuvwxyz0123456789", "/books/?q=Bearer%20[redacted]"),
        ("/books/?Bearer%20abcdefghijklmnopqrstuvwxyz0123456789=1", "/books/?Bearer%20[redacted]=1"),
        ("/books/?a=%ff%zz", "/books/?a=%ff%zz"),
    ],
)
def test_url_is_unchanged_except_for_secrets(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text(), st.text())
def test_secret_parameter_is_never_shown(before: str, after: str) -> None:
    assert "hunter2" not in redact_url(f"/{before}?{after}&password=hunter2&{after}")
