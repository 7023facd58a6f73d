"""The content of a Sentry event, and that it has no secrets."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.test import Client
from pytest_django import Settings

from observability import observe
from observability.core.context import activate
from observability.core.diagnostics import Diagnostics
from observability.recorders.log_records import record_facts
from observability.sentry.event import complete_event, complete_transaction
from observability.sentry.setup import start_sentry
from tests.observability.sentry.failing import SECRET, body_with_secrets
from tests.probe.models import Publisher
from tests.sentry_sink import Sink

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.probe.urls")]

Events = list[dict[str, Any]]


def test_successful_request_is_not_an_event(client: Client, events: Events) -> None:
    client.get("/ordinary/1/")
    assert events == []


def test_route_over_its_query_budget_is_one_event(
    client: Client, events: Events, tmp_path: Path, settings: Settings
) -> None:
    file, route = tmp_path / "budgets.json", "GET /ordinary/<int:count>/"
    file.write_text(json.dumps({route: {"max": 1}}))
    others = {"RELEASE": "r1", "VAR_DIR": str(tmp_path)}
    for _ in range(2):
        # Changing the setting creates new readers, as in another process.
        settings.OBSERVABILITY = settings.OBSERVABILITY | others | {"BUDGET_FILE": str(file)}
        client.get("/ordinary/3/")
    (event,) = events
    assert (event["level"], event["logentry"]["message"]) == ("warning", "query_budget_exceeded")
    assert (event["fingerprint"], event["transaction"]) == (["{{ default }}", route], "/ordinary/<int:count>/")
    assert event["extra"]["db.query.text"].startswith("SELECT")


def test_values_that_json_does_not_have_become_text(events: Events) -> None:
    logging.getLogger("tests").error(
        "import_failed", extra={"facts": {"at": datetime.now(UTC), "error": ValueError("x")}}
    )
    assert json.loads(json.dumps(events[0]["extra"]))["error"] == "ValueError('x')"


def test_secrets_of_an_event_are_redacted() -> None:
    event: Any = {"extra": {"deep": [{"password": "s3cret"}]}, "message": "Bearer s3cret-s3cret"}
    assert "s3cret" not in str(complete_event(event, {}))


def test_secrets_in_spans_are_redacted() -> None:
    spans = [{"op": "http.client", "data": {"deep": {"password": SECRET}}}, {"op": "db", "description": "SELECT 1"}]
    event: Any = {"type": "transaction", "spans": spans}
    completed: Any = complete_transaction(event, {})
    assert SECRET not in str(completed)
    assert completed["spans"][1] == spans[1]


def test_spans_of_queries_have_no_literals() -> None:
    sql = "SELECT a FROM t WHERE b = 'x' AND c = 5"
    event: Any = {"type": "transaction", "spans": [{"op": "db", "description": sql}]}
    completed: Any = complete_transaction(event, {})
    assert completed["spans"] == [{"op": "db", "description": "SELECT a FROM t WHERE b = %s AND c = %s"}]


def test_literals_of_a_query_are_in_no_breadcrumb(events: Events) -> None:
    def fail_after_a_query() -> None:
        with observe("work"), connection.cursor() as cursor:
            cursor.execute(f"SELECT 1 AS one WHERE '{SECRET}' = 'x'")
            cursor.execute("SELECT nothing FROM nowhere")

    with pytest.raises(DatabaseError):
        fail_after_a_query()
    (crumb, _) = events[0]["breadcrumbs"]["values"]
    assert crumb["message"] == "SELECT 1 AS one WHERE %s = %s"
    assert SECRET not in json.dumps(events)


def test_json_that_is_sent_as_a_form_is_redacted(client: Client, events: Events) -> None:
    client.raise_request_exception = False
    client.post("/failures/with-secrets/", f'{{"password":"{SECRET}"}}', "application/x-www-form-urlencoded")
    client.post("/failures/with-secrets/", f"{{'password': '{SECRET}'}}=1&a=2", "application/x-www-form-urlencoded")
    assert events
    assert SECRET not in json.dumps(events)


def test_event_has_the_data_of_the_observation(client: Client, events: Events) -> None:
    client.raise_request_exception = False
    client.force_login(user := get_user_model().objects.create_user("ada"))
    client.get("/failures/raised-by-api/")
    (event,) = events
    assert event["user"] == {"id": str(user.pk)}
    assert (event["release"], event["environment"]) == ("r1", "test")
    assert event["extra"] == {"status_code": 500, "requested": "for trouble"}
    numbers = event["contexts"]["observation"]
    assert (numbers["db.query_count"], numbers["db.transaction"]) == (3, "rolled_back")
    assert event["contexts"]["trace"]["trace_id"] == event["tags"]["trace_id"]


def test_only_project_frames_are_in_app(events: Events) -> None:
    with pytest.raises(DatabaseError), observe("work"), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    frames = events[0]["exception"]["values"][-1]["stacktrace"]["frames"]
    own = {frame["module"].partition(".")[0]: frame["in_app"] for frame in frames}
    assert {name for name, in_app in own.items() if in_app} == {"tests"}
    assert "observability" in own


def test_breadcrumbs_are_the_steps_before_the_failure(client: Client, events: Events) -> None:
    client.get("/failures/logged-and-swallowed/")
    crumbs = events[0]["breadcrumbs"]["values"]
    assert [(each["category"], each["message"][:11]) for each in crumbs] == [
        ("query", "INSERT INTO"),
        ("log", "working"),
    ]
    assert [each["timestamp"] for each in crumbs] == sorted(each["timestamp"] for each in crumbs)


def test_failure_inside_a_transaction_has_the_state_open(client: Client, events: Events) -> None:
    client.get("/failures/logged-and-swallowed/")
    assert events[0]["contexts"]["observation"]["db.transaction"] == "open"


def test_failure_without_queries_has_the_transaction_state_none(client: Client, events: Events) -> None:
    client.get("/failures/logged/")
    assert events[0]["contexts"]["observation"]["db.transaction"] == "none"


def test_access_log_line_has_the_event_id(client: Client, events: Events, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "observability.access")
    client.get("/failures/logged/")
    (line,) = [record_facts(each) for each in caplog.records if each.name == "observability.access"]
    assert line["sentry.event_id"] == events[0]["event_id"]


def test_event_name_is_the_title_and_values_are_extra_data(client: Client, events: Events) -> None:
    for left in (1, 2):
        logging.getLogger("tests").error("stock_empty", extra={"left": left})
    assert [(event["logentry"]["message"], event["extra"]) for event in events] == [
        ("stock_empty", {"left": 1}), ("stock_empty", {"left": 2}),
    ]  # fmt: skip


def test_500_responses_are_grouped_by_route(client: Client, events: Events) -> None:
    for name in ("answered", "answered-by-exception", "answered"):
        client.get(f"/failures/{name}/")
    assert [event["fingerprint"][1:] for event in events] == [
        ["500", "/failures/answered/"], ["500", "/failures/answered-by-exception/"], ["500", "/failures/answered/"],
    ]  # fmt: skip
    assert events[0]["logentry"]["message"] == "Internal Server Error"


def send_request_with_secrets_in_all_places(client: Client) -> None:
    """Send a failing request with secrets in its URL, headers, cookies and body."""
    client.raise_request_exception = False
    client.cookies["theme"] = SECRET
    headers = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET}
    client.post(
        f"/failures/with-secrets/?token={SECRET}&page=2", body_with_secrets(), "application/json", headers=headers
    )


def test_events_contain_no_secrets(client: Client, events: Events) -> None:
    send_request_with_secrets_in_all_places(client)
    assert len(events) == 2
    assert SECRET not in json.dumps(events)


def test_harmless_request_data_is_unchanged(client: Client, events: Events) -> None:
    send_request_with_secrets_in_all_places(client)
    request = events[1]["request"]
    assert (request["method"], request["data"]["isbn"]) == ("POST", "978-0-00-000001-0")
    assert ["page", "2"] in request["query_string"]


def test_local_variables_are_optional_and_redacted(client: Client, events: Events) -> None:
    send_request_with_secrets_in_all_places(client)
    assert "account" in json.dumps(events)
    frames = events[1]["exception"]["values"][-1]["stacktrace"]["frames"]
    assert not [frame for frame in frames if "vars" in frame]
    start_sentry(dsn="", release="r1", environment="test", traces_sample_rate=0, with_locals=True)
    send_request_with_secrets_in_all_places(client)
    frames = events[3]["exception"]["values"][-1]["stacktrace"]["frames"]
    assert "message" in frames[-1]["vars"]
    assert SECRET not in json.dumps(events)


def test_large_body_is_cut(client: Client, events: Events) -> None:
    client.raise_request_exception = False
    body = {"account": {"password": SECRET}, "text": "x" * 100_000}
    client.post("/failures/with-secrets/", body, "application/json")
    assert len(json.dumps(events[1]["request"])) < 10_000


def test_event_that_cannot_be_completed_is_sent_without_data(
    client: Client, events: Events, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def report_failures(*_: object) -> None:
        raise KeyError(SECRET[:4])

    monkeypatch.setattr("observability.sentry.event.request_data", report_failures)
    # Use new diagnostics, because another test may have written the one line of this second.
    monkeypatch.setattr("observability.sentry.event._diagnostics", Diagnostics("sentry:"))
    send_request_with_secrets_in_all_places(client)
    assert [event["level"] for event in events] == ["error", "error"]
    assert events[1]["exception"]["values"][0]["type"] == "RuntimeError"
    assert SECRET not in json.dumps(events)
    assert "could not be completed: KeyError" in capsys.readouterr().err


def test_failure_with_an_incomplete_event_is_reported_once(
    client: Client, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("observability.sentry.event.request_data", None)
    client.raise_request_exception = False
    client.get("/failures/logged-then-raised-again/")
    assert len(events) == 1


def fail_in_depth(depth: int, cause: Exception | None) -> None:
    if depth:
        fail_in_depth(depth - 1, cause)
    raise ValueError(depth) from cause


def fail_with_long_chain() -> None:
    """Raise an exception with a chain of twelve causes; each has about ninety frames."""
    cause = None
    for _ in range(12):
        try:
            fail_in_depth(90, cause)
        except ValueError as error:
            cause = error
    raise KeyError from cause


def test_long_chain_keeps_all_frames_and_contexts(events: Events) -> None:
    with pytest.raises(KeyError), observe("work"):
        fail_with_long_chain()
    (event,) = events
    frames = [frame for each in event["exception"]["values"] for frame in each["stacktrace"]["frames"]]
    assert len(frames) > 1_000
    assert all(frame["lineno"] for frame in frames)
    assert event["contexts"]["observation"]["kind"] == "span"


def test_long_chain_is_cut_to_the_limit_of_sentry(events: Events) -> None:
    with pytest.raises(KeyError), observe("work"):
        fail_with_long_chain()
    assert len(json.dumps(events[0])) < 1_000_000
    frames = [each["stacktrace"]["frames"] for each in events[0]["exception"]["values"]]
    assert "context_line" in frames[-1][-1]
    assert "context_line" not in frames[0][0]


def look_up(book: dict[str, str]) -> None:
    raise KeyError(book["isbn"])


def test_containers_in_local_variables_are_shown(events: Events) -> None:
    start_sentry(dsn="", release="r1", environment="test", traces_sample_rate=0, with_locals=True)
    with pytest.raises(KeyError), observe("work"):
        look_up({"isbn": "978-0-00-000001-0", "password": SECRET})
    shown = events[0]["exception"]["values"][-1]["stacktrace"]["frames"][-1]["vars"]["book"]
    assert shown == {"isbn": "'978-0-00-000001-0'", "password": "[redacted]"}


@pytest.mark.parametrize("exception", [[{"type": "KeyError"}], {"values": [{"type": "KeyError", "stacktrace": None}]}])
def test_event_of_the_application_keeps_its_exception(exception: Any) -> None:  # noqa: ANN401 - a part of an event
    event: Any = {"event_id": "1", "exception": exception}
    completed: Any = complete_event(event, {})
    assert completed["exception"]["values"][0]["type"] == "KeyError"


def test_event_of_the_application_keeps_its_tags_and_extra() -> None:
    event: Any = {"event_id": "1", "tags": {"shelf": "7"}, "extra": {"left": 0}}
    with observe("work") as work:
        completed: Any = complete_event(event, {})
    assert completed["tags"] == {"shelf": "7", "request_id": work.request_id, "trace_id": work.trace_id}
    assert completed["extra"] == {"left": 0}


def test_event_of_an_inner_span_has_its_name(client: Client, events: Events) -> None:
    client.raise_request_exception = False
    client.get("/failures/raised-in-block/")
    assert events[0]["contexts"]["observation"]["kind"] == "request"
    assert "span.name" not in events[0]["contexts"]["observation"]
    with observe("outer", kind="span"), observe("inner"):
        logging.getLogger("tests").error("stock_empty")
    assert events[1]["contexts"]["observation"]["span.name"] == "inner"


def test_query_string_with_too_many_parameters_is_left_out(client: Client, events: Events) -> None:
    client.get(f"/failures/logged/?{'&'.join(f'page={number}' for number in range(101))}")
    client.get(f"/failures/logged/?{'&'.join(f'page={number}' for number in range(100))}")
    assert events[0]["request"]["query_string"] == [["…", "more than 100 parameters"]]
    assert len(events[1]["request"]["query_string"]) == 100


@pytest.mark.django_db(transaction=True)
def test_failure_after_the_work_has_the_outcome_of_its_transaction(events: Events) -> None:
    with observe("work") as work, transaction.atomic():
        Publisher.objects.create(name="Penguin")
    with activate(work), transaction.atomic():
        Publisher.objects.create(name="Pelican")
        logging.getLogger("tests").error("stock_empty")
    assert events[0]["contexts"]["observation"]["db.transaction"] == "committed"


def test_outgoing_request_is_an_http_breadcrumb(events: Events, sink: Sink) -> None:
    with observe("work"):
        urlopen(f"http://127.0.0.1:{sink.port}/loans/", data=b"").close()
        Publisher.objects.exists()
        logging.getLogger("tests").error("stock_empty")
    outgoing, query = events[0]["breadcrumbs"]["values"]
    assert (outgoing["type"], outgoing["category"]) == ("http", "http")
    assert (query["type"], query["category"]) == ("default", "query")
    assert {"duration_ms", "source"} == set(outgoing["data"]) == set(query["data"])
