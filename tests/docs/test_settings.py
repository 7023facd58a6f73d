"""The reference of the settings has all variables and keys that the code reads, with the defaults of the code."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import global_settings

from observability.conf import KEYS, Configuration, find_wrong_values
from tests.server import ROOT
from tests.serving.warm_python import WarmPython

PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text()
VARIABLES, _, KEYS_OF_OBSERVABILITY = PAGE.partition("\n## OBSERVABILITY\n")

# Required variables of production, so that its settings can be loaded.
REQUIRED = {"SECRET_KEY": "abcdefghijklmnopqrstuvwxyz-abcdefghijklmnopqrstuvwxyz", "ALLOWED_HOSTS": "example.com"}
# Prints the default of each variable that a settings module reads. None: the variable is required.
RECORD_DEFAULTS = """
import importlib, json, sys
from settings import environment
defaults = {}
def record(function):
    def read(name, *arguments, **options):
        defaults[name] = options.get("default")
        return function(name, *arguments, **options)
    return read
for name in ("text", "secret", "number", "flag", "names", "database"):
    setattr(environment, name, record(getattr(environment, name)))
importlib.import_module(sys.argv[1])
print(json.dumps(defaults))
"""


class Entry(str):
    """The text of a variable or key, from one heading to the next."""

    def value(self, name: str) -> str:
        """Return the text after `- Default:` or another name, with its second line if it has one."""
        found = re.search(rf"^- {name}: (.*(?:\n  .*)*)", self, re.MULTILINE)
        assert found, f"{self.splitlines()[0]} has no line '- {name}: …'"
        return " ".join(found[1].split())


def entries(text: str) -> dict[str, Entry]:
    """Return the entries by the name in backticks in their headings."""
    found = re.findall(r"^### (`(\w+)`.*\n(?:(?!##).*\n)*)", text, re.MULTILINE)
    assert len({name for _, name in found}) == len(found), "a name has two entries"
    return {name: Entry(entry) for entry, name in found}


@cache
def source_files() -> tuple[Path, ...]:
    places = ("settings/*.py", "bin/*.py", "observability/**/*.py", "manage.py", "tests/chromium.py")
    return tuple(path for place in places for path in ROOT.glob(place))


def variables_in_python(path: Path) -> Iterator[str]:
    """Find `environment.text("NAME", …)`, `database("NAME", …)`, and what reads `os.environ`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            found = node.slice
        elif isinstance(node, ast.Call) and node.args and is_reader(ast.unparse(node.func)):
            found = node.args[0]
        else:
            continue
        if isinstance(found, ast.Constant) and re.fullmatch("[A-Z_]+", str(found.value)):
            yield str(found.value)


def is_reader(function: str) -> bool:
    return function.startswith(("environment.", "os.environ.")) or function == "database"


def variables_in_shell(path: Path) -> set[str]:
    """Find `${NAME-…}`, `${NAME:-…}` and `${NAME:+…}`: variables that may not be set."""
    return set(re.findall(r"\$\{([A-Z_]+):?[-+]", path.read_text()))


def test_page_has_each_variable_that_the_code_reads_and_no_other() -> None:
    read = {name for path in source_files() for name in variables_in_python(path)}
    for path in (ROOT / "bin").iterdir():
        if path.is_file() and path.suffix in ("", ".sh"):
            read |= variables_in_shell(path)
    # `bin/test --all` finds their names in a table.
    read |= set(re.findall(r'\("([A-Z]+_URL)", ', (ROOT / "bin" / "run_tests.py").read_text()))
    assert {"SECRET_KEY", "PYTHON", "NO_COLOR", "POSTGRESQL_URL"} <= read
    # It is removed for the tests, whatever its value.
    assert set(entries(VARIABLES)) == read - {"PYTHONDONTWRITEBYTECODE"}


def defaults_of(python: WarmPython, directory: Path, module: str) -> dict[str, Any]:
    required = {} if module == "settings.development" else REQUIRED
    completed = python.run("-c", RECORD_DEFAULTS, module, env=required | {"RELEASE": "1"}, cwd=directory)
    assert completed.returncode == 0, completed.stderr
    found: dict[str, Any] = json.loads(completed.stdout)
    return found


@pytest.mark.parametrize(
    "module", ["settings.development", "settings.production", "settings.gunicorn", "settings.test"]
)
def test_defaults_of_the_page_are_those_of_the_settings(python: WarmPython, module: str) -> None:
    page = entries(VARIABLES)
    for name, default in defaults_of(python, ROOT, module).items():
        if name not in ("RELEASE", "WEB_CONCURRENCY"):  # They depend on the machine.
            assert spell(default) in page[name].value("Default"), name


def spell(default: object) -> str:
    """Write a default as the page does."""
    if default is None:
        return "production: required"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        default = ",".join(default)
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    return f"`{str(default).replace(f'{ROOT}/', '')}`" if default != "" else "none"


def test_page_has_each_key_of_observability_and_no_other() -> None:
    assert set(entries(KEYS_OF_OBSERVABILITY)) == KEYS


@pytest.mark.parametrize("field", fields(Configuration), ids=lambda field: field.name)
def test_key_of_observability_has_the_default_and_the_type_of_the_code(field: Any) -> None:
    key = field.name.upper()
    entry = entries(KEYS_OF_OBSERVABILITY)[key]
    written = re.match(r"`([^`]*)`", entry.value("Default"))
    assert written
    default = ast.literal_eval(written[1])
    assert (tuple(default) if isinstance(default, list) else default) == field.default
    assert entry.value("Allowed") == find_wrong_values({key: object()})[key]


def test_page_has_each_django_setting_of_the_layer_and_no_other() -> None:
    read: set[str] = set()
    for path in (ROOT / "observability").rglob("*.py"):
        read |= set(re.findall(r'(?:(?<![\w.])settings\.|getattr\(settings, ")([A-Z_]+)\b', path.read_text()))
    table = PAGE.partition("| setting | read for |")[2]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    # Every project has ROOT_URLCONF, though Django has no default for it.
    assert named == {name for name in read if not hasattr(global_settings, name)} - {"ROOT_URLCONF"}
