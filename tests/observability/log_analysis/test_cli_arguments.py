"""The arguments of `logs`."""

import argparse
from pathlib import Path
from typing import Any

import pytest

from observability.log_analysis.cli import REPORTS, add_arguments


def parsed(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_arguments(parser, "logs")
    return vars(parser.parse_args(arguments))


def test_default_is_to_follow() -> None:
    options = parsed()
    assert (options["subcommand"], options["line_count"], options["no_follow"]) == (None, None, False)


@pytest.mark.parametrize("name", REPORTS)
def test_report_has_an_order_and_a_limit(name: str) -> None:
    options = parsed(name)
    assert options["by"] in REPORTS[name].orders
    assert options["limit"] == 20


@pytest.mark.parametrize("place", ["before", "after"])
def test_common_options_may_precede_or_follow_the_subcommand(place: str) -> None:
    common = ["--in", "a", "--in", "b", "--since", "1h", "--where", "status = 1", "--column", "time=ts", "--json"]
    options = parsed(*common, "top") if place == "before" else parsed("top", *common)
    assert (options["paths"], options["since"], options["where"]) == ([Path("a"), Path("b")], "1h", "status = 1")
    assert (options["columns"], options["as_json"]) == (["time=ts"], True)


@pytest.mark.parametrize("per", [["user_id"], ["user_id", "status"]])
def test_per_may_be_repeated(per: list[str]) -> None:
    assert parsed("top", *(part for name in per for part in ("--per", name)))["per"] == per


@pytest.mark.parametrize(
    ("written", "size"), [("500", 500), ("5GB", 5 * 10**9), ("20MB", 20 * 10**6), ("1kB", 1_000), ("1KB", 1_000)]
)
def test_size_has_a_unit(written: str, size: int) -> None:
    assert parsed("prune", "--max-size", written)["max_bytes"] == size


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["top", "--by", "nothing"],
        ["top", "--limit", "-1"],
        ["top", "--limit", "many"],
        ["--lines", "9999999999"],
        ["--level", "loud"],
        ["request"],
        ["sql", "select 1", "--csv", "--parquet", "x"],
        ["prune", "--max-size", "5 GB"],
    ],
)
def test_invalid_arguments_are_usage_errors(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(*arguments)
    assert "error:" in capsys.readouterr().err


def test_level_ignores_case() -> None:
    assert parsed("--level", "ERROR")["level"] == "error"


def test_sql_prints_100_rows_by_default() -> None:
    assert parsed("sql", "select 1")["limit"] == 100
