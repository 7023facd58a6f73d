"""What a failure says: plain text for a terminal of 80 columns or more; `coloured` adds the colours there."""

import re
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from observability.budgets.query_collector import Query, Recording
from observability.recorders.query_hints import find_field_declaration, find_hint
from observability.recorders.sql import normalize, summarize

MAX_STATEMENTS = 8
MIN_WIDTH, MAX_WIDTH = 72, 120

RED, CYAN, BOLD, RESET = "\x1b[31m", "\x1b[36m", "\x1b[1m", "\x1b[0m"


@dataclass(frozen=True)
class Shown:
    """A statement of a failure: `rate` says how it grew with the rows, or how it differs from the budget."""

    query: Query
    times: str
    rate: str = ""
    is_at_fault: bool = False
    is_repeated: bool = True


def queries(number: int) -> str:
    return f"{number} {'query' if number == 1 else 'queries'}"


def statement_lines(statements: Iterable[Shown]) -> list[str]:
    """Each statement with where it comes from; the cause of those at fault alone, and of all where none is."""
    listed = list(statements)
    all_alike = not any(each.is_at_fault for each in listed)
    lines: list[str] = []
    for each in listed[:MAX_STATEMENTS]:
        lines += _statement(each, is_explained=all_alike or each.is_at_fault)
    if len(listed) > MAX_STATEMENTS:
        more = len(listed) - MAX_STATEMENTS
        lines.append(f"  … and {more} more {'statement' if more == 1 else 'statements'}")
    return lines


def _statement(shown: Shown, *, is_explained: bool) -> list[str]:
    label = f"  {shown.times}" + (f"  {shown.rate}" if shown.rate else "")
    return [*_in_width(label, shown.query), *([f"      {line}" for line in _origin(shown)] if is_explained else [])]


def _in_width(label: str, query: Query) -> list[str]:
    """The label and the statement: in full or in short beside it, or below it."""
    width, texts = _width(), [f"{form(query.fingerprint)}{query.place}" for form in (normalize, summarize)]
    for text in texts:
        if len(label) + 2 + len(text) <= width:
            return [f"{label}  {text}"]
    below = width - 6
    text = next((text for text in texts if len(text) <= below), "")
    return [label, f"      {text or _cut(summarize(query.fingerprint), below - len(query.place)) + query.place}"]


def _origin(shown: Shown) -> list[str]:
    cause = shown.query.origin
    lines = []
    if cause.field is not None:
        lines.append(f"field  {cause.field}")
        declared = find_field_declaration(cause.field)
        lines += [f"line   {declared}"] if declared and not cause.source_lines else []
    if not cause.source_lines and cause.view:
        lines.append(f"view   {cause.view}")
    for number, line in enumerate(cause.source_lines):
        lines.append(f"{'line' if number == 0 else 'from':<5}  {line}")
    if shown.is_at_fault and shown.is_repeated:
        lines.append(f"try    {find_hint(shown.query.fingerprint, cause)}")
    return lines


def footnote(recording: Recording) -> str:
    """What ran beside the application's queries."""
    parts = []
    if recording.framework:
        tables = ", ".join(recording.framework_tables) or "the user of the session"
        parts.append(f"{recording.framework} of the framework ({tables})")
    ended = recording.transactions
    parts += [f"{number} {kind}{'' if number == 1 else 's'}" for kind, number in sorted(ended.items())]
    return f"  not counted: {', '.join(parts)}" if parts else ""


def over_budget(title: str, recording: Recording, known: Mapping[str, int]) -> list[str]:
    """The statements of a recording; those that run more often than the budget's are at fault."""
    counted: Counter[str] = Counter()
    for query, number in recording.application().items():
        counted[query.summary] += number
    extra = {query: counted[query.summary] - known.get(query.summary, 0) for query in recording.application()}
    # What is repeated is at fault; a statement that runs once, but where nothing is repeated.
    threshold = min(2, max([counted[query.summary] for query, number in extra.items() if number > 0], default=1))
    shown = []
    for query, number in recording.application().most_common():
        is_more = extra[query] > 0 and counted[query.summary] >= threshold and (bool(known) or number > 1)
        was = f"(was {known[query.summary]}x)" if query.summary in known else "(new)"
        rate = was if known and is_more else ""
        shown.append(Shown(query, f"{number}x", rate, is_at_fault=is_more, is_repeated=number > 1))
    shown.sort(key=lambda each: not each.is_at_fault)
    return [title, "", *statement_lines(shown), *filter(None, [footnote(recording)])]


def coloured(text: str) -> str:
    """The text with colours for a terminal."""
    first, _, rest = text.partition("\n")
    rest = re.sub(r"^(\s+)(field|line|from|view|try|mend)( +)", rf"\1{CYAN}\2{RESET}\3", rest, flags=re.MULTILINE)
    rest = re.sub(r"(\+\d+ per (?:row|\d+ rows)|\(new\)|\(was \d+x\))", rf"{RED}\1{RESET}", rest)
    return f"{BOLD}{RED}{first}{RESET}\n{rest}"


def _width() -> int:
    return max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size().columns))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
