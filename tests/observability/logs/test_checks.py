"""The system checks of the logs: unused layers, and buffered records."""

import re
from pathlib import Path

import pytest
from django.core.checks import CheckMessage, run_checks
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


def messages() -> list[CheckMessage]:
    """Return the messages of the checks of the logs (ids E2xx and W2xx)."""
    found = run_checks(tags=["observability"])
    return [message for message in found if re.fullmatch(r"observability\.[EW]2\d\d", str(message.id))]


def messages_of_layers(settings: Settings, tmp_path: Path, layers: str) -> list[str]:
    """Return the ids and texts of the messages if only the layer `base` is in use."""
    file = tmp_path / "logging.yaml"
    file.write_text(BASE + layers)
    settings.LOGGING = load_logging(file, [], {"LOG_DIR": str(tmp_path)})
    return [f"{message.id} {message.msg}" for message in messages()]


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
def test_layer_that_is_correct_over_another_layer_passes(settings: Settings, tmp_path: Path, layers: str) -> None:
    assert messages_of_layers(settings, tmp_path, layers) == []


def test_error_of_an_unused_layer_is_reported_once_with_its_line(settings: Settings, tmp_path: Path) -> None:
    assert messages_of_layers(settings, tmp_path, "quiet:\n  root: {handlers: [fiel]}\nother: {}\n") == [
        "observability.E201 logging.yaml:12: the root logger references handler 'fiel', which is not defined."
    ]


def test_layer_that_removes_a_used_handler_of_base_is_reported(settings: Settings, tmp_path: Path) -> None:
    (only,) = messages_of_layers(settings, tmp_path, "quiet:\n  handlers:\n    file: null\n")
    assert only.startswith("observability.E201 logging.yaml:6: the root logger references handler 'file', which layer")
    assert only.endswith("'quiet' removes in logging.yaml:13.")


def test_unknown_variable_of_an_unused_layer_is_reported(settings: Settings, tmp_path: Path) -> None:
    assert messages_of_layers(settings, tmp_path, "quiet:\n  handlers: {file: {filename: '${LOGDIR}/x'}}\n") == [
        "observability.E206 logging.yaml:12: the variable ${LOGDIR} is not defined. Available: LOG_DIR."
    ]


def test_dictionary_without_layers_passes(settings: Settings) -> None:
    settings.LOGGING = {"version": 1}
    assert messages() == []


def test_buffering_handler_without_its_reader_is_reported(settings: Settings) -> None:
    settings.LOGGING = {
        "version": 1,
        "handlers": {"buffered": {"class": "observability.logs.buffering.BufferingHandler"}},
    }
    assert messages() == []
    settings.OBSERVABILITY = {"READERS": ["observability.logs.access_log.AccessLogReader"]}
    (message,) = messages()
    assert message.id == "observability.W201"
    assert "'observability.logs.buffering.BufferedRecordsReader'" in str(message.hint)
