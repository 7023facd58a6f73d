"""The pages of the documentation, and the parts of them that tests read: blocks, headings, links, spans of code."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.server import ROOT

# The commands of these pages run over logs that the tests write; test_read_logs.py and test_log_recipes.py run them.
PAGES_WITH_OWN_LOGS = {"docs/read-logs.md", "docs/log-recipes.md"}
HTML_LINKS = {"a": "href", "img": "src"}


@dataclass(frozen=True)
class Block:
    """A block of code of a page; `line` is its first line, counted from 1. `language` is "" without a fence or a tag."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def find_files() -> frozenset[str]:
    """Return the paths of all files that git has or would add, and of their directories."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    files = {path for path in listed if (ROOT / path).exists()}
    return frozenset(
        files | {parent.as_posix() for path in files for parent in (ROOT / path).relative_to(ROOT).parents}
    )


def find_pages() -> list[str]:
    """Return the paths of all pages, relative to the repository."""
    return sorted(path for path in find_files() if re.fullmatch(r"[^/]+\.md|docs/.+\.md", path))


@cache
def read_page(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text()


@cache
def parse_page(page: str) -> tuple[Token, ...]:
    """Return the tokens of a page, as GitHub reads Markdown."""
    return tuple(MarkdownIt("gfm-like", {"linkify": False}).parse(read_page(page)))


@cache
def find_blocks(page: str) -> tuple[Block, ...]:
    """Return the blocks of code of a page, also those without a fence."""
    tokens = [token for token in parse_page(page) if token.type in ("fence", "code_block")]
    return tuple(Block(page, find_line(token), token.info.strip(), token.content) for token in tokens)


def find_line(token: Token) -> int:
    """Return the first line of a token of the page, counted from 1."""
    assert token.map is not None
    return token.map[0] + 1


def find_prose(page: str) -> Iterator[tuple[int, Token]]:
    """Yield each part of the prose of a page with the first line of its paragraph, cell or heading."""
    row = 0
    for token in parse_page(page):
        # The cells of a table have no line; their row has.
        row = find_line(token) if token.type == "tr_open" and token.map else row
        if token.type == "inline":
            for child in token.children or []:
                yield (find_line(token) if token.map else row), child


def find_anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    anchors: list[str] = []
    tokens = parse_page(page)
    for opening, content in zip(tokens, tokens[1:], strict=False):
        if opening.type == "heading_open":
            text = "".join(child.content for child in content.children or [])
            anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            repeated = anchors.count(anchor)
            anchors.append(f"{anchor}-{repeated}" if repeated else anchor)
    return set(anchors)


class _HtmlLinks(HTMLParser):
    """The targets of the links and images of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name == HTML_LINKS.get(tag)]


def find_links(page: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the target of each link and image of a page."""
    for line, token in find_prose(page):
        target = token.attrGet("href") or token.attrGet("src")
        if target is not None:
            yield line, str(target)
    html = _HtmlLinks()
    html.feed("\n".join(token.content for _, token in find_prose(page) if token.type == "html_inline"))
    html.feed("\n".join(token.content for token in parse_page(page) if token.type == "html_block"))
    yield from ((1, target) for target in html.targets)


def find_broken_references(page: str) -> list[str]:
    """Return the texts that look like a link, but have no target: `[text][label]` or `[text](no target`."""
    return [
        f"{page}:{line}: {found}"
        for line, token in find_prose(page)
        if token.type == "text"
        for found in re.findall(r"\][\[(]\S*", token.content)
    ]


def find_code_spans(page: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each span of code in the prose of a page."""
    yield from ((line, token.content) for line, token in find_prose(page) if token.type == "code_inline")
