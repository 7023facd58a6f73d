"""Buffered records: records below INFO are written when their work fails or was slow."""

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
# From logging.yaml.
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


def installed(target: logging.Handler, capacity: int = 5) -> BufferingHandler:
    return BufferingHandler(target=target, loggers=[NAME, "observability.sql"], slow_ms=60_000, capacity=capacity)


@pytest.fixture
def target() -> Iterator[Target]:
    """Return the target of a buffering handler of the test's loggers. The settings install the reader."""
    target = Target()
    handler = installed(target)
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


def fail_after_a_detail() -> None:
    with observe("outer"):
        with observe("inner"):
            log.debug("detail")
        raise ValueError("failed")


def test_work_that_succeeds_writes_nothing_below_info(target: Target) -> None:
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


def test_error_without_buffered_records_lets_later_records_pass(target: Target) -> None:
    with observe("work"):
        log.error("broken")
        log.debug("detail")
        assert target.events == ["broken", "detail"]


def test_work_that_fails_writes_the_buffered_records_of_the_work_within_it_too(target: Target) -> None:
    with pytest.raises(ValueError, match="failed"):
        fail_after_a_detail()
    assert target.events == ["detail"]


def test_warning_does_not_write_the_buffer(target: Target) -> None:
    with observe("work"):
        log.debug("detail")
        log.warning("hm")
    assert target.events == ["hm"]


@pytest.mark.parametrize(("status_code", "events"), [(200, []), (404, []), (500, ["detail"]), (503, ["detail"])])
def test_status_of_a_request_decides(target: Target, status_code: int, events: list[str]) -> None:
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


def test_record_is_written_with_its_own_time_and_observation(target: Target) -> None:
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


def test_works_at_the_same_time_do_not_mix(target: Target) -> None:
    one, another = request(500), request()
    for observation in (one, another, one, another):
        with activate(observation):
            log.debug(observation.span_id)
    another.close()
    one.close()
    assert target.events == [one.span_id] * 2


def test_threads_of_one_work_lose_no_line(target: Target) -> None:
    handler = installed(target, capacity=10_000)
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


def test_records_beyond_the_capacity_are_counted_and_the_newest_written(target: Target) -> None:
    with observe("work"):
        for number in range(12):
            log.debug("%s", number)
        log.error("broken")
    assert target.events == ["buffered_records_dropped", "7", "8", "9", "10", "11", "broken"]
    assert target.records[0].__dict__["facts"] == {"dropped_count": 7}


def test_values_that_change_later_are_written_as_they_were(target: Target) -> None:
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


def test_record_outside_of_any_work_is_dropped_below_info(target: Target) -> None:
    log.debug("detail")
    log.info("news")
    assert target.events == ["news"]


def test_record_is_written_with_what_was_bound_when_it_was_made(target: Target) -> None:
    with observe("work") as observation:
        with structlog.contextvars.bound_contextvars(batch=1):
            log.debug("detail", extra={"values": (values := [1])})
        values.append(2)
        observation.note(later=True)
        log.error("broken")
    assert record_facts(target.records[0]) == {"values": [1], "batch": 1}


def test_records_of_other_loggers_are_written_at_once(target: Target) -> None:
    logging.getLogger(f"{NAME}ish").debug("a name that only begins so")
    with observe("work"):
        other.debug("detail")
    assert target.events == ["a name that only begins so", "detail"]


def test_level_changed_at_run_time_writes_records_at_once(target: Target) -> None:
    levels._apply([LevelChange(NAME, "DEBUG", "DEBUG", 4e9, 600, "ada", 7)])
    try:
        with observe("work"):
            log.debug("detail")
            assert target.events == ["detail"]
    finally:
        levels._apply([])


@pytest.mark.parametrize(("status_code", "events"), [(200, []), (500, ["late"])])
def test_record_after_its_work_is_written_if_that_failed(target: Target, status_code: int, events: list[str]) -> None:
    observation = request(status_code)
    observation.close()
    with activate(observation):
        log.debug("late")
    observation.close()
    assert target.events == events


def test_buffer_of_work_that_succeeds_is_emptied_at_its_end(target: Target) -> None:
    with observe("work") as observation:
        log.debug("detail")
    assert not observation.extensions[buffering._handlers[-1]].items


def test_work_that_never_ends_is_freed_with_its_buffer(target: Target) -> None:
    observation = request()
    with activate(observation):
        # By no logger: pytest's handlers would keep the record.
        buffering._handlers[-1].handle(log_record("detail", level=logging.DEBUG, name=NAME))
    gone = weakref.ref(observation)
    del observation
    gc.collect()
    assert gone() is None
    assert target.events == []


def test_queries_are_buffered_with_the_time_at_which_they_ended(target: Target) -> None:
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


def test_query_that_was_logged_already_is_not_buffered(target: Target, settings: Settings) -> None:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"SLOW_QUERY_MS": 10}
    with observe("work") as observation:
        observation.add_step(Step("query", "SELECT 1", "default", 10, "SELECT 1"))
        logging.getLogger("observability.sql").setLevel(logging.DEBUG)
        observation.add_step(Step("query", "SELECT 1", "default", 1, "SELECT 1"))
        logging.getLogger("observability.sql").setLevel(logging.WARNING)
        log.error("broken")
    assert target.events == ["broken"]


def test_level_of_the_target_holds(target: Target) -> None:
    target.setLevel(logging.WARNING)
    log.info("news")
    log.warning("hm")
    assert target.events == ["hm"]


def test_filter_of_the_handler_holds(target: Target) -> None:
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
        ({"slow_ms": -1}, "slow_ms of a BufferingHandler is -1. Allowed: milliseconds, from 0"),
        ({"slow_ms": "1s"}, "slow_ms of a BufferingHandler is '1s'"),
        ({"capacity": 0}, "capacity of a BufferingHandler is 0. Allowed: a whole number from 1"),
        ({"capacity": "many"}, "capacity of a BufferingHandler is 'many'"),
    ],
)
def test_wrong_option_is_named_with_the_allowed_values(wrong: dict[str, Any], expected: str) -> None:
    options: dict[str, Any] = {"target": Target(), "loggers": ["library"], "slow_ms": 1, "capacity": 1}
    with pytest.raises(ValueError, match=expected):
        BufferingHandler(**options | wrong)


@pytest.mark.usefixtures("restored_logging")
def test_configuration_that_runs_again_leaves_one_buffering_handler(tmp_path: Path) -> None:
    variables = {"LOG_DIR": str(tmp_path), "SERVICE_NAME": "vitrine"}
    for _ in range(2):
        logging.config.dictConfig(load_logging(ROOT / "logging.yaml", ["production"], variables))
    (handler,) = buffering._handlers
    assert handler in logging.root.handlers
    assert handler.target is not None
    assert handler.target.name == "service"


def lines_of_quick_request(server: Server, path: str) -> list[dict[str, Any]]:
    """Return the lines of a request that was not slow, nor was its query: a busy machine may make one so."""
    for number in itertools.count():
        request_id = f"{path.strip('/').replace('/', '-')}-{number}"
        server.get(path, X_Request_ID=request_id)
        is_slow = server.access_line(request_id)["duration_ms"] >= SLOW_MS
        lines = server.lines(request_id)
        if not is_slow and "slow_query" not in [line["event"] for line in lines]:
            return lines
    raise AssertionError


@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_request_that_fails_has_its_detail_in_the_file(servers: Servers, name: str) -> None:
    lines = lines_of_quick_request(servers.get(name), "/detailed/500/")
    details = [line for line in lines if line["level"] == "debug"]
    assert [line["event"] for line in details] == ["asked", "query", "asked again"]
    assert [line["timestamp"] for line in details] == sorted(line["timestamp"] for line in details)
    assert (details[0]["number"], details[2]["number"]) == (1, 2)
    levels_seen = [line["level"] for line in lines]
    assert levels_seen.index("debug") < levels_seen.index("error")


@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_request_that_goes_well_has_no_detail_in_the_file(servers: Servers, name: str) -> None:
    lines = lines_of_quick_request(servers.get(name), "/detailed/200/")
    assert [line["event"] for line in lines] == ["answering", "request"]
