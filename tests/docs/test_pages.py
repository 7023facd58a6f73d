"""Links, anchors, paths, and the syntax of the examples, in all pages."""

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

from tests.docs.pages import Block, find_anchors, find_blocks, find_code_spans, find_links, find_pages, read_prose
from tests.server import ROOT

PAGES = find_pages()
LANGUAGES = {"console", "json", "python", "sh", "sql", "text", "toml", "yaml"}
# The top level of the repository, which begins a path in the prose.
PATH = re.compile(r"(?:\.ci|\.github|benchmarks|bin|docs|observability|service|settings|tests)/[\w./-]*")
# Packages whose names a snippet of Python imports, and which must have them.
OWN_PACKAGES = ("observability", "service", "settings", "tests")


@pytest.mark.parametrize("page", PAGES)
def test_each_link_of_a_page_has_a_target(page: str) -> None:
    dead = []
    for line, target in find_links(page):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        linked = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        is_dead = not linked.exists()
        if not is_dead and anchor:
            is_dead = anchor not in find_anchors(str(linked.relative_to(ROOT)))
        if is_dead:
            dead.append(f"{page}:{line}: {target}")
    assert dead == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md" and "/decisions/" not in page])
def test_each_path_in_the_prose_of_a_page_exists(page: str) -> None:
    spans = [(line, span) for line, span in find_code_spans(page) if PATH.fullmatch(span)]
    created = find_created_files(page)
    assert [
        f"{page}:{line}: {span}" for line, span in spans if not (ROOT / span).exists() and span not in created
    ] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_block_of_a_page_is_fenced_and_names_its_language(page: str) -> None:
    assert {str(block): block.language for block in find_blocks(page) if block.language not in LANGUAGES} == {}
    # Deeper text than a list's is a block without a fence.
    indented = re.findall(
        r"\n\n((?: {4}|\t)(?! *[-*\d]).*)", re.sub(r"^ *[-*\d.]+ .*(?:\n +.*)*", "", read_prose(page))
    )
    assert indented == []


def find_created_files(page: str) -> set[str]:
    """Return the paths of the files that the reader of a page creates."""
    return set(re.findall(r"\bCreate `([^`]+)`", read_prose(page)))


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
