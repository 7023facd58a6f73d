"""The pytest reference lists every option, ini key, marker and fixture of our plugins and conftests, and no other."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import ROOT

PAGE = (ROOT / "docs" / "reference" / "pytest.md").read_text()
PLUGINS = ("observability.budgets.plugin", "tests.plugin")

OPTION = r"^  (--[a-z-]+)"
INI_KEY = r"^  ([a-z_]+) \([a-z]+\):"
MARKER = r"^@pytest\.mark\.(\w+)"
FIXTURE = r"^(\w+)(?: \[\w+ scope\])? -- "


def names_in_tables(header: str) -> list[str]:
    """Return the names in backticks in the first column of all tables whose first column has this header."""
    tables = re.findall(rf"^\| {header} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert tables, f"no table has the column {header!r}"
    cells = [row.split("|")[1] for table in tables for row in table.splitlines()]
    return [name for cell in cells for name in re.findall(r"`([\w-]+)[^`]*`", cell)]


def ask_pytest(directory: Path, question: str, *plugins: str) -> str:
    """Return what pytest prints about itself in an empty directory."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    loaded = [argument for plugin in plugins for argument in ("-p", plugin)]
    completed = subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, question],
        cwd=directory,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "settings.test", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return completed.stdout


def added_by_plugins(directory: Path, question: str, *patterns: str) -> list[list[str]]:
    """Return for each pattern the names that pytest prints only if our plugins are loaded."""
    without, loaded = (ask_pytest(directory, question, *plugins) for plugins in ((), PLUGINS))
    return [sorted(names(pattern, loaded) - names(pattern, without)) for pattern in patterns]


def names(pattern: str, text: str) -> set[str]:
    return set(re.findall(pattern, text, re.MULTILINE))


def conftest_fixtures() -> Iterator[tuple[str, str]]:
    """Yield the name of each fixture of a conftest.py, and the file that defines it, relative to the repository."""
    for conftest in [ROOT / "conftest.py", *(ROOT / "tests").rglob("conftest.py")]:
        yield from fixtures_in(conftest)
        # `from … import name as name` makes a fixture of another module one of this directory.
        for module, name in re.findall(r"^from ([\w.]+) import (\w+) as \2$", conftest.read_text(), re.MULTILINE):
            yield from fixtures_in(ROOT / f"{module.replace('.', '/')}.py", name)


def fixtures_in(file: Path, function: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield name and file of the fixtures that a file defines, or of the one that this function defines."""
    for statement in ast.parse(file.read_text()).body:
        if isinstance(statement, ast.FunctionDef) and function in (None, statement.name):
            for decorator in map(ast.unparse, statement.decorator_list):
                if decorator.startswith("pytest.fixture"):
                    named = re.search(r"name='(\w+)'", decorator)
                    yield named[1] if named else statement.name, str(file.relative_to(ROOT))


def test_all_options_and_ini_keys_are_listed(tmp_path: Path) -> None:
    options, keys = added_by_plugins(tmp_path, "--help", OPTION, INI_KEY)
    assert sorted(names_in_tables("option")) == options
    assert sorted(names_in_tables("key")) == keys


def test_all_markers_are_listed(tmp_path: Path) -> None:
    (markers,) = added_by_plugins(tmp_path, "--markers", MARKER)
    assert sorted(names_in_tables("marker")) == markers


def test_all_fixtures_are_listed(tmp_path: Path) -> None:
    (of_plugins,) = added_by_plugins(tmp_path, "--fixtures", FIXTURE)
    assert sorted(names_in_tables("fixture")) == sorted({*of_plugins, *(name for name, _ in conftest_fixtures())})


def test_file_of_each_conftest_fixture_is_named() -> None:
    rows = [row.split("|") for row in PAGE.splitlines() if row.count("|") == 4]
    listed = {(name, row[2].strip(" `")) for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    assert set(conftest_fixtures()) <= listed


@pytest.mark.parametrize(
    ("fixture", "function"),
    [
        ("django_assert_constant_queries", "assert_constant_queries"),
        ("django_assert_query_budget", "assert_query_budget"),
    ],
)
def test_arguments_of_a_fixture_are_listed(fixture: str, function: str) -> None:
    source = (ROOT / "observability" / "budgets" / "fixtures.py").read_text()
    functions = [each for each in ast.walk(ast.parse(source)) if isinstance(each, ast.FunctionDef)]
    (arguments,) = [[each.arg for each in found.args.args] for found in functions if found.name == function]
    shown = re.search(rf"^`{fixture}\((.*)\)`$", PAGE, re.MULTILINE)
    assert shown is not None
    assert re.findall(r"(?:^|, )([a-z]+)", shown[1]) == arguments
    assert set(arguments) <= set(names_in_tables("argument"))
