"""The reference of the commands has each file of `bin/`, each manage.py command of the layer, and all of their options.

Those of the service are tested in `tests/template`, so that a service can be replaced without a change here.
"""

import argparse
import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from observability.log_analysis.cli import REPORTS
from tests.server import ROOT

PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text()
BIN = ROOT / "bin"
SECTIONS = dict(
    re.findall(r"^###+ `([^`]*)`\n((?:(?!##).*\n)*)", PAGE.partition("\n## Manage: the service\n")[0], re.M)
)


def is_documented_together(path: Path) -> bool:
    """Return whether the file is not a command: the page has a table of these."""
    return path.suffix != "" or not os.access(path, os.X_OK)


def files_of_bin() -> list[Path]:
    return sorted(path for path in BIN.iterdir() if path.is_file())


def layer_commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Return the parser of each command of the layer; of one with subcommands, the parsers of these."""
    for name, app in get_commands().items():
        if app.startswith("observability"):
            command = load_command_class(app, name)
            parser = command.create_parser("manage.py", name)
            groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
            subparsers = [(f"{name} {word}", each) for group in groups for word, each in group.choices.items()]
            if not any(group.required for group in groups):
                yield name, parser
            yield from subparsers


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Return the long options that Django does not give to every command."""
    common = {"--help", *BaseCommand().create_parser("manage.py", "any")._option_string_actions}
    return {option for option in parser._option_string_actions if option.startswith("--")} - common


def options_in_table(section: str) -> set[str]:
    """Return the long options in the first column of the table."""
    return {option for cell in re.findall(r"^\| (.*?) \|", section, re.MULTILINE) for option in words(cell)}


def words(text: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", text))


def options_in_source(path: Path) -> set[str]:
    """Return the long options that a program adds to its argparse parser."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    adding = [call for call in calls if ast.unparse(call.func).endswith(".add_argument")]
    names = [str(each.value) for call in adding for each in call.args if isinstance(each, ast.Constant)]
    return {name for name in names if name.startswith("--")}


def test_page_has_each_file_of_bin_and_no_other() -> None:
    commands = {f"bin/{path.name}" for path in files_of_bin() if not is_documented_together(path)}
    assert {name for name in SECTIONS if name.startswith("bin/")} == commands
    table = PAGE.partition("### Files behind the commands\n")[2].partition("\n###")[0].partition("\n\n`")[0]
    others = {f"bin/{path.name}" for path in files_of_bin() if is_documented_together(path)}
    assert set(first_columns(table)) == others


def first_columns(table: str) -> list[str]:
    cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(.*?)`", cell)]


@pytest.mark.parametrize("name", ["run", "check", "lock", "screenshots", "sentry"])
def test_page_has_the_options_of_the_usage_of_a_script(name: str) -> None:
    usage = re.search(r"^usage='usage: (.*)$", (BIN / name).read_text(), re.MULTILINE)
    assert usage
    assert options_in_table(SECTIONS[f"bin/{name}"]) == words(usage[1])


def test_page_has_the_options_of_bin_test() -> None:
    assert options_in_table(SECTIONS["bin/test"]) == options_in_source(BIN / "run_tests.py") | {"--help"}


def test_page_has_the_options_of_environment_py() -> None:
    text = PAGE.partition("`bin/environment.py` installs")[2].partition("\n## ")[0]
    assert options_in_table(text) == options_in_source(BIN / "environment.py")


def test_page_has_each_benchmark_with_its_options() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", SECTIONS["bin/bench"], re.MULTILINE))
    modules = [path for path in (ROOT / "benchmarks").glob("[!_]*.py") if "\ndef main(" in path.read_text()]
    for path in modules:
        assert words(rows[path.stem]) == options_in_source(path), path.stem


def test_page_has_each_manage_command_and_no_other() -> None:
    documented = {name.removeprefix("manage.py ") for name in SECTIONS if name.startswith("manage.py ")}
    assert documented == {name for name, _ in layer_commands()}


@pytest.mark.parametrize("name", sorted(name for name in SECTIONS if name.startswith("manage.py ")))
def test_page_has_the_options_of_a_manage_command(name: str) -> None:
    section = SECTIONS[name]
    listed = re.search(r"^Options: (.*)$", section, re.MULTILINE)
    documented = words(listed[1]) if listed else options_in_table(section)
    assert documented == options_of(dict(layer_commands())[name.removeprefix("manage.py ")])


def test_options_of_logs_are_explained_once() -> None:
    parsers = [parser for name, parser in layer_commands() if name.split()[0] == "logs"]
    assert options_in_table(SECTIONS["manage.py logs"]) == set().union(*map(options_of, parsers))


@pytest.mark.parametrize("name", REPORTS)
def test_page_has_the_orders_of_a_report(name: str) -> None:
    orders = re.search(r"^Orders: (.*)\.$", SECTIONS[f"manage.py logs {name}"], re.MULTILINE)
    assert orders
    assert re.findall(r"`(\w+)`", orders[1]) == list(REPORTS[name].orders)
