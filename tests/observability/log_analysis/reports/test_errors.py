"""`logs errors`: failures by exception and source line."""

from pathlib import Path
from typing import Any

import pytest

from observability.log_analysis.reports.errors import errors
from observability.log_analysis.terminal import Terminal
from tests.observability.log_analysis.records import (
    PLAIN,
    TRACEBACK,
    at,
    database_of,
    failure,
    record,
    request,
    write,
)


def failures(directory: Path, by: str = "count", limit: int = 0) -> list[dict[str, Any]]:
    with database_of(directory) as database:
        return list(errors(database, PLAIN, by=by, limit=limit).rows)


def text(directory: Path, width: int | None = None) -> list[str]:
    with database_of(directory) as database:
        report = errors(database, Terminal(width, has_colors=False), by="count", limit=0)
        return [report.summary, *report.lines]


def test_request_that_an_exception_ended_is_one_failure(log_dir: Path) -> None:
    write(log_dir, *failure())
    (row,) = failures(log_dir)
    assert (row["failures"], row["requests"], row["exception_type"]) == (1, 1, "ValueError")
    assert (row["method"], row["route"], row["status"]) == ("GET", "/books/", 500)


def test_place_is_the_innermost_frame_outside_of_packages(log_dir: Path) -> None:
    frames = ["/srv/a/library/api.py", "/srv/a/library/views.py", "/srv/a/library/models.py", "/v/site-packages/orm.py"]
    frame_lines = "\n".join(f'  File "{path}", line {number}, in f' for number, path in enumerate(frames))
    django, access = failure()
    write(
        log_dir,
        django | {"exception.stacktrace": f"Traceback (most recent call last):\n{frame_lines}\nValueError"},
        access,
    )
    assert [row["place"] for row in failures(log_dir)] == ["a/library/models.py:2 f"]


def test_failures_with_the_same_exception_and_place_are_one_kind(log_dir: Path) -> None:
    for second in range(3):
        write(log_dir, *failure(second, f"request-{second}"))
    write(log_dir, *failure(9, "request-9", line=99))
    assert [(row["failures"], row["place"]) for row in failures(log_dir)] == [
        (3, "library/api/views.py:12 get"),
        (1, "library/api/views.py:99 get"),
    ]


def test_place_is_the_innermost_frame_if_all_frames_are_in_packages(log_dir: Path) -> None:
    write(
        log_dir, failure()[0] | {"exception.stacktrace": TRACEBACK.replace("/srv/library/api/", "/usr/lib/python3.11/")}
    )
    assert failures(log_dir)[0]["place"] == "python3.11/json/decoder.py:355 raw_decode"


def test_exception_of_a_span_within_a_request_is_the_same_failure(log_dir: Path) -> None:
    ended = record(0, "span", "request-1", level="error", logger="observability.span", error__type="ValueError")
    write(log_dir, ended | {"span_id": "another"}, *failure())
    assert [row["failures"] for row in failures(log_dir)] == [1]


def test_status_5xx_without_an_exception_is_a_failure_of_its_route(log_dir: Path) -> None:
    for second, path in enumerate(("/books/7/", "/books/8/")):
        request_id = f"request-{second}"
        django = record(second, f"Service Unavailable: {path}", request_id, level="error", logger="django.request")
        facts = {"http__response__status_code": 503, "level": "error", "http__route": "/books/<id>/"}
        write(log_dir, django, request(second, request_id, url__path=path, **facts))
    (row,) = failures(log_dir)
    assert (row["failures"], row["route"], row["status"]) == (2, "/books/<id>/", 503)


def test_logged_error_explains_a_response_with_status_500(log_dir: Path) -> None:
    write(log_dir, record(0, "library_unreachable", "request-1", level="error"))
    write(log_dir, request(1, http__response__status_code=500, level="error"))
    (row,) = failures(log_dir)
    assert (row["event"], row["route"]) == ("library_unreachable", "/books/")


def test_logged_error_without_an_exception_is_a_kind_by_logger_and_event(log_dir: Path) -> None:
    write(log_dir, record(0, "stopped", level="critical"), record(1, "stopped", level="error", logger="other"))
    assert {(row["logger"], row["event"]) for row in failures(log_dir)} == {
        ("library", "stopped"),
        ("other", "stopped"),
    }


def test_command_that_fails_is_one_failure(log_dir: Path) -> None:
    raised = {"exception__type": "OSError", "exception__message": "gone", "exception__stacktrace": TRACEBACK}
    facts: dict[str, Any] = {"level": "error", "logger": "observability.command", "error__type": "OSError", **raised}
    write(log_dir, record(0, "command", "command-1", command__name="import_books", **facts))
    assert [(row["failures"], row["exception_type"]) for row in failures(log_dir)] == [(1, "OSError")]


def test_warnings_are_not_failures(log_dir: Path) -> None:
    write(log_dir, record(level="warning"), request(http__response__status_code=404, level="warning"))
    assert failures(log_dir) == []


def test_records_of_a_logging_probe_are_not_failures(log_dir: Path) -> None:
    write(log_dir, record(event="logging_probe", level="error"), record(1, "import_failed", level="error"))
    assert [row["event"] for row in failures(log_dir)] == ["import_failed"]
    assert text(log_dir)[0].startswith("1 failure, ")


def test_failure_in_two_logs_is_counted_once(log_dir: Path) -> None:
    write(log_dir, *failure())
    write(log_dir, *failure(), name="errors.jsonl")
    assert [row["failures"] for row in failures(log_dir)] == [1]


def test_failure_that_was_deleted_from_the_main_log_is_counted(log_dir: Path) -> None:
    write(log_dir, *failure(5, "request-5"))
    write(log_dir, *failure(-90_000, "request-0"), *failure(5, "request-5"), name="errors.jsonl")
    (row,) = failures(log_dir)
    assert row["failures"] == 2
    assert row["first_seen"].isoformat() == at(-90_000)[:19]


def test_newest_failure_is_the_example(log_dir: Path) -> None:
    write(log_dir, *failure(60, "request-new", http__route="/new/"), *failure(0, "request-old", http__route="/old/"))
    (row,) = failures(log_dir)
    assert (row["request_id"], row["route"]) == ("request-new", "/new/")
    assert (row["first_seen"].isoformat(), row["last_seen"].isoformat()) == (at(0)[:19], at(60)[:19])


@pytest.mark.parametrize(("by", "first"), [("count", "often"), ("last", "lately"), ("first", "new")])
def test_kinds_are_in_the_requested_order(log_dir: Path, by: str, first: str) -> None:
    write(log_dir, *(record(second, "often", level="error") for second in range(3)))
    write(log_dir, record(1, "lately", level="error"), record(90, "lately", level="error"))
    write(log_dir, record(50, "new", level="error"))
    assert failures(log_dir, by)[0]["event"] == first


@pytest.mark.parametrize("seconds", [(0, 60), (60, 0)])
def test_later_one_of_equal_kinds_comes_first(log_dir: Path, seconds: tuple[int, int]) -> None:
    for second, event in zip(seconds, ("one", "two"), strict=True):
        write(log_dir, record(second, event, level="error"))
    assert [row["last_seen"].isoformat() for row in failures(log_dir)] == [at(60)[:19], at(0)[:19]]


def test_line_without_ids_is_a_failure(log_dir: Path) -> None:
    write(log_dir, '{"timestamp":"2026-01-05T08:30:00Z","level":"ERROR"}', record(0, "x", level="FATAL"))
    assert len(failures(log_dir)) == 2


def test_kind_has_its_place_message_and_the_command_for_an_example(log_dir: Path) -> None:
    write(log_dir, *failure(0, "0f2a9c7e"))
    assert text(log_dir) == [
        "1 failure, 2026-01-05 08:30:00 to 08:30:00 UTC, of 1 kind.",
        "1  ValueError  library/api/views.py:12 get",
        "   no books",
        "   GET /books/",
        "   2026-01-05 08:30:00 to 08:30:00 UTC",
        "   logs request 0f2a9c7e",
        "",
    ]


def test_summary_without_failures_says_so(log_dir: Path) -> None:
    write(log_dir, request())
    assert text(log_dir) == ["No failures."]


@pytest.mark.parametrize("width", [40, 80])
def test_kinds_fit_the_terminal_and_have_no_control_characters(log_dir: Path, width: int) -> None:
    steering = "\x1b]0;x\x07\r\u202e\x9b" + "车" * 100
    raised = {"exception.type": f"T{steering}", "exception.message": steering, "exception.stacktrace": steering}
    django, access = failure(0, "0" * 128, url__path=steering, http__route=None)
    write(log_dir, django | raised, access, record(0, steering, level="error", logger=steering))
    lines = text(log_dir, width)[1:]
    assert all(len(line) + line.count("车") <= width for line in lines)
    assert not set("".join(lines)) & set("\x1b\x07\r\u202e\x9b")
