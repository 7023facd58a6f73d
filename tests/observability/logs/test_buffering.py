"""Buffered records: records below INFO are written if their work fails or is slow."""

import gc
import itertools
import logging
import logging.config
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import structlog
from pytest_django import Settings

from observability import observe
from observability.core.context import activate
from observability.core.diagnostics import Diagnostics
from observability.core.http_attributes import HttpAttributes
from observability.core.observation import Observation
from observability.core.steps import Step
from observability.logs import buffering
from observability.logs.buffering import BufferingHandler
from observability.logs.config import load_logging
from observability.logs.levels import LevelChange, levels
from observability.recorders.log_records import find_observation, record_facts
from tests.observability.log_records import log_record
from tests.server import ROOT, Server, Servers

NAME = "tests.buffered"
log = logging.getLogger(NAME)
structured = structlog.get_logger(f"{NAME}.below")
other = logging.getLogger("tests.other")
# The value in logging.yaml.
SLOW_MS = 1_000


class Target(logging.Handler):
    """Stores the records that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def handle(self, record: logging.LogRecord) -> bool:
        self.records.append(record)
        return True

    @property
    def events(self) -> list[str]:
        return [record.getMessage() for record in self.records]


def install_buffering_handler(target: logging.Handler, capacity: int = 5) -> BufferingHandler:
    return BufferingHandler(target=target, loggers=[NAME, "observability.sql"], slow_ms=60_000, capacity=capacity)


@pytest.fixture
def target() -> Iterator[Target]:
    """Return the target of a buffering handler for the loggers of the test. The settings install the reader."""
    target = Target()
    handler = install_buffering_handler(target)
    root = logging.getLogger("tests")
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield target
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


def request(status_code: int = 200) -> Observation:
    return Observation("request", "GET", http=HttpAttributes("GET", "/", status_code=status_code))


def fail_after_a_debug_record() -> None:
    with observe("outer"):
        with observe("inner"):
            log.debug("detail")
        raise ValueError("failed")


def test_records_below_info_are_not_written_if_the_work_succeeds(target: Target) -> None:
    with observe("work"):
        log.debug("detail")
        log.info("news")
    assert target.events == ["news"]


def test_error_is_written_after_buffered_records_and_before_later_ones(target: Target) -> None:
    with observe("work"):
        log.debug("first %s", 1)
        structured.debug("second", count=2)
        log.info("news")
        other.error("broken")
        log.debug("third")
        assert target.events == ["news", "first 1", "second", "broken", "third"]
    assert len(target.records) == 5


def test_records_after_an_error_are_written_directly_also_if_the_buffer_was_empty(target: Target) -> None:
    with observe("work"):
        log.error("broken")
        log.debug("detail")
        assert target.events == ["broken", "detail"]


def test_failed_work_also_writes_the_buffered_records_of_inner_work(target: Target) -> None:
    with pytest.raises(ValueError, match="failed"):
        fail_after_a_debug_record()
    assert target.events == ["detail"]


def test_warning_does_not_write_the_buffer(target: Target) -> None:
    with observe("work"):
        log.debug("detail")
        log.warning("hm")
    assert target.events == ["hm"]


@pytest.mark.parametrize(("status_code", "events"), [(200, []), (404, []), (500, ["detail"]), (503, ["detail"])])
def test_status_of_a_request_decides_whether_the_buffer_is_written(
    target: Target, status_code: int, events: list[str]
) -> None:
    observation = request(status_code)
    with activate(observation):
        log.debug("detail")
    observation.close()
    assert target.events == events


def test_slow_request_writes_its_buffer_and_a_slow_command_does_not(target: Target) -> None:
    for observation in (request(), Observation("command", "import")):
        with activate(observation):
            log.debug("%s", observation.kind)
        observation._started_ns -= 61_000_000_000
        observation.close()
    assert target.events == ["request"]


def test_buffered_record_keeps_its_time_and_observation(target: Target) -> None:
    with observe("outer") as outer:
        log.debug("in outer")
        with observe("inner") as inner:
            log.debug("in inner")
        made = [
            item.created
            for item, _ in outer.extensions[buffering._handlers[-1]].items
            if isinstance(item, logging.LogRecord)
        ]
        log.error("broken")
    assert [find_observation(record) for record in target.records[:2]] == [outer, inner]
    assert [record.created for record in target.records[:2]] == made


def test_concurrent_work_has_separate_buffers(target: Target) -> None:
    one, another = request(500), request()
    for observation in (one, another, one, another):
        with activate(observation):
            log.debug(observation.span_id)
    another.close()
    one.close()
    assert target.events == [one.span_id] * 2


def test_no_record_of_several_threads_is_lost(target: Target) -> None:
    handler = install_buffering_handler(target, capacity=10_000)
    observation = request(500)

    def work(number: int) -> None:
        for line in range(100):
            handler.handle(log_record(f"{number} {line}", level=logging.DEBUG, name=NAME, observation=observation))

    threads = [Thread(target=work, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    observation.close()
    handler.close()
    assert len(target.events) == 6400
    assert [event for event in target.events if event.startswith("7 ")] == [f"7 {line}" for line in range(100)]


def test_newest_records_are_written_and_records_over_the_capacity_are_counted(target: Target) -> None:
    with observe("work"):
        for number in range(12):
            log.debug("%s", number)
        log.error("broken")
    assert target.events == ["buffered_records_dropped", "7", "8", "9", "10", "11", "broken"]
    assert target.records[0].__dict__["facts"] == {"dropped_count": 7}


def test_values_are_written_as_they_were_when_the_record_was_created(target: Target) -> None:
    values: list[int] = [1]
    with observe("work"):
        log.debug("%s", values)
        structured.debug("structured", values=values)
        values.append(2)
        log.error("broken")
    assert target.events[0] == "[1]"
    assert target.records[1].__dict__["facts"] == {"values": [1]}


def test_long_text_of_a_buffered_record_is_cut(target: Target) -> None:
    with observe("work"):
        log.debug("x" * 10_000, extra={"body": "y" * 10_000})
        structured.debug("short", body="z" * 10_000)
        log.error("broken")
    first, second, _ = target.records
    assert [len(text) for text in (first.getMessage(), first.__dict__["body"], record_facts(second)["body"])] == [
        4_097
    ] * 3


def test_record_that_cannot_be_buffered_is_written(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: logging.LogRecord) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(buffering, "capture_context", fail)
    monkeypatch.setattr(buffering, "_diagnostics", Diagnostics("logging:"))
    with observe("work"):
        log.debug("detail")
    assert target.events == ["detail"]
    assert capsys.readouterr().err == "logging: a record cannot be buffered: RuntimeError('no room').\n"


def test_record_below_info_outside_of_any_work_is_dropped(target: Target) -> None:
    log.debug("detail")
    log.info("news")
    assert target.events == ["news"]


def test_record_is_written_with_the_context_from_its_creation(target: Target) -> None:
    with observe("work") as observation:
        with structlog.contextvars.bound_contextvars(batch=1):
            log.debug("detail", extra={"values": (values := [1])})
        values.append(2)
        observation.note(later=True)
        log.error("broken")
    assert record_facts(target.records[0]) == {"values": [1], "batch": 1}


def test_records_of_other_loggers_are_written_immediately(target: Target) -> None:
    logging.getLogger(f"{NAME}ish").debug("a name with the same start")
    with observe("work"):
        other.debug("detail")
    assert target.events == ["a name with the same start", "detail"]


def test_records_enabled_by_a_changed_level_are_written_immediately(target: Target) -> None:
    levels._apply([LevelChange(NAME, "DEBUG", "DEBUG", 4e9, 600, "ada", 7)])
    try:
        with observe("work"):
            log.debug("detail")
            assert target.events == ["detail"]
    finally:
        levels._apply([])


@pytest.mark.parametrize(("status_code", "events"), [(200, []), (500, ["late"])])
def test_record_after_the_end_of_the_work_is_written_if_the_work_failed(
    target: Target, status_code: int, events: list[str]
) -> None:
    observation = request(status_code)
    observation.close()
    with activate(observation):
        log.debug("late")
    observation.close()
    assert target.events == events


def test_buffer_is_emptied_when_successful_work_ends(target: Target) -> None:
    with observe("work") as observation:
        log.debug("detail")
    assert not observation.extensions[buffering._handlers[-1]].items


def test_buffer_is_freed_with_an_observation_that_was_never_closed(target: Target) -> None:
    observation = request()
    with activate(observation):
        # Do not use a logger, because pytest's handlers would keep the record.
        buffering._handlers[-1].handle(log_record("detail", level=logging.DEBUG, name=NAME))
    gone = weakref.ref(observation)
    del observation
    gc.collect()
    assert gone() is None
    assert target.events == []


def test_buffered_query_has_its_end_time(target: Target) -> None:
    with observe("work") as observation:
        log.debug("before")
        observation.add_step(Step("query", "SELECT 1", "default", 1.5, "SELECT 1"))
        log.debug("after")
        log.error("broken")
    before, query, after, _ = target.records
    assert (query.name, query.levelname, query.getMessage()) == ("observability.sql", "DEBUG", "query")
    assert query.__dict__["facts"] == {
        "duration_ms": 1.5, "db.namespace": "default", "db.query.text": "SELECT 1",
    }  # fmt: skip
    assert before.created <= query.created <= after.created


def test_logged_query_is_not_buffered(target: Target, settings: Settings) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"SLOW_QUERY_MS": 10}
    with observe("work") as observation:
        observation.add_step(Step("query", "SELECT 1", "default", 10, "SELECT 1"))
        logging.getLogger("observability.sql").setLevel(logging.DEBUG)
        observation.add_step(Step("query", "SELECT 1", "default", 1, "SELECT 1"))
        logging.getLogger("observability.sql").setLevel(logging.WARNING)
        log.error("broken")
    assert target.events == ["broken"]


def test_level_of_the_target_applies(target: Target) -> None:
    target.setLevel(logging.WARNING)
    log.info("news")
    log.warning("hm")
    assert target.events == ["hm"]


def test_filter_of_the_handler_applies(target: Target) -> None:
    handler = buffering._handlers[-1]
    handler.addFilter(lambda record: "secret" not in str(record.msg))
    log.info("secret")
    log.info("news")
    assert target.events == ["news"]


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"target": "service"}, "target of a BufferingHandler is 'service'. Allowed: the name of a handler"),
        ({"loggers": "library"}, "loggers of a BufferingHandler is 'library'. Allowed: a list of logger names"),
        ({"loggers": []}, "loggers of a BufferingHandler"),
        ({"slow_ms": -1}, "slow_ms of a BufferingHandler is -1. Allowed: a number of milliseconds, 0 or more"),
        ({"slow_ms": "1s"}, "slow_ms of a BufferingHandler is '1s'"),
        ({"capacity": 0}, "capacity of a BufferingHandler is 0. Allowed: a whole number, 1 or more"),
        ({"capacity": "many"}, "capacity of a BufferingHandler is 'many'"),
    ],
)
def test_invalid_option_is_reported_with_the_allowed_values(wrong: dict[str, Any], expected: str) -> None:
    options: dict[str, Any] = {"target": Target(), "loggers": ["library"], "slow_ms": 1, "capacity": 1}
    with pytest.raises(ValueError, match=expected):
        BufferingHandler(**options | wrong)


@pytest.mark.usefixtures("restored_logging")
def test_repeated_configuration_leaves_one_buffering_handler(tmp_path: Path) -> None:
    variables = {"LOG_DIR": str(tmp_path), "SERVICE_NAME": "vitrine"}
    for _ in range(2):
        logging.config.dictConfig(load_logging(ROOT / "logging.yaml", ["production"], variables))
    (handler,) = buffering._handlers
    assert handler in logging.root.handlers
    assert handler.target is not None
    assert handler.target.name == "service"


def lines_of_quick_request(server: Server, path: str) -> list[dict[str, Any]]:
    """Return the lines of a request that was not slow and had no slow query. On a busy machine this needs retries."""
    for number in itertools.count():
        request_id = f"{path.strip('/').replace('/', '-')}-{number}"
        server.get(path, X_Request_ID=request_id)
        is_slow = server.access_line(request_id)["duration_ms"] >= SLOW_MS
        lines = server.lines(request_id)
        if not is_slow and "slow_query" not in [line["event"] for line in lines]:
            return lines
    raise AssertionError


@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_debug_records_of_a_failed_request_are_in_the_file(servers: Servers, name: str) -> None:
    lines = lines_of_quick_request(servers.get(name), "/detailed/500/")
    details = [line for line in lines if line["level"] == "debug"]
    assert [line["event"] for line in details] == ["requested", "query", "requested again"]
    assert [line["timestamp"] for line in details] == sorted(line["timestamp"] for line in details)
    assert (details[0]["number"], details[2]["number"]) == (1, 2)
    levels_seen = [line["level"] for line in lines]
    assert levels_seen.index("debug") < levels_seen.index("error")


@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_debug_records_of_a_successful_request_are_not_in_the_file(servers: Servers, name: str) -> None:
    lines = lines_of_quick_request(servers.get(name), "/detailed/200/")
    assert [line["event"] for line in lines] == ["answering", "request"]
