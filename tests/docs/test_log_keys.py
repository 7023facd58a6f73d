"""docs/reference/log-keys.md lists every key and every event of the observability layer, and no others.

The keys come from the code: the constants of the formatter, the projection of an Observation, and every dictionary that
the code passes to a log call as `facts` or `extra`. Real lines of a server and of commands are compared too.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from observability.core.http_attributes import HttpAttributes
from observability.core.measurements import RECORDED_KEYS, to_log_keys
from observability.core.observation import Observation
from observability.logs.buffering import BUFFERED_RECORDS_DROPPED
from observability.logs.formatters import BASE_KEYS, EXCEPTION_KEYS, PROBLEM_KEY, TRUNCATED
from observability.logs.handlers import LOG_RECORDS_DROPPED
from observability.logs.logging_probe import LOGGING_PROBE
from observability.logs.management.commands.loglevel import LOG_LEVEL_CHANGED, LOG_LEVEL_RESET
from observability.logs.sampling import SAMPLE_RATE
from observability.logs.slow_queries import QUERY, SLOW_QUERY
from tests.server import ROOT, manage, running

PAGE = (ROOT / "docs" / "reference" / "log-keys.md").read_text()
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
# Django passes `status_code` with its records about responses.
KEYS_OF_DJANGO = {"status_code"}
# Keys that the views of the test project log.
KEYS_OF_VIEWS = {"requested", "bound", "count", "number"}
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "null": (type(None),),
    "any": (object,),
}


class KeyRow(NamedTuple):
    """A row of a table of keys. `types` are JSON types; `presence` is empty in the table of other events."""

    key: str
    types: tuple[str, ...]
    presence: str

    def accepts(self, value: object) -> bool:
        allowed = tuple(each for name in self.types for each in TYPES[name])
        return isinstance(value, allowed) and not (isinstance(value, bool) and "boolean" not in self.types)


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def key_rows(text: str) -> list[KeyRow]:
    """Return the rows of all tables whose first column is `key` and second column is `type`."""
    rows = []
    for table in re.findall(r"^\| key \| type \|.*\n\|[-|]+\n((?:\|.*\n)+)", text, re.MULTILINE):
        for line in table.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            types = tuple(name for name in cells[1].split(", ") if name in TYPES)
            rows.append(KeyRow(cells[0].strip("`"), types, cells[2] if len(cells) == 5 else ""))
    return rows


def documented_events() -> set[str]:
    tables = PAGE.partition("\n## Base keys")[0] + section("Other events")
    named = re.findall(r"^\| \[.*?\]\(#.*?\) \| `.*?` \| (.*?) \|", tables, re.MULTILINE)
    named += re.findall(r"^\| (`\w+`) \| (?:`observability|the probed)", tables, re.MULTILINE)
    return {event for cell in named for event in re.findall(r"`(\w+)`", cell)}


def modules() -> Iterator[ast.Module]:
    for file in (ROOT / "observability").rglob("*.py"):
        yield ast.parse(file.read_text())


def dictionary_keys(node: ast.AST) -> set[str]:
    keys = [key for each in ast.walk(node) if isinstance(each, ast.Dict) for key in each.keys]
    return {key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def passed_keys(node: ast.AST) -> set[str]:
    """Return the keys of dictionaries that a statement stores, returns or passes as the facts of a log record."""
    match node:
        case (
            ast.Assign(targets=[ast.Name("facts")], value=value) | ast.AugAssign(target=ast.Name("facts"), value=value)
        ):
            return dictionary_keys(value)
        case ast.AnnAssign(target=ast.Name("facts"), value=ast.expr() as value):
            return dictionary_keys(value)
        case ast.Assign(targets=[ast.Subscript(value=ast.Name("facts"), slice=ast.Constant(str() as key))]):
            return {key}
        case ast.FunctionDef(name=name) if name.endswith("facts") or name == "to_measurements":
            returns = [each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value]
            return set().union(*map(dictionary_keys, returns))
        case (
            ast.keyword(arg="extra", value=value)
            | ast.Call(func=ast.Name("dropped_count_record"), keywords=[ast.keyword(arg=None, value=value)])
        ):
            return dictionary_keys(value)
        case ast.Dict(keys=keys, values=values):
            facts = [value for key, value in zip(keys, values, strict=True) if ast.unparse(key or value) == "'facts'"]
            return set().union(*map(dictionary_keys, facts))
    return set()


def keys_in_code() -> set[str]:
    request = Observation("request", "GET", http=HttpAttributes("GET", "/"))
    request.measurements |= dict.fromkeys(RECORDED_KEYS, 1)
    observations = (request, Observation("command", "migrate"), Observation("span", "import"))
    keys = {*BASE_KEYS, *EXCEPTION_KEYS, PROBLEM_KEY, TRUNCATED, SAMPLE_RATE, *KEYS_OF_DJANGO}
    keys |= {key for observation in observations for key in to_log_keys(observation)}
    keys |= {key for module in modules() for node in ast.walk(module) for key in passed_keys(node)}
    # Attributes of a record that are not keys of its line.
    return keys - {"facts", "observation"}


def events_in_code() -> set[str]:
    """Return the events of all `log.info(…)` calls of the layer, and those that it logs in another way."""
    events = {"request", "command", "span", SLOW_QUERY, QUERY, LOGGING_PROBE}
    events |= {BUFFERED_RECORDS_DROPPED, LOG_RECORDS_DROPPED, LOG_LEVEL_CHANGED, LOG_LEVEL_RESET}
    for module in modules():
        constants = {
            node.targets[0].id: node.value.value
            for node in module.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(module):
            match node:
                case ast.Call(func=ast.Attribute(ast.Name("log"), attr=method), args=[event, *_]) if (
                    method in LOG_METHODS
                ):
                    events.add(str(constants[event.id] if isinstance(event, ast.Name) else ast.literal_eval(event)))
    return events


def test_page_lists_every_key_of_the_layer_and_no_other() -> None:
    patterns = {"extra.<key>", "note.<key>"}
    assert {row.key for row in key_rows(PAGE)} == keys_in_code() | patterns


def test_page_lists_every_event_of_the_layer_and_no_other() -> None:
    assert documented_events() == events_in_code()


def test_base_keys_are_in_the_order_of_a_line() -> None:
    assert tuple(row.key for row in key_rows(section("Base keys"))) == BASE_KEYS


def test_keys_that_a_request_always_has_are_those_of_an_observation() -> None:
    always = {row.key for row in key_rows(section("Requests")) if row.presence == "always"}
    assert always == to_log_keys(Observation("request", "GET", http=HttpAttributes("GET", "/"))).keys()


@pytest.fixture(scope="module")
def real_lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Return the lines of a server that answered some requests, and of some commands."""
    directory = tmp_path_factory.mktemp("server")
    with running("gunicorn", directory) as server:
        for path in ("/ordinary/3/", "/slow-query/", "/failing/", "/detailed/500/", "/nowhere/", "/sending/1/"):
            request_id = f"keys{path.replace('/', '-')}"
            server.get(path, x_request_id=request_id)
            server.access_line(request_id)
        server.get("/ordinary/1/", method="POST", body="{}", x_request_id="keys-with-body")
        server.access_line("keys-with-body")
        manage(server.environment, "loglevel", "service", "DEBUG")
        manage(server.environment, "loglevel", "--reset")
        manage(server.environment, "logging", "--probe", "observability.sql")
    return [json.loads(line) for file in server.log_dir.glob("*.jsonl") for line in read_lines(file)]


def read_lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.name != "sentry.jsonl" else []


@pytest.mark.server
@pytest.mark.slow
def test_real_lines_have_only_listed_keys_of_the_listed_types(real_lines: list[dict[str, Any]]) -> None:
    rows: dict[str, list[KeyRow]] = {}
    for row in key_rows(PAGE):
        rows.setdefault(row.key, []).append(row)
    pairs = [pair for line in real_lines for pair in line.items() if pair[0] not in KEYS_OF_VIEWS]
    assert {key for key, _ in pairs} <= rows.keys()
    assert [pair for pair in pairs if not any(row.accepts(pair[1]) for row in rows[pair[0]])] == []


@pytest.mark.server
@pytest.mark.slow
def test_real_lines_have_the_keys_that_are_always_present(real_lines: list[dict[str, Any]]) -> None:
    sections = {"request": "Requests", "slow_query": "Queries", "query": "Queries"}
    found = set()
    for line in real_lines:
        always = {row.key for row in key_rows(section("Base keys"))}
        if line["event"] in sections:
            found.add(line["event"])
            always |= {row.key for row in key_rows(section(sections[line["event"]])) if row.presence == "always"}
        assert always <= line.keys()
        assert list(line)[: len(BASE_KEYS)] == list(BASE_KEYS)
    assert found == sections.keys()


@pytest.mark.server
@pytest.mark.slow
def test_real_lines_of_commands_have_the_keys_that_the_page_names(real_lines: list[dict[str, Any]]) -> None:
    commands = [line for line in real_lines if line["event"] == "command"]
    assert {line["command.name"] for line in commands} >= {"loglevel", "logging"}
    of_requests = {row.key for row in key_rows(section("Requests")) if row.presence == "always"}
    shared = {key for key in of_requests if key.startswith(("duration_ms", "db.", "outgoing."))}
    assert all(line.keys() >= shared | {"command.name"} for line in commands)
