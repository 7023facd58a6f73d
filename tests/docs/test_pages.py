"""Links, anchors, paths, names and the syntax of the examples, in all pages."""

import ast
import importlib
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from importlib.util import find_spec

import pytest
import yaml
from django.core.management import get_commands

from observability.conf import KEYS
from tests.docs.pages import (
    Block,
    find_anchors,
    find_blocks,
    find_broken_references,
    find_code_spans,
    find_files,
    find_links,
    find_pages,
    read_page,
)
from tests.server import ROOT

PAGES = find_pages()
# Pages about the present. The changelog and the decisions also name what no longer exists.
PRESENT_PAGES = [page for page in PAGES if page != "CHANGELOG.md" and not page.startswith("docs/decisions/")]
LANGUAGES = {"console", "json", "python", "sh", "sql", "text", "toml", "yaml"}
# Directories of the top level, which begin a path in the prose; a line number may follow.
PATH = re.compile(r"((?:\.ci|\.github|benchmarks|bin|docs|observability|service|settings|tests)/[\w./-]*?)(?::\d+)?")
# Packages whose names a snippet of Python imports, and which must have them.
OWN_PACKAGES = ("observability", "service", "settings", "tests")
OWN_REPOSITORY = re.compile(r"https?://github\.com/[^/]+/vitrine/")


def is_dead(page: str, target: str) -> bool:
    """Return whether a link has no target: a file of the repository and, if it has an anchor, a heading there."""
    if OWN_REPOSITORY.match(target):
        return True
    if re.match(r"(https?|mailto):", target):
        return False
    path, _, anchor = target.partition("#")
    linked = ((ROOT / page).parent / path).resolve() if path else ROOT / page
    if not linked.is_relative_to(ROOT):
        return True
    name = linked.relative_to(ROOT).as_posix()
    return name not in find_files() or bool(anchor and anchor not in find_anchors(name))


@pytest.mark.parametrize("page", PAGES)
def test_each_link_of_a_page_has_a_target(page: str) -> None:
    assert [f"{page}:{line}: {target}" for line, target in find_links(page) if is_dead(page, target)] == []
    assert find_broken_references(page) == []


@pytest.mark.parametrize("page", PRESENT_PAGES)
def test_each_path_in_the_prose_of_a_page_exists(page: str) -> None:
    created = find_created_files(page)
    paths = [(line, found[1]) for line, span in find_code_spans(page) if (found := PATH.fullmatch(span))]
    known = find_files() | created
    assert [f"{page}:{line}: {path}" for line, path in paths if path.rstrip("/") not in known] == []


@pytest.mark.parametrize("page", PRESENT_PAGES)
def test_each_name_in_the_prose_of_a_page_exists(page: str) -> None:
    assert [f"{page}:{line}: {span}" for line, span in find_code_spans(page) if is_unknown(page, span)] == []


def is_unknown(page: str, span: str) -> bool:
    """Return whether a span of code names a setting, check, module, class or command that does not exist."""
    if found := re.fullmatch(r'OBSERVABILITY\["(\w+)"\]', span):
        return found[1] not in KEYS
    if re.fullmatch(r"observability\.[EW]\d+", span):
        return f"### {span}\n" not in read_page("docs/reference/checks.md")
    if found := re.fullmatch(r"bin/manage ([a-z_]+).*", span):
        return found[1] not in get_commands()
    if found := re.fullmatch(r"(observability\.[\w.]+?)(?:\(.*\))?", span):
        return not is_importable(found[1]) and not is_logger(found[1])
    return False


def is_importable(name: str) -> bool:
    """Return whether a dotted name is a module, or an attribute of one."""
    module, _, attribute = name.rpartition(".")
    try:
        return find_spec(name) is not None or has_name(module, attribute)
    except (ImportError, AttributeError):
        parent, _, owner = module.rpartition(".")
        return bool(parent) and find_spec(parent) is not None and hasattr(getattr_path(parent, owner), attribute)


def getattr_path(module: str, attribute: str) -> object:
    return getattr(importlib.import_module(module), attribute, None)


def is_logger(name: str) -> bool:
    """Return whether the code or the configuration of the layer uses a logger of this name."""
    sources = [*(ROOT / "observability").rglob("*.py"), ROOT / "logging.yaml"]
    return any(re.search(rf"[\"' ]{re.escape(name)}[\"':,\]]", path.read_text()) for path in sources)


@pytest.mark.parametrize("page", PAGES)
def test_each_block_of_a_page_is_fenced_and_names_its_language(page: str) -> None:
    assert {str(block): block.language for block in find_blocks(page) if block.language not in LANGUAGES} == {}


def find_created_files(page: str) -> set[str]:
    """Return the paths of the files that the reader of a page creates."""
    found = re.findall(r"\b(?:[Cc]reate|[Ss]ave (?:it|this|the \w+) as) `([^`]+)`", read_page(page))
    return set(found)


def find_missing_imports(block: Block) -> list[str]:
    """Return the names that an example imports from this repository, and that neither it nor its page has."""
    page = "\n".join(each.text for each in find_blocks(block.page) if each.language == "python")
    modules = {path.removesuffix(".py").replace("/", ".") for path in find_created_files(block.page)}
    return [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(block.text))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OWN_PACKAGES
        for alias in node.names
        if node.module not in modules and f"class {alias.name}(" not in page and not has_name(node.module, alias.name)
    ]


def has_name(module: str, name: str) -> bool:
    """Return whether a module has an attribute or a submodule of this name."""
    imported = importlib.import_module(module)
    return hasattr(imported, name) or (hasattr(imported, "__path__") and find_spec(f"{module}.{name}") is not None)


def check_sh(text: str) -> None:
    completed = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr


CHECKS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "python": ast.parse,
    "sh": check_sh,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
SNIPPETS = [block for page in PAGES for block in find_blocks(page) if block.language in CHECKS]


@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_each_example_can_be_parsed(block: Block) -> None:
    CHECKS[block.language](block.text)


@pytest.mark.parametrize("block", [block for block in SNIPPETS if block.language == "python"], ids=str)
def test_each_name_that_an_example_imports_exists(block: Block) -> None:
    assert find_missing_imports(block) == []


@pytest.mark.parametrize(
    ("span", "unknown"),
    [
        ('OBSERVABILITY["READERS"]', False),
        ('OBSERVABILITY["NOPE"]', True),
        ("observability.W202", False),
        ("observability.W999", True),
        ("bin/manage logs top", False),
        ("bin/manage nope", True),
        ("observability.middleware.ObservationMiddleware", False),
        ("observability.middleware.NopeMiddleware", True),
        ("observability.nope", True),
        ("observability.access", False),
        ("manage.py", False),
    ],
)
def test_names_that_do_not_exist_are_found(span: str, unknown: bool) -> None:
    assert is_unknown("README.md", span) is unknown


@pytest.mark.parametrize(
    "target",
    [
        "nothere.md",
        "docs/sentry.md#nothere",
        "../outside.md",
        ".venv/pyvenv.cfg",
        "https://github.com/x/vitrine/blob/main/README.md",
    ],
)
def test_dead_links_are_found(target: str) -> None:
    assert is_dead("README.md", target)
