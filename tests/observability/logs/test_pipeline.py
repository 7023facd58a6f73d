"""From structlog to a record of the standard library."""

import logging

import pytest
import structlog

log = structlog.get_logger("tests.pipeline")


def test_bound_context_reaches_the_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with structlog.contextvars.bound_contextvars(batch=7):
        log.info("event", count=1)
    assert caplog.records[0].__dict__["facts"] == {"batch": 7, "count": 1}


def test_level_that_is_off_makes_no_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tests.pipeline")
    log.info("event")
    assert caplog.records == []


def test_exception_carries_the_one_that_is_handled(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("event")
    assert caplog.records[0].exc_info is not None
    assert isinstance(caplog.records[0].exc_info[1], ValueError)
