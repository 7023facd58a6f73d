"""Each failure is reported once."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
import sentry_sdk
from asgiref.sync import async_to_sync
from django.core.management import BaseCommand, CommandError, call_command
from django.test import AsyncClient, Client
from pytest_django import Settings

from observability import observe
from observability.core.diagnostics import Diagnostics
from observability.sentry.reporting import ReportedEvent, report_record
from tests.probe.failures import FAILURES, NO_FAILURES

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.probe.urls"), pytest.mark.no_query_budget("it fails")]

Events = list[dict[str, Any]]

log = logging.getLogger("tests.reporting")


def get(path: str, **headers: str) -> str:
    """Send a request, read the response to its end or failure, and return the request id."""
    response: Any = Client(raise_request_exception=False).get(path, headers=headers)
    try:
        b"".join(response.streaming_content) if response.streaming else response.content
    except RuntimeError:
        pass
    finally:
        response.close()
    return str(response.headers["X-Request-ID"])


@pytest.mark.parametrize("name", [name for name in FAILURES if name != "raised-by-async-body"])
def test_failure_of_a_request_is_one_event(events: Events, name: str) -> None:
    request_id = get(f"/failures/{name}/")
    (event,) = events
    assert event["tags"]["request_id"] == request_id
    assert event["transaction"] == f"/failures/{name}/"


@pytest.mark.parametrize("name", [name for name in FAILURES if name != "raised-by-body"])
def test_failure_under_asgi_is_one_event(events: Events, name: str) -> None:
    async def send_request() -> None:
        response: Any = await AsyncClient(raise_request_exception=False).get(f"/failures/{name}/")
        if response.streaming:
            with pytest.raises(RuntimeError):
                [chunk async for chunk in response.streaming_content]

    async_to_sync(send_request)()
    assert [event["transaction"] for event in events] == [f"/failures/{name}/"]


@pytest.mark.parametrize("name", NO_FAILURES)
def test_client_errors_and_handled_exceptions_are_not_events(events: Events, name: str) -> None:
    get(f"/failures/{name}/")
    assert events == []


def test_disallowed_host_is_not_an_event(events: Events) -> None:
    Client().get("/ordinary/1/", headers={"Host": "evil.example.com"})
    assert events == []


def test_exception_of_a_middleware_is_one_event(events: Events, settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.probe.middleware.FailingMiddleware"]
    get("/ordinary/1/", **{"X-Fail": "1"})
    (event,) = events
    assert event["exception"]["values"][0]["value"] == "the middleware failed"


class Command(BaseCommand):
    """A command that fails with the given exception."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def handle(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        raise self.error


def test_exception_of_a_command_is_one_event(events: Events) -> None:
    with pytest.raises(KeyError):
        call_command(Command(KeyError("isbn")))
    (event,) = events
    assert event["transaction"] == "test_reporting"
    assert event["contexts"]["observation"]["kind"] == "command"


def test_command_error_is_not_an_event(events: Events) -> None:
    with pytest.raises(CommandError):
        call_command(Command(CommandError("no such book")))
    assert events == []


def test_exception_of_nested_spans_is_one_event_of_the_outermost(events: Events) -> None:
    with pytest.raises(KeyError), observe("outer"), observe("inner"):
        raise KeyError
    assert [event["transaction"] for event in events] == ["outer"]


def test_exception_of_a_span_that_ends_after_its_parent_is_reported(events: Events) -> None:
    def work() -> None:
        with observe("late"):
            raise KeyError

    with observe("early") as early, ThreadPoolExecutor() as pool:
        early.close()
        assert isinstance(pool.submit(copy_context().run, work).exception(), KeyError)
    assert len(events) == 1


def test_each_error_without_an_exception_is_an_event(events: Events) -> None:
    for _ in range(2):
        log.error("stock_empty")
    assert [event["logentry"]["message"] for event in events] == ["stock_empty", "stock_empty"]


def test_exception_with_a_reported_context_is_not_reported_again(events: Events) -> None:
    try:
        try:
            raise KeyError
        except KeyError:
            log.exception("failed")
            raise ValueError  # noqa: B904 - the test needs a context without a cause
    except ValueError:
        log.exception("failed again")
    assert [event["logentry"]["message"] for event in events] == ["failed"]


def test_members_of_a_reported_group_are_not_reported_again(events: Events) -> None:
    try:
        raise ExceptionGroup("both", [KeyError("a"), ValueError("b")])
    except ExceptionGroup as group:
        log.exception("failed")
        for error in group.exceptions:
            sentry_sdk.capture_exception(error)
    assert len(events) == 1


def test_exception_with_a_cyclic_chain_is_reported(events: Events) -> None:
    error = KeyError("a")
    error.__cause__ = ValueError("b")
    error.__cause__.__cause__ = error
    log.error("failed", exc_info=error)
    assert len(events) == 1


def test_inner_and_outer_observation_have_the_id_of_their_first_event(events: Events) -> None:
    with observe("outer") as outer, observe("inner") as inner:
        log.error("first")
        log.error("second")
    assert {ReportedEvent.find_id(outer), ReportedEvent.find_id(inner)} == {events[0]["event_id"]}


class UnreadableError(Exception):
    """An exception that raises if the SDK reads it."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        raise RuntimeError(name)


def test_unreadable_exception_is_reported_by_its_type(events: Events) -> None:
    with pytest.raises(UnreadableError), observe("work"):
        raise UnreadableError
    assert events[0]["exception"]["values"][0]["type"] == "UnreadableError"


@pytest.mark.parametrize("status_code", [404, 503, "404", None])
def test_error_log_with_a_foreign_status_code_is_reported(events: Events, status_code: object) -> None:
    with observe("work"):
        log.error("stock_empty")
        log.error("upstream_failed", extra={"status_code": status_code})
    assert [event["logentry"]["message"] for event in events] == ["stock_empty", "upstream_failed"]


def test_exception_object_raised_twice_is_an_event_per_unit_of_work(events: Events) -> None:
    kept = KeyError("isbn")
    for name in ("first", "second"):
        with pytest.raises(KeyError), observe(name):
            raise kept
    assert [event["transaction"] for event in events] == ["first", "second"]


def test_group_with_an_unreported_member_is_reported(events: Events) -> None:
    reported, other = KeyError("a"), ValueError("b")
    with observe("work"):
        log.error("failed", exc_info=reported)
        log.error("failed", exc_info=ExceptionGroup("both", [reported, other]))
    assert len(events) == 2


@pytest.mark.parametrize(
    ("level", "expected"), [(logging.WARNING, "warning"), (logging.ERROR, "error"), (logging.CRITICAL, "fatal")]
)
def test_event_has_the_level_of_the_record(events: Events, level: int, expected: str) -> None:
    report_record(logging.makeLogRecord({"msg": "stock_empty", "levelno": level, "name": "tests"}))
    assert [event["level"] for event in events] == [expected]


def test_record_that_cannot_be_formatted_is_reported_by_its_message(events: Events) -> None:
    report_record(logging.makeLogRecord({"msg": "%d left", "args": ("no",), "levelno": logging.ERROR, "name": "tests"}))
    assert events[0]["logentry"] == {"message": "%d left", "formatted": "%d left"}


def test_failed_report_does_not_raise(
    events: Events, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("observability.sentry.reporting.report_record", None)
    monkeypatch.setattr("observability.sentry.reporting._diagnostics", Diagnostics("sentry:"))
    log.error("stock_empty")
    assert events == []
    assert "sentry: a failure could not be reported to Sentry: TypeError" in capsys.readouterr().err


def test_framework_error_without_an_exception_has_its_message(events: Events) -> None:
    logging.getLogger("asyncio").error("Task was destroyed but it is pending!")
    assert events[0]["logentry"]["message"] == "Task was destroyed but it is pending!"
