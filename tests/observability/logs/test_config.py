"""The layers of logging.yaml."""

import logging
import logging.config
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from observability.logs.config import LayeredLogging, configure, load_logging
from tests.server import ROOT

LAYERS = [["development"], ["test"], ["production"], ["production", "container"], ["production", "syslog"]]
FILE = ROOT / "logging.yaml"


def load(tmp_path: Path, *layers: str, overrides: Path | None = None) -> LayeredLogging:
    variables = {"LOG_DIR": str(tmp_path / "log"), "SERVICE_NAME": "vitrine", "SYSLOG_ADDRESS": "udp://127.0.0.1:514"}
    return load_logging(FILE, layers, variables, overrides)


@pytest.mark.usefixtures("restored_logging")
@pytest.mark.parametrize("layers", LAYERS)
def test_every_combination_of_layers_can_be_configured(tmp_path: Path, layers: list[str]) -> None:
    logging.config.dictConfig(load(tmp_path, *layers))
    assert logging.getLogger("django.request").disabled is False


def test_production_writes_to_files_only(tmp_path: Path) -> None:
    handlers = load(tmp_path, "production")["handlers"]
    assert not [name for name, handler in handlers.items() if handler["class"] == "logging.StreamHandler"]
    assert {Path(handler["filename"]).name for handler in handlers.values() if "filename" in handler} == {
        "service.jsonl", "errors.jsonl", "sql.jsonl", "sentry.jsonl",
    }  # fmt: skip


def test_container_writes_the_same_lines_to_stdout_only(tmp_path: Path) -> None:
    configuration = load(tmp_path, "production", "container")
    assert not [name for name, handler in configuration["handlers"].items() if "filename" in handler]
    assert configuration["handlers"]["stdout"]["formatter"] == "json"
    assert not (tmp_path / "log").exists()


@pytest.mark.parametrize("layers", LAYERS)
def test_every_dotted_name_can_be_imported(tmp_path: Path, layers: list[str]) -> None:
    configuration = load(tmp_path, *layers)
    for section in ("handlers", "formatters", "filters"):
        for entry in configuration.get(section, {}).values():
            import_string(entry.get("class") or entry["()"])


@pytest.mark.usefixtures("restored_logging")
def test_existing_logger_is_not_disabled(tmp_path: Path) -> None:
    early = logging.getLogger("early")
    logging.config.dictConfig(load(tmp_path, "production"))
    assert early.disabled is False


def test_unknown_layer_is_reported_with_the_available_layers(tmp_path: Path) -> None:
    with pytest.raises(
        ImproperlyConfigured,
        match=r"LOGGING_LAYERS has 'prod', which is not a layer of logging.yaml. Available: base, container, dev",
    ):
        load(tmp_path, "prod")


def test_directory_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file")
    with pytest.raises(ImproperlyConfigured, match=r"^LOG_DIR: the directory .*log of handler 'service' \(log.*:\d+\)"):
        load(tmp_path, "production")


def test_log_file_that_is_a_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "log" / "service.jsonl").mkdir(parents=True)
    with pytest.raises(ImproperlyConfigured, match=r"^LOG_DIR: the file .*jsonl of handler 'service' \(log.*:\d+\)"):
        load(tmp_path, "production")


def test_log_file_that_this_user_may_not_write_is_reported() -> None:
    # Other users can read this directory; they cannot read the directories of pytest.
    with TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "log").mkdir()
        (directory / "log" / "service.jsonl").touch(0o444)
        directory.chmod(0o755)
        user = os.getuid()
        if user == 0:
            # os.access() checks the real user, and root may write everything.
            os.setresuid(65_534, -1, -1)
        try:
            with pytest.raises(ImproperlyConfigured, match=r"service\.jsonl .* cannot be written by this user"):
                load(directory, "production")
        finally:
            os.setresuid(user, -1, -1)


def test_each_value_has_its_file_line_and_layer(tmp_path: Path) -> None:
    merged = load(tmp_path, "production", "container").source.merged
    lines = FILE.read_text().splitlines()
    for path, layer, text in (
        (("handlers", "sentry", "level"), "base", "level: ERROR"),
        (("loggers", "django", "level"), "base", "django: {level: INFO,"),
        (("root", "handlers"), "container", "handlers: [observation, buffered, sentry]"),
        (("loggers", "observability.sql", "handlers"), "container", "observability.sql: {handlers: []}"),
    ):
        entry = merged.find(*path)
        assert entry is not None
        assert (entry.origin.file, entry.origin.layer) == ("logging.yaml", layer)
        assert lines[entry.origin.line - 1].strip().startswith(text)


def test_overrides_are_merged_over_all_layers(tmp_path: Path) -> None:
    overrides = tmp_path / "more.yaml"
    overrides.write_text(
        "loggers:\n  service: {level: WARNING}\nhandlers:\n  errors: {filename: '${LOG_DIR}/bad.jsonl'}\n"
    )
    loaded = load(tmp_path, "production", overrides=overrides)
    assert loaded["loggers"]["service"]["level"] == "WARNING"
    assert loaded["handlers"]["errors"]["filename"] == str(tmp_path / "log" / "bad.jsonl")
    level = loaded.source.merged.find("loggers", "service", "level")
    assert level is not None
    assert level.origin == (str(overrides), 2, "overrides")


def test_empty_overrides_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "more.yaml").write_text("# Empty.\n")
    assert load(tmp_path, "production", overrides=tmp_path / "more.yaml") == load(tmp_path, "production")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            None,
            r"LOGGING_OVERRIDES: \S*/more.yaml cannot be read: No such file .* Allowed: the path of a YAML file",
        ),
        (
            b"loggers: [\n",
            r"LOGGING_OVERRIDES: .*/more.yaml:2: cannot be read as YAML: .*",
        ),
        (b"\xff\xfe\xfa", "LOGGING_OVERRIDES: .*/more.yaml cannot be read: it is not UTF-8"),
        (b"- loggers\n", "LOGGING_OVERRIDES: .*/more.yaml:1: layer 'overrides' is not a mapping"),
        (
            b"base: {loggers: {}}\n",
            "more.yaml:1: the layer has the unknown key 'base'.* no layer names",
        ),
        (b"loggers:\n  service: {level: LOUD}\n", "more.yaml:2: logger 'service' has the unknown level 'LOUD'"),
    ],
)
def test_invalid_overrides_are_reported_with_the_reason(tmp_path: Path, written: bytes | None, expected: str) -> None:
    file = tmp_path / "more.yaml"
    if written is not None:
        file.write_bytes(written)
    with pytest.raises(ImproperlyConfigured, match=expected):
        load(tmp_path, "production", overrides=file)


@pytest.mark.usefixtures("restored_logging")
def test_value_that_a_class_rejects_is_reported_with_file_and_line_in_each_layer(tmp_path: Path) -> None:
    overrides = tmp_path / "more.yaml"
    overrides.write_text("handlers:\n  service:\n    backupCount: 3\n    maxBytes: [1]\n")
    loaded = load(tmp_path, "production", overrides=overrides)
    expected = rf"^logging.yaml:\d+, {overrides}:4: Unable to configure handler 'service': maxBytes is"
    with pytest.raises(ImproperlyConfigured, match=expected):
        configure(loaded)


@pytest.mark.usefixtures("restored_logging")
def test_error_in_a_dictionary_without_layers_is_reported_without_file_and_line() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^LOGGING: Unable to configure handler 'a': Cannot resolve"):
        configure({"version": 1, "handlers": {"a": {"class": "no.such"}}})


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "logging.yaml"
    file.write_text("base:\n  version: 1\n  root: {level: LOUD}\n  loggers:\n    django: {handlers: [file]}\n")
    with pytest.raises(ImproperlyConfigured) as refused:
        load_logging(file, [], {})
    assert [line.split(" ")[0] for line in str(refused.value).splitlines()] == ["logging.yaml:5:", "logging.yaml:3:"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("base: [\n", r"logging.yaml:\d: cannot be read as YAML"),
        ("- base", "logging.yaml has no layers"),
        ("", "logging.yaml has no layers"),
        ("development: {}", "has no layer 'base'"),
        ("base: 3", "logging.yaml:1: layer 'base' is not a mapping"),
        (
            "base: {handlers: {a: {filename: '${HOME}/x'}}}",
            r"logging.yaml:1: the variable \$\{HOME\} is not defined. Available: LOG_DIR, SERVICE_NAME",
        ),
    ],
)
def test_invalid_file_is_reported_with_the_reason(tmp_path: Path, written: str, expected: str) -> None:
    file = tmp_path / "logging.yaml"
    file.write_text(written)
    with pytest.raises(ImproperlyConfigured, match=expected):
        load_logging(file, [], {"LOG_DIR": "x", "SERVICE_NAME": "y"})
