"""All that one unit of work did, as the recorders tell it."""

import logging
from contextlib import suppress

import httpx
import pytest
from django.db import DatabaseError, connection, transaction

from observability import observe
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.core.timeline import MAX_ENTRIES, MAX_STACK_TEXT, Timeline, TimelineEntry, format_traceback
from observability.recorders.query_origin import QueryOrigin
from tests.other_service import other_service
from tests.probe.models import Publisher

log = logging.getLogger("tests.details")


def entries_of(work: Observation) -> list[TimelineEntry]:
    assert work.timeline is not None
    return work.timeline.entries


def kinds_of(work: Observation) -> list[str]:
    return [entry.step.kind for entry in entries_of(work)]


def test_nothing_is_kept_where_nobody_wants_to_see_it() -> None:
    with observe("work") as observation:
        log.warning("imported")
    assert observation.timeline is None


@pytest.mark.django_db(transaction=True)
def test_transaction_is_told_from_its_begin_with_its_savepoints(detailed_work: Observation) -> None:
    with transaction.atomic():
        Publisher.objects.create(name="kept")
        with suppress(ZeroDivisionError), transaction.atomic():
            Publisher.objects.create(name="undone")
            raise ZeroDivisionError
        with transaction.atomic():
            Publisher.objects.count()
    assert kinds_of(detailed_work) == [
        "begin",
        "query",
        "savepoint",
        "query",
        "rollback to savepoint",
        "savepoint",
        "query",
        "release savepoint",
        "commit",
    ]


@pytest.mark.django_db(transaction=True)
def test_transaction_that_executed_nothing_is_told_and_is_no_step(detailed_work: Observation) -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        raise ZeroDivisionError
    assert kinds_of(detailed_work) == ["begin", "rollback"]
    assert list(detailed_work.last_steps) == []


@pytest.mark.django_db
def test_query_has_its_cause_and_a_failed_one_its_error(detailed_work: Observation) -> None:
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM nowhere")
    (query,) = (entry for entry in entries_of(detailed_work) if entry.step.kind == "query")
    assert isinstance(query.origin, QueryOrigin)
    assert any("test_timeline.py" in str(site) for site in query.origin.source_lines)
    assert "nowhere" in query.error


def test_line_has_its_level_and_its_facts_without_secrets(detailed_work: Observation) -> None:
    log.error("refused", extra={"book": 7, "password": "hunter2"})
    (line,) = entries_of(detailed_work)
    assert (line.step.text, line.step.source, line.level) == ("refused", "tests.details", "error")
    assert line.facts == {"book": 7, "password": "[redacted]"}


def test_line_has_the_traceback_that_its_record_carries(detailed_work: Observation) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("refused")
    assert entries_of(detailed_work)[0].stack.rstrip().endswith("ZeroDivisionError")


def test_exception_that_ended_the_work_is_told_once() -> None:
    details = Timeline()
    with suppress(ValueError), observe("work") as observation:
        observation.timeline = details
        raise ValueError("broken")
    assert details.failure is not None
    assert (details.failure.type, details.failure.message) == ("ValueError", "broken")
    assert "test_timeline.py" in details.failure.stack
    error = ValueError("the same")
    details = Timeline()
    details.fail(error)
    assert details.format_other_traceback(error) == ""


def test_work_within_the_work_is_an_entry_and_shares_its_details(detailed_work: Observation) -> None:
    with observe("import"):
        log.warning("imported")
    assert [(entry.step.kind, entry.step.text) for entry in entries_of(detailed_work)] == [
        ("log", "imported"),
        ("span", "import"),
    ]


def test_call_to_another_service_is_an_entry(detailed_work: Observation) -> None:
    with other_service() as other, httpx.Client(trust_env=False) as client:
        client.get(other.url("/status/200/"))
    assert [entry.step.text for entry in entries_of(detailed_work)] == [f"GET {other.host} 200"]


def test_step_began_at_its_milliseconds(detailed_work: Observation) -> None:
    log.warning("first")
    log.warning("second")
    first, second = (detailed_work.step_started_ms(entry.step) for entry in entries_of(detailed_work))
    assert 0 <= first <= second <= detailed_work.duration_ms


def test_what_is_too_many_is_counted() -> None:
    details = Timeline()
    for _ in range(MAX_ENTRIES + 2):
        details.add(Step("log", "again", "tests"))
    assert (len(details.entries), details.dropped) == (MAX_ENTRIES, {"log": 2})


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_exception_without_a_text_is_told() -> None:
    details = Timeline()
    details.fail(MuteError())
    assert details.failure is not None
    assert (details.failure.type, details.failure.message) == ("MuteError", "<unprintable MuteError>")


def test_very_long_traceback_keeps_its_end() -> None:
    stack = format_traceback(ValueError("x" * MAX_STACK_TEXT + "end"))
    assert len(stack) == MAX_STACK_TEXT + len("… ")
    assert stack.endswith("end\n")
