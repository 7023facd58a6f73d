"""What reaches Sentry, and what does not."""

import json
import logging.config
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
from django.test import Client
from pytest_django import Settings
from sentry_sdk.transport import Transport

from observability.logs.config import load_logging
from observability.sentry.setup import complete_event, start_sentry
from tests.server import ROOT

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.probe.urls")]


class KeepingTransport(Transport):
    """Keeps the events that the SDK would send."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Any] = []

    def capture_envelope(self, envelope: sentry_sdk.envelope.Envelope) -> None:
        self.events.append(envelope.get_event())


@pytest.fixture
def events(tmp_path: Path, restored_logging: None) -> Iterator[list[Any]]:
    """The events that a production with a DSN would send."""
    variables = {"LOG_DIR": str(tmp_path), "SERVICE_NAME": "vitrine"}
    logging.config.dictConfig(load_logging(ROOT / "logging.yaml", ["production"], variables))
    start_sentry(dsn="https://key@sentry.invalid/1", release="r1", environment="test", traces_sample_rate=0)
    client = sentry_sdk.get_client()
    client.transport = transport = KeepingTransport()
    yield transport.events
    sentry_sdk.get_global_scope().set_client(None)


def test_unhandled_exception_is_one_event_with_the_ids_of_its_request(client: Client, events: list[Any]) -> None:
    client.raise_request_exception = False
    request_id = client.get("/failing/").headers["X-Request-ID"]
    (event,) = events
    assert event["tags"]["request_id"] == request_id
    assert len(event["tags"]["trace_id"]) == 32
    assert event["transaction"] == "/failing/"
    assert event["exception"]["values"][-1]["type"] == "RuntimeError"
    assert event["extra"] == {"status_code": 500}
    assert not [frame for frame in event["exception"]["values"][-1]["stacktrace"]["frames"] if "vars" in frame]


def test_request_that_succeeds_sends_nothing(client: Client, events: list[Any]) -> None:
    client.get("/ordinary/1/")
    assert events == []


def test_route_over_its_query_budget_is_one_event_and_one_issue(
    client: Client, events: list[Any], tmp_path: Path, settings: Settings
) -> None:
    file, route = tmp_path / "budgets.json", "GET /ordinary/<int:count>/"
    file.write_text(json.dumps({route: {"max": 1}}))
    told = {"RELEASE": "r1", "OVER_BUDGET_FILE": str(tmp_path / "over_budget.json")}
    for _ in range(2):
        # The readers are made again, as in another process.
        settings.OBSERVABILITY = settings.OBSERVABILITY | told | {"BUDGET_FILE": str(file)}
        client.get("/ordinary/3/")
    (event,) = events
    assert (event["level"], event["logentry"]["message"]) == ("warning", "query_budget_exceeded")
    assert (event["fingerprint"], event["transaction"]) == (["{{ default }}", route], "/ordinary/<int:count>/")
    assert event["extra"]["db.query.text"].startswith("SELECT")


def test_without_a_dsn_nothing_is_started() -> None:
    start_sentry(dsn="", release="", environment="test", traces_sample_rate=0)
    assert not sentry_sdk.get_client().is_active()


def test_values_that_are_no_json_arrive_as_text(events: list[Any]) -> None:
    logging.getLogger("tests").error(
        "import_failed", extra={"facts": {"at": datetime.now(UTC), "error": ValueError("x")}}
    )
    assert json.loads(json.dumps(events[0]["extra"]))["error"] == "ValueError('x')"


def test_event_carries_no_secrets() -> None:
    event: Any = {"extra": {"deep": [{"password": "s3cret"}]}, "message": "Bearer s3cret-s3cret"}
    assert "s3cret" not in str(complete_event(event, {}))
