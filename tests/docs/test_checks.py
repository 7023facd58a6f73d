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


def templates() -> Iterator[re.Pattern[str]]:
    """Return a pattern for each text in the code, with any value in the place of `{…}`."""
    for path in sources():
        if path.name in ("checks.py", "lint.py", "yaml_layers.py", "budget_file.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                parts = node.values if isinstance(node, ast.JoinedStr) else [node]
                literals = [part.value if isinstance(part, ast.Constant) else None for part in parts]
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
    known = list(templates())
    # The check of the layers puts the place before a lint error.
    texts = [message, re.sub(r"^\S+\.yaml:\d+: ", "", message)]
    assert any(template.fullmatch(text) for template in known for text in texts), message
    assert any(template.fullmatch(hint) for template in known), hint
