"""Log lines in the terminal."""

import logging
import sys

from observability import observe
from observability.logs.console import ConsoleFormatter
from tests.observability.log_records import log_record


def access_line(**others: object) -> str:
    facts = {
        "http.request.method": "GET", "http.route": "/a/", "url.path": "/a/", "http.response.status_code": 200,
        "duration_ms": 3.2, "db.query_count": 2, "db.repeated_count": 1, "db.transaction": "none", "user.id": None,
        "outgoing.count": 0, "outgoing.duration_ms": 0.0, "client.address": "127.0.0.1", "noted": 5,
    }  # fmt: skip
    return ConsoleFormatter().format(log_record("request", name="observability.access", facts=facts | others))


def test_access_log_line_is_summarized_on_the_console() -> None:
    line = access_line()
    assert "GET /a/ 200" in line
    assert "queries=2" in line
    assert "noted=5" in line
    assert "client.address" not in line
    assert "None" not in line
    assert "outgoing" not in line


def test_outgoing_requests_are_on_the_console() -> None:
    line = access_line(**{"outgoing.count": 2, "outgoing.duration_ms": 31.04})
    assert "outgoing=2 outgoing_ms=31.0" in line
    assert "outgoing." not in line


def test_secrets_are_redacted_and_the_request_id_is_shown_on_the_console() -> None:
    with observe("work") as observation:
        line = ConsoleFormatter().format(log_record("Bearer s3cret-s3cret", facts={"password": "s3cret"}))
    assert "s3cret" not in line
    assert observation.request_id[:8] in line


def test_secrets_of_an_exception_are_redacted_and_keys_of_the_caller_are_kept() -> None:
    try:
        raise ValueError("no answer from postgres://app:hunter2@db/x")
    except ValueError:
        record = log_record("failed", level=logging.ERROR, exc_info=sys.exc_info(), facts={"stack": 5})
    line = ConsoleFormatter().format(record)
    assert "hunter2" not in line.replace('raise ValueError("no answer from postgres://app:hunter2', "")
    assert "extra.stack=5" in line


def test_exception_is_below_its_line_on_the_console() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        record = log_record("failed", level=logging.ERROR, exc_info=sys.exc_info())
    first, *rest = ConsoleFormatter().format(record).splitlines()
    assert "failed" in first
    assert rest[-1] == "ValueError: broken"
