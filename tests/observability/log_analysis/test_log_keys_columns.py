"""Extra keys of the lines as columns."""

from pathlib import Path

import pytest

from observability.log_analysis.columns import Columns
from observability.log_analysis.log_files import find_logs
from observability.log_analysis.log_keys import SAMPLE, add_named_columns, add_sampled_columns
from observability.log_analysis.snapshot import open_logs
from tests.observability.log_analysis.records import record, write


def named(directory: Path, *names: str) -> dict[str, str]:
    columns = Columns()
    with open_logs(find_logs([directory])) as (logs, _):
        add_named_columns(columns, logs, names)
    return {name: column.type for name, column in columns.extra.items()}


def sampled(directory: Path) -> dict[str, str]:
    columns = Columns()
    with open_logs(find_logs([directory])) as (logs, _):
        add_sampled_columns(columns, logs)
    return {name: column.type for name, column in columns.extra.items()}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["acme"], "VARCHAR"),
        ([1], "DOUBLE"),
        ([1, 2.5, None], "DOUBLE"),
        ([True], "BOOLEAN"),
        ([True, 1], "VARCHAR"),
        ([1, "acme"], "VARCHAR"),
        ([[1], {"a": 1}], "JSON"),
        ([[1], "acme"], "VARCHAR"),
    ],
)
def test_type_of_a_column_follows_from_its_values(log_dir: Path, values: list[object], kind: str) -> None:
    write(log_dir, *(record(tenant=value) for value in values))
    assert named(log_dir, "tenant") == {"tenant": kind}
    assert sampled(log_dir) == {"tenant": kind}


def test_unknown_key_does_not_become_a_column(log_dir: Path) -> None:
    write(log_dir, record(tenant=None, event="tenant", nested={"tenant": 1}))
    assert named(log_dir, "tenant") == {}


def test_key_is_found_in_the_oldest_file_of_any_log(log_dir: Path) -> None:
    write(log_dir, record(tenant="acme"), name="service.jsonl.7")
    write(log_dir, *(record() for _ in range(3 * SAMPLE)))
    write(log_dir, record(branch=1, level="error"), name="errors.jsonl")
    assert named(log_dir, "tenant", "branch") == {"tenant": "VARCHAR", "branch": "DOUBLE"}


def test_sample_has_the_keys_of_the_first_and_the_last_lines(log_dir: Path) -> None:
    write(log_dir, record(first=1), name="service.jsonl.1")
    write(log_dir, *(record() for _ in range(3 * SAMPLE)), record(last=1))
    assert sampled(log_dir) == {"first": "DOUBLE", "last": "DOUBLE"}


@pytest.mark.parametrize("line", ['{"timestamp":"x","Łódź":1}', '{"timestamp":"x","\\u0141\\u00f3d\\u017a":1}'])
def test_key_is_found_if_its_characters_are_escaped(log_dir: Path, line: str) -> None:
    write(log_dir, line)
    assert named(log_dir, "Łódź") == {"Łódź": "DOUBLE"}


def test_existing_column_is_not_changed(log_dir: Path) -> None:
    write(log_dir, record(status="mine"))
    assert named(log_dir, "status", "http.route", "requests") == {}
