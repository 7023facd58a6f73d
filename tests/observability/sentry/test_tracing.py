"""Real servers with a sample rate: the SDK's integration beside our own reports."""

import json
from collections.abc import Iterator
from contextlib import suppress
from http.client import IncompleteRead

import pytest

from tests.observability.sentry.test_event import SECRET
from tests.probe.failures import FAILURES, NO_FAILURES
from tests.sentry_sink import Sink, sentry_sink
from tests.server import COMMANDS, Server, running, wait_for

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    with sentry_sink() as sink:
        yield sink


@pytest.fixture(scope="module", params=[name for name in COMMANDS if "synchronous" not in name])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sink: Sink) -> Iterator[Server]:
    variables = {"SENTRY_DSN": sink.dsn, "SENTRY_TRACES_SAMPLE_RATE": "1"}
    with running(request.param, tmp_path_factory.mktemp("tracing"), **variables) as server:
        yield server


def is_told(sink: Sink, request_id: str) -> bool:
    return any(event.get("tags", {}).get("request_id") == request_id for event in sink.events)


@pytest.mark.parametrize("name", [*FAILURES, *NO_FAILURES])
def test_failure_is_one_event_and_no_failure_none(server: Server, sink: Sink, name: str) -> None:
    is_other_kind = name == ("raised-by-async-body" if server.name == "gunicorn" else "raised-by-body")
    if is_other_kind:
        # Django cannot iterate it under this server without a warning of its own.
        return
    before = len(sink.events)
    with suppress(IncompleteRead):
        server.get(f"/failures/{name}/")
    last_id = server.get("/failures/logged/").headers["X-Request-ID"]
    wait_for(lambda: is_told(sink, last_id), "the last event")
    expected = [f"/failures/{name}/"] if name in FAILURES else []
    assert [event.get("transaction") for event in sink.events[before:-1]] == expected


def test_transaction_continues_the_trace_of_the_caller(server: Server, sink: Sink) -> None:
    server.get("/ordinary/1/", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")
    found = wait_for(
        lambda: [each for each in sink.transactions if each["contexts"]["trace"]["trace_id"] == TRACE], "a transaction"
    )
    assert found[0]["contexts"]["trace"]["parent_span_id"] == "b7ad6b7169203331"


def test_without_a_caller_the_transaction_has_the_trace_of_the_log(server: Server, sink: Sink) -> None:
    request_id = server.get("/ordinary/2/").headers["X-Request-ID"]
    trace_id = server.access_line(request_id)["trace_id"]
    wait_for(
        lambda: trace_id in {each["contexts"]["trace"]["trace_id"] for each in sink.transactions}, "its transaction"
    )


def test_caller_decides_and_health_checks_are_never_measured(server: Server, sink: Sink) -> None:
    before = len(sink.transactions)
    server.get("/ordinary/1/", traceparent=f"00-{TRACE[::-1]}-b7ad6b7169203331-00")
    server.get("/livez")
    server.get("/ordinary/3/")
    wait_for(lambda: len(sink.transactions) > before, "a transaction")
    assert [each["request"]["url"].rpartition("/ordinary/")[2] for each in sink.transactions[before:]] == ["3/"]


def test_no_planted_secret_leaves(server: Server, sink: Sink) -> None:
    before = len(sink.transactions)
    server.get(f"/ordinary/1/?token={SECRET}", Authorization=f"Bearer {SECRET}", Cookie=f"theme={SECRET}")
    body = json.dumps({"account": {"password": SECRET}})
    sent = {"method": "POST", "body": body, "Content_Type": "application/json", "X_Api_Key": SECRET}
    request_id = server.get(f"/failures/with-secrets/?token={SECRET}", **sent).headers["X-Request-ID"]
    wait_for(lambda: is_told(sink, request_id) and len(sink.transactions) >= before + 2, "the event")
    assert SECRET not in json.dumps([sink.events, sink.transactions])
