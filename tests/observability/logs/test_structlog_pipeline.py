"""Records of the standard library from calls of structlog."""

import asyncio
import logging

import pytest
import structlog

from observability.logs.structlog_pipeline import EventLogger, EventRecord, log_event
from observability.recorders.log_records import record_facts

log = structlog.get_logger("tests.pipeline")


def test_keys_of_a_bound_logger_and_of_the_call_are_facts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log.bind(batch=7).info("event", count=1)
    assert record_facts(caplog.records[0]) == {"batch": 7, "count": 1}


@pytest.mark.parametrize(
    "key", ["name", "args", "message", "msg", "filename", "level", "levelname", "event", "self", "method", "facts",
            "exc_text", "created", "extra", "request", "observation"]
)  # fmt: skip
def test_a_key_can_have_any_name(caplog: pytest.LogCaptureFixture, key: str) -> None:
    caplog.set_level(logging.INFO)
    log.info("event", **{key: "kept"})
    logging.getLogger("tests.pipeline.standard").info("event", extra={key: "kept"})
    assert [record_facts(record)[key] for record in caplog.records] == ["kept", "kept"]


def test_processor_of_the_service_sees_and_changes_the_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def shout(_: object, method: str, event_dict: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event_dict["event"] == "dropped":
            raise structlog.DropEvent
        return {"event": event_dict["event"].upper(), "method": method}

    loud = structlog.wrap_logger(logging.getLogger("tests.pipeline"), processors=[shout], wrapper_class=EventLogger)
    loud.warning("event", count=1)
    loud.warning("dropped")
    assert [(record.msg, record_facts(record)) for record in caplog.records] == [("EVENT", {"method": "warning"})]


def test_warning_has_the_source_line_that_logged_it(caplog: pytest.LogCaptureFixture) -> None:
    log.warning("event")
    assert (caplog.records[0].filename, caplog.records[0].funcName) == (
        "test_structlog_pipeline.py", "test_warning_has_the_source_line_that_logged_it",
    )  # fmt: skip


def test_record_has_all_attributes_of_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    arguments = ("tests", logging.INFO, "/srv/library/models.py", 12, "%s", ("text",), None, "save")
    ours, theirs = EventRecord(*arguments), logging.LogRecord(*arguments)
    changing = {"created", "msecs", "relativeCreated"}
    assert list(vars(ours)) == list(vars(theirs))
    assert {k: v for k, v in vars(ours).items() if k not in changing} == {
        k: v for k, v in vars(theirs).items() if k not in changing
    }
    assert abs(ours.relativeCreated - theirs.relativeCreated) < 60_000
    assert 0 <= ours.msecs < 1000


async def task_name() -> str | None:
    record = EventRecord("tests", logging.INFO, "", 0, "", (), None)
    return getattr(record, "taskName", logging.makeLogRecord({}).__dict__.get("taskName"))


def test_record_has_the_task_name_since_python_3_12() -> None:
    async def named() -> str | None:
        return await asyncio.create_task(task_name(), name="import")

    assert asyncio.run(named()) == ("import" if "taskName" in logging.makeLogRecord({}).__dict__ else None)


def test_asynchronous_methods_log_as_well(caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(log.awarning("event", count=1))
    assert record_facts(caplog.records[0]) == {"count": 1}


def test_stack_is_included_if_the_caller_requests_it(caplog: pytest.LogCaptureFixture) -> None:
    log.warning("event", stack_info=True)
    assert "test_stack_is_included_if_the_caller_requests_it" in str(caplog.records[0].stack_info)


def test_filter_of_the_logger_applies_to_structlog_and_completion_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    logger = logging.getLogger("tests.pipeline")

    def refuse(record: logging.LogRecord) -> bool:
        return record.getMessage() != "refused"

    logger.addFilter(refuse)
    try:
        for event in ("refused", "passed"):
            log.info(event)
            log_event(logger, logging.INFO, event, {}, None)
    finally:
        logger.removeFilter(refuse)
    assert [record.getMessage() for record in caplog.records] == ["passed", "passed"]


def test_disabled_level_creates_no_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "tests.pipeline")
    log.info("event")
    assert caplog.records == []


def test_exception_method_adds_the_current_exception(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("event")
    assert caplog.records[0].exc_info is not None
    assert isinstance(caplog.records[0].exc_info[1], ValueError)
