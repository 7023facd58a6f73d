"""Tail sampling: which access log lines are written."""

import logging
import random
from typing import Any

import pytest
from django.test import Client

from observability.core.http_attributes import HttpAttributes
from observability.core.observation import MAX_FINGERPRINTS, Observation
from observability.core.steps import Step
from observability.core.trace_context import TraceParent
from observability.logs.sampling import TailSamplingFilter, may_write
from tests.observability.log_records import log_record

# No request is slow, even on a slow machine.
NEVER_MS = 24 * 3_600_000

LOWEST = "0" * 18 + "1" * 14
REJECTED, KEPT = LOWEST, "0" * 18 + "f" * 14


def request(*, trace_id: str = REJECTED, method: str = "GET", status_code: int = 200) -> Observation:
    caller = TraceParent(trace_id, "1" * 16)
    return Observation("request", method, caller=caller, http=HttpAttributes(method, "/", status_code=status_code))


def line(observation: Observation | None, level: int = logging.INFO) -> logging.LogRecord:
    return log_record("request", level=level, observation=observation, facts={})


def is_written(observation: Observation, level: int = logging.INFO) -> bool:
    return TailSamplingFilter(keep_one_in=10, slow_ms=NEVER_MS).filter(line(observation, level))


def test_all_failures_are_written_and_the_sample_rates_add_up_to_the_number_of_requests() -> None:
    """The input is 10,000 successful and 100 failed requests, with trace ids from a fixed seed."""
    sampling = TailSamplingFilter(keep_one_in=10, slow_ms=NEVER_MS)
    source = random.Random(20)  # noqa: S311 - not a secret
    levels = [logging.INFO] * 10_000 + [logging.ERROR] * 100
    lines = [line(request(trace_id=f"{source.getrandbits(128):032x}"), level) for level in levels]
    passed = [record for record in lines if sampling.filter(record)]
    rates = [record.__dict__["facts"].get("sample_rate", 1) for record in passed]
    assert sum(record.levelno == logging.ERROR for record in passed) == 100
    assert len(passed) < 1_500
    assert sum(rates) == pytest.approx(10_100, rel=0.05)


def test_service_with_a_higher_rate_writes_all_traces_of_a_service_with_a_lower_rate() -> None:
    source = random.Random(21)  # noqa: S311 - not a secret
    observations = [request(trace_id=f"{source.getrandbits(128):032x}") for _ in range(2_000)]
    passed = [
        {each.trace_id for each in observations if sampling.filter(line(each))}
        for sampling in (TailSamplingFilter(keep_one_in=keep_one_in, slow_ms=NEVER_MS) for keep_one_in in (50, 7, 2))
    ]
    assert set() < passed[0] < passed[1] < passed[2]


def test_threshold_is_the_first_trace_id_that_passes() -> None:
    first = (1 << 56) - (1 << 56) // 10
    assert [is_written(request(trace_id=f"{'1' * 18}{number:014x}")) for number in (first - 1, first)] == [False, True]


def test_rightmost_56_bits_of_the_trace_id_decide() -> None:
    assert [is_written(request(trace_id=trace_id)) for trace_id in (REJECTED, KEPT, "f" * 18 + REJECTED[18:])] == [
        False, True, False,
    ]  # fmt: skip


def test_only_sampled_lines_have_a_sample_rate() -> None:
    by_chance, failure = line(request(trace_id=KEPT)), line(request(trace_id=KEPT), logging.ERROR)
    sampling = TailSamplingFilter(keep_one_in=10, slow_ms=NEVER_MS)
    assert sampling.filter(by_chance)
    assert sampling.filter(failure)
    assert (by_chance.__dict__["facts"], failure.__dict__["facts"]) == ({"sample_rate": 10}, {})


def test_note_with_the_name_sample_rate_gets_a_prefix() -> None:
    observation = request(trace_id=KEPT)
    observation.note(sample_rate="mine")
    record = line(observation)
    assert TailSamplingFilter(keep_one_in=10, slow_ms=NEVER_MS).filter(record)
    assert record.__dict__["facts"] == {"sample_rate": 10, "note.sample_rate": "mine"}


@pytest.mark.parametrize("keep_one_in", [1, 10])
def test_line_that_is_always_written_has_the_rate_1_if_a_note_has_the_name_sample_rate(keep_one_in: int) -> None:
    observation = request(method="POST")
    observation.note(sample_rate=44_100)
    record = line(observation)
    assert TailSamplingFilter(keep_one_in=keep_one_in, slow_ms=NEVER_MS).filter(record)
    assert record.__dict__["facts"] == {"sample_rate": 1, "note.sample_rate": 44_100}


def test_request_with_more_fingerprints_than_are_recorded_is_written() -> None:
    """One of the other fingerprints may be a write."""
    observation = request()
    for number in range(MAX_FINGERPRINTS):
        assert not is_written(observation)
        observation.add_step(Step("query", "SELECT 1", "default", 1, f"SELECT {number}"))
    assert is_written(observation)


@pytest.mark.parametrize("level", [logging.WARNING, logging.ERROR])
def test_failure_is_written(level: int) -> None:
    assert is_written(request(), level)


def test_slow_request_is_written() -> None:
    observation = request()
    assert not is_written(observation)
    observation._started_ns -= NEVER_MS * 1_000_000
    assert is_written(observation)


@pytest.mark.parametrize(
    ("method", "expected"), [("POST", True), ("DELETE", True), ("HEAD", False), ("OPTIONS", False)]
)
def test_request_with_a_writing_method_is_written(method: str, expected: bool) -> None:
    assert is_written(request(method=method)) is expected


def test_request_with_a_writing_query_is_written() -> None:
    observation = request()
    observation.add_step(Step("query", "SELECT 1", "default", 1, "SELECT 1"))
    assert not is_written(observation)
    observation.add_step(Step("query", "UPDATE t SET a = 1", "default", 1, "UPDATE t SET a = 1"))
    assert is_written(observation)


def test_request_whose_transaction_was_rolled_back_is_written() -> None:
    observation = request()
    observation.set_transaction_outcome("rolled_back")
    assert is_written(observation)


def test_request_over_its_budget_is_written() -> None:
    record = line(request())
    record.__dict__["facts"] = {"db.over_budget": True}
    assert TailSamplingFilter(keep_one_in=10, slow_ms=NEVER_MS).filter(record)


def test_line_without_a_request_is_written() -> None:
    assert TailSamplingFilter(keep_one_in=10, slow_ms=NEVER_MS).filter(line(None))
    assert is_written(Observation("span", "work", caller=TraceParent(REJECTED, "1" * 16)))


def test_keep_one_in_1_writes_all_lines_unchanged() -> None:
    record = line(request())
    assert TailSamplingFilter().filter(record)
    assert record.__dict__["facts"] == {}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1", False),
        ("  select 1", False),
        ("(SELECT 1) UNION (SELECT 2)", False),
        ("WITH n AS (SELECT 1) SELECT * FROM n", False),
        ("SELECT * FROM t FOR UPDATE", False),
        ("WITH n AS (SELECT 1) INSERT INTO t SELECT * FROM n", True),
        ("INSERT INTO t VALUES (…)", True),
        ("update t set a = 1", True),
        ("CALL procedure()", True),
    ],
)
def test_sql_counts_as_a_write_unless_it_is_known_to_read(statement: str, expected: bool) -> None:
    assert may_write(statement) is expected


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"keep_one_in": 0}, "keep_one_in is 0. Allowed: a whole number, 1 or more; 1 writes all lines"),
        ({"keep_one_in": -10}, "keep_one_in is -10"),
        ({"keep_one_in": "10"}, "keep_one_in is '10'"),
        ({"keep_one_in": 1.5}, "keep_one_in is 1.5"),
        ({"keep_one_in": True}, "keep_one_in is True"),
        ({"slow_ms": -1}, "slow_ms is -1. Allowed: a number of milliseconds, 0 or more"),
        ({"slow_ms": "1s"}, "slow_ms is '1s'"),
        ({"slow_ms": float("nan")}, "slow_ms is nan"),
    ],
)
def test_invalid_option_is_reported_with_the_allowed_values(wrong: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        TailSamplingFilter(**wrong)


@pytest.mark.django_db
@pytest.mark.urls("tests.probe.urls")
def test_access_line_of_a_request_is_sampled(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("observability.access")
    sampling = TailSamplingFilter(keep_one_in=10, slow_ms=60_000)
    caplog.set_level(logging.INFO)
    logger.addFilter(sampling)
    try:
        for trace_id in (KEPT, REJECTED):
            client.get("/ordinary/1/", headers={"traceparent": f"00-{trace_id}-{'1' * 16}-01"})
    finally:
        logger.removeFilter(sampling)
    (record,) = [record for record in caplog.records if record.name == "observability.access"]
    assert record.__dict__["facts"]["sample_rate"] == 10
