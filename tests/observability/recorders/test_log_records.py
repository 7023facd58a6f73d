"""The observation and the facts of a log record."""

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from observability import observe
from observability.core.observation import Observation
from observability.logs.structlog_pipeline import ExtraLogger
from observability.recorders.log_records import ObservationHandler, bound_facts, find_observation, record_facts

log = logging.getLogger("tests.records")


def test_log_record_is_a_step_of_its_observation() -> None:
    with observe("work") as observation:
        log.warning("imported")
    assert [(step.kind, step.text, step.source) for step in observation.last_steps] == [
        ("log", "imported", "tests.records")
    ]


def test_log_record_is_not_a_step_of_a_closed_observation() -> None:
    observation = Observation("span", "ended")
    observation.close()
    log.warning("late", extra={"observation": observation})
    assert list(observation.last_steps) == []


def test_observation_of_a_record_overrides_the_current_one() -> None:
    named = Observation("span", "named")
    with observe("current"):
        assert find_observation(logging.makeLogRecord({"observation": named})) is named


def test_observation_of_an_exception_is_used_if_none_is_current() -> None:
    error = ValueError()
    error.observation = observation = Observation("span", "failed")  # type: ignore[attr-defined]
    record = logging.makeLogRecord({"exc_info": (ValueError, error, None)})
    assert find_observation(record) is observation


class BrokenLazyRequest:
    """A lazy request that raises when it is read, such as a SimpleLazyObject whose database is unreachable."""

    @property
    def observation(self) -> Observation:
        raise RuntimeError


@pytest.mark.parametrize(
    "extra",
    [{"bound_facts": "x"}, {"extra_facts": 3}, {"name": "n", "facts": {"a": 1}}, {"request": BrokenLazyRequest()}],
)
def test_unusual_extra_values_become_facts(extra: dict[str, object]) -> None:
    record = ExtraLogger("tests").makeRecord("tests", logging.INFO, "", 0, "event", (), None, extra=extra)
    with observe("work") as observation:
        ObservationHandler().handle(record)
    assert len(observation.last_steps) == 1
    assert record_facts(record) == {key: value for key, value in flatten(extra).items() if key != "request"}


def flatten(extra: dict[str, object]) -> dict[str, object]:
    facts = extra.get("facts")
    return {key: value for key, value in extra.items() if key != "facts"} | (facts if isinstance(facts, dict) else {})


@pytest.mark.parametrize("exc_info", [(), (ValueError,), "text"])
def test_invalid_exc_info_is_ignored(exc_info: object) -> None:
    record = logging.makeLogRecord({"exc_info": exc_info})
    ObservationHandler().handle(record)
    assert find_observation(record) is None


def test_variables_bound_by_many_threads_are_found() -> None:
    def bind(number: int) -> None:
        structlog.contextvars.bind_contextvars(**{f"thread_{number}": number})
        bound_facts()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(bind, range(200)))
    with structlog.contextvars.bound_contextvars(bound_last=1):
        assert bound_facts()["bound_last"] == 1
        assert bound_facts() == structlog.contextvars.get_contextvars()


@pytest.mark.parametrize("given", [{"isbn": "X"}, {"facts": {"isbn": "X"}}])
def test_facts_of_the_caller_may_be_in_extra_or_in_facts(given: dict[str, object]) -> None:
    assert record_facts(logging.makeLogRecord(given)) == {"isbn": "X"}
