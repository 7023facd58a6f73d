"""`manage.py loglevel`."""

import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from observability.logs.levels import read_changes


@pytest.fixture
def file(tmp_path: Path, settings: Settings) -> Path:
    settings.OBSERVABILITY = settings.OBSERVABILITY | {"VAR_DIR": str(tmp_path)}
    return tmp_path / "loglevel.json"


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("loglevel", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def test_change_is_stored_with_the_previous_level_and_the_user(file: Path) -> None:
    assert run("library.loans", "debug", "--for", "90s").startswith("library.loans has the level DEBUG until 20")
    (change,) = read_changes(file)
    assert (change.logger, change.level, change.was, change.seconds) == (
        "library.loans",
        "DEBUG",
        "INFO, inherited",
        90,
    )
    assert change.by


def test_second_change_keeps_the_level_from_before_the_first_change(file: Path) -> None:
    run("django.request", "DEBUG")
    logging.getLogger("django.request").setLevel(logging.DEBUG)
    try:
        run("django.request", "ERROR")
    finally:
        logging.getLogger("django.request").setLevel(logging.INFO)
    assert [(change.level, change.was) for change in read_changes(file)] == [("ERROR", "INFO")]


def test_list_shows_logger_level_and_user(file: Path) -> None:
    assert run() == "No log level is changed at present.\n"
    run("django.request", "DEBUG")
    run("django", "ERROR")
    heading, *rows = [row.split() for row in run().splitlines()]
    assert heading == ["logger", "level", "before", "until", "(UTC)", "changed", "by"]
    assert [row[:3] for row in rows] == [["django.request", "DEBUG", "INFO"], ["django", "ERROR", "INFO"]]
    assert rows[0][-1] == read_changes(file)[0].by


@pytest.fixture
def tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine be nine hours ahead of UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("tokyo")
def test_times_are_utc_on_a_machine_with_another_time_zone(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    monkeypatch.setattr("time.time", noon.timestamp)
    with caplog.at_level(logging.INFO, "observability.levels"):
        assert "until 2026-03-01 12:10:00 UTC" in run("django.request", "DEBUG")
    assert "2026-03-01 12:10:00" in run()
    (logged,) = [record for record in caplog.records if record.msg == "log_level_changed"]
    assert logged.__dict__["facts"]["log_level.until"] == "2026-03-01T12:10:00+00:00"


def test_ended_change_is_not_listed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("library", "DEBUG", "--for", "1s")
    over = read_changes(file)[0].until
    monkeypatch.setattr("time.time", lambda: over)
    assert run() == "No log level is changed at present.\n"


def test_reset_ends_one_change_or_all_of_them(file: Path) -> None:
    for logger in ("django.request", "django", "root"):
        run(logger, "DEBUG")
    assert run("django.request", "--reset").startswith("django.request is reset to INFO.")
    assert [change.logger for change in read_changes(file)] == ["django", "root"]
    run("--reset")
    assert read_changes(file) == []
    assert run("--reset") == "No log level is changed at present.\n"
    assert run("library", "--reset") == "The level of library is not changed.\n"


@pytest.mark.usefixtures("file")
def test_each_change_is_logged_with_the_user(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "observability")
    run("library", "DEBUG", "--for", "2h")
    run("library", "--reset")
    records = [record for record in caplog.records if record.name == "observability.levels"]
    assert [record.getMessage() for record in records] == ["log_level_changed", "log_level_reset"]
    facts: dict[str, Any] = records[0].__dict__["facts"]
    assert (facts["log_level.logger"], facts["log_level.level"]) == ("library", "DEBUG")
    assert facts["log_level.by"]


@pytest.mark.usefixtures("file")
def test_user_of_sudo_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "ada")
    run("library", "DEBUG")
    assert "ada (as " in run()


@pytest.mark.usefixtures("file")
def test_unknown_logger_is_reported_with_similar_names() -> None:
    assert "no logger or module has the name djago.request. Did you mean django.request" in run(
        "djago.request", "DEBUG"
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["library"], "The level is missing. Allowed: DEBUG, INFO, WARNING, ERROR, CRITICAL, or --reset"),
        (["library", "LOUD"], "'LOUD' is not a level. Allowed: DEBUG, INFO"),
        (
            ["library", "DEBUG", "--for", "soon"],
            "--for is 'soon'. Allowed: a number with s, m or h, such as 90s, 10m or 2h",
        ),
        (["library", "DEBUG", "--for", "0s"], "--for is '0s'"),
        (["library", "DEBUG", "--for", "25h"], "--for is '25h'. .*; at most 24h"),
        (["library", "DEBUG", "--for=-1m"], "--for is '-1m'"),
        (["a b", "DEBUG"], "'a b' is not a logger name"),
        (["library", "DEBUG", "--reset"], "--reset cannot be combined with a level"),
        (["library", "--for", "10m"], "--for requires a logger and a level"),
    ],
)
def test_invalid_arguments_are_reported_with_the_allowed_values(
    file: Path, arguments: list[str], expected: str
) -> None:
    with pytest.raises(CommandError, match=expected):
        run(*arguments)
    assert not file.exists()


def test_file_with_other_content_is_reported_and_not_changed(file: Path) -> None:
    file.write_text("something else")
    with pytest.raises(CommandError, match=r"is not a file of `manage\.py loglevel`"):
        run("library", "DEBUG")
    assert file.read_text() == "something else"


def test_project_without_the_setting_is_reported() -> None:
    with pytest.raises(CommandError, match=r"OBSERVABILITY\['VAR_DIR'\] is empty"):
        run("library", "DEBUG")
