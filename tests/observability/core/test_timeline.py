"""The timeline of a profiled observation."""

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

log = logging.getLogger("tests.timeline")


def entries_of(work: Observation) -> list[TimelineEntry]:
    assert work.timeline is not None
    return work.timeline.entries


def kinds_of(work: Observation) -> list[str]:
    return [entry.step.kind for entry in entries_of(work)]


def test_observation_has_no_timeline_by_default() -> None:
    with observe("work") as observation:
        log.warning("imported")
    assert observation.timeline is None


@pytest.mark.django_db(transaction=True)
def test_timeline_has_the_begin_savepoints_and_end_of_a_transaction(profiled_observation: Observation) -> None:
    with transaction.atomic():
        Publisher.objects.create(name="kept")
        with suppress(ZeroDivisionError), transaction.atomic():
            Publisher.objects.create(name="undone")
            raise ZeroDivisionError
        with transaction.atomic():
            Publisher.objects.count()
    assert kinds_of(profiled_observation) == [
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
def test_transaction_without_queries_is_in_the_timeline_but_not_in_last_steps(
    profiled_observation: Observation,
) -> None:
    with suppress(ZeroDivisionError), transaction.atomic():
        raise ZeroDivisionError
    assert kinds_of(profiled_observation) == ["begin", "rollback"]
    assert list(profiled_observation.last_steps) == []


@pytest.mark.django_db
def test_failed_query_has_its_origin_and_error(profiled_observation: Observation) -> None:
    with suppress(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM nowhere")
    (query,) = (entry for entry in entries_of(profiled_observation) if entry.step.kind == "query")
    assert isinstance(query.origin, QueryOrigin)
    assert any("test_timeline.py" in str(site) for site in query.origin.source_lines)
    assert "nowhere" in query.error


def test_log_entry_has_level_and_redacted_facts(profiled_observation: Observation) -> None:
    log.error("refused", extra={"book": 7, "password": "hunter2"})
    (line,) = entries_of(profiled_observation)
    assert (line.step.text, line.step.source, line.level) == ("refused", "tests.timeline", "error")
    assert line.facts == {"book": 7, "password": "[redacted]"}


def test_log_entry_has_the_traceback_of_its_record(profiled_observation: Observation) -> None:
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("refused")
    assert entries_of(profiled_observation)[0].stack.rstrip().endswith("ZeroDivisionError")


def test_failure_has_its_traceback_only_once() -> None:
    timeline = Timeline()
    with suppress(ValueError), observe("work") as observation:
        observation.timeline = timeline
        raise ValueError("broken")
    assert timeline.failure is not None
    assert (timeline.failure.type, timeline.failure.message) == ("ValueError", "broken")
    assert "test_timeline.py" in timeline.failure.stack
    error = ValueError("the same")
    timeline = Timeline()
    timeline.fail(error)
    assert timeline.format_other_traceback(error) == ""


def test_inner_span_is_an_entry_and_shares_the_timeline(profiled_observation: Observation) -> None:
    with observe("import"):
        log.warning("imported")
    assert [(entry.step.kind, entry.step.text) for entry in entries_of(profiled_observation)] == [
        ("log", "imported"),
        ("span", "import"),
    ]


def test_outgoing_request_is_an_entry(profiled_observation: Observation) -> None:
    with other_service() as other, httpx.Client(trust_env=False) as client:
        client.get(other.url("/status/200/"))
    assert [entry.step.text for entry in entries_of(profiled_observation)] == [f"GET {other.host} 200"]


def test_steps_start_in_order_within_the_work(profiled_observation: Observation) -> None:
    log.warning("first")
    log.warning("second")
    first, second = (profiled_observation.step_started_ms(entry.step) for entry in entries_of(profiled_observation))
    assert 0 <= first <= second <= profiled_observation.duration_ms


def test_entries_over_the_limit_are_counted() -> None:
    timeline = Timeline()
    for _ in range(MAX_ENTRIES + 2):
        timeline.add(Step("log", "again", "tests"))
    assert (len(timeline.entries), timeline.dropped) == (MAX_ENTRIES, {"log": 2})


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def test_failure_with_a_broken_str_has_its_type() -> None:
    timeline = Timeline()
    timeline.fail(UnprintableError())
    assert timeline.failure is not None
    assert (timeline.failure.type, timeline.failure.message) == ("UnprintableError", "<unprintable UnprintableError>")


def test_long_traceback_keeps_its_end() -> None:
    stack = format_traceback(ValueError("x" * MAX_STACK_TEXT + "end"))
    assert len(stack) == MAX_STACK_TEXT + len("… ")
    assert stack.endswith("end\n")
