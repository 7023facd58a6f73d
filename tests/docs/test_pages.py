"""Links, anchors, paths, and the syntax of the examples, in all pages."""

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import tomllib
from collections.abc import Callable

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
    assert [f"{page}:{line}: {span}" for line, span in spans if not (ROOT / span).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_block_of_a_page_is_fenced_and_names_its_language(page: str) -> None:
    assert {str(block): block.language for block in find_blocks(page) if block.language not in LANGUAGES} == {}
    # Deeper text than a list's is a block without a fence.
    indented = re.findall(
        r"\n\n((?: {4}|\t)(?! *[-*\d]).*)", re.sub(r"^ *[-*\d.]+ .*(?:\n +.*)*", "", read_prose(page))
    )
    assert indented == []


def check_python(text: str) -> None:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in OWN_PACKAGES:
            for alias in node.names:
                # Importing a module of Django may need its apps: what is no attribute may be a module.
                name = f"{node.module}.{alias.name}"
                is_there = hasattr(importlib.import_module(node.module), alias.name)
                assert is_there or importlib.util.find_spec(name), f"{name} does not exist"


def check_sh(text: str) -> None:
    completed = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr


CHECKS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "python": check_python,
    "sh": check_sh,
    "toml": tomllib.loads,
    "yaml": yaml.safe_load,
}
SNIPPETS = [block for page in PAGES for block in find_blocks(page) if block.language in CHECKS]


@pytest.mark.parametrize("block", SNIPPETS, ids=str)
def test_each_example_can_be_parsed(block: Block) -> None:
    CHECKS[block.language](block.text)
