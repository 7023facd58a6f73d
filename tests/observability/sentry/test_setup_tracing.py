"""Real servers with a sample rate: the SDK's integration next to our own reports."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.observability.sentry.failing import SECRET, ask, ask_with_secrets, names_of
from tests.probe.failures import FAILURES
from tests.sentry_sink import Sink
from tests.server import Server, Servers, wait_for

pytestmark = pytest.mark.slow

NAMES = ("gunicorn", "uvicorn")
TRACE = "0af7651916cd43dd8448eb211c80319c"
SDK_TRACE = "5c3a1b7d9e0f4a6b8c2d1e3f5a7b9c0d"


@dataclass(frozen=True)
class Traced:
    """What a server reported.

    events: by the name of the view that failed, everything that came between the marker before it and its own.
    request_ids: of the other requests, by name. secrets: all that was reported of requests with secrets.
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


Trace = Callable[[str], Traced]


@pytest.fixture(scope="module")
def trace(servers: Servers, shared_sink: Sink) -> Trace:
    """Return what a server reported; the requests are sent once for all tests."""

    @cache
    def trace(name: str) -> Traced:
        # What the start of the server reports is part of it.
        starts = (len(shared_sink.events), len(shared_sink.transactions))
        server = servers.get(name, SENTRY_DSN=shared_sink.dsn, SENTRY_TRACES_SAMPLE_RATE="1")
        markers = {}
        for each in names_of(name):
            ask(server, f"/failures/{each}/")
            markers[ask(server, "/failures/logged/")] = each
        ids = {"called": ask(server, "/ordinary/1/", traceparent=f"00-{TRACE}-b7ad6b7169203331-01")}
        ids["without caller"] = ask(server, "/ordinary/2/")
        ids["not sampled"] = ask(server, "/ordinary/3/", traceparent=f"00-{TRACE[::-1]}-b7ad6b7169203331-00")
        ids["health check"] = ask(server, "/livez")
        ids["called by the SDK"] = ask(server, "/ordinary/5/", Sentry_Trace=f"{SDK_TRACE}-b7ad6b7169203331-1")
        ids["secrets"] = ask(server, f"/ordinary/4/?token={SECRET}", Authorization=f"Bearer {SECRET}")
        ids["failing with secrets"] = ask_with_secrets(server)
        last_id = ask(server, "/failures/logged/")
        wait_for(lambda: shared_sink.events_of(last_id), "the last event")
        # Its transaction ends after its event.
        wait_for(lambda: last_id in json.dumps(shared_sink.transactions[starts[1] :]), "the last transaction")
        events, transactions = shared_sink.events[starts[0] :], shared_sink.transactions[starts[1] :]
        return Traced(server, between(markers, events), ids, transactions, [events, transactions])

    return trace


def between(markers: dict[str, str], events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return the events that came before each marker and after the one before it."""
    found: dict[str, list[dict[str, Any]]] = {}
    since: list[dict[str, Any]] = []
    for event in events:
        marker = markers.get((event.get("tags") or {}).get("request_id", ""))
        if marker is None:
            since.append(event)
        else:
            found[marker], since = since, []
    return found


@pytest.mark.parametrize(("server", "name"), [(server, name) for server in NAMES for name in names_of(server)])
def test_failure_is_one_event_and_anything_else_is_none(trace: Trace, server: str, name: str) -> None:
    events = trace(server).events[name]
    assert [event.get("transaction") for event in events] == ([f"/failures/{name}/"] if name in FAILURES else [])


@pytest.mark.parametrize("server", NAMES)
@pytest.mark.parametrize("trace_id", [TRACE, SDK_TRACE], ids=["traceparent", "sentry-trace"])
def test_transaction_continues_the_trace_of_the_caller(trace: Trace, server: str, trace_id: str) -> None:
    traced = trace(server)
    (found,) = [each for each in traced.transactions if each["contexts"]["trace"]["trace_id"] == trace_id]
    assert found["contexts"]["trace"]["parent_span_id"] == "b7ad6b7169203331"


@pytest.mark.parametrize("server", NAMES)
def test_without_a_caller_the_transaction_has_the_trace_of_the_log(trace: Trace, server: str) -> None:
    traced = trace(server)
    line = traced.server.access_line(traced.request_ids["without caller"])
    assert line["trace_id"] in traced.trace_ids()


@pytest.mark.parametrize("server", NAMES)
def test_caller_decides_and_health_checks_are_never_measured(trace: Trace, server: str) -> None:
    paths = trace(server).paths()
    assert [path for path in paths if path.startswith(("ordinary", "livez"))] == [
        "ordinary/1/", "ordinary/2/", "ordinary/5/", "ordinary/4/",
    ]  # fmt: skip


@pytest.mark.parametrize("server", NAMES)
def test_no_planted_secret_leaves(trace: Trace, server: str) -> None:
    traced = trace(server)
    assert "failures/with-secrets/" in traced.paths()
    assert SECRET not in json.dumps(traced.secrets)
