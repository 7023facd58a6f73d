"""The texts of the observability layer and of the documentation use plain technical English.

The list has phrases that readers had to read twice, each with what to write instead. `service/` is not checked: it
belongs to the users of this template.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.server import ROOT

DENIED = {
    r"tells? (?:of|about)|told": "say what is stated, and by what",
    r"asked": "requested, required, needed",
    r"hears? of|heard of": "receives, is notified of",
    r"kn[oe]ws? of|knew of": "has, contains",
    r"whoever|wherever": "anyone who; if; in any place",
    r"whom|of which": "a second sentence, or 'whose'",
    r"anew": "again",
    r"beside": "next to, in addition to",
    r"of (?:its|their|one's) own": "its own X, a separate X",
    r"as ever": "unchanged, as before",
    r"so many|so much": "a number, or 'this number of'",
    r"such (?!as|a|an)\w+ as": "X, for example Y",
    r"all the same|nonetheless": "but, still",
    r"makes? good|mends?|mended": "fixes, repairs",
    r"there (?:is|are) not": "does not exist",
    r"(?<!there )is no (?!longer|more|less)\w+": "is not a X",
    r"(?<!there )are no (?!longer|more|less)\w+": "are not Xs",
    r"he|him|his": "they, or the role",
    r"(?:stands?|lies?) (?:in|beside|there)": "is in",
    r"mistakes?": "error, lint error",
    r"calls? of the API|API calls?": "request",
    r"and nothing else": "only",
}
PATTERN = re.compile(
    r"\b(?:" + "|".join(f"(?:{phrase})" for phrase in DENIED).replace(" ", r"\s") + r")\b", re.IGNORECASE
)
# Text between these is a name or a quotation, not prose.
QUOTED = re.compile(r"``.*?``|`[^`]*`")
COMMENT = re.compile(r"(?<=\n)[ \t]*#[: ]*")


def read_python(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments and the string literals of a module, docstrings included, with the line of each."""
    source = path.read_text()
    comment, start, previous = "", 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        # A sentence goes on in the next line.
        if comment and token.start[0] != previous + 1:
            yield start, comment
            comment = ""
        start, previous = (start if comment else token.start[0]), token.start[0]
        comment += token.string.lstrip("#: ") + "\n"
    yield start, comment
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, re.sub(r"[ \t]+", " ", node.value)


def read_page(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the whole text of a page, a template or a configuration file."""
    yield 1, re.sub(r"[ \t]+", " ", COMMENT.sub("", path.read_text()) if path.suffix == ".yaml" else path.read_text())


def find_denied(text: str) -> Iterator[tuple[int, str]]:
    """Yield each denied phrase of a text, with the number of lines before it."""
    prose = QUOTED.sub(lambda quoted: "`" + "\n" * quoted[0].count("\n") + "`", text)
    for found in PATTERN.finditer(re.sub(r"\n ", "\n", prose)):
        yield prose[: found.start()].count("\n"), " ".join(found[0].split())


def suggest(phrase: str) -> str:
    """Return what to write instead of a phrase."""
    return next(advice for denied, advice in DENIED.items() if re.search(rf"^(?:{denied})$", phrase, re.IGNORECASE))


def find_in(paths: Iterable[Path]) -> list[str]:
    """Return a line for each denied phrase in these files: place, phrase, and what to write instead."""
    return [
        f"{path.relative_to(ROOT)}:{line + offset}: {phrase!r} (write: {suggest(phrase)})"
        for path in paths
        for line, text in (read_python if path.suffix == ".py" else read_page)(path)
        for offset, phrase in find_denied(text)
    ]


@pytest.mark.parametrize(
    "package", sorted(path.name for path in (ROOT / "observability").iterdir() if (path / "__init__.py").exists())
)
def test_texts_of_a_package_have_no_denied_phrase(package: str) -> None:
    directory = ROOT / "observability" / package
    paths = [path for suffix in ("py", "html", "css", "js") for path in directory.rglob(f"*.{suffix}")]
    assert find_in(paths) == []


def test_texts_of_the_shared_modules_have_no_denied_phrase() -> None:
    assert find_in([*(ROOT / "observability").glob("*.py"), ROOT / "logging.yaml"]) == []


def test_pages_of_the_documentation_have_no_denied_phrase() -> None:
    assert find_in([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The reader is told the status.", [(0, "told")]),
        ("One line.\n'abc' is no\nstatus", [(1, "is no status")]),
        ("Return such values as the caller passed.", [(0, "such values as")]),
        ("It is no longer open. There is no such thing. Use a list, such as this.", []),
        ("The key `told` is a name.", []),
    ],
)
def test_a_denied_phrase_is_found_in_prose_only(text: str, found: list[tuple[int, str]]) -> None:
    assert list(find_denied(text)) == found
