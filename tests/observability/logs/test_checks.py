"""The system checks of the room: layers that are not in use."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from observability.logs.config import load_logging

BASE = """
base:
  version: 1
  handlers:
    file: {class: logging.FileHandler, filename: '${LOG_DIR}/file.log', delay: true}
  root: {handlers: [file]}
development:
  handlers:
    console: {class: logging.StreamHandler}
  root: {handlers: [file, console]}
"""


def told(settings: Settings, tmp_path: Path, layers: str) -> list[str]:
    """The ids and messages of the checks, where only base is in use."""
    file = tmp_path / "logging.yaml"
    file.write_text(BASE + layers)
    settings.LOGGING = load_logging(file, [], {"LOG_DIR": str(tmp_path)})
    return [f"{message.id} {message.msg}" for message in run_checks(tags=["observability"])]


@pytest.mark.parametrize(
    "layers",
    [
        "quiet:\n  handlers: {console: {level: ERROR}}\n",
        "quiet:\n  loggers: {django: {handlers: [console, file]}}\n",
        "quiet:\n  handlers: {file: null}\n  root: {handlers: []}\n",
        "elsewhere:\n  handlers: {file: {filename: /no/such/directory/file.log}}\n",
        "nothing:\n",
    ],
)
def test_layer_that_is_right_over_another_one_passes(settings: Settings, tmp_path: Path, layers: str) -> None:
    assert told(settings, tmp_path, layers) == []


def test_mistake_of_a_layer_that_is_not_in_use_is_told_once_with_its_line(settings: Settings, tmp_path: Path) -> None:
    assert told(settings, tmp_path, "quiet:\n  root: {handlers: [fiel]}\nother: {}\n") == [
        "observability.E201 logging.yaml:12: the root logger names the handler 'fiel', which there is not."
    ]


def test_layer_that_takes_a_handler_from_under_base_is_told(settings: Settings, tmp_path: Path) -> None:
    (only,) = told(settings, tmp_path, "quiet:\n  handlers:\n    file: null\n")
    assert only.startswith(
        "observability.E201 logging.yaml:6: the root logger names the handler 'file', which the layer"
    )
    assert only.endswith("'quiet' takes away in logging.yaml:13.")


def test_variable_of_a_layer_that_is_not_in_use_is_told(settings: Settings, tmp_path: Path) -> None:
    assert told(settings, tmp_path, "quiet:\n  handlers: {file: {filename: '${LOGDIR}/x'}}\n") == [
        "observability.E206 logging.yaml:12: uses ${LOGDIR}: there are LOG_DIR."
    ]


def test_dictionary_that_was_not_made_of_layers_passes(settings: Settings) -> None:
    settings.LOGGING = {"version": 1}
    assert run_checks(tags=["observability"]) == []


def test_lines_that_are_held_without_their_reader_are_told(settings: Settings) -> None:
    settings.LOGGING = {"version": 1, "handlers": {"held": {"class": "observability.logs.held.HeldHandler"}}}
    assert run_checks(tags=["observability"]) == []
    settings.OBSERVABILITY = {"READERS": ["observability.logs.access.AccessLine"]}
    (message,) = run_checks(tags=["observability"])
    assert message.id == "observability.W201"
    assert "'observability.logs.held.HeldLines'" in str(message.hint)


def rotating(directory: Path, *, hours_ago: float, rotated: int, size: int = 1_000) -> dict[str, dict[str, object]]:
    """LOGGING of one file that rotates, and such files, the first line of which is of that time."""
    first = datetime.now(UTC) - timedelta(hours=hours_ago)
    line = f'{{"timestamp": "{first:%Y-%m-%dT%H:%M:%S.%fZ}", "event": "first"}}'
    for number in range(1, rotated + 1):
        (directory / f"service.jsonl.{number}").write_text(f"{line:<{size - 1}}\n")
    (directory / "service.jsonl").write_text("")
    handler = {"filename": str(directory / "service.jsonl"), "maxBytes": size, "backupCount": 3}
    return {"handlers": {"service": handler}}


@pytest.mark.parametrize(
    ("hours_ago", "rotated", "kept"),
    [(5.5, 3, "5 h 30 min"), (0.5, 3, "30 min"), (3, 1, "12 h 0 min"), (25, 3, None), (7, 1, None), (1, 0, None)],
)
def test_log_that_is_kept_for_less_than_a_day_is_told(
    settings: Settings, tmp_path: Path, hours_ago: float, rotated: int, kept: str | None
) -> None:
    settings.DEBUG = False
    settings.LOGGING = rotating(tmp_path, hours_ago=hours_ago, rotated=rotated)
    messages = [message.msg for message in run_checks(tags=["observability"]) if message.id == "observability.W202"]
    told = f"{tmp_path}/service.jsonl keeps its lines for {kept} at the present rate"
    assert [message.partition(":")[0] for message in messages] == ([] if kept is None else [told])


def test_how_long_a_log_is_kept_is_not_told_in_development(settings: Settings, tmp_path: Path) -> None:
    settings.DEBUG = True
    settings.LOGGING = rotating(tmp_path, hours_ago=1, rotated=3)
    assert [message for message in run_checks(tags=["observability"]) if message.id == "observability.W202"] == []
