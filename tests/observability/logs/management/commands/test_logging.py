"""`manage.py logging`: its output for a configuration, and the command in a process."""

import json
import logging.config
import sys
from io import StringIO
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from observability.logs.config import load_logging
from tests.observability.logs.processes import run_python
from tests.sentry_sink import sentry_sink
from tests.server import ROOT, own_environment

LOSING = "tests.observability.logs.test_logging_probe.LosingHandler"


class Output(Protocol):
    def __call__(self, *arguments: str, layers: tuple[str, ...] = ..., overrides: str = ...) -> str: ...


@pytest.fixture
def configure_and_run(settings: Settings, tmp_path: Path, restored_logging: None) -> Output:
    """Return a function that configures layers and overrides (in `more.yaml`) and returns the output of the command."""

    def show(*arguments: str, layers: tuple[str, ...] = ("production",), overrides: str = "") -> str:
        variables = {"LOG_DIR": str(tmp_path / "log"), "SERVICE_NAME": "probe", "SYSLOG_ADDRESS": "unix:/dev/log"}
        file = tmp_path / "more.yaml"
        file.write_text(overrides)
        settings.LOGGING = load_logging(ROOT / "logging.yaml", layers, variables, file if overrides else None)
        logging.config.dictConfig(settings.LOGGING)
        output = StringIO()
        call_command("logging", *arguments, stdout=output)
        return output.getvalue()

    return show


def columns(line: str) -> list[str]:
    """Return the parts of a line that are separated by two spaces or more."""
    return [part.strip() for part in line.split("  ") if part.strip()]


def line_of(text: str) -> int:
    """Return the number of the line of logging.yaml with this text."""
    (number,) = [
        n for n, line in enumerate((ROOT / "logging.yaml").read_text().splitlines(), 1) if line.strip() == text
    ]
    return number


def test_tree_has_each_logger_with_the_line_of_its_level(configure_and_run: Output) -> None:
    (line,) = [line for line in configure_and_run().splitlines() if line.strip().startswith("django.request ")]
    number = line_of("django.request: {level: INFO, handlers: [], propagate: true}")
    assert columns(line) == ["django.request", "INFO, to root", f"logging.yaml:{number} base"]


def test_logger_without_an_entry_shows_inherited_values_and_its_handlers(configure_and_run: Output) -> None:
    lines = [columns(line) for line in configure_and_run("django.request.of.mine").splitlines()]
    number = line_of("handlers: [observation, buffered, errors, sentry]")
    level = line_of("django.request: {level: INFO, handlers: [], propagate: true}")
    assert ["django.request.of.mine", "INFO, inherited from django.request", f"logging.yaml:{level} base"] in lines
    assert ["to errors", "ERROR and above, handler of root", f"logging.yaml:{number} base"] in lines
    assert ["sql", "observability.logs.handlers.SharedRotatingFileHandler"] not in [line[:2] for line in lines]


def test_overrides_are_listed_as_a_layer(configure_and_run: Output, tmp_path: Path) -> None:
    written = configure_and_run(overrides="loggers:\n  django.request: {level: DEBUG}\n")
    lines = [columns(line) for line in written.splitlines()]
    assert ["django.request", "DEBUG, to root", "more.yaml:2 overrides"] in lines
    assert ["overrides", str(tmp_path / "more.yaml")] in lines


def test_json_output_is_a_single_document(configure_and_run: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    # The process looks like a process of the command. The streams of pytest have no name.
    monkeypatch.setattr("sys.argv", ["manage.py", "logging"])
    monkeypatch.setattr("sys.stderr", sys.__stderr__)
    document = json.loads(configure_and_run("--json", layers=("production", "container")))
    assert document["loggers"]["root"]["handlers"]["origin"]["layer"] == "container"
    assert document["handlers"]["stdout"]["values"]["stream"]["value"] == "<stderr>"
    assert document["probe"] is None


def test_probe_shows_the_files_that_contain_its_records(configure_and_run: Output, tmp_path: Path) -> None:
    sent = json.loads(configure_and_run("--json", "--probe", "observability.sql"))["probe"]
    arrivals: dict[str, Any] = {each["handler"]: each for each in sent["arrivals"]}
    assert arrivals["sql"]["file"] == str(tmp_path / "log" / "sql.jsonl")
    assert arrivals["sql"]["outcomes"] == dict.fromkeys(("WARNING", "ERROR", "CRITICAL"), "written")
    assert arrivals["errors"]["outcomes"] == dict.fromkeys(("ERROR", "CRITICAL"), "written")
    lines = [json.loads(line) for line in (tmp_path / "log" / "errors.jsonl").read_text().splitlines()]
    assert [line["probe_id"] for line in lines] == [f"{sent['probe_id']}-ERROR", f"{sent['probe_id']}-CRITICAL"]


def test_lost_record_is_an_error_of_the_command(configure_and_run: Output) -> None:
    losing = f"handlers: {{service: {{class: {LOSING}, maxBytes: null, backupCount: null}}}}\n"
    with pytest.raises(CommandError, match=r"^Handlers that lost records: service"):
        configure_and_run("--probe", "probe", overrides=losing)


@pytest.mark.slow
def test_probe_is_not_sent_to_sentry_and_the_output_says_so(tmp_path: Path) -> None:
    with sentry_sink() as sink:
        environment = own_environment(tmp_path, SENTRY_DSN=sink.dsn)
        completed = run_python("manage.py", "logging", "--probe", "probe", environment=environment)
        assert sink.events == []
    (line,) = [line for line in completed.stdout.splitlines() if line.startswith("sentry ")]
    assert columns(line)[-2:] == ["would report", "would report"]
    assert (completed.returncode, completed.stderr) == (0, "")


@pytest.mark.slow
def test_lines_fit_the_terminal(tmp_path: Path) -> None:
    """The command runs in a new process, because this process has the loggers of other tests."""
    environment = own_environment(tmp_path, LOGGING_LAYERS="development")
    lines = run_python("manage.py", "logging", environment=environment).stdout.splitlines()
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 120


def test_configuration_error_is_one_line_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("loggers:\n  django.request:\n    level: DEBGU\n")
    environment = own_environment(tmp_path, LOGGING_OVERRIDES=str(tmp_path / "more.yaml"))
    completed = run_python("manage.py", "logging", environment=environment)
    expected = f"manage.py: {tmp_path}/more.yaml:3: logger 'django.request' has the unknown level 'DEBGU'."
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr == f"{expected} Did you mean 'DEBUG'?\n"
