"""Observations: their facts, their bounds, their end."""

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


class Recording:
    """A reader that counts what it is told."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.closed_count = 0

    def step(self, observation: Observation, step: Step) -> None:
        self.steps.append(step)

    def closed(self, observation: Observation) -> None:
        self.closed_count += 1


def query(statement: str) -> Step:
    return Step("query", statement, "default", 1.0, statement)


def test_current_observation_is_the_innermost_and_none_afterwards() -> None:
    with observe("outer") as outer:
        with observe("inner") as inner:
            assert current() is inner
        assert current() is outer
    assert current() is None


def test_current_observation_is_restored_after_an_exception() -> None:
    with pytest.raises(KeyboardInterrupt), observe("work"):
        raise KeyboardInterrupt
    assert current() is None


def test_root_is_the_outermost_observation() -> None:
    with observe("outer") as outer, observe("middle"), observe("inner") as inner:
        assert inner.root is outer
        assert outer.root is outer


def test_note_outside_of_any_work_does_nothing() -> None:
    note(imported=1)
    assert current() is None


def test_facts_beyond_the_bound_are_counted_and_known_keys_still_change() -> None:
    with observe("work") as observation:
        note(**{f"key_{number}": number for number in range(MAX_FACTS + 3)})
        note(key_0="changed")
    assert (len(observation.facts), observation.dropped_fact_count) == (MAX_FACTS, 3)
    assert observation.facts["key_0"] == "changed"


def test_facts_are_primitives_of_bounded_length() -> None:
    class Unspeakable:
        def __str__(self) -> str:
            raise RuntimeError

    with observe("work") as observation:
        note(long="x" * 5000, listed=[1, 2], unspeakable=Unspeakable(), number=1.5, nothing=None)
    assert observation.facts["long"] == "x" * 1023 + "…"
    assert observation.facts["listed"] == "[1, 2]"
    assert "unprintable" in str(observation.facts["unspeakable"])
    assert (observation.facts["number"], observation.facts["nothing"]) == (1.5, None)


@pytest.mark.django_db
def test_time_of_a_step_lies_within_its_work() -> None:
    with observe("work") as observation:
        before = time.time()
        connection.cursor().execute("SELECT 1")
        after = time.time()
    # The clocks of a computer do not tick together.
    assert before - 0.05 <= observation.step_ended_at(observation.last_steps[0]) <= after + 0.05


def test_step_began_its_duration_before_it_ended() -> None:
    observation = Observation("span", "short")
    step = Step("query", "a", "default", 2.0, "a", observation._started_ns + 5_000_000)
    assert observation.step_started_ms(step) == 3.0
    assert observation.step_started_ms(step._replace(duration_ms=9.0)) == 0.0


def test_what_is_kept_does_not_grow_with_the_steps() -> None:
    observation = Observation("span", "large")
    for number in range(10_000):
        observation.add_step(query(f"SELECT {number}"))
    assert (len(observation.last_steps), len(observation.fingerprints)) == (MAX_LAST_STEPS, MAX_FINGERPRINTS)
    assert observation.query_count == 10_000


def test_readers_hear_of_the_end_once_and_of_no_step_after_it() -> None:
    reader = Recording()
    with readers.added(reader):
        observation = Observation("span", "twice")
        observation.close()
        observation.close()
        observation.add_step(query("SELECT 1"))
    assert (reader.closed_count, reader.steps, observation.query_count) == (1, [], 0)


def test_duration_stands_still_after_the_end() -> None:
    observation = Observation("span", "short")
    observation.close()
    assert observation.duration_ms == observation.duration_ms > 0


def test_repeated_count_is_that_of_the_most_repeated_statement() -> None:
    observation = Observation("span", "repeating")
    assert observation.repeated_count == 0
    for statement in ("a", "b", "b", "b", "c"):
        observation.add_step(query(statement))
    assert observation.repeated_count == 3


def test_thread_that_carries_the_context_counts_in_the_same_observation() -> None:
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


def test_failure_is_the_first_exception_and_an_expected_one_is_none() -> None:
    with pytest.raises(ValueError, match="bad"), observe("work") as failed:
        raise ValueError("bad")
    with pytest.raises(LookupError), observe("work", expected=(LookupError,)) as expected:
        raise LookupError
    failed.fail(KeyError())
    assert (failed.error_type, failed.failed) == ("ValueError", True)
    assert (expected.error_type, expected.failed) == ("LookupError", False)


def test_interrupted_work_is_named_and_no_failure() -> None:
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
def test_malformed_traceparent_is_none(header: str) -> None:
    assert TraceParent.parse(header) is None


def test_block_with_none_belongs_to_no_observation() -> None:
    with observe("work") as observation:
        with activate(None):
            assert current() is None
        assert current() is observation


def test_closed_observation_changes_no_more() -> None:
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


def test_calls_are_counted_and_are_no_queries() -> None:
    with observe("outer") as outer, observe("inner") as inner:
        inner.add_step(Step("http_client", "GET a 200", "a", 1.5))
        inner.add_step(Step("http_client", "GET b 200", "b", 2.5))
    for observation in (outer, inner):
        assert (observation.outgoing_count, observation.outgoing_duration_ms) == (2, 4.0)
        assert (observation.query_count, observation.query_duration_ms, observation.fingerprints) == (0, 0.0, {})


def test_span_has_the_ids_of_the_work_around_it() -> None:
    with observe("outer") as outer, observe("inner") as inner:
        pass
    assert (inner.request_id, inner.trace_id) == (outer.request_id, outer.trace_id)
    assert (inner.parent_span_id, outer.parent_span_id) == (outer.span_id, None)


def test_trace_and_request_id_that_are_given_win_over_those_of_the_parent() -> None:
    caller = TraceParent("a" * 32, "b" * 16)
    parent = Observation("span", "outer")
    child = Observation("span", "inner", request_id="own-request", caller=caller, parent=parent)
    assert (child.request_id, child.trace_id, child.parent_span_id) == ("own-request", *caller)


def test_what_has_to_be_done_before_the_next_observation_is_done_once() -> None:
    done: list[int] = []
    on_first_observation(lambda: done.append(1))
    assert done == []
    for _ in range(2):
        open_observation("span", "work")
    assert done == [1]
