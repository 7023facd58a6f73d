"""Observations: the current one, facts, limits, failures and the end."""

import time
from contextvars import copy_context
from threading import Thread

import pytest
from django.db import connection

from observability import current, note, observe
from observability.core.context import activate, on_first_observation, open_observation
from observability.core.observation import MAX_FACTS, MAX_FINGERPRINTS, MAX_LAST_STEPS, Observation
from observability.core.readers import readers
from observability.core.steps import Step
from observability.core.trace_context import TraceParent


class RecordingReader:
    """A reader that keeps the steps and counts the closed observations."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.closed_count = 0

    def step(self, observation: Observation, step: Step) -> None:
        self.steps.append(step)

    def closed(self, observation: Observation) -> None:
        self.closed_count += 1


def query(statement: str) -> Step:
    return Step("query", statement, "default", 1.0, statement)


def test_current_is_the_innermost_open_observation() -> None:
    with observe("outer") as outer:
        with observe("inner") as inner:
            assert current() is inner
        assert current() is outer
    assert current() is None


def test_current_is_restored_after_an_exception() -> None:
    with pytest.raises(KeyboardInterrupt), observe("work"):
        raise KeyboardInterrupt
    assert current() is None


def test_root_is_the_outermost_observation() -> None:
    with observe("outer") as outer, observe("middle"), observe("inner") as inner:
        assert inner.root is outer
        assert outer.root is outer


def test_note_outside_of_an_observation_is_a_no_op() -> None:
    note(imported=1)
    assert current() is None


def test_facts_over_the_limit_are_counted_and_existing_facts_can_change() -> None:
    with observe("work") as observation:
        note(**{f"key_{number}": number for number in range(MAX_FACTS + 3)})
        note(key_0="changed")
    assert (len(observation.facts), observation.dropped_fact_count) == (MAX_FACTS, 3)
    assert observation.facts["key_0"] == "changed"


def test_facts_are_primitive_values_of_limited_length() -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError

    with observe("work") as observation:
        note(long="x" * 5000, listed=[1, 2], unprintable=Unprintable(), number=1.5, nothing=None)
    assert observation.facts["long"] == "x" * 1023 + "…"
    assert observation.facts["listed"] == "[1, 2]"
    assert "unprintable" in str(observation.facts["unprintable"])
    assert (observation.facts["number"], observation.facts["nothing"]) == (1.5, None)


@pytest.mark.django_db
def test_end_of_a_step_is_a_time_during_the_work() -> None:
    with observe("work") as observation:
        before = time.time()
        connection.cursor().execute("SELECT 1")
        after = time.time()
    # The monotonic clock and the wall clock may differ a little.
    assert before - 0.05 <= observation.step_ended_at(observation.last_steps[0]) <= after + 0.05


def test_start_of_a_step_is_its_end_minus_its_duration() -> None:
    observation = Observation("span", "short")
    step = Step("query", "a", "default", 2.0, "a", observation._started_ns + 5_000_000)
    assert observation.step_started_ms(step) == 3.0
    assert observation.step_started_ms(step._replace(duration_ms=9.0)) == 0.0


def test_size_of_an_observation_is_bounded() -> None:
    observation = Observation("span", "large")
    for number in range(10_000):
        observation.add_step(query(f"SELECT {number}"))
    assert (len(observation.last_steps), len(observation.fingerprints)) == (MAX_LAST_STEPS, MAX_FINGERPRINTS)
    assert observation.query_count == 10_000


def test_readers_get_closed_once_and_no_later_step() -> None:
    reader = RecordingReader()
    with readers.added(reader):
        observation = Observation("span", "twice")
        observation.close()
        observation.close()
        observation.add_step(query("SELECT 1"))
    assert (reader.closed_count, reader.steps, observation.query_count) == (1, [], 0)


def test_duration_does_not_change_after_close() -> None:
    observation = Observation("span", "short")
    observation.close()
    assert observation.duration_ms == observation.duration_ms > 0


def test_repeated_count_is_the_count_of_the_most_repeated_query() -> None:
    observation = Observation("span", "repeating")
    assert observation.repeated_count == 0
    for statement in ("a", "b", "b", "b", "c"):
        observation.add_step(query(statement))
    assert observation.repeated_count == 3


def test_threads_with_a_copied_context_add_to_the_same_observation() -> None:
    with observe("work") as observation:
        context = copy_context()

        def count() -> None:
            inherited = current()
            assert inherited is not None
            for _ in range(1000):
                inherited.add_step(query("SELECT 1"))

        threads = [Thread(target=context.copy().run, args=[count]) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert observation.query_count == 8000


def test_first_exception_sets_failed_unless_it_is_expected() -> None:
    with pytest.raises(ValueError, match="bad"), observe("work") as failed:
        raise ValueError("bad")
    with pytest.raises(LookupError), observe("work", expected=(LookupError,)) as expected:
        raise LookupError
    failed.fail(KeyError())
    assert (failed.error_type, failed.failed) == ("ValueError", True)
    assert (expected.error_type, expected.failed) == ("LookupError", False)


def test_interrupt_sets_error_type_but_not_failed() -> None:
    with pytest.raises(KeyboardInterrupt), observe("work") as observation:
        raise KeyboardInterrupt
    assert (observation.error_type, observation.failed) == ("KeyboardInterrupt", False)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00-short-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ],
)
def test_invalid_traceparent_is_ignored(header: str) -> None:
    assert TraceParent.parse(header) is None


def test_activate_none_hides_the_current_observation() -> None:
    with observe("work") as observation:
        with activate(None):
            assert current() is None
        assert current() is observation


def test_closed_observation_does_not_change() -> None:
    with observe("outer") as outer:
        inner = Observation("span", "inner", parent=outer)
    outer.note(late=1)
    outer.fail(ValueError())
    inner.set_transaction_outcome("rolled_back")
    inner.add_step(Step("query", "SELECT 1", "default", 1.0, "SELECT 1"))
    assert (outer.facts, outer.error_type, outer.transaction, outer.query_count) == ({}, None, "none", 0)
    assert (inner.transaction, inner.query_count) == ("rolled_back", 1)


def test_long_texts_are_cut() -> None:
    with observe("work") as observation:
        observation.note(**{"k" * 1_000: "v" * 10_000})
        observation.add_step(Step("query", "S" * 10_000, "default", 1.0, "S"))
    ((key, value),) = observation.facts.items()
    assert (len(key), len(str(value)), len(observation.last_steps[0].text)) == (128, 1_024, 2_048)


def test_outgoing_requests_are_counted_separately_from_queries() -> None:
    with observe("outer") as outer, observe("inner") as inner:
        inner.add_step(Step("http_client", "GET a 200", "a", 1.5))
        inner.add_step(Step("http_client", "GET b 200", "b", 2.5))
    for observation in (outer, inner):
        assert (observation.outgoing_count, observation.outgoing_duration_ms) == (2, 4.0)
        assert (observation.query_count, observation.query_duration_ms, observation.fingerprints) == (0, 0.0, {})


def test_span_inherits_the_ids_of_its_parent() -> None:
    with observe("outer") as outer, observe("inner") as inner:
        pass
    assert (inner.request_id, inner.trace_id) == (outer.request_id, outer.trace_id)
    assert (inner.parent_span_id, outer.parent_span_id) == (outer.span_id, None)


def test_explicit_ids_override_those_of_the_parent() -> None:
    caller = TraceParent("a" * 32, "b" * 16)
    parent = Observation("span", "outer")
    child = Observation("span", "inner", request_id="own-request", caller=caller, parent=parent)
    assert (child.request_id, child.trace_id, child.parent_span_id) == ("own-request", *caller)


def test_first_observation_callback_runs_once() -> None:
    done: list[int] = []
    on_first_observation(lambda: done.append(1))
    assert done == []
    for _ in range(2):
        open_observation("span", "work")
    assert done == [1]
