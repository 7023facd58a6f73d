"""Log records and their observations."""

import logging

import pytest

from observability import observe
from observability.observation import Observation
from observability.records import facts_of, observation_of

log = logging.getLogger("tests.records")


def test_record_becomes_a_step_of_its_observation() -> None:
    with observe("work") as observation:
        log.warning("imported")
    assert [(step.kind, step.text, step.source) for step in observation.trail] == [
        ("line", "imported", "tests.records")
    ]


def test_record_of_an_observation_that_ended_is_none_of_its_steps() -> None:
    observation = Observation("work", "ended")
    observation.close()
    log.warning("late", extra={"observation": observation})
    assert list(observation.trail) == []


def test_observation_that_a_record_names_comes_before_the_current_one() -> None:
    named = Observation("work", "named")
    with observe("current"):
        assert observation_of(logging.makeLogRecord({"observation": named})) is named


def test_observation_of_an_exception_serves_where_there_is_no_other() -> None:
    error = ValueError()
    error.observation = observation = Observation("work", "failed")  # type: ignore[attr-defined]
    record = logging.makeLogRecord({"exc_info": (ValueError, error, None)})
    assert observation_of(record) is observation


@pytest.mark.parametrize("given", [{"vin": "X"}, {"facts": {"vin": "X"}}])
def test_facts_are_those_of_the_caller(given: dict[str, object]) -> None:
    assert facts_of(logging.makeLogRecord(given)) == {"vin": "X"}
