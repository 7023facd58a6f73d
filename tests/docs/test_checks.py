"""The reference of the system checks has all ids of the code, with messages that the code can print."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import ROOT

PAGE = (ROOT / "docs" / "reference" / "checks.md").read_text()
ENTRIES = dict(re.findall(r"^### (observability\.[EW]\d{3})\n((?:(?!##).*\n)*)", PAGE, re.MULTILINE))
# A template with less text than this in it, apart from values, would match anything.
MIN_LITERAL_LENGTH = 5


def sources() -> Iterator[Path]:
    yield from (ROOT / "observability").rglob("*.py")


def ids_in_code() -> set[str]:
    constants = (
        node.value
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    )
    return {text for text in constants if isinstance(text, str) and re.fullmatch(r"observability\.[EWIC]\d{3}", text)}


def find_templates(check_id: str) -> Iterator[re.Pattern[str]]:
    """Return a pattern for each text of the functions that use a check id, and of those that they call; `{…}` is `.*`.

    Lint errors of logging.yaml and errors of the budget file come from other functions: all texts of their modules are
    possible.
    """
    everywhere = {"E2": ("lint.py", "yaml_layers.py"), "E4": ("budget_file.py",)}.get(check_id.split(".")[1][:2], ())
    for path in sources():
        tree = ast.parse(path.read_text())
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        constants = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and node.value.value == check_id
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        parts: list[ast.AST] = [tree] if path.name in everywhere else []
        used = [function for function in functions if uses(function, check_id, constants)]
        called = {node.id for function in used for node in ast.walk(function) if isinstance(node, ast.Name)}
        parts += [*used, *(function for function in functions if function.name in called)]
        for part in parts:
            yield from patterns_in(part)
    # `logs/checks.py` imports the ids of lint errors, and adds one hint.
    if everywhere:
        yield from patterns_in(ast.parse((ROOT / "observability" / "logs" / "checks.py").read_text()))


def uses(function: ast.FunctionDef, check_id: str, constants: set[str]) -> bool:
    return any(
        (isinstance(node, ast.Constant) and node.value == check_id)
        or (isinstance(node, ast.Name) and node.id in constants)
        for node in ast.walk(function)
    )


def patterns_in(part: ast.AST) -> Iterator[re.Pattern[str]]:
    for node in ast.walk(part):
        values = node.values if isinstance(node, ast.JoinedStr) else [node]
        literals = [value.value if isinstance(value, ast.Constant) else None for value in values]
        if sum(len(text) for text in literals if isinstance(text, str)) >= MIN_LITERAL_LENGTH:
            yield re.compile("".join(".*" if text is None else re.escape(str(text)) for text in literals))


def test_page_has_each_id_of_the_code_and_no_other() -> None:
    assert set(ENTRIES) == ids_in_code()


@pytest.mark.parametrize("check_id", ENTRIES)
def test_example_is_a_message_and_a_hint_of_the_code(check_id: str) -> None:
    found = re.search(r"```text\n\?: \((\S+)\) (.*)\n\tHINT: (.*)\n```", ENTRIES[check_id])
    assert found, "the entry has no example"
    printed_id, message, hint = found.groups()
    assert printed_id == check_id
    known = list(find_templates(check_id))
    # The check of the layers puts the place before a lint error.
    texts = [message, re.sub(r"^\S+\.yaml:\d+: ", "", message)]
    assert any(template.fullmatch(text) for template in known for text in texts), message
    assert any(template.fullmatch(hint) for template in known), hint
