"""The log of slow queries."""

import logging

import pytest
from pytest_django import Settings

from observability import observe
from tests.probe.models import Publisher

pytestmark = pytest.mark.django_db


def events(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(each.levelname, str(each.msg)) for each in caplog.records if each.name == "observability.sql"]


@pytest.fixture(autouse=True)
def no_query_is_slow(settings: Settings) -> None:
    """Raise the limit, so that no query is slow on a slow machine."""
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"SLOW_QUERY_MS": 24 * 3_600_000}


def test_query_that_is_not_slow_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with observe("work"):
        Publisher.objects.exists()
    assert events(caplog) == []


def test_all_queries_are_logged_at_the_level_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "observability.sql")
    with observe("work"):
        Publisher.objects.filter(name="s3cret").exists()
    assert events(caplog) == [("DEBUG", "query")]
    facts = caplog.records[0].__dict__["facts"]
    assert facts["code.function.name"] == "test_all_queries_are_logged_at_the_level_debug"
    assert "s3cret" not in str(facts)


def test_slow_query_is_a_warning(caplog: pytest.LogCaptureFixture, settings: Settings) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"SLOW_QUERY_MS": 0}
    with observe("work"):
        Publisher.objects.exists()
    assert events(caplog) == [("WARNING", "slow_query")]


def test_large_statement_is_logged_as_its_fingerprint(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "observability.sql")
    with observe("work"):
        Publisher.objects.filter(pk__in=range(990)).exists()
    text = caplog.records[0].__dict__["facts"]["db.query.text"]
    assert "IN (…)" in text
