"""manage.py logging, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

from tests.sentry_sink import sentry_sink
from tests.server import ROOT, production_environment

LOSING = "tests.observability.logs.effective.test_probe.LosingHandler"
MISTAKE = "loggers:\n  django.request:\n    level: DEBGU\n"


def manage(directory: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    environment = production_environment(directory, **variables)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def columns(line: str) -> list[str]:
    """What stands in a line with two spaces or more between it."""
    return [part.strip() for part in line.split("  ") if part.strip()]


def line_of(text: str) -> int:
    """The number of the line of logging.yaml that begins with a text."""
    (number,) = [
        n for n, line in enumerate((ROOT / "logging.yaml").read_text().splitlines(), 1) if line.strip() == text
    ]
    return number


def test_tree_tells_of_each_logger_with_the_line_of_its_level(tmp_path: Path) -> None:
    completed = manage(tmp_path, "logging")
    (line,) = [line for line in completed.stdout.splitlines() if line.strip().startswith("django.request ")]
    number = line_of("django.request: {level: INFO, handlers: [], propagate: true}")
    assert columns(line) == ["django.request", "INFO, to root", f"logging.yaml:{number} base"]
    assert completed.stderr == ""


def test_logger_without_an_entry_tells_what_it_inherits_and_reaches(tmp_path: Path) -> None:
    lines = [columns(line) for line in manage(tmp_path, "logging", "django.request.of.mine").stdout.splitlines()]
    number = line_of("handlers: [observation, held, errors, sentry]")
    level = line_of("django.request: {level: INFO, handlers: [], propagate: true}")
    assert ["django.request.of.mine", "INFO, inherited from django.request", f"logging.yaml:{level} base"] in lines
    assert ["to errors", "from ERROR, handler of root", f"logging.yaml:{number} base"] in lines
    assert ["sql", "observability.logs.handlers.SharedRotatingFileHandler"] not in [line[:2] for line in lines]


def test_overrides_show_as_a_layer(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("loggers:\n  service: {level: DEBUG}\n")
    written = manage(tmp_path, "logging", LOGGING_OVERRIDES=str(tmp_path / "more.yaml")).stdout
    lines = [columns(line) for line in written.splitlines()]
    assert ["service", "DEBUG, to root", "more.yaml:2 overrides"] in lines
    assert ["overrides", str(tmp_path / "more.yaml")] in lines


def test_lines_fit_into_a_terminal(tmp_path: Path) -> None:
    lines = manage(tmp_path, "logging", LOGGING_LAYERS="development").stdout.splitlines()
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 120


def test_json_is_one_document_and_nothing_else(tmp_path: Path) -> None:
    told = json.loads(manage(tmp_path, "logging", "--json", LOGGING_LAYERS="production,container").stdout)
    assert told["loggers"]["root"]["handlers"]["origin"]["layer"] == "container"
    assert told["handlers"]["stdout"]["values"]["stream"]["value"] == "<stderr>"
    assert told["probe"] is None


def test_probe_tells_the_files_in_which_its_records_are(tmp_path: Path) -> None:
    completed = manage(tmp_path, "logging", "--json", "--probe", "observability.sql")
    sent = json.loads(completed.stdout)["probe"]
    arrivals = {each["handler"]: each for each in sent["arrivals"]}
    assert arrivals["sql"]["file"] == str(tmp_path / "log" / "sql.jsonl")
    assert arrivals["sql"]["outcomes"] == dict.fromkeys(("WARNING", "ERROR", "CRITICAL"), "written")
    assert arrivals["errors"]["outcomes"] == dict.fromkeys(("ERROR", "CRITICAL"), "written")
    lines = [json.loads(line) for line in (tmp_path / "log" / "errors.jsonl").read_text().splitlines()]
    assert [line["probe_id"] for line in lines] == [f"{sent['probe_id']}-ERROR", f"{sent['probe_id']}-CRITICAL"]
    assert completed.returncode == 0


def test_probe_reports_nothing_to_sentry_and_says_so(tmp_path: Path) -> None:
    with sentry_sink() as sink:
        written = manage(tmp_path, "logging", "--probe", "service", SENTRY_DSN=sink.dsn).stdout
        assert sink.events == []
    (line,) = [line for line in written.splitlines() if line.startswith("sentry ")]
    assert columns(line)[-2:] == ["would report", "would report"]


def test_record_that_a_handler_lost_ends_the_command_with_1(tmp_path: Path) -> None:
    losing = f"handlers: {{service: {{class: {LOSING}, maxBytes: null, backupCount: null}}}}\n"
    (tmp_path / "more.yaml").write_text(losing)
    completed = manage(tmp_path, "logging", "--probe", "service", LOGGING_OVERRIDES=str(tmp_path / "more.yaml"))
    assert completed.returncode == 1
    assert completed.stderr.startswith("CommandError: Records were lost by service")


def test_mistake_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text(MISTAKE)
    completed = manage(tmp_path, "logging", LOGGING_OVERRIDES=str(tmp_path / "more.yaml"))
    expected = f"manage.py: {tmp_path}/more.yaml:3: the logger 'django.request' has the unknown level 'DEBGU'."
    assert (completed.returncode, completed.stdout) == (1, "")
    assert completed.stderr == f"{expected} Did you mean 'DEBUG'?\n"
