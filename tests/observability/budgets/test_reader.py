"""Requests over the budget of their route: the query budget reader and `strict()`."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from pytest_django import Settings

from observability.budgets import OverBudget, strict
from observability.core.context import activate
from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation
from observability.recorders.log_records import record_facts
from tests.probe.models import Book

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.probe.urls")]

ROUTE = "GET /ordinary/<int:count>/"


@pytest.fixture
def budgets(tmp_path: Path, settings: Settings) -> Callable[..., None]:
    """Return a function that writes the budget file."""

    def write(**entry: Any) -> None:  # noqa: ANN401
        file = tmp_path / "budgets.json"
        file.write_text(json.dumps({ROUTE: entry}))
        settings.OBSERVABILITY = settings.OBSERVABILITY | {"BUDGET_FILE": str(file)}

    return write


@pytest.fixture(autouse=True)
def captured(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.INFO, "observability"):
        yield


def line(caplog: pytest.LogCaptureFixture) -> tuple[str, dict[str, Any]]:
    (record,) = [each for each in caplog.records if each.name == "observability.access"]
    return record.levelname, record_facts(record)


def test_access_log_line_over_budget_is_a_warning_with_the_budget(
    budgets: Callable[..., None], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    budgets(max=2)
    client.get("/ordinary/3/")
    level, facts = line(caplog)
    named = {key: facts[key] for key in ("db.query_count", "db.query_budget", "db.over_budget")}
    assert (level, named) == ("WARNING", {"db.query_count": 3, "db.query_budget": 2, "db.over_budget": True})


@pytest.mark.parametrize("entry", [{"max": 3}, {"max": None, "reason": "it reports"}])
def test_access_log_line_within_budget_has_no_budget_keys(
    entry: dict[str, Any], budgets: Callable[..., None], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    budgets(**entry)
    client.get("/ordinary/3/")
    level, facts = line(caplog)
    assert (level, [key for key in facts if "budget" in key]) == ("INFO", [])
    assert "observability.budgets" not in {each.name for each in caplog.records}


def test_server_timing_shows_an_exceeded_budget(budgets: Callable[..., None], client: Client) -> None:
    budgets(max=2)
    assert 'desc="3 queries, 2 allowed"' in client.get("/ordinary/3/").headers["Server-Timing"]


def test_first_request_over_budget_logs_its_most_repeated_query(
    budgets: Callable[..., None], client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    budgets(max=2)
    client.get("/ordinary/3/")
    client.get("/ordinary/4/")
    (record,) = [each for each in caplog.records if each.name == "observability.budgets"]
    facts = record_facts(record)
    assert (record.levelname, record.getMessage()) == ("WARNING", "query_budget_exceeded")
    assert (facts["budget.route"], facts["db.repeated_count"]) == (ROUTE, 3)
    assert facts["db.query.text"].startswith("SELECT")


def test_invalid_budget_file_is_reported_on_stderr_and_requests_succeed(
    tmp_path: Path, settings: Settings, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "budgets.json"
    file.write_text('{"GET /": {"max": 1},\n<<<<<<< HEAD')
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"BUDGET_FILE": str(file)}
    assert client.get("/ordinary/3/").status_code == 200
    assert f"{file}:2 " in capsys.readouterr().err


def test_strict_budget_raises_at_the_query_that_exceeds_it(
    budgets: Callable[..., None], client: Client, closed: list[Observation]
) -> None:
    budgets(max=2)
    with (
        pytest.raises(OverBudget, match=r"GET /ordinary/<int:count>/ runs 3 queries, its budget is 2\. .*SELECT"),
        strict(),
    ):
        client.get("/ordinary/9/")
    assert closed[-1].query_count == 3


def test_strict_budget_raises_once_per_request(budgets: Callable[..., None]) -> None:
    budgets(max=2)
    http = HttpAttributes("GET", "/ordinary/9/", route="/ordinary/<int:count>/")
    observation = Observation("request", "GET", http=http)
    with strict(), activate(observation):
        with pytest.raises(OverBudget):
            [Book.objects.exists() for _ in range(9)]
        assert not Book.objects.exists()
    assert observation.query_count == 4


def test_strict_budget_does_not_raise_within_the_budget(budgets: Callable[..., None], client: Client) -> None:
    budgets(max=3)
    with strict():
        assert client.get("/ordinary/3/").status_code == 200


def test_strict_is_refused_in_production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("django.core.mail.outbox")
    with pytest.raises(RuntimeError, match="DEBUG is off"), strict():
        pass


def test_framework_queries_do_not_count(
    django_query_collector: Callable[[], Any], django_assert_query_budget: Callable[..., Any]
) -> None:
    ContentType.objects.clear_cache()
    with django_query_collector() as collected:
        ContentType.objects.get_for_model(Book)
        Book.objects.count()
    assert (collected.count, collected.framework, collected.total) == (1, 1, 2)
    assert collected.framework_tables == ["django_content_type"]
