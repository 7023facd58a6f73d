"""The architecture page names what exists, its example runs, and the decision records have one form."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.server import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
LAYER = ROOT / "observability"
RECORDS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
INDEX = (ROOT / "docs" / "decisions" / "README.md").read_text()
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives tried"]
# The module of the example, which the reader of the page creates.
EXAMPLE = "slowest_query.py"

by_name = pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)


def named_paths() -> set[tuple[str, str]]:
    """Return each path on the page, with the package that the first cell of its table row names."""
    found = set()
    for line in PAGE.splitlines():
        package = re.match(r"\| `(\w+/)` \|", line)
        for path in re.findall(r"[\w/-]+\.(?:py|yaml|toml)\b|(?<=`)[\w/-]+/(?=`)", line):
            found.add((package[1] if package else "", path))
    return found


def test_each_path_exists() -> None:
    missing = {
        path
        for package, path in named_paths()
        if path != EXAMPLE and not any((base / path).exists() for base in (ROOT, LAYER, LAYER / package))
    }
    assert not missing


def test_the_diagram_has_the_middleware_in_its_order(settings: Settings) -> None:
    diagram = PAGE.partition("MIDDLEWARE, outermost first")[2].partition("view, in a transaction")[0]
    installed = [path.rpartition(".")[2] for path in settings.MIDDLEWARE]
    assert [name for name in re.findall(r"\w+Middleware\b", diagram) if name in installed] == installed


def test_each_package_and_module_of_the_layer_is_in_the_table() -> None:
    packages = {f"{init.parent.name}/" for init in LAYER.glob("*/__init__.py")}
    modules = {module.name for module in LAYER.glob("*.py")} - {"__init__.py"}
    table = PAGE.partition("### observability/")[2].partition("###")[0]
    first_cells = re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
    assert set(re.findall(r"`([^`]+)`", " ".join(first_cells))) == packages | modules


@pytest.mark.django_db
def test_the_example_reader_sets_its_header_and_log_keys(
    admin_client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    module = ModuleType(EXAMPLE.removesuffix(".py"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(code[1], module.__dict__)
    path = f"{module.__name__}.SlowestQueryReader"
    assert path in PAGE
    configured: dict[str, Any] = settings.OBSERVABILITY
    settings.OBSERVABILITY = configured | {"READERS": [*configured["READERS"], path]}

    response = admin_client.get("/api/v1/trucks/")

    assert response.headers["X-Slowest-Query"].endswith(" ms")
    line = next(record for record in caplog.records if record.name == "observability.access")
    facts: dict[str, object] = vars(line)["facts"]
    assert str(facts["slowest_query.text"]).startswith("SELECT")


def test_numbers_of_records_are_consecutive() -> None:
    assert [int(record.name[:4]) for record in RECORDS] == list(range(1, len(RECORDS) + 1))


@by_name
def test_a_record_has_the_required_parts(record: Path) -> None:
    text = record.read_text()
    assert re.match(r"# \S.*\n\nDate: \d{4}-\d{2}-\d{2}\n", text)
    sections = re.findall(r"^## (.*)\n\n(.*)", text, re.MULTILINE)
    assert [heading for heading, _ in sections] == HEADINGS
    assert all(first_line for _, first_line in sections)


@by_name
def test_a_record_is_in_the_index_with_its_title(record: Path) -> None:
    title = record.read_text().partition("\n")[0].removeprefix("# ")
    assert f"| [{record.name[:4]}]({record.name}) | {title} | " in INDEX
