"""docs/reference/log-files.md lists every file in LOG_DIR, with the values of logging.yaml and of the handler."""

import json
import logging
import os
import re
import stat
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from observability.logs.config import load_logging
from observability.logs.handlers import MAX_LINE_BYTES, SharedRotatingFileHandler
from tests.server import ROOT, production_environment
from tests.serving.warm_python import WarmPython

PAGE = (ROOT / "docs" / "reference" / "log-files.md").read_text()
LAYERS = {"development": "settings.development", "production": "settings.production"}


class FileRow(NamedTuple):
    """A row of the table of log files."""

    file: str
    handler: str
    logger: str
    level: str
    max_bytes: int
    backup_count: int
    at_most: str


def table(heading: str, columns: str) -> list[list[str]]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = section.partition(columns)[2].partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in row.strip("|").split(" | ")] for row in rows]


FILE_ROWS = [
    FileRow(file, handler, logger, level, int(max_bytes), int(backup_count), at_most)
    for file, handler, logger, level, max_bytes, backup_count, at_most, _ in table("Files", "| file | handler | logger")
]


def effective_configuration(python: WarmPython, settings: str, directory: Path) -> dict[str, Any]:
    """Return the document of `manage.py logging --json` under these settings."""
    environment = production_environment(directory, DJANGO_SETTINGS_MODULE=settings)
    completed = python.run("manage.py", "logging", "--json", env=environment)
    assert completed.returncode == 0, completed.stderr
    document: dict[str, Any] = json.loads(completed.stdout)
    return document


@pytest.mark.slow
@pytest.mark.parametrize("settings", LAYERS.values(), ids=LAYERS)
def test_page_lists_the_files_of_these_settings(python: WarmPython, tmp_path: Path, settings: str) -> None:
    configured = effective_configuration(python, settings, tmp_path)
    files: dict[str, tuple[Path, int, int]] = {}
    for name, handler in configured["handlers"].items():
        values = {key: value["value"] for key, value in handler["values"].items()}
        if "filename" in values:
            files[name] = (Path(values["filename"]), values["maxBytes"], values["backupCount"])
    assert files == {
        row.handler: (tmp_path / "log" / row.file, row.max_bytes, row.backup_count) for row in FILE_ROWS
    }  # fmt: skip


@pytest.mark.slow
def test_page_names_the_logger_and_the_level_of_each_file(python: WarmPython, tmp_path: Path) -> None:
    configured = effective_configuration(python, "settings.production", tmp_path)
    for row in FILE_ROWS:
        receivers = configured["loggers"][row.logger]["receivers"]
        handlers = {row.handler, *(
            name for name, handler in configured["handlers"].items() if row.handler in handler["passes_on_to"]
        )}  # fmt: skip
        assert [each["level"] for each in receivers if each["handler"] in handlers] == [row.level]


@pytest.mark.parametrize("row", FILE_ROWS, ids=[row.file for row in FILE_ROWS])
def test_size_of_each_log_is_that_of_all_its_files(row: FileRow) -> None:
    assert row.at_most == f"{row.max_bytes * (row.backup_count + 1) // 10**6} MB"


def test_layers_write_files_as_the_page_says(tmp_path: Path) -> None:
    variables = {"LOG_DIR": str(tmp_path), "SERVICE_NAME": "vitrine", "SYSLOG_ADDRESS": "unix:/dev/log"}

    def files(*layers: str) -> set[str]:
        configured = load_logging(ROOT / "logging.yaml", layers, variables)
        return {Path(each["filename"]).name for each in configured["handlers"].values() if "filename" in each}

    assert (
        files("production") == files("development") == files("production", "syslog") == {row.file for row in FILE_ROWS}
    )
    assert files("test") == files("production", "container") == set()


def test_rotation_makes_only_the_listed_files_with_the_listed_modes(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        handler = SharedRotatingFileHandler(tmp_path / "service.jsonl", maxBytes=100, backupCount=2)
        for number in range(20):
            handler.handle(logging.makeLogRecord({"msg": f"a line with the number {number}"}))
        handler.close()
    finally:
        os.umask(umask)
    modes = {file.name: f"{stat.S_IMODE(file.stat().st_mode):04o}" for file in tmp_path.iterdir()}
    listed = {name for row in table("Files", "| file | written by") for name in re.findall(r"[\w.]+", row[0])}
    assert modes.keys() - {"service.jsonl"} == {"service.jsonl.1", "service.jsonl.2", "service.jsonl.lock"}
    assert listed == {"service.jsonl.1", ".2", "service.jsonl.lock"}
    documented = {what: mode.partition(",")[0] for what, mode in table("Permissions", "| what | mode |")}
    assert set(modes.values()) == {documented["a log file"]} == {documented["a lock file"]}


def test_page_on_keys_has_the_maximum_length_of_a_line() -> None:
    assert f"{MAX_LINE_BYTES:,} bytes" in (ROOT / "docs" / "reference" / "log-keys.md").read_text()
