"""The pages of the documentation, and the parts of them that tests read: blocks, headings, links, paths."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.server import ROOT

# The commands of these pages run over logs that the tests write; test_read_logs.py and test_log_recipes.py run them.
PAGES_WITH_OWN_LOGS = {"docs/read-logs.md", "docs/log-recipes.md"}

FENCE = re.compile(r"^( *)(```+)(.*)$")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `line` is the number of its first fence, counted from 1."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def find_pages() -> list[str]:
    """Return the paths of all pages, relative to the repository."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(str(page.relative_to(ROOT)) for page in pages)


@cache
def read_page(page: str) -> str:
    """Return the text of a page."""
    return (ROOT / page).read_text()


@cache
def find_blocks(page: str) -> tuple[Block, ...]:
    """Return the fenced blocks of a page, without the indentation of a list that they are part of."""
    blocks = []
    fence, start, language, lines = "", 0, "", [""]
    for number, line in enumerate(read_page(page).splitlines(), start=1):
        found = FENCE.match(line)
        if not fence and found:
            indentation, fence, language = found.groups()
            start, lines = number, []
        elif fence and line.strip() == fence:
            blocks.append(
                Block(page, start, language, "".join(f"{each.removeprefix(indentation)}\n" for each in lines))
            )
            fence = ""
        elif fence:
            lines.append(line)
    assert not fence, f"{page}:{start}: the block has no end"
    return tuple(blocks)


def read_prose(page: str) -> str:
    """Return the text of a page with its blocks emptied; the lines keep their numbers."""
    lines = read_page(page).splitlines()
    for block in find_blocks(page):
        length = block.text.count("\n") + 2
        lines[block.line - 1 : block.line - 1 + length] = [""] * length
    return "\n".join(lines)


def find_anchors(page: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    anchors: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *#*$", read_prose(page), re.MULTILINE):
        text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        repeated = anchors.count(anchor)
        anchors.append(f"{anchor}-{repeated}" if repeated else anchor)
    return set(anchors)


def find_links(page: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the target of each link and image of a page."""
    for number, line in enumerate(read_prose(page).splitlines(), start=1):
        for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            yield number, target


def find_code_spans(page: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each span of code in the prose of a page."""
    for number, line in enumerate(read_prose(page).splitlines(), start=1):
        for span in re.findall(r"`([^`\n]+)`", line):
            yield number, span
