"""Tracing in real servers: the SDK's integration together with our reports of failures."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.observability.sentry.failing import SECRET, send_request, send_request_with_secrets, views_of
from tests.probe.failures import FAILURES
from tests.sentry_sink import Sink
from tests.server import Server, Servers, wait_for

pytestmark = pytest.mark.slow

NAMES = ("gunicorn", "uvicorn")
TRACE = "0af7651916cd43dd8448eb211c80319c"
SDK_TRACE = "5c3a1b7d9e0f4a6b8c2d1e3f5a7b9c0d"


@dataclass(frozen=True)
class TraceReport:
    """The events and transactions that a server reported.

    events: by view, the events of its request. After each view, another failure is sent as a marker.
    request_ids: the ids of the other requests, by name. secrets: all events and transactions.
    """

    server: Server
    events: dict[str, list[dict[str, Any]]]
    request_ids: dict[str, str]
    transactions: list[dict[str, Any]]
    secrets: list[Any]

    def trace_ids(self) -> set[str]:
        return {each["contexts"]["trace"]["trace_id"] for each in self.transactions}

    def paths(self) -> list[str]:
        return [each["request"]["url"].partition("127.0.0.1")[2].partition("/")[2] for each in self.transactions]


Trace = Callable[[str], TraceReport]


@pytest.fixture(scope="module")
def trace(servers: Servers, shared_sink: Sink) -> Trace:
    """Return a function that returns the report of a server. The requests are sent once for all tests."""

    @cache
    def trace(name: str) -> TraceReport:
        # Take the counts before the server starts, to include reports of its start.
        starts = (len(shared_sink.events), len(shared_sink.transactions))
        server = servers.get(name, SENTRY_DSN=shared_sink.dsn, SENTRY_TRACES_SAMPLE_RATE="1")
        markers = {}
        for each in views_of(name):
            send_request(server, f"/failures/{each}/")
            markers[send_request(server, "/failures/logged/")] = each
        ids = {"called": send_request(server, "/ordinary/1/", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")}
        ids["without caller"] = send_request(server, "/ordinary/2/")
        ids["not sampled"] = send_request(server, "/ordinary/3/", traceparent=f"00-{TRACE[::-1]}-b7ad6b7169203331-00")
        ids["health check"] = send_request(server, "/livez")
        ids["called by the SDK"] = send_request(server, "/ordinary/5/", Sentry_Trace=f"{SDK_TRACE}-b7ad6b7169203331-1")
        ids["secrets"] = send_request(server, f"/ordinary/4/?token={SECRET}", Authorization=f"Bearer {SECRET}")
        ids["failing with secrets"] = send_request_with_secrets(server)
        last_id = send_request(server, "/failures/logged/")
        wait_for(lambda: shared_sink.events_of(last_id), "the last event")
        # The transaction of a request is sent after its event.
        wait_for(lambda: last_id in json.dumps(shared_sink.transactions[starts[1] :]), "the last transaction")
        events, transactions = shared_sink.events[starts[0] :], shared_sink.transactions[starts[1] :]
        return TraceReport(server, between(markers, events), ids, transactions, [events, transactions])

    return trace


def between(markers: dict[str, str], events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return, by view, the events between the previous marker and the marker of the view."""
    found: dict[str, list[dict[str, Any]]] = {}
    since: list[dict[str, Any]] = []
    for event in events:
        marker = markers.get((event.get("tags") or {}).get("request_id", ""))
        if marker is None:
            since.append(event)
        else:
            found[marker], since = since, []
    return found


@pytest.mark.parametrize(("server", "name"), [(server, name) for server in NAMES for name in views_of(server)])
def test_only_failures_are_events_with_tracing(trace: Trace, server: str, name: str) -> None:
    events = trace(server).events[name]
    assert [event.get("transaction") for event in events] == ([f"/failures/{name}/"] if name in FAILURES else [])


@pytest.mark.parametrize("server", NAMES)
@pytest.mark.parametrize("trace_id", [TRACE, SDK_TRACE], ids=["traceparent", "sentry-trace"])
def test_transaction_continues_the_trace_of_the_caller(trace: Trace, server: str, trace_id: str) -> None:
    traced = trace(server)
    (found,) = [each for each in traced.transactions if each["contexts"]["trace"]["trace_id"] == trace_id]
    assert found["contexts"]["trace"]["parent_span_id"] == "b7ad6b7169203331"


@pytest.mark.parametrize("server", NAMES)
def test_transaction_without_a_caller_has_the_trace_id_of_the_log(trace: Trace, server: str) -> None:
    traced = trace(server)
    line = traced.server.access_line(traced.request_ids["without caller"])
    assert line["trace_id"] in traced.trace_ids()


@pytest.mark.parametrize("server", NAMES)
def test_sampling_follows_the_caller_and_skips_health_checks(trace: Trace, server: str) -> None:
    paths = trace(server).paths()
    assert [path for path in paths if path.startswith(("ordinary", "livez"))] == [
        "ordinary/1/", "ordinary/2/", "ordinary/5/", "ordinary/4/",
    ]  # fmt: skip


@pytest.mark.parametrize("server", NAMES)
def test_events_contain_no_secrets(trace: Trace, server: str) -> None:
    traced = trace(server)
    assert "failures/with-secrets/" in traced.paths()
    assert SECRET not in json.dumps(traced.secrets)
