"""What is shown of a DSN."""

import pytest

from observability.sentry.delivery.project import masked, project_of


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("https://s3cret@sentry.example.com/1", "https://…@sentry.example.com/1"),
        ("http://s3cret:s3cret@127.0.0.1:9000/below/7", "http://…@127.0.0.1:9000/below/7"),
    ],
)
def test_key_is_not_shown(dsn: str, shown: str) -> None:
    assert masked(dsn) == shown
    assert project_of(dsn) == shown.replace("…@", "")
